import { RowBatch } from '../table/row-batch'
import type { TableWriter } from '../table/table-writer'
import type { SourceTable } from './catalogue'
import { mapType } from './types'

/** Rows decoded and inserted together: what is known of them stays within the processor's caches. */
const BATCH_ROWS = 1024
const NO_BYTES = Buffer.alloc(0)

/** Turns rows of text into words and inserts them, many at a time. */
export class RowLoader {
  writer!: TableWriter
  private readonly decoders
  private readonly batch: RowBatch
  /** Where the batch's fields stand in `bytes`, column by column. */
  private readonly starts: Int32Array
  private readonly ends: Int32Array
  private bytes: Buffer = NO_BYTES

  constructor(source: SourceTable) {
    this.decoders = source.columns.map((column) => mapType(column.type).decode)
    this.batch = new RowBatch(this.decoders.length, BATCH_ROWS)
    this.starts = new Int32Array(this.decoders.length * BATCH_ROWS)
    this.ends = new Int32Array(this.decoders.length * BATCH_ROWS)
  }

  /** Takes a row, whose bytes must stay as they are until the next `flush`. */
  load(bytes: Buffer, starts: Int32Array, ends: Int32Array): void {
    if (bytes !== this.bytes) {
      this.flush()
      this.bytes = bytes
    }
    const { batch } = this
    for (let i = 0, at = batch.count; i < starts.length; i++, at += BATCH_ROWS) {
      this.starts[at] = starts[i]!
      this.ends[at] = ends[i]!
    }
    if (++batch.count === BATCH_ROWS) this.flush()
  }

  /** Inserts what has been taken. */
  flush(): void {
    const { batch } = this
    if (batch.count > 0) {
      for (let i = 0; i < this.decoders.length; i++) this.decodeColumn(i)
      this.writer.insertBatch(batch)
    }
    batch.count = 0
    this.bytes = NO_BYTES
  }

  private decodeColumn(i: number): void {
    const { starts, ends, bytes } = this
    const { words, count } = this.batch
    const { interner } = this.writer
    const decode = this.decoders[i]!
    const first = i * BATCH_ROWS
    const at = this.batch.start(i)
    for (let r = 0; r < count; r++) {
      if (ends[first + r] === -1) interner.absent()
      else decode(bytes, starts[first + r]!, ends[first + r]!, interner)
      words[at + r * 2] = interner.low
      words[at + r * 2 + 1] = interner.high
    }
  }
}
