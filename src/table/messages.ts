import { show } from '../arguments'
import { SnapheapError } from '../errors'
import type { Column } from './column'
import { describeType } from './column-type'
import type { Table } from './table'

/**
 * The error for a value that does not fit its column, which encoding may have thrown already; what else that threw
 * stays as it is.
 */
export function cannotHold(column: Column, value: unknown, cause: unknown): unknown {
  if (cause !== undefined && !(cause instanceof SnapheapError && cause.code === 'TYPE')) return cause
  const digits = column.scale === undefined ? '' : ` with at most ${column.scale} digits after the point`
  const remedy = cause?.message ?? `Pass ${describeType(column.type)}${digits}.`
  return new SnapheapError(
    'TYPE',
    `Column ${column.table.name}.${column.name} (${column.type}) cannot hold ${show(value)}. ${remedy}`,
    { table: column.table.name, column: column.name },
  )
}

/** The error for a row whose value in a column, or whose key, another row has. */
export function notUnique(table: Table, column: Column, row: number): SnapheapError {
  const isKey = table.keyColumns.includes(column)
  const names = isKey ? table.keyColumns.map((each) => each.name).join(', ') : column.name
  const value = isKey ? table.keyOf(row) : column.get(row)
  return new SnapheapError(
    'UNIQUE',
    `Table ${table.name} already has a row (number ${show(row)}) with ${names} = ${show(value)}. Update that row, ` +
      'or choose another value.',
    { table: table.name, column: column.name, row, value },
  )
}

/** The error for a row that is to be changed and does not exist. */
export function noRow({ name }: Table, row: number): SnapheapError {
  return new SnapheapError('NOT_FOUND', `Table ${name} has no row ${show(row)}. Look it up again.`, {
    table: name,
    row,
  })
}
