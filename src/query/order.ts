import { compareIn } from './operand'
import type { BoundPath } from './path'

export interface BoundOrder {
  readonly path: BoundPath
  readonly isDescending: boolean
}

/**
 * The first `limit` of some rows, in order; rows that are equal by every key stay in the order in which they came. Missing
 * values come last where the order ascends and first where it descends.
 */
export function sortRows(rows: readonly number[], keys: readonly BoundOrder[], limit: number): number[] {
  const numbers = keys.length === 1 ? plainNumbers(rows, keys[0].path) : undefined
  const compare = numbers === undefined ? valueOrder(rows, keys) : numericOrder(numbers, keys[0].isDescending)
  return firstOf(rows.length, limit, compare).map((position) => rows[position])
}

/** What a column of numbers holds in some rows, where each has one; undefined otherwise. */
function plainNumbers(rows: readonly number[], path: BoundPath): Float64Array | undefined {
  const { column } = path
  if (!path.isDirect || (column.type !== 'integer' && column.type !== 'number')) return undefined
  const numbers = new Float64Array(rows.length)
  for (let i = 0; i < rows.length; i++) {
    const number = column.number(rows[i])
    if (number !== number || (number === 0 && column.get(rows[i]) === null)) return undefined
    numbers[i] = number
  }
  return numbers
}

function valueOrder(rows: readonly number[], keys: readonly BoundOrder[]): (a: number, b: number) => number {
  const values = keys.map(({ path }) => rows.map((row) => path.value(row)))
  return (a, b) => {
    for (let k = 0; k < keys.length; k++) {
      const order = compareKeys(keys[k], values[k][a], values[k][b])
      if (order !== 0) return order
    }
    return a - b
  }
}

function numericOrder(values: Float64Array, isDescending: boolean): (a: number, b: number) => number {
  return isDescending ? (a, b) => values[b] - values[a] || a - b : (a, b) => values[a] - values[b] || a - b
}

/** How two values sort by a key: negative, zero or positive. */
export function compareKeys({ path, isDescending }: BoundOrder, a: unknown, b: unknown): number {
  const order = a === null || b === null ? Number(a === null) - Number(b === null) : compareIn(path.column, a, b)
  return isDescending ? -order : order
}

/** Below this share of all, keeping the first in a heap is cheaper than sorting all. */
const HEAP_SHARE = 8

/** The first `limit` positions of `count`, by an order in which no two are equal. */
export function firstOf(count: number, limit: number, compare: (a: number, b: number) => number): number[] {
  if (limit * HEAP_SHARE >= count) {
    const all = Array.from({ length: count }, (_, i) => i).sort(compare)
    return limit < count ? all.slice(0, limit) : all
  }
  const heap: number[] = []
  for (let position = 0; position < count && limit > 0; position++) {
    if (heap.length < limit) {
      heap.push(position)
      siftUp(heap, compare)
    } else if (compare(position, heap[0]) < 0) {
      heap[0] = position
      siftDown(heap, compare)
    }
  }
  return heap.sort(compare)
}

/** Restores a heap whose last position may belong higher up; the greatest is at the top. */
function siftUp(heap: number[], compare: (a: number, b: number) => number): void {
  let at = heap.length - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (compare(heap[at], heap[parent]) <= 0) return
    ;[heap[at], heap[parent]] = [heap[parent], heap[at]]
    at = parent
  }
}

function siftDown(heap: number[], compare: (a: number, b: number) => number): void {
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
