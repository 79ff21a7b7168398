import { Store } from '../db/store'
import { storedReferences } from '../entity/table-match'
import { readTables, type SourceTable } from '../mirror/catalogue'
import { connect, queryRows } from '../mirror/connection'
import { mirrorName } from '../mirror/mirrored-table'
import { mapType } from '../mirror/types'
import type { ColumnType } from '../table/column-type'
import type { Table } from '../table/table'

/** A table as a class is written for it. */
export interface TableModel {
  readonly name: string
  readonly key: readonly string[]
  readonly columns: readonly ColumnModel[]
}

export interface ColumnModel {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
  readonly unique: boolean
  /** Whether it has an index, where that is not the table's default. */
  readonly index: boolean | 'ordered' | undefined
  /** The table whose key it holds, undefined where it is no reference. */
  readonly refersTo: string | undefined
}

/** Tables that this library keeps for itself. */
const OWN = /^snapheap[._]/

/** The tables in a file, with the references that classes have left there. Throws `NOT_FOUND`, `CORRUPT`, `IO`. */
export async function tablesInFile(path: string): Promise<TableModel[]> {
  const store = Store.open(path, { readOnly: true, create: false })
  try {
    return store.tableNames.filter((name) => !OWN.test(name)).map((name) => modelOf(store.table(name)))
  } finally {
    await store.close()
  }
}

function modelOf(table: Table): TableModel {
  const references = storedReferences(table)
  const columns = table.columns.map(({ name, type, isNullable, isUnique, isIndexed }): ColumnModel => {
    const isKey = table.keyColumns.some((each) => each.name === name)
    const isUsual = isKey || isIndexed === (isUnique || type !== 'boolean')
    const isOrdered = table.indexes.some(
      ({ kind, columns, conditions }) =>
        kind === 'ordered' && columns.length === 1 && columns[0].name === name && conditions.length === 0,
    )
    return {
      name,
      type,
      nullable: isNullable,
      unique: isUnique,
      index: isOrdered ? 'ordered' : isUsual ? undefined : isIndexed,
      refersTo: references[name],
    }
  })
  return { name: table.name, key: table.keyColumns.map((each) => each.name), columns }
}

/**
 * The tables of a Postgres database that have a key, as they are when they are mirrored, with their foreign keys.
 * Throws `POSTGRES`.
 */
export async function tablesInPostgres(url: string): Promise<TableModel[]> {
  const client = await connect(url, 'query')
  try {
    const doing = 'reading the tables failed'
    const names = await queryRows<{ name: string }>(
      client,
      doing,
      `SELECT format('%I.%I', n.nspname, c.relname) AS name
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
         AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
       ORDER BY n.nspname, c.relname`,
    )
    const found = await readTables(
      client,
      names.map((each) => each.name),
    )
    const tables = found.filter((each): each is SourceTable => each !== undefined && each.key.length > 0)
    const foreignKeys = await queryRows<ForeignKey>(
      client,
      doing,
      `SELECT k.conrelid::int8::float8 AS "from", k.confrelid::int8::float8 AS "to",
              a.attname AS "column", b.attname AS "key"
       FROM pg_catalog.pg_constraint k
            JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
            JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
       WHERE k.contype = 'f' AND array_length(k.conkey, 1) = 1`,
    )
    return tables.map((each) => mirroredModel(each, tables, foreignKeys))
  } finally {
    await client.end()
  }
}

interface ForeignKey {
  readonly from: number
  readonly to: number
  readonly column: string
  readonly key: string
}

function mirroredModel(
  source: SourceTable,
  tables: readonly SourceTable[],
  foreignKeys: readonly ForeignKey[],
): TableModel {
  const columns = source.columns.map(({ name, type, isNullable }): ColumnModel => {
    const foreign = foreignKeys.find((each) => each.from === source.oid && each.column === name)
    const target =
      foreign && tables.find(({ oid, key }) => oid === foreign.to && key.length === 1 && key[0] === foreign.key)
    return {
      name,
      type: mapType(type).columnType,
      nullable: isNullable,
      unique: false, // the server sees to that
      index: undefined,
      refersTo: target && mirrorName(target),
    }
  })
  return { name: mirrorName(source), key: source.key, columns }
}
