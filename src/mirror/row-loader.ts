import type { Kernels } from '../heap/kernels'
import { RowBatch } from '../table/row-batch'
import type { TableWriter } from '../table/table-writer'
import type { SourceTable } from './catalogue'
import { decodeBigint, decodeFloat, decodeInteger, decodeText, type TextDecoder } from './fields'
import { MOST_PREPARED } from './piece-queue'
import { FIELD, RowPiece } from './row-piece'
import { mapType } from './types'

/** Rows decoded and inserted together: what is known of them stays within the processor's caches. */
const BATCH_ROWS = 2048
/** Native code that has left a column's numbers to JavaScript so often in a batch is not asked again. */
const MOST_TRIES = 8
const NO_BYTES = Buffer.alloc(0)

/** Rows, and where their fields stand in the bytes they came in: field `i` of the `r`th row at [i * capacity + r]. */
interface FieldPlaces {
  readonly batch: RowBatch
  readonly starts: Int32Array
  readonly ends: Int32Array
}

/** Turns rows of text into words and inserts them, many at a time. */
export class RowLoader {
  writer!: TableWriter
  /** Called with the numbers of inserted rows. */
  onRows: (rows: Int32Array, count: number) => void = () => undefined
  private readonly decoders: TextDecoder[]
  private readonly kinds: Uint8Array
  private readonly fields: FieldPlaces
  private readonly totals = new Int32Array(2)
  private bytes: Buffer = NO_BYTES
  private readonly pieces: RowPiece[] = []
  private prepared = 0

  /** `seed` is that of the heap's hashes. */
  constructor(
    source: SourceTable,
    private readonly kernels: Kernels | undefined,
    private readonly seed: number,
  ) {
    this.decoders = source.columns.map((column) => mapType(column.type).decode)
    this.kinds = Uint8Array.from(this.decoders, kindOf)
    const fields = this.decoders.length * BATCH_ROWS
    const batch = new RowBatch(this.decoders.length, BATCH_ROWS)
    this.fields = { batch, starts: new Int32Array(fields), ends: new Int32Array(fields) }
  }

  /**
   * Begins to prepare the rows of a piece, which `loadMessages` then finds ready. At most `MOST_PREPARED` may be
   * prepared and not loaded; their bytes must stay as they are. Returns undefined where nothing can be prepared.
   */
  prepare(bytes: Buffer): Promise<void> | undefined {
    if (this.kernels === undefined) return undefined
    const at = this.prepared++ % MOST_PREPARED
    this.pieces[at] ??= new RowPiece(this.kinds)
    return this.pieces[at].prepare(this.kernels, this.seed, bytes)
  }

  /** Takes a row, whose bytes must stay as they are until the next `flush`. */
  load(bytes: Buffer, starts: Int32Array, ends: Int32Array): void {
    this.begin(bytes)
    const { fields } = this
    for (let i = 0, at = fields.batch.count; i < starts.length; i++, at += BATCH_ROWS) {
      fields.starts[at] = starts[i]!
      fields.ends[at] = ends[i]!
    }
    if (++fields.batch.count === BATCH_ROWS) this.flush()
  }

  /**
   * Takes the rows of messages from `position` of received bytes on, as far as native code can. Their bytes must stay
   * as for `load`.
   */
  loadMessages(bytes: Buffer, position: number): { position: number; rows: number } {
    const { totals, kernels } = this
    const { batch, starts, ends } = this.fields
    let rows = 0
    if (kernels === undefined) return { position, rows }
    const piece = this.pieces.find((each) => each.take(bytes))
    if (piece !== undefined && position === 0) {
      this.loadPiece(piece, bytes)
      position = piece.position
      rows = piece.batch.count
    }
    for (;;) {
      this.begin(bytes)
      kernels.splitLines(bytes, position, this.decoders.length, BATCH_ROWS, starts, ends, batch.count, totals)
      position = totals[0]!
      rows += totals[1]!
      batch.count += totals[1]!
      if (batch.count < BATCH_ROWS) return { position, rows }
      this.flush()
    }
  }

  /** Inserts the rows collected so far. */
  flush(): void {
    const { batch } = this.fields
    if (batch.count > 0) {
      for (let i = 0; i < this.decoders.length; i++) this.decodeColumn(this.fields, i)
      this.insert(batch)
    }
    batch.count = 0
    this.bytes = NO_BYTES
  }

  /** Rows collected from other bytes are inserted first. */
  private begin(bytes: Buffer): void {
    if (bytes === this.bytes) return
    this.flush()
    this.bytes = bytes
  }

  private loadPiece(piece: RowPiece, bytes: Buffer): void {
    const { batch, starts, ends } = piece
    const { capacity, count } = batch
    if (count === 0) return
    this.begin(bytes)
    for (const [i, kind] of this.kinds.entries()) {
      const texts = { bytes, starts, ends, first: i * capacity, count }
      if (kind === FIELD.text)
        this.writer.interner.groupedTexts(texts, piece.groups[i]!, piece.done(i), batch.words, batch.start(i))
      else if (kind === FIELD.other) this.decodeColumn(piece, i)
      else this.decodeNumbers(piece, i, piece.done(i))
    }
    this.insert(batch)
  }

  private insert(batch: RowBatch): void {
    this.writer.insertBatch(batch)
    this.onRows(batch.rows, batch.count)
  }

  private decodeColumn(fields: FieldPlaces, i: number): void {
    const { batch, starts, ends } = fields
    const kind = this.kinds[i]
    const { bytes } = this
    if (kind === FIELD.text) {
      const texts = { bytes, starts, ends, first: i * batch.capacity, count: batch.count }
      this.writer.interner.texts(texts, batch.words, batch.start(i))
    } else if (kind === FIELD.other) for (let r = 0; r < batch.count; r++) this.decodeField(fields, i, r)
    else this.decodeNumbers(fields, i, 0)
  }

  /** Decodes a column's numbers from the `from`th row on. */
  private decodeNumbers(fields: FieldPlaces, i: number, from: number): void {
    const { batch, starts, ends } = fields
    const { bytes, kernels } = this
    const { words, count, capacity } = batch
    const isInteger = this.kinds[i] === FIELD.integer ? 1 : 0
    let tries = MOST_TRIES
    for (let r = from; r < count; r++) {
      const first = i * capacity + r
      if (kernels !== undefined && tries-- > 0)
        r += kernels.parseNumbers(bytes, starts, ends, first, count - r, isInteger, words, batch.start(i) + r * 2)
      if (r < count) this.decodeField(fields, i, r)
    }
  }

  private decodeField({ batch, starts, ends }: FieldPlaces, i: number, r: number): void {
    const { interner } = this.writer
    const field = i * batch.capacity + r
    const at = batch.start(i) + r * 2
    if (ends[field] === -1) interner.absent()
    else this.decoders[i]!(this.bytes, starts[field]!, ends[field]!, interner)
    batch.words[at] = interner.low
    batch.words[at + 1] = interner.high
  }
}

function kindOf(decode: TextDecoder): number {
  if (decode === decodeText) return FIELD.text
  if (decode === decodeFloat) return FIELD.number
  return decode === decodeInteger || decode === decodeBigint ? FIELD.integer : FIELD.other
}
