import type pg from 'pg'
import type { Store } from '../../../src/db/store'
import type { ColumnType } from '../../../src/table/column-type'
import { quoted } from './scene'

/** What the mirror should show under a name. */
export interface Expected {
  name: string
  /** Of `table`. */
  oid: string | undefined
  /** As SQL spells the table that it is now; undefined if there is none. */
  table: string | undefined
  /** Why the table cannot be mirrored at the moment. */
  unfit: string | undefined
}

interface ExpectedRow {
  name: string
  oid: string | null
  isNamed: boolean
  table: string | null
  unfit: string | null
}

/**
 * The tables that names stand for: those called so, else those that the mirror knows by them, unless they have
 * another's name.
 */
export async function readExpected(
  client: pg.Client,
  names: readonly string[],
  oids: ReadonlyMap<string, string>,
): Promise<Expected[]> {
  const values = names.map((name) => `('${name}', to_regclass('${name}')::oid, ${oids.get(name) ?? 'NULL'}::oid)`)
  const { rows } = await client.query<ExpectedRow>(`
    SELECT v.name, c.oid::text, v.named IS NOT NULL AS "isNamed", c.oid::regclass::text AS table, CASE
      WHEN c.oid IS NULL THEN 'it is gone'
      WHEN c.relreplident = 'n' THEN 'it has no replica identity'
      WHEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
        AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END) THEN 'it has no key'
      WHEN c.relkind = 'p' AND EXISTS (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid
        WHERE t.isleaf AND p.oid <> c.oid AND p.relreplident NOT IN ('d', 'f')) THEN 'a partition has another identity'
      END AS unfit
    FROM (VALUES ${values.join(', ')}) v (name, named, known) LEFT JOIN pg_class c ON c.oid = coalesce(v.named, v.known)`)
  return rows.map(({ name, oid, isNamed, table, unfit }) => {
    const isTaken = !isNamed && rows.some((other) => other.isNamed && other.oid === oid)
    if (oid === null || isTaken)
      return { name, oid: undefined, table: undefined, unfit: unfit ?? 'another has its table' }
    return { name, oid, table: table ?? undefined, unfit: unfit ?? undefined }
  })
}

interface ServerColumn {
  name: string
  isArray: boolean
  isJson: boolean
  isGenerated: boolean
}

/**
 * The first difference between the rows of a table and those of its mirror, undefined if there is none. All values are
 * compared as text; the mirror's own code for types has no part in it.
 */
export async function difference(client: pg.Client, db: Store, { name, table }: Expected): Promise<string | undefined> {
  if (!db.tableNames.includes(name)) return `${name} is not mirrored`
  const { rows: all } = await client.query<ServerColumn>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) LIKE '%[]' AS "isArray",
       atttypid = 'jsonb'::regtype AS "isJson", attgenerated <> '' AS "isGenerated"
     FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  )
  const mirrored = db.table(name)
  // Generated columns may be mirrored, or not.
  const columns = all.filter((column) => !column.isGenerated || mirrored.hasColumn(column.name))
  const expectedNames = columns.map((column) => column.name).sort()
  if (expectedNames.join() !== [...mirrored.columnNames].sort().join()) {
    return `${name} has the columns ${mirrored.columnNames.join(', ')} instead of ${expectedNames.join(', ')}`
  }
  if (columns.length === 0) return undefined
  const types = columns.map((column) => mirrored.column(column.name).type)
  const list = columns.map(({ name: column, isArray }) =>
    isArray ? `to_jsonb(${quoted(column)}::text[])::text` : `${quoted(column)}::text`,
  )
  const raw = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig
  const { rows } = await client.query<(string | null)[]>({
    text: `SELECT ${list.join(', ')} FROM ${table}`,
    rowMode: 'array',
    types: raw,
  })
  const there = rows.map((row) => lineOf(columns, (i) => serverValue(types[i]!, columns[i]!, row[i]!)))
  const here = [...mirrored.rows()].map((number) => {
    const row = mirrored.read(number)
    return lineOf(columns, (i) => heapValue(types[i]!, row[columns[i]!.name]))
  })
  return firstDifference(name, there, here)
}

type Row = Record<string, string | null>

function firstDifference(name: string, there: string[], here: string[]): string | undefined {
  const rest = new Set(here)
  const missing = there.filter((line) => !rest.delete(line))
  const extra = [...rest]
  if (missing.length === 0 && extra.length === 0 && there.length === here.length) return undefined
  const counts = `${name} has ${here.length} rows, Postgres ${there.length}; ${missing.length} are only in Postgres, ${extra.length} only in the mirror`
  if (missing.length === 0) return `${counts}: ${short(JSON.parse(extra[0] ?? '{}'))}`
  const row = JSON.parse(missing[0]!) as Row
  if (extra.length === 0) return `${counts}: ${short(row)}`
  const [closest] = extra.map((line) => JSON.parse(line) as Row).sort((a, b) => likeness(row, b) - likeness(row, a))
  const different = Object.keys(row).filter((column) => row[column] !== closest![column])
  const only = (of: Row) => short(Object.fromEntries(different.map((column) => [column, of[column] ?? null])))
  return `${counts}: ${short(row)} has in Postgres ${only(row)}, in the mirror ${only(closest!)}`
}

function likeness(a: Row, b: Row): number {
  return Object.keys(a).filter((column) => a[column] === b[column]).length
}

function short(row: Row): string {
  return JSON.stringify(row, (_, value) =>
    typeof value === 'string' && value.length > 50 ? `${value.slice(0, 50)}…` : value,
  )
}

function lineOf(columns: readonly ServerColumn[], valueAt: (place: number) => string | null): string {
  return JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, valueAt(i)])))
}

/** One text for equal values, of what the server printed. */
function serverValue(type: ColumnType, { isArray, isJson }: ServerColumn, text: string | null): string | null {
  if (text === null) return null
  if (isArray || isJson) return sorted(JSON.parse(text))
  switch (type) {
    case 'number':
      return String(Number(text))
    case 'timestamp':
      return instant(text)
    default:
      return text
  }
}

/** Of a timestamptz; other text stays, of a column whose type is another than the mirror thinks. */
function instant(text: string): string {
  const date = new Date(text.replace(/([+-]\d\d)$/, '$1:00'))
  return Number.isNaN(date.getTime()) ? text : date.toISOString()
}

/** The same of what the heap holds. */
function heapValue(type: ColumnType, value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (type.endsWith('[]')) return sorted((value as unknown[]).map((each) => (each === null ? null : String(each))))
  if (type === 'json') return sorted(value)
  if (value instanceof Date) return new Date(value.getTime()).toISOString()
  return String(value)
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, each) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}
