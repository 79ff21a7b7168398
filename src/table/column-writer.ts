import type { Heap } from '../heap/heap'
import { freeFlatArray, growFlatArray } from '../struct/flat-array'
import { MutableHashTable } from '../struct/hash-table'
import type { Interner } from '../value/interner'
import { isPointer } from '../value/word'
import type { Column } from './column'
import { MutableColumnIndex } from './column-index'
import { COLUMN } from './layout'
import type { RowBatch } from './row-batch'

/**
 * Changes one column, within a transaction: its words, its index, and how many rows it has no value for. Words that it
 * is given carry one reference each, which it takes over.
 */
export class ColumnWriter {
  /** As of the last `refresh`. */
  index: MutableColumnIndex | undefined

  constructor(
    private readonly heap: Heap,
    private readonly interner: Interner,
    private readonly column: Column,
  ) {}

  /** To be called when addresses have moved. */
  refresh(): void {
    this.index = MutableColumnIndex.of(this.heap, this.column)
  }

  /** Gives a row its value where it has none. */
  put(row: number, low: number, high: number): void {
    const { column } = this
    let address = column.addressOf(row)
    if (address === 0) {
      growFlatArray(this.heap, column.descriptor + COLUMN.data, row)
      this.moved()
      address = column.addressOf(row)
    }
    this.heap.writer.set(address, low, high)
    this.index?.add(row, low, high)
  }

  /** The values at a position of many rows that have none. */
  putBatch(batch: RowBatch, position: number): void {
    const { rows, words, count } = batch
    const { descriptor } = this.column
    const absent = batch.absentIn(position)
    if (absent > 0) this.countAbsent(absent)
    if (absent === count) return
    if (growFlatArray(this.heap, descriptor + COLUMN.data, batch.highestRow)) this.moved()
    const { writer } = this.heap
    batch.write(writer, writer.view.low(descriptor + COLUMN.data) >>> 0, position)
    const { index } = this
    if (index === undefined) return
    for (let r = 0, at = batch.start(position); r < count; r++, at += 2) {
      if (words[at] !== 0 || words[at + 1] !== 0) index.add(rows[r], words[at], words[at + 1])
    }
  }

  /** Takes a row's value away. Returns whether it had one. */
  erase(row: number): boolean {
    const address = this.column.addressOf(row)
    const { writer } = this.heap
    if (address === 0 || writer.view.isAbsent(address)) return false
    const low = writer.view.low(address)
    const high = writer.view.high(address)
    this.index?.remove(row, low, high)
    writer.set(address, 0, 0)
    this.interner.release(low, high)
    return true
  }

  /** Gives a row another value, or none. */
  replace(row: number, low: number, high: number): void {
    const address = this.column.addressOf(row)
    const isAbsent = low === 0 && high === 0
    if (address === 0 ? isAbsent : this.heap.writer.view.isWord(address, low, high)) {
      this.interner.release(low, high)
      return
    }
    const wasAbsent = !this.erase(row)
    if (wasAbsent !== isAbsent) this.countAbsent(isAbsent ? 1 : -1)
    if (!isAbsent) this.put(row, low, high)
  }

  /** Counts rows without a value. */
  countAbsent(change: number): void {
    const { writer } = this.heap
    const flags = this.column.descriptor + COLUMN.flags
    writer.set(flags, writer.view.low(flags), writer.view.high(flags) + change)
  }

  /** Takes the values of all rows below a number away, and their space; where there is an index, an empty one stays. */
  empty(rowLimit: number): void {
    const { column } = this
    const { writer } = this.heap
    const { view } = writer
    const index = MutableColumnIndex.of(this.heap, column)
    for (let row = 0; row < rowLimit; row++) {
      const address = column.addressOf(row)
      if (address === 0) break
      const high = view.high(address)
      if (isPointer(high)) this.interner.release(view.low(address), high)
    }
    if (index !== undefined) {
      index.destroy()
      this.setIndex(MutableHashTable.create(this.heap))
    }
    freeFlatArray(this.heap, column.descriptor + COLUMN.data)
    const flags = column.descriptor + COLUMN.flags
    writer.set(flags, view.low(flags), 0)
    this.moved()
  }

  /** Makes what is at an address its index: 0 for none. */
  setIndex(address: number): void {
    this.heap.writer.set(this.column.descriptor + COLUMN.index, address | 0, 0)
    this.moved()
  }

  dropIndex(): void {
    MutableColumnIndex.of(this.heap, this.column)?.destroy()
    this.setIndex(0)
  }

  /** Tells every reader of the writer's view that addresses have moved. */
  private moved(): void {
    this.heap.writer.view.generation++
  }
}
