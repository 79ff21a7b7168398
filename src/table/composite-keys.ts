import type { Heap } from '../heap/heap'
import { MutableHashTable } from '../struct/hash-table'
import { TABLE } from './layout'
import type { Table } from './table'

/** The index over the columns of a key that has several, within a transaction. */
export class CompositeKeys {
  constructor(
    private readonly heap: Heap,
    private readonly table: Table,
  ) {}

  /** The words of a row's key, low and high half for each key column in turn. */
  wordsOf(row: number): Int32Array {
    const { view } = this.heap.writer
    const words = new Int32Array(this.table.keyColumns.length * 2)
    for (const [k, column] of this.table.keyColumns.entries()) {
      words[k * 2] = view.low(column.addressOf(row))
      words[k * 2 + 1] = view.high(column.addressOf(row))
    }
    return words
  }

  /** Adds a row, whose words must be in its columns. */
  add(row: number): void {
    this.hashTable().insert(this.table.compositeHash(this.wordsOf(row)), row)
  }

  /** Removes a row, whose words must still be in its columns. */
  remove(row: number): void {
    const hashTable = this.hashTable()
    const hash = this.table.compositeHash(this.wordsOf(row))
    let entry = hashTable.seek(hash)
    while (entry !== 0 && hashTable.foundPayload !== row) entry = hashTable.seekNext(hash)
    hashTable.removeFound()
  }

  clear(): void {
    this.hashTable().destroy()
    const { writer } = this.heap
    const key = this.table.descriptor + TABLE.key
    writer.set(key, MutableHashTable.create(this.heap) | 0, writer.view.high(key))
  }

  private hashTable(): MutableHashTable {
    return new MutableHashTable(this.heap, this.heap.writer.view.low(this.table.descriptor + TABLE.key) >>> 0)
  }
}
