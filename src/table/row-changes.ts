import { SnapheapError } from '../errors'
import { BLOCK_MASK, BLOCK_SHIFT, BLOCK_WORDS } from '../heap/layout'
import type { View } from '../heap/view'
import { isSameValue } from '../value/same-value'
import { isPointer } from '../value/word'
import type { Column } from './column'
import { TABLE } from './layout'
import type { Key, Table } from './table'

/**
 * How the rows of a table differ between two versions, as row numbers, ascending. Rows are the same where their keys
 * are.
 */
export interface RowChanges {
  readonly inserted: readonly number[]
  /** By their numbers in the later version. */
  readonly updated: readonly number[]
  /** The numbers in the earlier version of the updated rows, in the same order: others where a row was made anew. */
  readonly updatedFrom: readonly number[]
  /** By their numbers in the earlier version. */
  readonly deleted: readonly number[]
}

const NONE: RowChanges = Object.freeze({
  inserted: Object.freeze([]),
  updated: Object.freeze([]),
  updatedFrom: Object.freeze([]),
  deleted: Object.freeze([]),
})

/**
 * What happened to the rows of a table from one version to a later one, of which the earlier is pinned. Blocks that
 * both versions share are not looked at, so that the cost follows the change. A row whose key changed was deleted and
 * inserted; so was every row of a table that was dropped and made anew. A column that was added or dropped changes no
 * row.
 */
export function rowChanges(before: Table | undefined, after: Table | undefined): RowChanges {
  if (
    before === undefined ||
    after === undefined ||
    before.descriptor !== after.descriptor ||
    before.madeIn !== after.madeIn
  ) {
    const all = (table: Table | undefined): number[] => (table === undefined ? [] : [...table.rows()])
    return { ...NONE, inserted: all(after), deleted: all(before) }
  }
  const changed = new Set<number>()
  for (const column of after.columns) {
    const earlier = before.columns.find((each) => each.descriptor === column.descriptor)
    if (earlier !== undefined) eachDifferentRow(before, earlier, after, column, (row) => changed.add(row))
  }
  const inserted = new Set<number>()
  const deleted: number[] = []
  eachDifferentPresence(before, after, (row) => {
    changed.delete(row)
    if (after.hasRow(row)) inserted.add(row)
    else deleted.push(row)
  })
  /** Updated rows: their numbers after and before. */
  const updates: [number, number][] = []
  for (const row of changed) {
    if (!after.hasRow(row)) continue
    if (hasSameKey(before, after, row)) updates.push([row, row])
    else {
      inserted.add(row)
      deleted.push(row)
    }
  }
  const gone = deleted.filter((row) => {
    const again = inserted.size === 0 ? -1 : rowOfKey(after, before.keyOf(row))
    if (!inserted.delete(again)) return true
    updates.push([again, row])
    return false
  })
  if (updates.length + inserted.size + gone.length === 0) return NONE
  updates.sort(([a], [b]) => a - b)
  const ascending = (rows: number[]): number[] => rows.sort((a, b) => a - b)
  return {
    inserted: ascending([...inserted]),
    updated: updates.map(([row]) => row),
    updatedFrom: updates.map(([, row]) => row),
    deleted: ascending(gone),
  }
}

/** The row with a key that another version had, -1 too where keys have another type now. */
function rowOfKey(table: Table, key: unknown): number {
  try {
    return table.rowOf(key as Key)
  } catch (error) {
    if (error instanceof SnapheapError && error.code === 'TYPE') return -1
    throw error
  }
}

/** Words in a row, in one version. */
interface Words {
  readonly view: View
  /** 0 where there are none. */
  readonly base: number
  readonly count: number
}

function eachDifferentRow(
  before: Table,
  earlier: Column,
  after: Table,
  later: Column,
  visit: (row: number) => void,
): void {
  eachDifferentWord(wordsOf(before, earlier), wordsOf(after, later), true, visit)
}

function wordsOf({ context }: Table, column: Column): Words {
  return { view: context.view, base: column.addressOf(0), count: column.capacity }
}

function presenceOf({ context, descriptor }: Table): Words {
  const { view } = context
  const base = view.low(descriptor + TABLE.presence) >>> 0
  return { view, base, count: base === 0 ? 0 : 2 ** view.high(descriptor + TABLE.presence) }
}

function eachDifferentPresence(before: Table, after: Table, visit: (row: number) => void): void {
  const [a, b] = [presenceOf(before), presenceOf(after)]
  eachDifferentWord(a, b, false, (word) => {
    for (const which of [0, 1]) {
      const bitsOf = ({ view, base, count }: Words): number => (word < count ? view.half(base + word, which) : 0)
      for (let bits = bitsOf(a) ^ bitsOf(b); bits !== 0; bits &= bits - 1) {
        visit(word * 64 + which * 32 + 31 - Math.clz32(bits & -bits))
      }
    }
  })
}

/**
 * Visits the positions of words that differ, by the values that they stand for or as bits; words that one side has not
 * count as zeros.
 */
function eachDifferentWord(a: Words, b: Words, areValues: boolean, visit: (position: number) => void): void {
  const both = Math.min(a.count, b.count)
  for (let at = 0; at < both; ) {
    const x = a.base + at
    const y = b.base + at
    const run = Math.min(both - at, BLOCK_WORDS - (x & BLOCK_MASK), BLOCK_WORDS - (y & BLOCK_MASK))
    const isShared =
      (x & BLOCK_MASK) === (y & BLOCK_MASK) && a.view.table[x >>> BLOCK_SHIFT] === b.view.table[y >>> BLOCK_SHIFT]
    if (!isShared) eachDifferentInRun(a.view, x, b.view, y, run, areValues, (i) => visit(at + i))
    at += run
  }
  const longer = a.count > b.count ? a : b
  for (let at = both; at < longer.count; at++) if (!longer.view.isAbsent(longer.base + at)) visit(at)
}

function eachDifferentInRun(
  a: View,
  x: number,
  b: View,
  y: number,
  run: number,
  areValues: boolean,
  visit: (at: number) => void,
): void {
  const left = a.halves[a.slotOf(x)]
  const right = b.halves[b.slotOf(y)]
  const from = a.indexOf(x) * 2
  const to = b.indexOf(y) * 2
  for (let i = 0; i < run; i++) {
    const high = left[from + i * 2 + 1]
    const isEqual = left[from + i * 2] === right[to + i * 2] && high === right[to + i * 2 + 1]
    const isCertain = !areValues || (isEqual && !isPointer(high))
    if (isCertain ? !isEqual : !isSameValue(a, x + i, b, y + i)) visit(i)
  }
}

function hasSameKey(before: Table, after: Table, row: number): boolean {
  return after.keyColumns.every((column) => {
    const earlier = before.columns.find((each) => each.descriptor === column.descriptor)
    return earlier !== undefined && hasSameValue(before, earlier, row, after, column, row)
  })
}

/** Whether a row has the same value in a column of one version as another row in one of another version. */
export function hasSameValue(
  before: Table,
  earlier: Column,
  row: number,
  after: Table,
  later: Column,
  other: number,
): boolean {
  const [x, y] = [earlier.addressOf(row), later.addressOf(other)]
  const [a, b] = [before.context.view, after.context.view]
  if (x === 0 || y === 0) return (x === 0 || a.isAbsent(x)) && (y === 0 || b.isAbsent(y))
  return isSameValue(a, x, b, y)
}
