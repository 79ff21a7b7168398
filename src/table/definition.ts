import { BOOLEAN, ensure, ensureOptions, RECORD, type Rule, show } from '../arguments'
import { SnapheapError } from '../errors'
import { type ColumnType, isColumnType } from './column-type'
import { type IndexDefinition, orderedBy, type ResolvedIndex, resolveIndex } from './index-definition'
import { LARGEST_SCALE } from './layout'
import { checkName } from './names'

export interface ColumnDefinition {
  readonly type: ColumnType
  /** Whether a row may have no value. Default false; true for type `any`. */
  readonly nullable?: boolean
  /** Whether two rows may not have the same value. Default false. Needs an index. */
  readonly unique?: boolean
  /**
   * Decimals only: digits after the point that each of them has, 0 to 16383. Values are then kept, and looked up, at
   * that scale, so that 1.5 finds 1.50. Default: each keeps its own, and 1.5 and 1.50 are two values.
   */
  readonly scale?: number
  /**
   * Whether values can be looked up; 'ordered': also ranges of them, and in their order. Default true, except for
   * booleans. An ordered index takes the place of the other, except where that keeps values unique.
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
  readonly scale: number | undefined
}

const KEY: Rule = [
  (key) => typeof key === 'string' || (Array.isArray(key) && key.every((each) => typeof each === 'string')),
  'the name of a column, or an array of such names',
]
export const INDEX: Rule = [(index) => typeof index === 'boolean' || index === 'ordered', "true, false or 'ordered'"]
export const INDEXES: Rule = [(indexes) => Array.isArray(indexes), 'an array of index definitions']
const TABLE_RULES = { key: KEY, columns: RECORD, indexes: INDEXES }
const COLUMN_RULES: Readonly<Record<keyof ColumnDefinition, Rule>> = {
  type: [() => true, ''], // has a message of its own
  nullable: BOOLEAN,
  unique: BOOLEAN,
  index: INDEX,
  scale: [
    (scale) => Number.isInteger(scale) && (scale as number) >= 0 && (scale as number) <= LARGEST_SCALE,
    `an integer of 0 to ${LARGEST_SCALE}`,
  ],
}

/** Checks a table definition and fills in its defaults. Throws `INVALID_ARGUMENT`, naming table, column and remedy. */
export function resolveTable(
  name: string,
  definition: TableDefinition,
): { key: string[]; columns: ResolvedColumn[]; indexes: ResolvedIndex[] } {
  checkName('table', name)
  ensureOptions(`Table ${name}`, definition, TABLE_RULES)
  for (const required of ['key', 'columns'] as const)
    ensure(`The ${required} of table ${name}`, definition[required], TABLE_RULES[required])
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
  ensureOptions(`Column ${table}.${name}`, definition, COLUMN_RULES)
  if (!isColumnType(definition.type)) {
    throw invalid(
      `Column ${table}.${name} has the unknown type ${show(definition.type)}. ` +
        'Use any, boolean, integer, bigint, number, decimal, string, bytes, uuid, timestamp, day, time, json, or ' +
        'one of them followed by [].',
    )
  }
  const { scale } = definition
  if (scale !== undefined && definition.type !== 'decimal')
    throw invalid(
      `Column ${table}.${name} of type ${definition.type} has a scale, which only decimals have. Leave it out.`,
    )
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
    scale,
  }
}

function invalid(message: string): SnapheapError {
  return new SnapheapError('INVALID_ARGUMENT', message)
}
