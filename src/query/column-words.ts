import { BLOCK_SHIFT, BLOCK_WORDS } from '../heap/layout'
import type { View } from '../heap/view'
import type { Column } from '../table/column'
import type { RowNumbers } from './table-scan'

/** The words of a column, block by block: within a block they are contiguous. */
export class ColumnWords {
  block = -1
  halves: Int32Array = new Int32Array(0)
  numbers: Float64Array = new Float64Array(0)
  /** Where the block's first word is. */
  index = 0
  private readonly base: number
  private readonly rows: number

  constructor(
    column: Column,
    private readonly view: View,
  ) {
    this.base = column.addressOf(0)
    this.rows = column.capacity
  }

  turnTo(block: number): void {
    const { view } = this
    const row = block << BLOCK_SHIFT
    // rows that the column has not grown to have no value, as in the block of zeros
    const isBeyond = row >= this.rows
    const slot = isBeyond ? 0 : view.slotOf(this.base + row)
    this.block = block
    this.index = isBeyond ? 0 : view.indexOf(this.base + row)
    this.halves = view.halves[slot]
    this.numbers = view.numbers[slot]
    if (this.rows > 0 && this.rows < BLOCK_WORDS) this.turnToFew()
  }

  /** A column of less than a block: what lies behind its words is none of it. */
  private turnToFew(): void {
    const few = this.numbers.slice(this.index, this.index + this.rows)
    this.numbers = new Float64Array(BLOCK_WORDS)
    this.halves = new Int32Array(this.numbers.buffer)
    this.halves.set(new Int32Array(few.buffer))
    this.index = 0
  }
}

/** Fewer rows than this are not worth a native call. */
export const LEAST_NATIVE = 256

export function isForNative(rows: RowNumbers): rows is Int32Array {
  return rows instanceof Int32Array && rows.length >= LEAST_NATIVE
}
