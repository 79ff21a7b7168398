import { assert } from '../errors'
import type { Kernels } from '../heap/kernels'
import { RowBatch } from '../table/row-batch'
import { GROUP_HALVES } from '../value/texts'
import { PIECE_MESSAGES } from './chunk-gatherer'

/** What native code can make of a field before its turn comes, as `Kernels.prepareLines` has it. */
export const FIELD = { other: 0, number: 1, integer: 2, text: 3 } as const

/** The arrays of a piece of wide rows stay bounded: so many fields, but not fewer than so many rows. */
const MOST_FIELDS = 1 << 17
const LEAST_ROWS = 256

/** The rows of one received piece, prepared in another thread: split, its numbers parsed, its strings grouped. */
export class RowPiece {
  readonly batch: RowBatch
  /** Where the fields stand in the piece, column by column. */
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** Of each column of text its groups. */
  readonly groups: Int32Array[]
  /** Position and number of rows, then for each column how many numbers are parsed, or how many groups there are. */
  private readonly totals: Int32Array
  private readonly allGroups: Int32Array
  private bytes: Buffer | undefined

  constructor(private readonly kinds: Uint8Array) {
    const columns = kinds.length
    const rows = Math.max(LEAST_ROWS, Math.min(PIECE_MESSAGES, Math.floor(MOST_FIELDS / columns)))
    this.batch = new RowBatch(columns, rows)
    this.starts = new Int32Array(columns * rows)
    this.ends = new Int32Array(columns * rows)
    this.totals = new Int32Array(columns + 2)
    const texts = kinds.filter((kind) => kind === FIELD.text).length
    const halves = rows * GROUP_HALVES
    this.allGroups = new Int32Array(texts * halves)
    let text = 0
    this.groups = Array.from(kinds, (kind) => {
      const from = kind === FIELD.text ? text++ * halves : 0
      return this.allGroups.subarray(from, from + halves)
    })
  }

  /** Begins to prepare a piece. Until the promise is settled, nothing else of this object may be used. */
  prepare(kernels: Kernels, seed: number, bytes: Buffer): Promise<void> {
    const { batch, starts, ends, kinds, allGroups, totals } = this
    assert(this.bytes === undefined, 'a piece is loaded before another takes its place')
    this.bytes = bytes
    return kernels.prepareLines(
      bytes,
      0,
      kinds.length,
      batch.capacity,
      starts,
      ends,
      kinds,
      seed,
      batch.words,
      allGroups,
      totals,
    )
  }

  /** Whether it holds the rows of these bytes, and was not asked for them before. */
  take(bytes: Buffer): boolean {
    if (this.bytes !== bytes) return false
    this.bytes = undefined
    this.batch.count = this.totals[1]!
    return true
  }

  /** Where the rows end. */
  get position(): number {
    return this.totals[0]!
  }

  /** How many of a column's numbers are parsed, or how many groups of its strings there are. */
  done(column: number): number {
    return this.totals[column + 2]!
  }
}
