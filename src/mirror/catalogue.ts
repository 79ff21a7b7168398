import pg from 'pg'
import type { SnapheapError } from '../errors'
import { queryRows } from './connection'
import type { ReplicaIdentity } from './pgoutput'
import { type PostgresType, readTypes } from './source-types'

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

const IDENTIFIER = '"(?:[^"]|"")+"|[^".\\s]+'
/** A name as in SQL: its schema, if it has one, and itself. */
export const TABLE_NAME = new RegExp(`^\\s*(?:(${IDENTIFIER})\\s*\\.\\s*)?(${IDENTIFIER})\\s*$`)

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

/** A relation that holds rows, and that the stream names: an ordinary table, or a partition that has none itself. */
export interface SourceLeaf extends TableIdentity {
  /** `pg_class.relkind` */
  kind: string
  replicaIdentity: ReplicaIdentity
  /** The file that holds the rows; another one when an ALTER TABLE has rewritten them, among others. */
  storage: string
  /** The transactions that attached it to each table above it: it differs after a detachment and an attachment. */
  attachedBy: string
  /** Columns that logical replication sends, in the leaf's order; generated ones are not sent. */
  columns: SourceColumn[]
  generatedColumns: string[]
  /** Highest `attnum` of a column, generated ones included. */
  lastColumnNumber: number
  /** The connected role may read all of its rows also where it is asked for by its own name. */
  isReadable: boolean
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
  /** Columns that are mirrored, in the table's order. */
  columns: SourceColumn[]
  generatedColumns: string[]
  /** Columns whose values are names of other objects, and so may change unseen: they are not mirrored. */
  namingColumns: string[]
  /** Highest `attnum` of a column, generated ones included. */
  lastColumnNumber: number
  /** Unique indexes only. */
  indexes: SourceIndex[]
  /** Columns by which updates and deletes name a row, in index order; empty if there is no such index. */
  key: string[]
  /** Where its rows are: the table itself, or all of its partitions that have none themselves. */
  leaves: SourceLeaf[]
  /** Roots above this one, if it is itself a partition, by oid. */
  ancestorOids: number[]
  isOwner: boolean
  isReadable: boolean
  /** Row security hides rows from the connected role. */
  isRowSecured: boolean
  /** The planner's estimate, partitions included; -1 if it has none. For progress only. */
  estimatedRows: number
  /** On disk without indexes, partitions included, when it was last vacuumed or analysed. For progress only. */
  sizeBytes: number
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

const DOING = 'reading the catalogue failed'

/**
 * The tables called `names`, each spelled as in SQL (`quote`, `shop.quote`, `"Quote"`), in that order; undefined where
 * there is none. Reads what the transaction of `client` sees. Throws `POSTGRES`.
 */
export async function readTables(client: pg.Client, names: readonly string[]): Promise<(SourceTable | undefined)[]> {
  const oids = await resolveNames(client, names)
  const known = [...new Set(oids.filter((oid) => oid !== undefined))]
  const byOid = new Map((await readTablesByOid(client, known)).map((table) => [table.oid, table]))
  return oids.map((oid) => (oid === undefined ? undefined : byOid.get(oid)))
}

/** The same by oid, without those that are gone, in any order. Takes four statements, however many tables there are. */
export async function readTablesByOid(client: pg.Client, oids: readonly number[]): Promise<SourceTable[]> {
  if (oids.length === 0) return []
  const tables = await readRelations(client, oids)
  const indexes = await readIndexes(client, oids)
  const leaves = tables.flatMap((table) => table.leaves)
  const columns = await readColumns(client, [...new Set([...oids, ...leaves.map(({ oid }) => oid)])])
  const types = await readTypes(client, [...new Set(columns.map((column) => column.type_oid))])
  const columnsOf = new Map<number, ColumnRow[]>()
  for (const row of columns) {
    const own = columnsOf.get(row.table_oid)
    if (own === undefined) columnsOf.set(row.table_oid, [row])
    else own.push(row)
  }
  for (const table of tables) {
    const own = columnsOf.get(table.oid) ?? []
    const sent = describeColumns(own, types)
    table.columns = sent.filter(({ type }) => !type.text.isByName)
    table.namingColumns = sent.filter(({ type }) => type.text.isByName).map(({ name }) => name)
    table.generatedColumns = own.filter((row) => row.is_generated).map(({ name }) => name)
    table.lastColumnNumber = own.at(-1)?.number ?? 0 // they come in this order
  }
  for (const leaf of leaves) {
    const own = columnsOf.get(leaf.oid) ?? []
    leaf.columns = describeColumns(own, types)
    leaf.generatedColumns = own.filter((row) => row.is_generated).map(({ name }) => name)
    leaf.lastColumnNumber = own.at(-1)?.number ?? 0
  }
  const byOid = new Map(tables.map((table) => [table.oid, table]))
  for (const { table_oid, ...index } of indexes) byOid.get(table_oid)!.indexes.push(index)
  for (const table of tables) table.key = keyOf(table)
  return tables
}

function describeColumns(rows: readonly ColumnRow[], types: ReadonlyMap<number, PostgresType>): SourceColumn[] {
  return rows
    .filter((row) => !row.is_generated)
    .map((row) => ({
      name: row.name,
      number: row.number,
      definedIn: row.defined_in,
      hasMissingValue: row.has_missing_value,
      typeOid: row.type_oid,
      typeModifier: row.type_modifier,
      type: { ...types.get(row.type_oid)! },
      isNullable: row.is_nullable,
    }))
}

/**
 * Oids of the relations that SQL would mean by `names`, undefined where there is none, or the given text is not a name.
 */
async function resolveNames(client: pg.Client, names: readonly string[]): Promise<(number | undefined)[]> {
  if (names.length === 0) return []
  // Before version 16 a text that is not a name is an error, which ends the transaction.
  const list = names.map((name) =>
    TABLE_NAME.test(name) ? `to_regclass(${pg.escapeLiteral(name)})::oid::int8::float8` : 'NULL',
  )
  try {
    const sql = `SELECT unnest(ARRAY[${list.join(', ')}]::float8[]) AS oid`
    const rows = await queryRows<{ oid: number | null }>(client, DOING, sql)
    return rows.map(({ oid }) => oid ?? undefined)
  } catch (error) {
    if ((error as SnapheapError).details?.sqlState !== '42602') throw error // invalid_name
    if (names.length === 1) return [undefined]
    const oids: (number | undefined)[] = []
    for (const name of names) oids.push(...(await resolveNames(client, [name])))
    return oids
  }
}

function keyOf(table: SourceTable): string[] {
  const isKey = table.replicaIdentity === 'i' ? 'isReplicaIdentity' : 'isPrimary'
  return table.indexes.find((index) => index[isKey])?.columns ?? []
}

/** Takes no locks: it is answered also while a table is being altered. */
async function readRelations(client: pg.Client, oids: readonly number[]): Promise<SourceTable[]> {
  const rows = await queryRows<SourceTable>(
    client,
    DOING,
    `WITH RECURSIVE tree (root, relid, path) AS (
       SELECT oid, oid, '' FROM unnest(ARRAY[${oids.join(', ')}]::oid[]) oid
       UNION ALL
       SELECT t.root, i.inhrelid, concat_ws(', ', nullif(t.path, ''), concat_ws(' ', i.inhparent, i.xmin))
       FROM tree t JOIN pg_catalog.pg_class p ON p.oid = t.relid AND p.relkind = 'p'
            JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relid AND NOT i.inhdetachpending
     )
     SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS "isPartitioned",
            c.relkind AS kind, c.relpersistence AS persistence, c.relreplident AS "replicaIdentity",
            pg_has_role(c.relowner, 'USAGE') AS "isOwner", has_table_privilege(c.oid, 'SELECT') AS "isReadable",
            c.relkind IN ('r', 'p') AND row_security_active(c.oid) AS "isRowSecured",
            ARRAY(SELECT a.relid::oid::int8::float8 FROM pg_partition_ancestors(c.oid) a WHERE a.relid <> c.oid)
              AS "ancestorOids",
            coalesce(l.leaves, '[]') AS leaves,
            CASE WHEN c.relkind = 'p' THEN l.rows ELSE c.reltuples END::float8 AS "estimatedRows",
            coalesce(l.pages, 0)::float8 * current_setting('block_size')::int AS "sizeBytes"
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object('oid', p.oid::int8, 'schema', pn.nspname, 'name', p.relname,
                'kind', p.relkind, 'isPartitioned', false, 'replicaIdentity', p.relreplident,
                'storage', p.relfilenode::text,
                'attachedBy', t.path,
                'isReadable', has_table_privilege(p.oid, 'SELECT') AND p.relkind = 'r'
                  AND NOT row_security_active(p.oid)
              ) ORDER BY p.oid) AS leaves,
              sum(greatest(p.reltuples, 0)) AS rows, sum(p.relpages) AS pages
       FROM tree t JOIN pg_catalog.pg_class p ON p.oid = t.relid
            JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
       WHERE t.root = c.oid AND p.relkind <> 'p'
     ) l ON c.relkind IN ('r', 'p')
     WHERE c.oid IN (${oids.join(', ')})`,
  )
  return rows.map((row) => ({
    ...row,
    columns: [],
    generatedColumns: [],
    namingColumns: [],
    lastColumnNumber: 0,
    indexes: [],
    key: [],
  }))
}

/**
 * Oids of those relations, of `oids`, that hold nothing. Waits for a statement that alters one of them. Throws
 * `POSTGRES`.
 */
export async function emptyRelations(client: pg.Client, oids: readonly number[]): Promise<Set<number>> {
  if (oids.length === 0) return new Set()
  const rows = await queryRows<{ oid: number }>(
    client,
    DOING,
    `SELECT oid::int8::float8 AS oid FROM unnest(ARRAY[${oids.join(', ')}]::oid[]) oid WHERE pg_relation_size(oid) = 0`,
  )
  return new Set(rows.map(({ oid }) => oid))
}

function readColumns(client: pg.Client, oids: readonly number[]): Promise<ColumnRow[]> {
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

function readIndexes(client: pg.Client, oids: readonly number[]): Promise<(SourceIndex & { table_oid: number })[]> {
  return queryRows(
    client,
    DOING,
    `SELECT i.indrelid::int8::float8 AS table_oid, c.relname AS name, i.indisprimary AS "isPrimary",
            i.indisreplident AS "isReplicaIdentity", k.columns,
            i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND k.all_required AS "isIdentifying"
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
     CROSS JOIN LATERAL (
       SELECT array_agg(a.attname::text ORDER BY u.place) AS columns,
              coalesce(bool_and(a.attnotnull), false) AS all_required
       FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
       WHERE u.place <= i.indnkeyatts
     ) k
     WHERE i.indrelid IN (${oids.join(', ')}) AND i.indisunique AND i.indisvalid
     ORDER BY i.indrelid, i.indexrelid`,
  )
}
