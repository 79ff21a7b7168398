import type { LooseWord } from '../value/loose-word'

/** What every kind of index can do, as one view of the heap has it. */
export interface RowIndex {
  /** Rows in it. */
  readonly entries: number
  /** How many different values they have, estimated. */
  readonly distinct: number
  /** The first row whose columns have these words, -1 without one. */
  first(words: readonly LooseWord[]): number
  /** Proves that it equals one built anew of these rows, which ascend. Returns what is wrong, in words. */
  check(rows: readonly number[]): string[]
  allocations(): Iterable<number>
  /** Addresses of the words that it holds references to; none by default. */
  ownWords?(): Iterable<number>
}

/** The same within a transaction. A row's words are in its columns whenever it is added or removed. */
export interface MutableRowIndex extends RowIndex {
  add(row: number): void
  remove(row: number): void
  /** Gives all its space back. */
  destroy(): void
}
