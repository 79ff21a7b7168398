import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { type ColumnDefinition, resolveColumn } from './definition'
import { orderedBy } from './index-definition'
import type { SchemaWriter } from './schema-writer'
import type { Table } from './table'

/** What a column may become: what is left out stays. */
export type ColumnChange = Partial<ColumnDefinition>

/** The name that a column has while its values are converted. */
const CONVERTED = ' converted'

/**
 * Changes what a column may hold. With another type or scale its values become what `convert` makes of them, and it
 * comes last in the table. Throws `INVALID_ARGUMENT` for a column of the key, `NOT_NULL`, `UNIQUE` and `TYPE` where
 * rows do not fit; the transaction must then be given up.
 */
export function changeColumn(
  schema: SchemaWriter,
  tableName: string,
  name: string,
  change: ColumnChange,
  convert: (value: unknown) => unknown = (value) => value,
): void {
  const column = schema.catalogue.table(tableName).column(name)
  if (schema.catalogue.table(tableName).keyColumns.includes(column)) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `Column ${tableName}.${name} is part of the key and cannot be changed. Make another table, and move the rows.`,
      { table: tableName, column: name },
    )
  }
  resolveColumn(tableName, name, { ...change, type: change.type ?? column.type })
  const { type = column.type, nullable = column.isNullable, unique = column.isUnique } = change
  const scale = type === 'decimal' ? (change.scale ?? column.scale) : change.scale
  const isOrdered = change.index === 'ordered'
  const index = isOrdered
    ? unique
    : (change.index ?? (unique || (type === column.type ? column.isIndexed : type !== 'boolean')))
  if (type !== column.type || scale !== column.scale) {
    const definition = { type, nullable: true, index: false, ...(scale === undefined ? {} : { scale }) }
    schema.renameColumn(tableName, name, CONVERTED)
    schema.addColumn(tableName, name, definition)
    convertRows(schema, tableName, name, convert)
    schema.dropColumn(tableName, CONVERTED)
  }
  schema.allow(tableName, name, { nullable, unique })
  if (index) schema.addIndex(tableName, name)
  else if (schema.catalogue.table(tableName).column(name).isIndexed) schema.dropIndex(tableName, name)
  if (isOrdered) schema.addIndex(tableName, orderedBy(name))
}

function convertRows(
  schema: SchemaWriter,
  tableName: string,
  name: string,
  convert: (value: unknown) => unknown,
): void {
  const writer = schema.writer(tableName)
  const { table } = writer
  const from = table.column(CONVERTED)
  for (const row of [...table.rows()]) {
    const value = from.get(row)
    if (value === null || value === undefined) continue
    try {
      writer.update(row, { [name]: convert(value) })
    } catch (cause) {
      throw cannotConvert(table, row, name, value, cause)
    }
  }
}

function cannotConvert(table: Table, row: number, name: string, value: unknown, cause: unknown): SnapheapError {
  const [type, key] = [table.column(name).type, show(table.keyOf(row))]
  return new SnapheapError(
    'TYPE',
    `Column ${table.name}.${name} cannot become ${type}: the row with key ${key} has ${show(value)}. Change that ` +
      'row first, or give a function that converts it.',
    { table: table.name, column: name, key: table.keyOf(row) },
    cause,
  )
}
