import type { Heap } from '../heap/heap'
import { ROOT } from '../heap/layout'
import type { View } from '../heap/view'
import { finish, mix } from '../struct/hash'
import { HashTable, MutableHashTable } from '../struct/hash-table'
import { MutablePostingList, PostingList } from '../struct/posting-list'
import { LooseWord } from '../value/loose-word'
import type { Column } from './column'
import type { MutableRowIndex, RowIndex } from './row-index'
import type { TableIndex } from './table-index'

/**
 * An index over several columns, values -> rows. As that of a single column, it holds no values: an entry is a row
 * number or (flagged) a posting list of at least two rows, and any of its rows says what the values are. Rows without a
 * value in one of the columns are not in it.
 */
export class HashIndex implements RowIndex {
  protected readonly view: View
  protected readonly columns: readonly Column[]
  protected readonly postings: PostingList
  protected readonly words: LooseWord[]

  constructor(
    protected readonly definition: TableIndex,
    readonly address: number,
    protected readonly table = new HashTable(definition.table.context.view, address),
  ) {
    const { view } = definition.table.context
    this.view = view
    this.columns = definition.columns
    this.postings = new PostingList(view)
    this.words = this.columns.map(() => new LooseWord(view))
  }

  get entries(): number {
    let entries = 0
    for (const entry of this.table.entries())
      entries += this.table.flag(entry) ? this.postings.count(this.table.payload(entry)) : 1
    return entries
  }

  /** Exact. */
  get distinct(): number {
    return this.table.size
  }

  /** The rows whose columns have these words, ascending. */
  rowsOf(words: readonly LooseWord[]): number[] {
    if (this.seek(words) === 0) return []
    const { foundPayload, foundFlag } = this.table
    return foundFlag ? this.postings.read(foundPayload, 0, this.postings.count(foundPayload)) : [foundPayload]
  }

  count(words: readonly LooseWord[]): number {
    if (this.seek(words) === 0) return 0
    return this.table.foundFlag ? this.postings.count(this.table.foundPayload) : 1
  }

  first(words: readonly LooseWord[]): number {
    if (this.seek(words) === 0) return -1
    const { foundPayload, foundFlag } = this.table
    return foundFlag ? this.postings.first(foundPayload) : foundPayload
  }

  *allocations(): Generator<number> {
    yield* this.table.allocations()
    for (const entry of this.table.entries()) {
      if (this.table.flag(entry)) yield* this.postings.allocations(this.table.payload(entry))
    }
  }

  check(rows: readonly number[]): string[] {
    const problems = this.table.check()
    const expected = new Map<string, number[]>()
    for (const row of rows) {
      if (!this.load(row)) continue
      const key = this.words.map(({ low, high }) => `${low},${high}`).join()
      const same = expected.get(key)
      if (same === undefined) expected.set(key, [row])
      else same.push(row)
    }
    for (const same of expected.values()) {
      this.load(same[0])
      const found = this.rowsOf(this.words)
      if (found.length !== same.length || found.some((row, i) => row !== same[i]))
        problems.push(`finds rows ${found.slice(0, 9)} for rows ${same.slice(0, 9)}`)
    }
    if (this.table.size !== expected.size)
      problems.push(`has ${this.table.size} values and should have ${expected.size}`)
    return problems
  }

  /** Leaves a row's words in `words`. Returns whether it has a value in every column. */
  protected load(row: number): boolean {
    for (const [i, column] of this.columns.entries()) {
      this.words[i].load(this.view, column.addressOf(row))
      if (this.words[i].number === 0) return false
    }
    return true
  }

  protected hash(words: readonly LooseWord[]): number {
    let hash = this.view.low(ROOT.seed)
    for (const { low, high } of words) hash = mix(mix(hash, low), high)
    return finish(hash, words.length * 2)
  }

  protected seek(words: readonly LooseWord[]): number {
    const { table } = this
    const hash = this.hash(words)
    for (let entry = table.seek(hash); entry !== 0; entry = table.seekNext(hash)) {
      const row = table.foundFlag ? this.postings.first(table.foundPayload) : table.foundPayload
      if (this.hasWords(row, words)) return entry
    }
    return 0
  }

  private hasWords(row: number, words: readonly LooseWord[]): boolean {
    for (let i = 0; i < words.length; i++) {
      const address = this.columns[i].addressOf(row)
      if (address === 0 || !this.view.isWord(address, words[i].low, words[i].high)) return false
    }
    return true
  }
}

/** The same, changeable within a transaction. */
export class MutableHashIndex extends HashIndex implements MutableRowIndex {
  private readonly mutable: MutableHashTable
  private readonly mutablePostings: MutablePostingList

  constructor(heap: Heap, definition: TableIndex) {
    const mutable = new MutableHashTable(heap, definition.address)
    super(definition, definition.address, mutable)
    this.mutable = mutable
    this.mutablePostings = new MutablePostingList(heap)
  }

  add(row: number): void {
    if (!this.load(row)) return
    const entry = this.seek(this.words)
    const { foundPayload, foundFlag } = this.table
    if (entry === 0) this.mutable.insertMissed(this.hash(this.words), row)
    else if (foundFlag) {
      const list = this.mutablePostings.add(foundPayload, row)
      if (list !== foundPayload) this.mutable.replace(entry, list, true)
    } else this.mutable.replace(entry, this.mutablePostings.create(foundPayload, row), true)
  }

  remove(row: number): void {
    if (!this.load(row)) return
    const entry = this.seek(this.words)
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
