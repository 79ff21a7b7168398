import type { Heap } from '../heap/heap'
import { ROOT } from '../heap/layout'
import type { View } from '../heap/view'
import { hashWord } from '../struct/hash'
import { HashTable, MutableHashTable } from '../struct/hash-table'
import { MutablePostingList, PostingList } from '../struct/posting-list'
import { WordOrder } from '../value/compare'
import { COLUMN, MAX_ROWS } from './layout'

/** Where an index reads the words it indexes: the column itself. */
export interface IndexedWords {
  /** Address of a row's word. */
  addressOf(row: number): number
}

/**
 * The index of one column, value -> rows. It holds no values: an entry is a row number, whose word in the column is the
 * value, or (flagged) a posting list of at least two rows, whose word 0 is the value. Absent words are not indexed.
 */
export class ColumnIndex {
  protected readonly postings: PostingList

  constructor(
    protected readonly view: View,
    protected readonly words: IndexedWords,
    readonly table: HashTable,
  ) {
    this.postings = new PostingList(view)
  }

  static open(view: View, words: IndexedWords, address: number): ColumnIndex {
    return new ColumnIndex(view, words, new HashTable(view, address))
  }

  /** Number of rows with this value. */
  count(low: number, high: number): number {
    if (this.seek(low, high) === 0) return 0
    return this.table.foundFlag ? this.postings.count(this.table.foundPayload) : 1
  }

  /** The rows with this value, ascending, from the `skip`th on, at most `limit`. */
  rows(low: number, high: number, skip = 0, limit = MAX_ROWS): number[] {
    if (this.seek(low, high) === 0 || limit <= 0) return []
    const { foundPayload, foundFlag } = this.table
    if (!foundFlag) return skip > 0 ? [] : [foundPayload]
    return this.postings.read(foundPayload, skip, limit)
  }

  /** The first row with this value, -1 without one. Makes no object. */
  first(low: number, high: number): number {
    if (this.seek(low, high) === 0) return -1
    const { foundPayload, foundFlag } = this.table
    return foundFlag ? this.postings.first(foundPayload) : foundPayload
  }

  /** How many different values there are. */
  get distinct(): number {
    return this.table.size
  }

  /** Address of the word that each entry stands for. */
  *values(): Generator<number> {
    for (const entry of this.table.entries()) {
      const payload = this.table.payload(entry)
      yield this.table.flag(entry) ? payload : this.words.addressOf(payload)
    }
  }

  /**
   * Addresses of the smallest and the largest value by `WordOrder`, undefined for an empty index. Looks at every value
   * once.
   */
  extremes(): { min: number; max: number } | undefined {
    const order = new WordOrder(this.view)
    let min = 0
    let max = 0
    for (const address of this.values()) {
      if (min === 0) min = max = address
      else if (order.compare(address, min) < 0) min = address
      else if (order.compare(address, max) > 0) max = address
    }
    return min === 0 ? undefined : { min, max }
  }

  *allocations(): Generator<number> {
    yield* this.table.allocations()
    for (const entry of this.table.entries()) {
      if (this.table.flag(entry)) yield* this.postings.allocations(this.table.payload(entry))
    }
  }

  protected hash(low: number, high: number): number {
    return hashWord(low, high, this.view.low(ROOT.seed))
  }

  protected seek(low: number, high: number): number {
    const { table, view } = this
    const hash = this.hash(low, high)
    for (let entry = table.seek(hash); entry !== 0; entry = table.seekNext(hash)) {
      const address = table.foundFlag ? table.foundPayload : this.words.addressOf(table.foundPayload)
      if (view.isWord(address, low, high)) return entry
    }
    return 0
  }
}

/** A column's index that can be changed, within a transaction. */
export class MutableColumnIndex extends ColumnIndex {
  private readonly mutablePostings: MutablePostingList

  constructor(
    heap: Heap,
    words: IndexedWords,
    private readonly mutable: MutableHashTable,
    private readonly writer = heap.writer,
  ) {
    super(heap.writer.view, words, mutable)
    this.mutablePostings = new MutablePostingList(heap)
  }

  /** A column's index, undefined where it has none. */
  static of(heap: Heap, column: IndexedWords & { readonly descriptor: number }): MutableColumnIndex | undefined {
    const address = heap.writer.view.low(column.descriptor + COLUMN.index) >>> 0
    return address === 0 ? undefined : new MutableColumnIndex(heap, column, new MutableHashTable(heap, address))
  }

  /** Adds a row under a value; its word in the column may or may not be written yet. */
  add(row: number, low: number, high: number): void {
    const entry = this.seek(low, high)
    if (entry === 0) {
      this.mutable.insertMissed(this.hash(low, high), row)
      return
    }
    const { foundPayload, foundFlag } = this.table
    if (foundFlag) {
      const list = this.mutablePostings.add(foundPayload, row)
      if (list !== foundPayload) this.mutable.replace(entry, list, true)
    } else {
      const list = this.mutablePostings.create(foundPayload, row)
      this.writer.set(list, low, high)
      this.mutable.replace(entry, list, true)
    }
  }

  /** Removes a row from under a value; its word in the column must still be written. */
  remove(row: number, low: number, high: number): void {
    const entry = this.seek(low, high)
    const { foundPayload: list, foundFlag } = this.table
    if (!foundFlag) {
      this.mutable.removeFound()
      return
    }
    this.mutablePostings.remove(list, row)
    if (this.postings.count(list) > 1) return
    this.mutable.replace(entry, this.postings.first(list), false)
    this.mutablePostings.destroy(list)
  }

  destroy(): void {
    for (const entry of this.table.entries()) {
      if (this.table.flag(entry)) this.mutablePostings.destroy(this.table.payload(entry))
    }
    this.mutable.destroy()
  }
}
