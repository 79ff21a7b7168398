import type { Store } from '../db/store'
import type { Steps } from '../struct/steps'
import { IndexBuilder } from '../table/index-builder'
import { SortMemory } from '../table/sort-memory'
import { UNSYNCED } from './commit'
import { nextTick } from './follower'

/** Longest uninterrupted work before other events get their turn. */
const SLICE_MS = 8

/**
 * Indexes columns of a finished copy, giving other events their turn at least every 10 ms. Only the writing is a
 * transaction, beside what readers see; the sorting before it blocks no writer, and goes on in another thread while the
 * column before is written. Nothing but this may change the table meanwhile. `checkpoint` ends it with an error when it
 * throws, after whole columns.
 */
export async function indexColumns(
  store: Store,
  tableName: string,
  columnNames: readonly string[],
  checkpoint: () => void,
): Promise<void> {
  const memories = [new SortMemory(), new SortMemory()]
  const sort = (i: number) => sorted(store, tableName, columnNames[i]!, memories[i % memories.length]!, checkpoint)
  let next: Promise<IndexBuilder> | undefined
  for (const [i, name] of columnNames.entries()) {
    const builder = await (next ?? sort(i))
    checkpoint()
    const isBeside = store.kernels !== undefined && i + 1 < columnNames.length
    next = isBeside ? sort(i + 1) : undefined
    next?.catch(() => undefined) // heard when it is its turn
    await store.bulkWrite((transaction) => {
      transaction.manage()
      const writer = transaction.writer(tableName)
      return inSlices(writer.writeIndex(writer.table.column(name), builder), checkpoint)
    }, UNSYNCED)
    await nextTick()
  }
}

async function sorted(
  store: Store,
  tableName: string,
  columnName: string,
  memory: SortMemory,
  checkpoint: () => void,
): Promise<IndexBuilder> {
  const table = store.table(tableName)
  const builder = IndexBuilder.of(table, table.column(columnName), memory)
  if (store.kernels === undefined) await inSlices(builder.sort(), checkpoint)
  else await store.readPinned((view) => builder.sortAsync(view))
  return builder
}

async function inSlices(steps: Steps, checkpoint: () => void): Promise<void> {
  checkpoint()
  let start = performance.now()
  while (steps.next().done !== true) {
    if (performance.now() - start < SLICE_MS) continue
    await nextTick()
    checkpoint()
    start = performance.now()
  }
}
