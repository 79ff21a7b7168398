import type { View } from '../heap/view'
import { HashTable } from '../struct/hash-table'
import { PostingList } from '../struct/posting-list'
import type { ReferenceCensus } from '../value/check'
import type { Catalogue } from './catalogue'
import type { Column } from './column'
import { CATALOGUE_SLOT, COLUMN, INDEX, KEY_MODE, TABLE } from './layout'
import type { Table } from './table'
import type { TableIndex } from './table-index'

type Claim = (address: number, what: string) => void
type Report = (problem: string) => void

/**
 * Proves, for every table: rows counted truly, no value outside a row, each index equal to one built anew, keys unique
 * and found, statistics true. Claims every piece of the heap that tables occupy and counts every word they hold.
 */
export function checkTables(
  view: View,
  catalogue: Catalogue,
  census: ReferenceCensus,
  claim: Claim,
  report: Report,
): void {
  const list = view.low(CATALOGUE_SLOT) >>> 0
  if (list !== 0) claim(list, 'the catalogue')
  for (const table of catalogue.all()) {
    const say: Report = (problem) => report(`table ${table.name}: ${problem}`)
    const { descriptor } = table
    claim(descriptor, `table ${table.name}`)
    claim(view.low(descriptor + TABLE.columns) >>> 0, `the columns of ${table.name}`)
    census.word(view.low(descriptor + TABLE.name), view.high(descriptor + TABLE.name))
    census.word(view.low(descriptor + TABLE.properties), view.high(descriptor + TABLE.properties))
    const presence = view.low(descriptor + TABLE.presence) >>> 0
    if (presence !== 0) claim(presence, `the rows of ${table.name}`)
    const removedAt = view.low(descriptor + TABLE.removedAt) >>> 0
    if (removedAt !== 0) claim(removedAt, `the removals of ${table.name}`)
    const rows = [...table.rows()]
    if (rows.length !== table.rowCount) say(`counts ${table.rowCount} rows and has ${rows.length}`)
    for (const column of table.columns)
      checkColumn(view, table, column, rows, census, claim, (problem) => say(`${column.name}: ${problem}`))
    checkKeys(view, table, rows, claim, say)
    checkDefinedIndexes(view, table, rows, census, claim, say)
  }
}

function checkColumn(
  view: View,
  table: Table,
  column: Column,
  rows: number[],
  census: ReferenceCensus,
  claim: Claim,
  report: Report,
): void {
  const { descriptor } = column
  claim(descriptor, `column ${table.name}.${column.name}`)
  for (const word of [COLUMN.name, COLUMN.type]) census.word(view.low(descriptor + word), view.high(descriptor + word))
  const data = view.low(descriptor + COLUMN.data) >>> 0
  if (data !== 0) claim(data, `the words of ${table.name}.${column.name}`)
  const expected = new Map<string, number[]>()
  let values = 0
  for (const row of rows) {
    const address = column.addressOf(row)
    if (address === 0 || view.isAbsent(address)) {
      if (!column.isNullable) report(`row ${row} has no value`)
      continue
    }
    values++
    const [low, high] = [view.low(address), view.high(address)]
    census.word(low, high)
    const key = `${low},${high}`
    const same = expected.get(key)
    if (same === undefined) expected.set(key, [row])
    else same.push(row)
  }
  const absent = view.high(descriptor + COLUMN.flags)
  if (rows.length - values !== absent) report(`counts ${absent} rows without a value and has ${rows.length - values}`)
  const capacity = data === 0 ? 0 : 2 ** view.high(descriptor + COLUMN.data)
  for (let row = 0; row < Math.min(capacity, table.rowLimit); row++) {
    if (!table.hasRow(row) && !view.isAbsent(data + row)) report(`row ${row} has a value but does not exist`)
  }
  checkIndex(view, column, expected, claim, report)
}

function checkIndex(view: View, column: Column, expected: Map<string, number[]>, claim: Claim, report: Report): void {
  const { index } = column
  if (index === undefined) return
  const postings = new PostingList(view)
  for (const address of index.allocations()) claim(address, `the index of ${column.name}`)
  for (const problem of index.table.check()) report(problem)
  const lists = new Map<string, number>()
  let entries = 0
  for (const entry of index.table.entries()) {
    entries++
    const payload = index.table.payload(entry)
    if (!index.table.flag(entry)) continue
    lists.set(`${view.low(payload)},${view.high(payload)}`, payload)
    if (postings.count(payload) < 2) report('a posting list has fewer than two rows')
  }
  if (entries !== expected.size) report(`its index has ${entries} values and should have ${expected.size}`)
  for (const [key, rows] of expected) {
    const [low, high] = key.split(',').map(Number)
    const found = [...index.rows(low, high)]
    if (found.length !== rows.length || found.some((row, i) => row !== rows[i]))
      report(`its index finds rows ${found.slice(0, 9)} for rows ${rows.slice(0, 9)}`)
    if (index.count(low, high) !== rows.length) report('its index counts rows wrongly')
    const posting = lists.get(key)
    if (posting !== undefined && rows.some((row) => !postings.has(posting, row)))
      report('a posting list denies a row it has')
    if (column.isUnique && rows.length > 1) report(`rows ${rows.slice(0, 9)} share a unique value`)
  }
}

function checkDefinedIndexes(
  view: View,
  table: Table,
  rows: number[],
  census: ReferenceCensus,
  claim: Claim,
  report: Report,
): void {
  const list = view.high(table.descriptor + TABLE.key) >>> 0
  if (list !== 0) claim(list, `the list of indexes of ${table.name}`)
  for (const each of table.definedIndexes) {
    const { descriptor, name, index } = each
    claim(descriptor, `index ${table.name}.${name}`)
    census.word(view.low(descriptor + INDEX.name), view.high(descriptor + INDEX.name))
    for (const { low, high } of each.conditions) census.word(low, high)
    if (each.terms !== undefined) {
      const words = [each.typeAddress, ...each.terms.ownWords()]
      for (const address of words) census.word(view.low(address), view.high(address))
    }
    const covered = rows.filter((row) => row < each.builtTo && each.covers(row))
    const problems = index.check(covered)
    for (const problem of problems) report(`index ${name}: ${problem}`)
    if (problems.length > 0) continue
    for (const address of index.allocations()) claim(address, `index ${table.name}.${name}`)
    if (each.isUnique && each.isWhole) checkUnique(each, covered, report)
  }
}

function checkUnique(index: TableIndex, rows: readonly number[], report: Report): void {
  for (const row of rows) {
    const first = index.columns.some((column) => column.get(row) == null) ? row : index.firstLike(row)
    if (first !== row) report(`index ${index.name}: rows ${first} and ${row} share unique values`)
  }
}

function checkKeys(view: View, table: Table, rows: number[], claim: Claim, report: Report): void {
  const composite = view.low(table.descriptor + TABLE.key) >>> 0
  if (composite !== 0) {
    const keys = new HashTable(view, composite)
    for (const address of keys.allocations()) claim(address, `the keys of ${table.name}`)
    for (const problem of keys.check()) report(problem)
    if (keys.size !== rows.length) report(`its key table has ${keys.size} entries for ${rows.length} rows`)
  }
  if (view.low(table.descriptor + TABLE.keyMode) === KEY_MODE.direct) {
    for (const row of rows) if (Number(table.keyOf(row)) !== row) report(`row ${row} has the key ${table.keyOf(row)}`)
  } else {
    for (const row of rows)
      if (table.rowOf(table.keyOf(row) as never) !== row) report(`row ${row} is not found by its key`)
  }
}
