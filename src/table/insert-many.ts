import { BATCH_ROWS, BatchEncoder, type Values } from './batch-encoder'
import type { TableWriter } from './table-writer'

/**
 * Adds many rows given by column names, in their order: about twice as fast as one by one. Returns how many. Throws as
 * `TableWriter.insert`, and what `rows` throws; then none has been added.
 */
export function insertMany(writer: TableWriter, rows: Iterable<Values>): number {
  const encoder = new BatchEncoder(writer.interner, writer.table)
  const added: Int32Array[] = []
  let count = 0
  let waiting: Values[] = []
  const insert = (): void => {
    writer.table.ensureUsable()
    const batch = encoder.encode(waiting)
    writer.insertBatch(batch)
    added.push(batch.rows.slice(0, batch.count))
    count += batch.count
    waiting = []
  }
  try {
    for (const values of rows) if (waiting.push(values) === BATCH_ROWS) insert()
    insert()
  } catch (error) {
    for (const numbers of added) for (const row of numbers) writer.delete(row)
    throw error
  }
  return count
}
