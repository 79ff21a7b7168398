import { SnapheapError } from '../errors'
import { isBytes, isDate } from '../kinds'
import type { ColumnType } from '../table/column-type'
import type { Table } from '../table/table'
import { Decimal, Rational } from '../value/decimal'
import { Timestamp } from '../value/timestamp'
import { type BoundOrder, compareKeys } from './order'
import { BoundPath, type TableSource } from './path'
import { allOf, type Condition, frozen, type OrderKey } from './plan'

/** Where a page ended: opaque text, safe in a URL. It holds the values of the last row that the order looks at. */
export type Cursor = string

/** The cursor after a row. */
export function cursorOf(row: number, order: readonly OrderKey[], table: Table, tables: TableSource): Cursor {
  const values = order.map(({ path }) => plain(new BoundPath(table, path, tables).value(row)))
  return Buffer.from(JSON.stringify([fingerprint(order), ...values])).toString('base64url')
}

/** What is true for the rows after a cursor. Throws `INVALID_ARGUMENT` for one that is of another query. */
export function cursorCondition(
  cursor: Cursor,
  order: readonly OrderKey[],
  table: Table,
  tables: TableSource,
): Condition {
  const values = valuesOf(cursor, order)
  const keys = order.map(({ path, direction }) => ({
    path: new BoundPath(table, path, tables),
    isDescending: direction === 'desc',
  }))
  const cases = keys.map((key, i) => {
    const before = keys.slice(0, i).map((each, j) => same(each, values[j]))
    return allOf([...before, after(key, values[i])])
  })
  return cases.length === 1 ? cases[0] : frozen({ kind: 'or', conditions: cases })
}

function valuesOf(cursor: Cursor, order: readonly OrderKey[]): unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(parts) && parts.length === order.length + 1 && parts[0] === fingerprint(order)) {
      return parts.slice(1).map(revived)
    }
  } catch {
    // no cursor
  }
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    'The cursor is none of this query, or its order was changed. Begin again without a cursor.',
  )
}

/** Types of whose values no two different ones sort alike, and of which any two can be compared. */
const TOTALLY_ORDERED: ReadonlySet<ColumnType> = new Set([
  'boolean',
  'integer',
  'bigint',
  'string',
  'bytes',
  'uuid',
  'timestamp',
  'day',
  'time',
])

function isTotallyOrdered({ path, column }: BoundPath): boolean {
  return path.inside.length === 0 && TOTALLY_ORDERED.has(column.type)
}

/** Sorts neither before nor after a value. */
function same(key: BoundOrder, value: unknown): Condition {
  const { path } = key.path
  if (!isTotallyOrdered(key.path)) {
    return frozen({ kind: 'satisfies', path, test: (each) => compareKeys(key, each, value) === 0 })
  }
  return frozen({ kind: 'compare', path, operator: 'eq', value })
}

/** Strictly after a value, where missing ones come last ascending and first descending. */
function after(key: BoundOrder, value: unknown): Condition {
  const { path } = key.path
  if (!isTotallyOrdered(key.path)) {
    return frozen({ kind: 'satisfies', path, test: (each) => compareKeys(key, each, value) > 0 })
  }
  const isMissing = frozen({ kind: 'compare', path, operator: 'eq', value: null } as const)
  if (key.isDescending) {
    return value === null
      ? frozen({ kind: 'not', condition: isMissing })
      : frozen({ kind: 'compare', path, operator: 'lt', value })
  }
  // nothing comes after what is missing
  if (value === null) return frozen({ kind: 'or', conditions: [] })
  return frozen({ kind: 'or', conditions: [frozen({ kind: 'compare', path, operator: 'gt', value }), isMissing] })
}

function fingerprint(order: readonly OrderKey[]): string {
  return order.map(({ path, direction }) => `${path.label} ${direction}`).join()
}

/** Stands for any document or array: they sort alike. */
const UNORDERED = Object.freeze({ unordered: true })

/** Values as JSON can say them, with their kind where it cannot. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return { bigint: String(value) }
  if (typeof value === 'number' && !Number.isFinite(value)) return { number: String(value) }
  if (isDate(value)) return { ms: value.getTime(), microseconds: value instanceof Timestamp ? value.microseconds : 0 }
  if (value instanceof Decimal) return { decimal: String(value) }
  if (value instanceof Rational) return { rational: String(value) }
  if (isBytes(value)) return { bytes: Buffer.from(value).toString('base64') }
  return typeof value === 'object' && value !== null ? UNORDERED : value
}

function revived(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const held = value as Readonly<Record<string, never>>
  if ('bigint' in held) return BigInt(held.bigint)
  if ('number' in held) return Number(held.number)
  if ('ms' in held) return held.microseconds === 0 ? new Date(held.ms) : new Timestamp(held.ms, held.microseconds)
  if ('decimal' in held) return Decimal.parse(held.decimal)
  if ('bytes' in held) return Buffer.from(held.bytes, 'base64')
  if (!('rational' in held)) return value
  const [numerator, denominator] = (held.rational as string).split('/')
  return new Rational(BigInt(numerator), BigInt(denominator))
}
