import { readOnlyReason, type Transaction } from '../db/transaction'
import { SnapheapError } from '../errors'
import type { ColumnType } from '../table/column-type'
import type { ColumnDefinition } from '../table/definition'
import { type IndexDefinition, type ResolvedIndex, resolveIndex } from '../table/index-definition'
import type { Table } from '../table/table'
import type { StoredCondition, TableIndex } from '../table/table-index'
import type { EntityMapping, MappedProperty } from './mapping'
import { defaultOf } from './property-values'

/**
 * Which stored types a property of each type can read, besides its own. Text is text however it is stored; integers of
 * any size read as numbers as long as they are safe; nothing else converts.
 */
const READS: Partial<Record<ColumnType, readonly ColumnType[]>> = {
  number: ['integer', 'bigint'],
  integer: ['bigint'],
  bigint: ['integer'],
  string: ['uuid', 'day', 'time'],
}

/** Makes the tables and columns that classes lack, as far as existing rows allow it. */
export function createMissing(
  transaction: Transaction,
  mappings: Iterable<EntityMapping>,
  names: readonly string[],
): void {
  for (const mapping of mappings) {
    const { tableName, properties } = mapping
    if (!names.includes(tableName)) {
      createTable(transaction, mapping)
      continue
    }
    if (isManaged(transaction.table(tableName))) continue
    for (const property of properties) {
      const table = transaction.table(tableName)
      if (!table.hasColumn(property.column)) {
        if (canAdd(property, table)) {
          const value = table.rowCount === 0 ? undefined : storedDefault(property)
          transaction.addColumn(tableName, property.column, definition(mapping, property), value)
        }
      } else if (property.index === true) transaction.addIndex(tableName, property.column)
    }
    for (const index of mapping.indexes)
      if (lacksIndex(transaction.table(tableName), index)) transaction.addIndex(tableName, index)
  }
}

/** Makes the table of a class. */
export function createTable(transaction: Transaction, mapping: EntityMapping): void {
  const { tableName, properties, ids, parent } = mapping
  const columns = Object.fromEntries(properties.map((each) => [each.column, definition(mapping, each)]))
  transaction.createTable(tableName, { key: ids.map((each) => each.column), columns, indexes: mapping.ownIndexes })
  const references = properties.flatMap(({ column, target }) =>
    target === undefined ? [] : [[column, target().tableName]],
  )
  if (parent !== undefined) references.push([ids[0].column, parent.tableName])
  if (references.length > 0) transaction.setProperties(tableName, { references: Object.fromEntries(references) })
}

/**
 * Which columns of a table refer to which others, as classes said when they made it. For tools: nothing is read or kept
 * by it.
 */
export function storedReferences({ properties }: Table): Readonly<Record<string, string>> {
  return (properties as { references?: Record<string, string> } | null | undefined)?.references ?? {}
}

/** Whether `createMissing` has anything to do. */
export function lacks(mapping: EntityMapping, table: Table | undefined): boolean {
  if (table === undefined) return true
  if (isManaged(table)) return false
  if (mapping.indexes.some((each) => lacksIndex(table, each))) return true
  return mapping.properties.some((each) =>
    table.hasColumn(each.column) ? each.index === true && !table.column(each.column).isIndexed : canAdd(each, table),
  )
}

/** How a stored table differs from what a class says, each difference a sentence that ends in its remedy. */
export function differences(mapping: EntityMapping, table: Table | undefined): string[] {
  if (table === undefined) {
    return [
      `${mapping.className} needs table ${mapping.tableName}, which does not exist. Open the database for writing ` +
        'once to make it.',
    ]
  }
  const found: string[] = []
  const wanted = mapping.ids.map((each) => each.column)
  const stored = table.keyColumns.map((each) => each.name)
  if (wanted.length !== stored.length || !wanted.every((each) => stored.includes(each))) {
    found.push(
      `The key of table ${table.name} is (${stored.join(', ')}), that of ${mapping.className} is ` +
        `(${wanted.join(', ')}). ${mapping.spelling.addKeys}`,
    )
  }
  for (const property of mapping.properties) {
    const problem = propertyDifference(mapping, property, table)
    if (problem !== undefined) found.push(`${mapping.className}.${property.name} ${problem}`)
  }
  for (const index of mapping.indexes) {
    const problem = indexDifference(mapping, index, table)
    if (problem !== undefined) found.push(problem)
  }
  return found
}

/** Throws `SCHEMA` listing the differences, unless there are none. */
export function ensureNone(found: readonly string[]): void {
  if (found.length > 0) throw new SnapheapError('SCHEMA', found.join('\n'), { differences: found })
}

/** Whether the table has the columns of an index, and no whole index of its name. */
export function lacksIndex(table: Table, index: IndexDefinition): boolean {
  if (![...index.columns, ...Object.keys(index.where ?? {})].every((each) => table.hasColumn(each))) return false
  const { name } = resolveIndex(table.name, index, table.columns)
  return !table.indexes.some((each) => each.name === name)
}

/** An index that is missing is none: classes are read without it. */
function indexDifference(mapping: EntityMapping, index: IndexDefinition, table: Table): string | undefined {
  if (isManaged(table) || ![...index.columns, ...Object.keys(index.where ?? {})].every((each) => table.hasColumn(each)))
    return undefined
  const wanted = resolveIndex(table.name, index, table.columns)
  const stored = table.indexes.find((each) => each.name === wanted.name)
  if (stored === undefined || isSameIndex(stored, wanted, table)) return undefined
  return (
    `Index ${wanted.name} of table ${table.name} is another than that of ${mapping.className}. Drop it, or ` +
    'choose another name.'
  )
}

function isSameIndex(stored: TableIndex, wanted: ResolvedIndex, table: Table): boolean {
  const { finder } = table.context
  const isAsWanted = ({ column, isPresent, low, high }: StoredCondition): boolean => {
    const each = wanted.where.find((condition) => condition.column === column.name)
    if (each === undefined || each.isPresent !== isPresent) return false
    return isPresent || (table.seekValue(column, each.value) && finder.low === low && finder.high === high)
  }
  return (
    stored.kind === wanted.kind &&
    stored.isUnique === wanted.unique &&
    stored.columns.length === wanted.columns.length &&
    stored.columns.every((each, i) => each.name === wanted.columns[i]) &&
    stored.conditions.length === wanted.where.length &&
    stored.conditions.every(isAsWanted)
  )
}

function propertyDifference(mapping: EntityMapping, property: MappedProperty, table: Table): string | undefined {
  const name = `${table.name}.${property.column}`
  if (!table.hasColumn(property.column)) {
    const missing = `needs column ${name}, which is missing.`
    if (isManaged(table))
      return (
        `${missing} Name another one with ${mapping.spelling.nameColumn}; the table has ` +
        `${table.columnNames.join(', ')}.`
      )
    return (
      `${missing} Declare it nullable or with a default, or add the column with tx.addColumn, giving a value ` +
      'for the rows there are.'
    )
  }
  const column = table.column(property.column)
  const type = mapping.columnType(property)
  if (!canRead(type, property.isTypeGiven, column.type)) {
    const remedy = mapping.spelling.typed(column.type)
    return `is of type ${type}, but column ${name} is of type ${column.type}. ${remedy}`
  }
  if (column.isNullable && !property.nullable && column.type !== 'any') {
    return `cannot be null, but column ${name} can. ${mapping.spelling.allowNull}`
  }
  if (isManaged(table)) return undefined
  if (property.nullable && !column.isNullable)
    return `can be null, but column ${name} cannot. Leave nullable out, or add another column.`
  if (property.unique && !column.isUnique && !property.isId) {
    return `is unique, but column ${name} is not. Leave unique out, or add another column.`
  }
  return undefined
}

export function canRead(type: ColumnType, isGiven: boolean, stored: ColumnType): boolean {
  if (type === stored || type === 'any') return true
  if (READS[type]?.includes(stored)) return true
  return isGiven && type === 'number' && stored === 'decimal'
}

function canAdd(property: MappedProperty, table: Table): boolean {
  if (table.hasColumn(property.column) || property.isId) return false
  return property.nullable || property.defaultValue !== undefined || table.rowCount === 0
}

/** What rows get that were there before the column, undefined for nothing. */
export function storedDefault({ values, defaultValue }: MappedProperty): unknown {
  const value = defaultOf(defaultValue)
  return values === undefined ? value : values.stored(value)
}

export function definition(mapping: EntityMapping, property: MappedProperty): ColumnDefinition {
  const { nullable, unique, index } = property
  return { type: mapping.columnType(property), nullable, unique, ...(index === undefined ? {} : { index }) }
}

/** Whether somebody else keeps the table in step with something: it takes no changes from classes. */
function isManaged(table: Table): boolean {
  return readOnlyReason(table) !== undefined
}
