import type { Kernels } from '../heap/kernels'
import { RowBatch } from '../table/row-batch'
import type { TableWriter } from '../table/table-writer'
import type { SourceTable } from './catalogue'
import { decodeBigint, decodeFloat, decodeInteger, decodeText } from './fields'
import { mapType } from './types'

/** Rows decoded and inserted together: what is known of them stays within the processor's caches. */
const BATCH_ROWS = 2048
/** Native code that has left a column's numbers to JavaScript so often in a batch is not asked again. */
const MOST_TRIES = 8
const NO_BYTES = Buffer.alloc(0)

/** Turns rows of text into words and inserts them, many at a time. */
export class RowLoader {
  writer!: TableWriter
  private readonly decoders
  private readonly batch: RowBatch
  /** Where the batch's fields stand in `bytes`, column by column. */
  private readonly starts: Int32Array
  private readonly ends: Int32Array
  private readonly totals = new Int32Array(2)
  private bytes: Buffer = NO_BYTES

  constructor(
    source: SourceTable,
    private readonly kernels: Kernels | undefined,
  ) {
    this.decoders = source.columns.map((column) => mapType(column.type).decode)
    this.batch = new RowBatch(this.decoders.length, BATCH_ROWS)
    this.starts = new Int32Array(this.decoders.length * BATCH_ROWS)
    this.ends = new Int32Array(this.decoders.length * BATCH_ROWS)
  }

  /** Takes a row, whose bytes must stay as they are until the next `flush`. */
  load(bytes: Buffer, starts: Int32Array, ends: Int32Array): void {
    this.begin(bytes)
    const { batch } = this
    for (let i = 0, at = batch.count; i < starts.length; i++, at += BATCH_ROWS) {
      this.starts[at] = starts[i]!
      this.ends[at] = ends[i]!
    }
    if (++batch.count === BATCH_ROWS) this.flush()
  }

  /** Takes the rows of messages from `position` of received bytes on, as far as native code can. Their bytes must stay as for `load`. */
  loadMessages(bytes: Buffer, position: number): { position: number; rows: number } {
    const { batch, totals, kernels } = this
    let rows = 0
    if (kernels === undefined) return { position, rows }
    for (;;) {
      this.begin(bytes)
      kernels.splitLines(bytes, position, this.decoders.length, BATCH_ROWS, batch.count, this.starts, this.ends, totals)
      position = totals[0]!
      rows += totals[1]!
      batch.count += totals[1]!
      if (batch.count < BATCH_ROWS) return { position, rows }
      this.flush()
    }
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

  /** What was taken from other bytes is inserted first. */
  private begin(bytes: Buffer): void {
    if (bytes === this.bytes) return
    this.flush()
    this.bytes = bytes
  }

  private decodeColumn(i: number): void {
    const { starts, ends, bytes } = this
    const { words, count } = this.batch
    const decode = this.decoders[i]!
    const first = i * BATCH_ROWS
    const at = this.batch.start(i)
    if (decode === decodeText) this.writer.interner.texts({ bytes, starts, ends, first, count }, words, at)
    else if (decode === decodeFloat) this.decodeNumbers(i, 0)
    else if (decode === decodeInteger || decode === decodeBigint) this.decodeNumbers(i, 1)
    else for (let r = 0; r < count; r++) this.decodeField(i, r)
  }

  private decodeNumbers(i: number, isInteger: 0 | 1): void {
    const { starts, ends, bytes, kernels } = this
    const { words, count } = this.batch
    let tries = MOST_TRIES
    for (let r = 0; r < count; r++) {
      const first = i * BATCH_ROWS + r
      if (kernels !== undefined && tries-- > 0)
        r += kernels.parseNumbers(bytes, starts, ends, first, count - r, isInteger, words, this.batch.start(i) + r * 2)
      if (r < count) this.decodeField(i, r)
    }
  }

  private decodeField(i: number, r: number): void {
    const { starts, ends, bytes } = this
    const { interner } = this.writer
    const field = i * BATCH_ROWS + r
    const at = this.batch.start(i) + r * 2
    if (ends[field] === -1) interner.absent()
    else this.decoders[i]!(bytes, starts[field]!, ends[field]!, interner)
    this.batch.words[at] = interner.low
    this.batch.words[at + 1] = interner.high
  }
}
