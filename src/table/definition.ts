import { SnapheapError } from '../errors'
import { type ColumnType, isColumnType } from './column-type'
import { type IndexDefinition, orderedBy, type ResolvedIndex, resolveIndex } from './index-definition'
import { checkName } from './names'

export interface ColumnDefinition {
  readonly type: ColumnType
  /** Whether a row may have no value. Default false; true for type `any`. */
  readonly nullable?: boolean
  /** Whether two rows may not have the same value. Default false. Needs an index. */
  readonly unique?: boolean
  /**
   * Whether values can be looked up; 'ordered': also ranges of them, and in their order. Default true, except for booleans.
   * An ordered index takes the place of the other, except where that keeps values unique.
   */
  readonly index?: boolean | 'ordered'
}

export interface TableDefinition {
  /** The column, or columns in order, that name a row. */
  readonly key: string | readonly string[]
  /** Column name -> definition, or just its type. */
  readonly columns: Readonly<Record<string, ColumnType | ColumnDefinition>>
  /** Further indexes: over several columns, ordered, unique, or of some rows only. */
  readonly indexes?: readonly IndexDefinition[]
}

export interface ResolvedColumn {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
  readonly unique: boolean
  readonly index: boolean
  readonly isOrdered: boolean
}

/** Checks a table definition and fills in its defaults. Throws `INVALID_ARGUMENT`, naming table, column and remedy. */
export function resolveTable(
  name: string,
  definition: TableDefinition,
): { key: string[]; columns: ResolvedColumn[]; indexes: ResolvedIndex[] } {
  checkName('table', name)
  const key = typeof definition.key === 'string' ? [definition.key] : [...definition.key]
  const columns = Object.entries(definition.columns).map(([column, each]) => resolveColumn(name, column, each))
  if (key.length === 0) throw invalid(`Table ${name} has no key. Name the column or columns that identify a row.`)
  if (new Set(key).size !== key.length) throw invalid(`The key of table ${name} names a column twice. Name each once.`)
  for (const column of key) {
    const found = columns.find((each) => each.name === column)
    if (found === undefined)
      throw invalid(`The key of table ${name} names "${column}", which is none of its columns. Add it.`)
    if (found.type === 'any' || (found.type === 'boolean' && key.length === 1)) {
      throw invalid(`Column ${name}.${column} of type ${found.type} cannot be a key. Give it another type.`)
    }
  }
  const indexes = columns.flatMap((each) => (each.isOrdered ? [orderedBy(each.name)] : []))
  return {
    key,
    columns: columns.map((each) => (key.includes(each.name) ? { ...each, nullable: false } : each)),
    indexes: [...indexes, ...(definition.indexes ?? [])].map((each) => resolveIndex(name, each, columns)),
  }
}

/** Checks a column definition and fills in its defaults. Throws `INVALID_ARGUMENT`. */
export function resolveColumn(table: string, name: string, given: ColumnType | ColumnDefinition): ResolvedColumn {
  checkName('column', name)
  const definition: ColumnDefinition = typeof given === 'string' ? { type: given } : given
  if (!isColumnType(definition.type)) {
    throw invalid(
      `Column ${table}.${name} has the unknown type ${String(definition.type)}. ` +
        'Use any, boolean, integer, bigint, number, decimal, string, bytes, uuid, timestamp, day, time, json, or one of them followed by [].',
    )
  }
  const unique = definition.unique ?? false
  const wanted = definition.index
  const isOrdered = wanted === 'ordered'
  const index = isOrdered ? unique : (wanted ?? (unique || definition.type !== 'boolean'))
  if (unique && !index)
    throw invalid(`Column ${table}.${name} is unique but has no index. Leave index out, or set it to true.`)
  return {
    name,
    type: definition.type,
    nullable: definition.nullable ?? definition.type === 'any',
    unique,
    index,
    isOrdered,
  }
}

function invalid(message: string): SnapheapError {
  return new SnapheapError('INVALID_ARGUMENT', message)
}
