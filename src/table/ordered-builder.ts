import type { Heap } from '../heap/heap'
import type { NodeEntry } from '../struct/ordered-node'
import { MutableOrderedTree } from '../struct/ordered-tree-writer'
import type { Steps } from '../struct/steps'
import { LooseWord } from '../value/loose-word'
import type { TableIndex } from './table-index'

/** Comparisons and rows between two steps: about a millisecond. */
const STEP = 1 << 13

/**
 * Builds the ordered index of rows at once: they are sorted by merging ever longer runs, and the tree is made of them
 * in order, which is several times as fast as adding row after row and leaves full nodes. Between the steps nothing may
 * change.
 */
export class OrderedBuilder {
  /** Keys that are plain doubles, by place in `rows`; NaN for the others, which take a full comparison. */
  private keys: Float64Array
  private readonly word: LooseWord

  constructor(
    private readonly definition: TableIndex,
    private rows: Uint32Array,
  ) {
    this.keys = new Float64Array(rows.length)
    this.word = new LooseWord(definition.table.context.view)
  }

  /** Sorts the rows, which ascend. Changes nothing in the heap. */
  *sort(): Steps {
    const { definition, keys } = this
    const { view } = definition.table.context
    const [column] = definition.columns
    for (let i = 0; i < keys.length; i++) {
      const address = column.addressOf(this.rows[i])
      const number = address === 0 ? 0 : view.number(address)
      keys[i] = number === 0 ? Number.NaN : number
      if ((i & (STEP - 1)) === 0) yield
    }
    let spareRows: Uint32Array = new Uint32Array(keys.length)
    let spareKeys: Float64Array = new Float64Array(keys.length)
    for (let width = 1; width < keys.length; width *= 2) {
      for (let start = 0, since = 0; start < keys.length; start += width * 2) {
        const middle = Math.min(start + width, keys.length)
        const end = Math.min(start + width * 2, keys.length)
        yield* this.merge(start, middle, end, spareRows, spareKeys)
        since += end - start
        if (since < STEP) continue
        since = 0
        yield
      }
      ;[this.rows, spareRows] = [spareRows, this.rows]
      ;[this.keys, spareKeys] = [spareKeys, this.keys]
    }
  }

  /**
   * The later of two rows with the same values in every column, none of them missing; undefined where there are none.
   * Comes after `sort`.
   */
  duplicate(): number | undefined {
    const { rows } = this
    for (let i = 1; i < rows.length; i++) {
      if (this.compare(i - 1, i, false) === 0 && this.hasValues(rows[i])) return rows[i]
    }
    return undefined
  }

  /** Makes the tree, within a transaction. Returns its address. */
  *write(heap: Heap): Steps<number> {
    const { definition, rows } = this
    const { view } = definition.table.context
    const [column] = definition.columns
    const read = (i: number, entry: NodeEntry): void => {
      const address = column.addressOf(rows[i])
      entry.low = address === 0 ? 0 : view.low(address)
      entry.high = address === 0 ? 0 : view.high(address)
      entry.number = rows[i]
    }
    return yield* MutableOrderedTree.build(heap, { count: rows.length, read })
  }

  private *merge(start: number, middle: number, end: number, rows: Uint32Array, keys: Float64Array): Steps {
    let [left, right] = [start, middle]
    for (let at = start; at < end; at++) {
      const takesLeft = right >= end || (left < middle && this.compare(left, right, true) < 0)
      const from = takesLeft ? left++ : right++
      rows[at] = this.rows[from]
      keys[at] = this.keys[from]
      if (((at - start) & (STEP - 1)) === STEP - 1) yield
    }
  }

  /** Compares the rows at two places, by their numbers too with `isTotal`. */
  private compare(a: number, b: number, isTotal: boolean): number {
    const [x, y] = [this.keys[a], this.keys[b]]
    if (x < y) return -1
    if (x > y) return 1
    return this.compareRows(this.rows[a], this.rows[b], x === y ? 1 : 0) || (isTotal ? this.rows[a] - this.rows[b] : 0)
  }

  private compareRows(a: number, b: number, from: number): number {
    const { columns, table } = this.definition
    const { order, view } = table.context
    for (let i = from; i < columns.length; i++) {
      this.word.load(view, columns[i].addressOf(a))
      const difference = order.compareNullsLast(this.word, columns[i].addressOf(b))
      if (difference !== 0) return difference
    }
    return 0
  }

  private hasValues(row: number): boolean {
    const { view } = this.definition.table.context
    return this.definition.columns.every((column) => {
      const address = column.addressOf(row)
      return address !== 0 && !view.isAbsent(address)
    })
  }
}
