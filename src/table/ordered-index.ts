import type { Heap } from '../heap/heap'
import type { View } from '../heap/view'
import { keyAt, numberAt } from '../struct/ordered-node'
import type { TreePath } from '../struct/ordered-path'
import { OrderedTree } from '../struct/ordered-tree'
import { MutableOrderedTree } from '../struct/ordered-tree-writer'
import type { WordOrder } from '../value/compare'
import type { LooseEncoder, LooseWord } from '../value/loose-word'
import type { Column } from './column'
import { OrderedCursor } from './ordered-cursor'
import { boundWords, type OrderedRange, placeRange } from './ordered-range'
import { BEFORE_EQUALS, BEHIND_EQUALS, OrderedSought } from './ordered-sought'
import type { MutableRowIndex, RowIndex } from './row-index'
import type { TableIndex } from './table-index'

/** So many different values are counted one by one; of more, the share in a sample of leaves is taken. */
const COUNTED_VALUES = 64
const SAMPLED_LEAVES = 16

/**
 * An index that has rows in the order of their values: of the first column, then of the next, and last of row numbers.
 * Strings are in the order of their code points, numbers of any type in that of what they say, dates in that of time;
 * rows without a value come last. Beside each row number the tree holds the word of the first column.
 */
export class OrderedIndex implements RowIndex {
  readonly tree: OrderedTree
  protected readonly view: View
  protected readonly order: WordOrder
  protected readonly columns: readonly Column[]
  protected readonly lower: OrderedSought
  private readonly upper: OrderedSought
  private way: TreePath | undefined

  constructor(
    protected readonly definition: TableIndex,
    readonly address: number,
    tree?: OrderedTree,
  ) {
    const { view, order } = definition.table.context
    this.view = view
    this.order = order
    this.columns = definition.columns
    this.tree = tree ?? new OrderedTree(view, address)
    this.lower = new OrderedSought(order, this.columns)
    this.upper = new OrderedSought(order, this.columns)
  }

  private get loose(): LooseEncoder {
    return this.definition.table.context.loose
  }

  get name(): string {
    return this.definition.name
  }

  get entries(): number {
    return this.tree.size
  }

  /** Exact up to 64 values, then estimated. */
  get distinct(): number {
    const { tree } = this
    const way = tree.path()
    for (let values = 0; values < COUNTED_VALUES; values++) {
      if (way.place >= this.view.low(way.leaf)) return values
      this.lower.ofRow(numberAt(this.view, way.leaf, way.place))
      this.lower.tie = BEHIND_EQUALS
      way.seek(this.lower)
      way.settle()
    }
    return Math.max(COUNTED_VALUES, Math.round(this.shareOfChanges() * tree.size))
  }

  /** A cursor before the first row of a range. Throws `TYPE`, `INVALID_ARGUMENT`. */
  cursor(range: OrderedRange = {}, direction: 'ascending' | 'descending' = 'ascending'): OrderedCursor {
    const { lower, upper } = this
    placeRange(range, this.columns, lower, upper, this.loose)
    // one that outlives this handle's generation asks the definition for the tree
    const { definition } = this
    const walked = {
      name: this.name,
      get tree() {
        return definition.ordered!.tree
      },
    }
    return new OrderedCursor(this.view, walked, lower, upper, direction === 'descending')
  }

  /** About how many rows a range has: exact for few, else by the shape of the tree. Throws as `cursor`. */
  estimate(range: OrderedRange = {}): number {
    placeRange(range, this.columns, this.lower, this.upper, this.loose)
    return this.tree.estimate(this.lower, this.upper)
  }

  /** The rows with these values of the first columns, in the order of the index; null: no value. Throws as `cursor`. */
  rows(values: readonly unknown[]): number[] {
    this.loose.clear()
    return this.rowsOf(boundWords(values, this.columns, this.loose))
  }

  /** The same for words. */
  rowsOf(words: readonly LooseWord[]): number[] {
    const rows: number[] = []
    const { view } = this
    const way = this.seek(words)
    while (way.place < view.low(way.leaf)) {
      const row = numberAt(view, way.leaf, way.place)
      if (this.lower.compareValues(keyAt(view, way.leaf, way.place), row) !== 0) break
      rows.push(row)
      way.advance()
    }
    return rows
  }

  /** About how many rows have these words in the first columns. */
  estimateOf(words: readonly LooseWord[]): number {
    return this.tree.estimate(this.lower.ofWords(words, BEFORE_EQUALS), this.upper.ofWords(words, BEHIND_EQUALS))
  }

  first(words: readonly LooseWord[]): number {
    const way = this.seek(words)
    if (way.place >= this.view.low(way.leaf)) return -1
    const row = numberAt(this.view, way.leaf, way.place)
    return this.lower.compareValues(keyAt(this.view, way.leaf, way.place), row) === 0 ? row : -1
  }

  /** Addresses of the smallest and the largest word of the first column, undefined where no row has a value there. */
  extremes(): { min: number; max: number } | undefined {
    const cursor = this.cursor({ upper: [null], excludesUpper: true })
    if (!cursor.next()) return undefined
    const min = this.columns[0].addressOf(cursor.row)
    const backward = this.cursor({ upper: [null], excludesUpper: true }, 'descending')
    backward.next()
    return { min, max: this.columns[0].addressOf(backward.row) }
  }

  *allocations(): Generator<number> {
    yield* this.tree.allocations()
  }

  check(rows: readonly number[]): string[] {
    const sought = new OrderedSought(this.order, this.columns)
    const problems = this.tree.check((_key, row) => sought.ofRow(row))
    if (problems.length > 0) return problems
    const way = this.tree.path()
    const found: number[] = []
    for (let left = this.tree.size; left > 0; left--, way.advance()) {
      const row = numberAt(this.view, way.leaf, way.place)
      found.push(row)
      const key = keyAt(this.view, way.leaf, way.place)
      const address = this.columns[0].addressOf(row)
      const isSame =
        address === 0 ? this.view.isAbsent(key) : this.view.isWord(address, this.view.low(key), this.view.high(key))
      if (!isSame) problems.push(`row ${row} is under another value than its own`)
    }
    found.sort((a, b) => a - b)
    if (found.length !== rows.length || found.some((row, i) => row !== rows[i]))
      problems.push(
        `has rows ${found.slice(0, 9)} … (${found.length}) and should have ${rows.slice(0, 9)} … (${rows.length})`,
      )
    return problems
  }

  private seek(words: readonly LooseWord[]): TreePath {
    this.way ??= this.tree.path()
    this.way.seek(this.lower.ofWords(words, BEFORE_EQUALS))
    this.way.settle()
    return this.way
  }

  /** Of neighbouring rows in leaves spread over the index, the share that have different values. */
  private shareOfChanges(): number {
    const { tree, view } = this
    const way = tree.path()
    let pairs = 0
    let changes = 0
    for (let i = 0; i < SAMPLED_LEAVES; i++) {
      way.toShare((i + 0.5) / SAMPLED_LEAVES)
      for (let place = 1; place < view.low(way.leaf); place++) {
        const row = numberAt(view, way.leaf, place)
        this.lower.ofRow(numberAt(view, way.leaf, place - 1))
        pairs++
        if (this.lower.compareValues(keyAt(view, way.leaf, place), row) !== 0) changes++
      }
    }
    return pairs === 0 ? 0 : changes / pairs
  }
}

/** An ordered index that can be changed, within a transaction. */
export class MutableOrderedIndex extends OrderedIndex implements MutableRowIndex {
  private readonly mutable: MutableOrderedTree

  constructor(heap: Heap, definition: TableIndex) {
    const tree = new MutableOrderedTree(heap, definition.address)
    super(definition, definition.address, tree)
    this.mutable = tree
  }

  add(row: number): void {
    const address = this.columns[0].addressOf(row)
    const { view } = this
    this.mutable.insert(
      this.lower.ofRow(row),
      row,
      address === 0 ? 0 : view.low(address),
      address === 0 ? 0 : view.high(address),
    )
  }

  remove(row: number): void {
    this.mutable.remove(this.lower.ofRow(row))
  }

  destroy(): void {
    this.mutable.destroy()
  }
}
