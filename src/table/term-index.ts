import type { Heap } from '../heap/heap'
import { ROOT } from '../heap/layout'
import type { View } from '../heap/view'
import { hashWord } from '../struct/hash'
import { HashTable, MutableHashTable } from '../struct/hash-table'
import { MutablePostingList, PostingList } from '../struct/posting-list'
import type { Interner } from '../value/interner'
import { findIndexType, termsOf } from './index-type'
import type { MutableRowIndex, RowIndex } from './row-index'
import type { TableIndex } from './table-index'

/**
 * An entry of the hash table leads to a cell: the term's word; low = a row or a posting list, high = whether it is a
 * list.
 */
const CELL_WORDS = 2

/**
 * An index by terms, term -> rows: what an index type of the user's keeps (`IndexType`). A row is in it once for each
 * different term of its value; one without a value is not in it.
 */
export class TermIndex implements RowIndex {
  protected readonly view: View
  protected readonly postings: PostingList

  constructor(
    protected readonly definition: TableIndex,
    readonly address: number,
    protected readonly table = new HashTable(definition.table.context.view, address),
  ) {
    this.view = definition.table.context.view
    this.postings = new PostingList(this.view)
  }

  /** Rows, each counted for each of its terms. */
  get entries(): number {
    let entries = 0
    for (const cell of this.cells()) entries += this.countAt(cell)
    return entries
  }

  /** Exact: different terms. */
  get distinct(): number {
    return this.table.size
  }

  /** No row is found by words: terms are none of a column's. */
  first(): number {
    return -1
  }

  /** How many rows have a term. */
  count(term: string): number {
    const cell = this.find(term)
    return cell === 0 ? 0 : this.countAt(cell)
  }

  /** The rows that have a term, ascending. */
  rows(term: string): number[] {
    const cell = this.find(term)
    if (cell === 0) return []
    const payload = this.view.low(cell + 1) >>> 0
    return this.isList(cell) ? this.postings.read(payload) : [payload]
  }

  *allocations(): Generator<number> {
    yield* this.table.allocations()
    for (const cell of this.cells()) {
      yield cell
      if (this.isList(cell)) yield* this.postings.allocations(this.view.low(cell + 1) >>> 0)
    }
  }

  /** Addresses of the words that it holds references to. */
  *ownWords(): Generator<number> {
    yield* this.cells()
  }

  /** Of an index whose type this process does not know, only what needs no terms. */
  check(rows: readonly number[]): string[] {
    const problems = this.table.check()
    if (problems.length > 0 || findIndexType(this.definition.kind) === undefined) return problems
    const expected = new Map<string, number[]>()
    for (const row of rows) {
      for (const term of this.termsAt(row)) {
        const same = expected.get(term)
        if (same === undefined) expected.set(term, [row])
        else same.push(row)
      }
    }
    for (const [term, same] of expected) {
      const found = this.rows(term)
      if (found.length !== same.length || found.some((row, i) => row !== same[i]))
        problems.push(`finds rows ${found.slice(0, 9)} for rows ${same.slice(0, 9)}`)
    }
    if (this.table.size !== expected.size)
      problems.push(`has ${this.table.size} terms and should have ${expected.size}`)
    return problems
  }

  protected *cells(): Generator<number> {
    for (const entry of this.table.entries()) yield this.table.payload(entry)
  }

  /** The terms of a row's value. */
  protected termsAt(row: number): Iterable<string> {
    const value = this.definition.columns[0].get(row)
    return value === null || value === undefined ? [] : termsOf(this.definition, value)
  }

  protected isList(cell: number): boolean {
    return this.view.high(cell + 1) !== 0
  }

  protected hash(low: number, high: number): number {
    return hashWord(low, high, this.view.low(ROOT.seed))
  }

  /** The cell of a term's word, 0 without one. */
  protected seek(low: number, high: number): number {
    const { table, view } = this
    const hash = this.hash(low, high)
    for (let entry = table.seek(hash); entry !== 0; entry = table.seekNext(hash)) {
      if (view.isWord(table.foundPayload, low, high)) return table.foundPayload
    }
    return 0
  }

  private find(term: string): number {
    const { finder } = this.definition.table.context
    finder.isMissing = false
    finder.string(term)
    return finder.isMissing ? 0 : this.seek(finder.low, finder.high)
  }

  private countAt(cell: number): number {
    return this.isList(cell) ? this.postings.count(this.view.low(cell + 1) >>> 0) : 1
  }
}

/** The same, changeable within a transaction. */
export class MutableTermIndex extends TermIndex implements MutableRowIndex {
  private readonly mutable: MutableHashTable
  private readonly mutablePostings: MutablePostingList

  constructor(
    private readonly heap: Heap,
    private readonly interner: Interner,
    definition: TableIndex,
  ) {
    const mutable = new MutableHashTable(heap, definition.address)
    super(definition, definition.address, mutable)
    this.mutable = mutable
    this.mutablePostings = new MutablePostingList(heap)
  }

  add(row: number): void {
    const { interner, view } = this
    const { writer, allocator } = this.heap
    for (const term of this.termsAt(row)) {
      interner.string(term)
      const { low, high } = interner
      const cell = this.seek(low, high)
      if (cell === 0) {
        const made = allocator.allocate(CELL_WORDS)
        writer.set(made, low, high) // the reference is the cell's now
        writer.set(made + 1, row, 0)
        this.mutable.insertMissed(this.hash(low, high), made)
        continue
      }
      interner.release(low, high)
      const payload = view.low(cell + 1) >>> 0
      const isList = this.isList(cell)
      const list = isList ? this.mutablePostings.add(payload, row) : this.mutablePostings.create(payload, row)
      if (!isList || list !== payload) writer.set(cell + 1, list | 0, 1)
    }
  }

  remove(row: number): void {
    const { interner, view, mutablePostings } = this
    const { writer } = this.heap
    for (const term of this.termsAt(row)) {
      interner.string(term)
      const { low, high } = interner
      interner.release(low, high)
      const cell = this.seek(low, high)
      if (cell === 0) continue // its type has other terms than it had
      const payload = view.low(cell + 1) >>> 0
      if (!this.isList(cell)) {
        if (payload !== row) continue
        this.mutable.removeFound()
        this.free(cell)
        continue
      }
      if (!mutablePostings.has(payload, row)) continue
      mutablePostings.remove(payload, row)
      if (mutablePostings.count(payload) > 1) continue
      writer.set(cell + 1, mutablePostings.first(payload), 0)
      mutablePostings.destroy(payload)
    }
  }

  destroy(): void {
    for (const cell of this.cells()) {
      if (this.isList(cell)) this.mutablePostings.destroy(this.view.low(cell + 1) >>> 0)
      this.free(cell)
    }
    this.mutable.destroy()
  }

  private free(cell: number): void {
    this.interner.release(this.view.low(cell), this.view.high(cell))
    this.heap.allocator.free(cell)
  }
}
