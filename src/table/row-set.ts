import { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import { freeFlatArray, growFlatArray } from '../struct/flat-array'
import { MAX_ROWS, TABLE } from './layout'

/** Free row numbers are sought once at least one in so many is free: the search then visits few words on average. */
const SEEK_FREE_SHARE = 64

/** The row numbers of a table: which exist, and which to use next. Works within a transaction. */
export class RowSet {
  /** The last transaction that removed a row here. */
  private removedIn = -1

  constructor(
    private readonly heap: Heap,
    private readonly descriptor: number,
  ) {}

  /** Adds a row number that does not exist. Returns whether the presence bits have moved. */
  add(row: number): boolean {
    const { writer } = this.heap
    const hasMoved = growFlatArray(this.heap, this.descriptor + TABLE.presence, row >>> 6)
    this.flip(row)
    const rows = this.descriptor + TABLE.rows
    const limit = writer.view.high(rows)
    writer.set(rows, writer.view.low(rows) + 1, row < limit ? limit : row + 1)
    return hasMoved
  }

  /**
   * Adds the first `count` of these row numbers, none of which exists, ascending. Returns whether the presence bits
   * have moved.
   */
  addAscending(numbers: Int32Array, count: number): boolean {
    const { writer } = this.heap
    const { view } = writer
    const last = numbers[count - 1]
    const hasMoved = growFlatArray(this.heap, this.descriptor + TABLE.presence, last >>> 6)
    const base = view.low(this.descriptor + TABLE.presence) >>> 0
    for (let i = 0; i < count; ) {
      const word = numbers[i] >>> 6
      let low = view.low(base + word)
      let high = view.high(base + word)
      for (; i < count && numbers[i] >>> 6 === word; i++) {
        if ((numbers[i] & 32) === 0) low |= 1 << (numbers[i] & 31)
        else high |= 1 << (numbers[i] & 31)
      }
      writer.set(base + word, low, high)
    }
    const rows = this.descriptor + TABLE.rows
    writer.set(rows, view.low(rows) + count, Math.max(view.high(rows), last + 1))
    return hasMoved
  }

  /** Takes back what `add` did, within the same call of a user's: nobody has seen the row. */
  takeBack(row: number): void {
    const { writer } = this.heap
    this.flip(row)
    const rows = this.descriptor + TABLE.rows
    writer.set(rows, writer.view.low(rows) - 1, writer.view.high(rows))
  }

  /** Removes a row number that exists. */
  remove(row: number): void {
    const { writer } = this.heap
    this.flip(row)
    const rows = this.descriptor + TABLE.rows
    writer.set(rows, writer.view.low(rows) - 1, writer.view.high(rows))
    const mode = this.descriptor + TABLE.keyMode
    writer.set(mode, writer.view.low(mode), row)
    const removals = this.countRemoval()
    growFlatArray(this.heap, this.descriptor + TABLE.removedAt, row)
    writer.setNumber((writer.view.low(this.descriptor + TABLE.removedAt) >>> 0) + row, removals)
  }

  /** Removes every row. */
  clear(): void {
    const { writer } = this.heap
    freeFlatArray(this.heap, this.descriptor + TABLE.presence)
    freeFlatArray(this.heap, this.descriptor + TABLE.removedAt)
    writer.set(this.descriptor + TABLE.rows, 0, 0)
    const mode = this.descriptor + TABLE.keyMode
    writer.set(mode, writer.view.low(mode), 0)
    writer.setNumber(this.descriptor + TABLE.emptiedAt, this.countRemoval())
  }

  /**
   * Counts a removal, and has readers of the view who remember row numbers look again: once in a transaction, until
   * whose end they remember none.
   */
  private countRemoval(): number {
    const { writer } = this.heap
    if (this.removedIn !== writer.transactions) {
      writer.view.generation++
      this.removedIn = writer.transactions
    }
    const removals = writer.view.number(this.descriptor + TABLE.removals) + 1
    writer.setNumber(this.descriptor + TABLE.removals, removals)
    return removals
  }

  /** A row number that does not exist yet: a free one where there are enough, else the next. */
  next(): number {
    const { view } = this.heap.writer
    const count = view.low(this.descriptor + TABLE.rows)
    const limit = view.high(this.descriptor + TABLE.rows)
    if (limit > 0 && (limit - count) * SEEK_FREE_SHARE >= limit) return this.seekFree(limit)
    if (limit >= MAX_ROWS) {
      throw new SnapheapError('HEAP_FULL', 'A table holds at most 2,147,483,647 rows. Delete rows, or split the table.')
    }
    return limit
  }

  private seekFree(limit: number): number {
    const { view } = this.heap.writer
    const mode = this.descriptor + TABLE.keyMode
    const base = view.low(this.descriptor + TABLE.presence) >>> 0
    const words = Math.ceil(limit / 32)
    let half = view.high(mode) >>> 5
    for (let i = 0; i <= words; i++, half = half + 1 >= words ? 0 : half + 1) {
      const bits = (half & 1) === 0 ? view.low(base + (half >>> 1)) : view.high(base + (half >>> 1))
      if (bits === -1) continue
      const row = half * 32 + 31 - Math.clz32(~bits & (bits + 1))
      if (row >= limit) continue
      this.heap.writer.set(mode, view.low(mode), row)
      return row
    }
    return limit
  }

  private flip(row: number): void {
    const { writer } = this.heap
    const address = (writer.view.low(this.descriptor + TABLE.presence) >>> 0) + (row >>> 6)
    const bit = 1 << (row & 31)
    const low = writer.view.low(address)
    const high = writer.view.high(address)
    if ((row & 32) === 0) writer.set(address, low ^ bit, high)
    else writer.set(address, low, high ^ bit)
  }
}
