import { LooseWord } from '../value/loose-word'
import { CONSTANT, CONSTANT_HIGH } from '../value/word'
import type { Column } from './column'
import type { Key, Table } from './table'

/** A word that a row must have in a column. */
interface Wanted {
  readonly column: Column
  readonly low: number
  readonly high: number
  /** Rows that have it, at most; Infinity where no index tells. */
  readonly count: number
}

/**
 * The rows, ascending, whose columns have these values: by the index with the fewest rows, else by a scan. Throws
 * `NOT_FOUND` for an unknown column and `TYPE` for a value that its column cannot hold.
 */
export function findRows(table: Table, conditions: Readonly<Record<string, unknown>>): number[] {
  const names = Object.keys(conditions)
  const key = table.isDirect ? table.keyColumns[0].name : undefined
  if (names.length === 1 && names[0] !== key) return findBy(table, table.column(names[0]), conditions[names[0]])
  if (key !== undefined && names.includes(key)) return findByDirectKey(table, key, conditions)
  for (const name of names) table.column(name) // an unknown one is an error even where another finds nothing
  const wanted: Wanted[] = []
  let best: Wanted | undefined
  for (const name of names) {
    const column = table.column(name)
    if (!table.seekValue(column, conditions[name])) return []
    const { low, high } = table.context.finder
    const each = { column, low, high, count: countOf(table, column, low, high) }
    wanted.push(each)
    if (each.count < (best?.count ?? Number.POSITIVE_INFINITY)) best = each
  }
  const rows = best === undefined ? [...table.rows()] : rowsWith(table, best.column, best.low, best.high)
  const rest = wanted.filter((each) => each !== best)
  if (rest.length === 0) return rows
  return rows.filter((row) => rest.every((each) => hasWord(table, each.column, row, each.low, each.high)))
}

/** The row that is its key, if it fits the other conditions too. */
function findByDirectKey(table: Table, key: string, conditions: Readonly<Record<string, unknown>>): number[] {
  const { finder } = table.context
  const { [key]: value, ...others } = conditions
  for (const name of Object.keys(others)) table.column(name)
  const isGiven = value !== null && value !== undefined
  const row = isGiven && table.seekValue(table.keyColumns[0], value) ? table.rowOf(value as Key) : -1
  const fits = (name: string): boolean =>
    table.seekValue(table.column(name), others[name]) &&
    hasWord(table, table.column(name), row, finder.low, finder.high)
  return row >= 0 && Object.keys(others).every(fits) ? [row] : []
}

function findBy(table: Table, column: Column, value: unknown): number[] {
  const { finder } = table.context
  return table.seekValue(column, value) ? rowsWith(table, column, finder.low, finder.high) : []
}

function rowsWith(table: Table, column: Column, low: number, high: number): number[] {
  const { index } = column
  if (index !== undefined && (low !== 0 || high !== 0)) return index.rows(low, high)
  const isOrdered = index === undefined && !isOfTwoWords(column, low, high)
  const ordered = isOrdered ? table.orderedBy(column) : undefined
  const rows = ordered?.rowsOf([wordOf(table, low, high)]).sort((a, b) => a - b) ?? [...table.rows()]
  return rows.filter((row) => hasWord(table, column, row, low, high)) // an order has 1.0 and 1.00 as one value
}

function hasWord(table: Table, column: Column, row: number, low: number, high: number): boolean {
  if (table.hasWord(column, row, low, high)) return true
  return isOfTwoWords(column, low, high) && table.hasWord(column, row, CONSTANT.null, CONSTANT_HIGH)
}

/** Whether null is looked for among documents: one that is no more than null reads as no document does. */
function isOfTwoWords(column: Column, low: number, high: number): boolean {
  return low === 0 && high === 0 && column.type === 'json'
}

function countOf(table: Table, column: Column, low: number, high: number): number {
  const isAbsent = low === 0 && high === 0
  if (column.index !== undefined) return isAbsent ? Number.POSITIVE_INFINITY : column.index.count(low, high)
  if (isOfTwoWords(column, low, high)) return Number.POSITIVE_INFINITY
  return table.orderedBy(column)?.estimateOf([wordOf(table, low, high)]) ?? Number.POSITIVE_INFINITY
}

function wordOf(table: Table, low: number, high: number): LooseWord {
  const { view } = table.context
  const word = new LooseWord(view)
  word.set(view, low, high)
  return word
}
