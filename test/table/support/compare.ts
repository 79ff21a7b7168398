import { expect } from 'vitest'
import type { Table } from '../../../src/table/table'
import { Decimal } from '../../../src/value/decimal'
import type { Timestamp } from '../../../src/value/timestamp'
import { exact } from '../../value/support/values'
import { isAbsent, type ModelColumn, type ModelRow, type ModelTable, poolOf } from './model'

/** Anything tables can be looked up in: a store, a snapshot, a transaction. */
export interface Tables {
  readonly tableNames?: string[]
  table(name: string): Table
}

/** Proves that tables say what the model says: rows, look-ups by every value, counts and statistics. */
export function expectSame(tables: Tables, model: readonly ModelTable[]): void {
  if (tables.tableNames !== undefined) expect(tables.tableNames.sort()).toEqual(model.map(({ name }) => name).sort())
  for (const each of model) expectSameTable(tables.table(each.name), each)
}

function expectSameTable(table: Table, model: ModelTable): void {
  expect(table.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(
    model.columns.map(({ name, type }) => `${name} ${type}`),
  )
  expect(table.keyColumns.map(({ name }) => name)).toEqual(model.key.map(({ name }) => name))
  expect(table.rowCount).toBe(model.rows.length)
  expect(keysOf(table, table.rows())).toEqual(model.rows.map((row) => model.keyOf(row)).sort())
  for (const row of model.rows) {
    const key = model.key.map((column) => row.get(column))
    const found = table.get((key.length === 1 ? key[0] : key) as never)!
    expectEqual(
      model.columns.map((column) => exact(found[column.name])),
      model.columns.map((column) => exact(row.get(column))),
    )
  }
  for (const column of model.columns) {
    for (const value of [...poolOf(column.type), null, undefined]) expectFound(table, model, new Map([[column, value]]))
    expectStatistics(table, model, column)
  }
  for (const [i, row] of model.rows.entries()) {
    expectFound(table, model, new Map([...row].filter((_, k) => (k + i) % 3 !== 0)))
    expectFound(table, model, row)
  }
}

function expectFound(table: Table, model: ModelTable, conditions: ModelRow): void {
  const rows = table.findRows(Object.fromEntries([...conditions].map(([column, value]) => [column.name, value])))
  expectEqual(
    rows,
    rows.toSorted((a, b) => a - b),
  )
  expectEqual(
    keysOf(table, rows),
    model
      .matching(conditions)
      .map((row) => model.keyOf(row))
      .sort(),
  )
}

/** An expectation costs much more than the comparison, and there are hundreds for each table. */
function expectEqual<Value>(actual: readonly Value[], expected: readonly Value[]): void {
  if (actual.length === expected.length && actual.every((value, i) => value === expected[i])) return
  expect(actual).toEqual(expected)
}

function expectStatistics(table: Table, model: ModelTable, column: ModelColumn): void {
  const actual = table.column(column.name)
  const values = model.rows.map((row) => row.get(column)).filter((value) => !isAbsent(column, value))
  const { values: count, distinct, min, max } = actual.statistics()
  expect(count).toBe(values.length)
  expect([actual.isNullable, actual.isUnique]).toEqual([column.nullable, column.unique])
  // a key that is the row number has no index until it is asked for, or until the key no longer is the row number
  if (!(model.key.length === 1 && model.key[0] === column)) expect(actual.isIndexed).toBe(column.index)
  expect(distinct).toBe(actual.isIndexed ? new Set(values.map(exact)).size : undefined)
  const isOrdered = !['any', 'json', 'boolean'].includes(column.type) && !column.type.endsWith('[]')
  const inOrder = table.orderedBy(actual)
  if (inOrder === undefined && !actual.isIndexed) expect([min, max]).toEqual([undefined, undefined])
  else if (!isOrdered || values.length === 0) expect([min, max]).toEqual([undefined, undefined])
  else {
    const sorted = values.toSorted(compareValues)
    const ends = [sorted[0], sorted[sorted.length - 1]]
    // in the order of an index, 1.0 and 1.00 are one value, and either may stand first
    if (inOrder !== undefined) expect([compareValues(min, ends[0]), compareValues(max, ends[1])]).toEqual([0, 0])
    else expect([exact(min), exact(max)]).toEqual(ends.map(exact))
  }
}

function keysOf(table: Table, rows: Iterable<number>): string[] {
  return Array.from(rows, (row) => {
    const key = table.keyOf(row)
    return table.keyColumns.length === 1 ? exact(key) : (key as unknown[]).map(exact).join()
  }).sort()
}

/** The order of the values of one ordered type: infinities at the ends, NaN above all. */
function compareValues(a: unknown, b: unknown): number {
  const [x, y] = [sortKey(a), sortKey(b)]
  return x.rank - y.rank || (typeof x.key === 'bigint' ? Number(x.key - (y.key as bigint)) : compareText(x.key, y.key))
}

function sortKey(value: unknown): { rank: number; key: bigint | Buffer } {
  if (value === -Infinity) return { rank: 0, key: 0n }
  if (value === Infinity) return { rank: 2, key: 0n }
  if (Number.isNaN(value)) return { rank: 3, key: 0n }
  if (typeof value === 'bigint') return { rank: 1, key: value }
  // every number in the pools is a multiple of 2^-1074, every decimal one of 10^-5
  if (typeof value === 'number') return { rank: 1, key: scaled(value) }
  if (value instanceof Decimal) return { rank: 1, key: value.coefficient * 10n ** BigInt(5 - value.scale) }
  if (value instanceof Date) {
    return { rank: 1, key: BigInt(value.getTime()) * 1000n + BigInt((value as Timestamp).microseconds ?? 0) }
  }
  if (typeof value === 'string' && /^[-+]?\d{4,6}-\d\d-\d\d$/.test(value)) {
    return { rank: 1, key: BigInt(Date.parse(value)) }
  }
  return { rank: 1, key: Buffer.from(value as string) }
}

/** A double as a multiple of 2^-1074. */
function scaled(value: number): bigint {
  const bits = new BigUint64Array(new Float64Array([Math.abs(value)]).buffer)[0]
  const exponent = bits >> 52n
  const fraction = bits & ((1n << 52n) - 1n)
  const magnitude = exponent === 0n ? fraction : ((1n << 52n) | fraction) << (exponent - 1n)
  return value < 0 ? -magnitude : magnitude
}

function compareText(a: bigint | Buffer, b: bigint | Buffer): number {
  return Buffer.compare(a as Buffer, b as Buffer)
}
