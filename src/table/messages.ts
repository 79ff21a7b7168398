import { show } from '../arguments'
import { SnapheapError } from '../errors'
import type { Column } from './column'
import { describeType } from './column-type'

/** The error for a value that does not fit its column, which encoding may have thrown already; what else that threw stays as it is. */
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
