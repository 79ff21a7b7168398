import pg from 'pg'
import { postgresError, queryRows } from './connection'
import type { ReplicaIdentity } from './pgoutput'

export interface TableIdentity {
  oid: number
  schema: string
  name: string
  /** The root of partitions, holding no rows itself. */
  isPartitioned: boolean
}

/** `table` for SQL: qualified and quoted where needed. */
export function qualifiedName(table: { schema: string; name: string }): string {
  return `${pg.escapeIdentifier(table.schema)}.${pg.escapeIdentifier(table.name)}`
}

/** A type with domains resolved to what they are made of; the element of an array, too. */
export interface PostgresType {
  schema: string
  name: string
  kind: 'base' | 'enum' | 'array' | 'composite' | 'range'
  /** Arrays only. */
  element?: PostgresType
  /** Character between the elements of an array in its text form. */
  delimiter?: string
  /** Enums only: oid of each value -> its label, which can be changed. */
  labels?: Readonly<Record<string, string>>
}

export interface SourceColumn {
  name: string
  /** `attnum`: never used again in its table, also not after the column was dropped. */
  number: number
  /** `xmin` of the column's catalogue entry: changes with every ALTER TABLE that concerns the column. */
  definedIn: string
  /** Rows from before the column was added have a value that is not in them (`atthasmissing`). */
  hasMissingValue: boolean
  /** As declared, domains unresolved: what the stream's Relation messages say. */
  typeOid: number
  typeModifier: number
  /** An object of its own, which stands for this column where losses are noted. */
  type: PostgresType
  isNullable: boolean
}

export interface SourceIndex {
  name: string
  isPrimary: boolean
  isReplicaIdentity: boolean
  /** Could serve as replica identity: unique, not partial, not deferrable, no expressions, no nullable columns. */
  isIdentifying: boolean
  /** In the index's order. */
  columns: string[]
}

/** A table of the server, as far as mirroring it depends on it. */
export interface SourceTable extends TableIdentity {
  /** The name of its mirror, where that is not the one that its own name would give. */
  mirroredAs?: string
  /** `pg_class.relkind`: `r` table, `p` partitioned table, `v` view, `m` materialized view, `f` foreign table … */
  kind: string
  /** `pg_class.relpersistence`: `p` permanent, `u` unlogged, `t` temporary. */
  persistence: string
  replicaIdentity: ReplicaIdentity
  /** Columns that are mirrored, in the table's order; generated ones are not sent by logical replication. */
  columns: SourceColumn[]
  generatedColumns: string[]
  /** Highest `attnum` of a column, generated ones included. */
  lastColumnNumber: number
  /** Unique indexes only. */
  indexes: SourceIndex[]
  /** Columns by which updates and deletes name a row, in index order; empty if there is no such index. */
  key: string[]
  /** All partitions that hold rows. Empty for an ordinary table. */
  partitions: SourcePartition[]
  /** The file that holds the rows; another one when an ALTER TABLE has rewritten them, among others. "0" for roots. */
  storage: string
  /** Roots above this one, if it is itself a partition, by oid. */
  ancestorOids: number[]
  isOwner: boolean
  isReadable: boolean
  /** Row security hides rows from the connected role. */
  isRowSecured: boolean
  /** The planner's estimate, partitions included; -1 if it has none. For progress only. */
  estimatedRows: number
  /** On disk without indexes, partitions included. For progress only. */
  sizeBytes: number
}

export interface SourcePartition extends TableIdentity {
  kind: string
  replicaIdentity: ReplicaIdentity
  storage: string
  /** It was made as a partition of the root, empty, and not attached with rows. */
  wasMadeHere: boolean
}

interface ColumnRow {
  table_oid: number
  name: string
  type_oid: number
  type_modifier: number
  number: number
  defined_in: string
  has_missing_value: boolean
  is_nullable: boolean
  is_generated: boolean
}

interface TypeRow {
  oid: number
  schema: string
  name: string
  type: string
  base_oid: number
  element_oid: number
  delimiter: string
  labels: Record<string, string> | null
}

const DOING = 'reading the catalogue failed'

/**
 * The tables called `names`, each spelled as in SQL (`quote`, `shop.quote`, `"Quote"`), in that order; undefined where
 * there is none. Reads what the transaction of `client` sees. Throws `POSTGRES`.
 */
export async function readTables(client: pg.Client, names: readonly string[]): Promise<(SourceTable | undefined)[]> {
  const oids: (number | undefined)[] = []
  for (const name of names) oids.push(await resolveName(client, name))
  const known = [...new Set(oids.filter((oid) => oid !== undefined))]
  if (known.length === 0) return oids.map(() => undefined)
  const tables = await readRelations(client, known)
  const [columns, indexes] = [await readColumns(client, known), await readIndexes(client, known)]
  const types = await readTypes(client, [...new Set(columns.map((column) => column.type_oid))])
  const byOid = new Map(tables.map((table) => [table.oid, table]))
  for (const row of columns) {
    const table = byOid.get(row.table_oid)!
    table.lastColumnNumber = row.number // they come in this order
    if (row.is_generated) table.generatedColumns.push(row.name)
    else {
      table.columns.push({
        name: row.name,
        number: row.number,
        definedIn: row.defined_in,
        hasMissingValue: row.has_missing_value,
        typeOid: row.type_oid,
        typeModifier: row.type_modifier,
        type: { ...types.get(row.type_oid)! },
        isNullable: row.is_nullable,
      })
    }
  }
  for (const { table_oid, ...index } of indexes) byOid.get(table_oid)!.indexes.push(index)
  for (const table of tables) table.key = keyOf(table)
  return oids.map((oid) => (oid === undefined ? undefined : byOid.get(oid)))
}

/** Oid of the relation that SQL would mean by `name`, or undefined, also if `name` is no name. */
async function resolveName(client: pg.Client, name: string): Promise<number | undefined> {
  try {
    const result = await client.query(`SELECT to_regclass(${pg.escapeLiteral(name)})::oid::int8::float8 AS oid`)
    return result.rows[0].oid ?? undefined
  } catch (error) {
    if ((error as pg.DatabaseError).code === '42602') return undefined // invalid_name
    throw postgresError(DOING, error)
  }
}

function keyOf(table: SourceTable): string[] {
  const isKey = table.replicaIdentity === 'i' ? 'isReplicaIdentity' : 'isPrimary'
  return table.indexes.find((index) => index[isKey])?.columns ?? []
}

async function readRelations(client: pg.Client, oids: number[]): Promise<SourceTable[]> {
  const rows = await queryRows<SourceTable>(
    client,
    DOING,
    `SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS "isPartitioned",
            c.relkind AS kind, c.relpersistence AS persistence, c.relreplident AS "replicaIdentity",
            pg_has_role(c.relowner, 'USAGE') AS "isOwner", has_table_privilege(c.oid, 'SELECT') AS "isReadable",
            c.relkind IN ('r', 'p') AND row_security_active(c.oid) AS "isRowSecured",
            ARRAY(SELECT a.relid::oid::int8::float8 FROM pg_partition_ancestors(c.oid) a WHERE a.relid <> c.oid)
              AS "ancestorOids",
            coalesce(l.partitions, '[]') AS partitions,
            c.relfilenode::text AS storage,
            coalesce(l.rows, c.reltuples)::float8 AS "estimatedRows",
            coalesce(l.size, CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) END, 0)::float8 AS "sizeBytes"
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object('oid', p.oid::int8, 'schema', pn.nspname, 'name', p.relname, 'kind', p.relkind,
                'isPartitioned', false, 'replicaIdentity', p.relreplident,
                'storage', p.relfilenode::text,
                'wasMadeHere', i.inhparent = c.oid AND i.xmin::text = pt.xmin::text) ORDER BY p.oid) AS partitions,
              sum(greatest(p.reltuples, 0)) AS rows,
              sum(CASE WHEN p.relkind = 'r' THEN pg_table_size(p.oid) END) AS size
       FROM pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class p ON p.oid = t.relid
            JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
            JOIN pg_catalog.pg_inherits i ON i.inhrelid = p.oid JOIN pg_catalog.pg_type pt ON pt.oid = p.reltype
       WHERE t.isleaf AND p.oid <> c.oid
     ) l ON c.relkind = 'p'
     WHERE c.oid IN (${oids.join(', ')})`,
  )
  return rows.map((row) => ({ ...row, columns: [], generatedColumns: [], lastColumnNumber: 0, indexes: [], key: [] }))
}

function readColumns(client: pg.Client, oids: number[]): Promise<ColumnRow[]> {
  return queryRows(
    client,
    DOING,
    `SELECT attrelid::int8::float8 AS table_oid, attname AS name, atttypid::int8::float8 AS type_oid,
            attnum::int4 AS number, xmin::text AS defined_in, atthasmissing AS has_missing_value,
            atttypmod AS type_modifier, NOT attnotnull AS is_nullable, attgenerated <> '' AS is_generated
     FROM pg_catalog.pg_attribute
     WHERE attrelid IN (${oids.join(', ')}) AND attnum > 0 AND NOT attisdropped
     ORDER BY attrelid, attnum`,
  )
}

function readIndexes(client: pg.Client, oids: number[]): Promise<(SourceIndex & { table_oid: number })[]> {
  return queryRows(
    client,
    DOING,
    `SELECT i.indrelid::int8::float8 AS table_oid, c.relname AS name, i.indisprimary AS "isPrimary",
            i.indisreplident AS "isReplicaIdentity", k.columns,
            i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND k.all_required AS "isIdentifying"
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
     CROSS JOIN LATERAL (
       SELECT array_agg(a.attname::text ORDER BY u.place) AS columns, coalesce(bool_and(a.attnotnull), false) AS all_required
       FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
       WHERE u.place <= i.indnkeyatts
     ) k
     WHERE i.indrelid IN (${oids.join(', ')}) AND i.indisunique AND i.indisvalid
     ORDER BY i.indrelid, i.indexrelid`,
  )
}

/**
 * The types of `oids`, each with all it is made of. The catalogue is asked level by level, since a domain can stand for an
 * array of domains. Throws `POSTGRES`.
 */
export async function readTypes(client: pg.Client, oids: readonly number[]): Promise<Map<number, PostgresType>> {
  const rows = new Map<number, TypeRow>()
  for (let wanted = [...oids]; wanted.length > 0; ) {
    const found: TypeRow[] = await queryRows(
      client,
      DOING,
      `SELECT t.oid::int8::float8 AS oid, n.nspname AS schema, t.typname AS name, t.typtype AS type,
              t.typbasetype::int8::float8 AS base_oid, e.typdelim AS delimiter,
              CASE WHEN t.typoutput = 'pg_catalog.array_out'::regproc THEN t.typelem::int8::float8 ELSE 0 END AS element_oid,
              (SELECT jsonb_object_agg(v.oid::text, v.enumlabel) FROM pg_catalog.pg_enum v WHERE v.enumtypid = t.oid) AS labels
       FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
            LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
       WHERE t.oid IN (${wanted.join(', ')})`,
    )
    for (const row of found) rows.set(row.oid, row)
    const parts = found.flatMap((row) => [row.base_oid, row.element_oid])
    wanted = [...new Set(parts)].filter((oid) => oid !== 0 && !rows.has(oid))
  }
  const resolve = (oid: number): PostgresType => {
    const row = rows.get(oid)!
    if (row.type === 'd') return resolve(row.base_oid)
    const { schema, name } = row
    if (row.element_oid !== 0) {
      return { schema, name, kind: 'array', element: resolve(row.element_oid), delimiter: row.delimiter }
    }
    const kinds: Record<string, PostgresType['kind']> = { e: 'enum', c: 'composite', r: 'range', m: 'range' }
    return { schema, name, kind: kinds[row.type] ?? 'base', ...(row.labels === null ? {} : { labels: row.labels }) }
  }
  return new Map(oids.map((oid) => [oid, resolve(oid)]))
}
