import { SnapheapError } from '../errors'
import type { Column } from './column'
import { describeType } from './column-type'

/** The error for a value that does not fit its column, which encoding may have thrown already; what else that threw stays as it is. */
export function cannotHold(column: Column, value: unknown, cause: unknown): unknown {
  if (cause !== undefined && !(cause instanceof SnapheapError && cause.code === 'TYPE')) return cause
  const remedy = cause?.message ?? `Pass ${describeType(column.type)}.`
  return new SnapheapError(
    'TYPE',
    `Column ${column.table.name}.${column.name} (${column.type}) cannot hold ${show(value)}. ${remedy}`,
    { table: column.table.name, column: column.name },
  )
}

/** A value as a message shows it: short, on one line. */
export function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function' || typeof value === 'symbol') return String(value).slice(0, 60)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : `Date ${value.toISOString()}`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    text = undefined
  }
  if (text === undefined && typeof value === 'object') return Object.prototype.toString.call(value)
  if (text === undefined || typeof value === 'number') return String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
