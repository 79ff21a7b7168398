import type { Steps } from '../struct/steps'
import { compareIn } from './operand'
import type { BoundPath } from './path'
import type { RowNumbers } from './table-scan'

type Compare = (a: number, b: number) => number

export interface BoundOrder {
  readonly path: BoundPath
  readonly isDescending: boolean
}

/** Positions or values that are worked on between two steps. */
const AT_ONCE = 4096

/**
 * The first `limit` of some rows, in order; rows that are equal by every key stay in the order in which they came.
 * Missing values come last where the order ascends and first where it descends.
 */
export function* sortedRows(rows: RowNumbers, keys: readonly BoundOrder[], limit: number, run = RUN): Steps<number[]> {
  const numbers = keys.length === 1 ? yield* plainNumbers(rows, keys[0].path) : undefined
  const compare = numbers === undefined ? yield* valueOrder(rows, keys) : numericOrder(numbers, keys[0].isDescending)
  return yield* picked(rows, yield* firstOf(rows.length, limit, compare, run))
}

/** What stands at some positions. */
export function* picked<T>(values: ArrayLike<T>, positions: Int32Array): Steps<T[]> {
  const taken: T[] = []
  for (let i = 0; i < positions.length; i++) {
    taken.push(values[positions[i]])
    if (i % AT_ONCE === AT_ONCE - 1) yield
  }
  return taken
}

/** What a column of numbers holds in some rows, where each has one; undefined otherwise. */
function* plainNumbers(rows: RowNumbers, path: BoundPath): Steps<Float64Array | undefined> {
  const { column } = path
  if (!path.isDirect || (column.type !== 'integer' && column.type !== 'number')) return undefined
  const numbers = new Float64Array(rows.length)
  for (let i = 0; i < rows.length; i++) {
    const number = column.number(rows[i])
    if (number !== number || (number === 0 && column.get(rows[i]) === null)) return undefined
    numbers[i] = number
    if (i % AT_ONCE === AT_ONCE - 1) yield
  }
  return numbers
}

function* valueOrder(rows: RowNumbers, keys: readonly BoundOrder[]): Steps<Compare> {
  const values: unknown[][] = []
  for (const { path } of keys) {
    const read: unknown[] = []
    for (let i = 0; i < rows.length; i++) {
      read.push(path.value(rows[i]))
      if (i % AT_ONCE === AT_ONCE - 1) yield
    }
    values.push(read)
  }
  return (a, b) => {
    for (let k = 0; k < keys.length; k++) {
      const order = compareKeys(keys[k], values[k][a], values[k][b])
      if (order !== 0) return order
    }
    return a - b
  }
}

function numericOrder(values: Float64Array, isDescending: boolean): Compare {
  return isDescending ? (a, b) => values[b] - values[a] || a - b : (a, b) => values[a] - values[b] || a - b
}

/** How two values sort by a key: negative, zero or positive. */
export function compareKeys({ path, isDescending }: BoundOrder, a: unknown, b: unknown): number {
  const order = a === null || b === null ? Number(a === null) - Number(b === null) : compareIn(path.column, a, b)
  return isDescending ? -order : order
}

/** Below this share of all, and no more than that many, keeping the first in a heap is cheaper than sorting all. */
const HEAP_SHARE = 8
const LARGEST_HEAP = 8192
/** Positions that are sorted by themselves first, in one step. */
const RUN = 8192

/** The first `limit` positions of `count`, by an order in which no two are equal. */
export function* firstOf(count: number, limit: number, compare: Compare, run = RUN): Steps<Int32Array> {
  if (limit * HEAP_SHARE >= count || limit > LARGEST_HEAP) return yield* sorted(count, limit, compare, run)
  const heap: number[] = []
  for (let position = 0; position < count && limit > 0; position++) {
    if (heap.length < limit) {
      heap.push(position)
      siftUp(heap, compare)
    } else if (compare(position, heap[0]) < 0) {
      heap[0] = position
      siftDown(heap, compare)
    }
    if (position % AT_ONCE === AT_ONCE - 1) yield
  }
  return Int32Array.from(heap.sort(compare))
}

/** Sorts runs, and then merges neighbours until one is left; of each as many as are wanted. */
function* sorted(count: number, limit: number, compare: Compare, size: number): Steps<Int32Array> {
  let runs: Int32Array[] = []
  for (let from = 0; from < count; from += size) {
    const run = Array.from({ length: Math.min(size, count - from) }, (_, i) => from + i).sort(compare)
    runs.push(Int32Array.from(limit < run.length ? run.slice(0, limit) : run))
    yield
  }
  while (runs.length > 1) {
    const merged: Int32Array[] = []
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(i + 1 < runs.length ? yield* mergedOf(runs[i], runs[i + 1], limit, compare) : runs[i])
    }
    runs = merged
  }
  return runs[0] ?? new Int32Array(0)
}

function* mergedOf(a: Int32Array, b: Int32Array, limit: number, compare: Compare): Steps<Int32Array> {
  const merged = new Int32Array(Math.min(limit, a.length + b.length))
  for (let to = 0, i = 0, j = 0; to < merged.length; ) {
    const end = Math.min(merged.length, to + AT_ONCE)
    for (; to < end; to++) {
      const isFirst = j >= b.length || (i < a.length && compare(a[i], b[j]) < 0)
      merged[to] = isFirst ? a[i++] : b[j++]
    }
    yield
  }
  return merged
}

/** Restores a heap whose last position may belong higher up; the greatest is at the top. */
function siftUp(heap: number[], compare: Compare): void {
  let at = heap.length - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (compare(heap[at], heap[parent]) <= 0) return
    ;[heap[at], heap[parent]] = [heap[parent], heap[at]]
    at = parent
  }
}

function siftDown(heap: number[], compare: Compare): void {
  let at = 0
  for (;;) {
    let greatest = at
    for (const child of [at * 2 + 1, at * 2 + 2]) {
      if (child < heap.length && compare(heap[child], heap[greatest]) > 0) greatest = child
    }
    if (greatest === at) return
    ;[heap[at], heap[greatest]] = [heap[greatest], heap[at]]
    at = greatest
  }
}
