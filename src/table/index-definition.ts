import { BOOLEAN, ensureOptions, NAME, RECORD, type Rule } from '../arguments'
import { SnapheapError } from '../errors'
import type { ColumnType } from './column-type'
import { findIndexType } from './index-type'
import { checkName } from './names'

/** `hash`, `ordered`, or the name of an index type that `defineIndexType` made known. */
export type IndexKind = 'hash' | 'ordered' | (string & Record<never, never>)

/** How an index of a kind is stored. */
export function structureOf(kind: IndexKind): 'hash' | 'ordered' | 'terms' {
  if (kind === 'hash') return 'hash'
  return kind === 'ordered' ? 'ordered' : 'terms'
}

/**
 * Which rows a partial index has: those whose columns have these values. null: no value; `{ isNull: false }`: any
 * value.
 */
export type IndexCondition = Readonly<Record<string, unknown>>

export interface IndexDefinition {
  /** Default: the columns' names and the kind, joined by "_". */
  readonly name?: string
  /** In the order in which they are compared. */
  readonly columns: readonly string[]
  /**
   * `hash` finds rows by values of all its columns; `ordered` also by some of the first, by ranges, and in order; the
   * name of an index type (`defineIndexType`) by terms of its only column. Default `hash`.
   */
  readonly kind?: IndexKind
  /**
   * Whether no two of its rows may have the same values. Rows without a value in one of its columns are all different.
   * Default false.
   */
  readonly unique?: boolean
  /** Only rows that fulfil this are in the index. Default: all. */
  readonly where?: IndexCondition
}

/** A condition on one column; `isPresent`: it has any value. */
export interface ResolvedCondition {
  readonly column: string
  readonly isPresent: boolean
  readonly value: unknown
}

export interface ResolvedIndex {
  readonly name: string
  readonly columns: readonly string[]
  readonly kind: IndexKind
  readonly unique: boolean
  readonly where: readonly ResolvedCondition[]
}

const ANYTHING: Rule = [() => true, '']
/** What has a message of its own below is anything here. */
const INDEX_RULES: Readonly<Record<keyof IndexDefinition, Rule>> = {
  name: NAME,
  columns: ANYTHING,
  kind: ANYTHING,
  unique: BOOLEAN,
  where: RECORD,
}

/** The definition of the ordered index of one column. */
export function orderedBy(column: string): IndexDefinition {
  return { columns: [column], kind: 'ordered' }
}

/** Checks an index definition and fills in its defaults. Throws `INVALID_ARGUMENT`, naming table, index and remedy. */
export function resolveIndex(
  table: string,
  given: IndexDefinition,
  columns: readonly { readonly name: string; readonly type: ColumnType }[],
): ResolvedIndex {
  ensureOptions(`An index of table ${table}`, given, INDEX_RULES)
  const { kind = 'hash', unique = false, where = {} } = given
  if (!Array.isArray(given.columns) || given.columns.length === 0)
    throw invalid(`An index of table ${table} has no columns. Name at least one.`)
  if (typeof kind !== 'string' || (structureOf(kind) === 'terms' && findIndexType(kind) === undefined)) {
    throw invalid(
      `An index of table ${table} is of the unknown kind ${String(kind)}. Use 'hash' or 'ordered', or define an ` +
        'index type of that name.',
    )
  }
  const name = given.name ?? `${given.columns.join('_')}_${kind}`
  checkName('index', name)
  if (structureOf(kind) === 'terms' && (unique || given.columns.length > 1))
    throw invalid(`Index ${name} of table ${table} is by terms: it has one column and is not unique. Define it so.`)
  if (new Set(given.columns).size !== given.columns.length)
    throw invalid(`Index ${name} of table ${table} names a column twice. Name each once.`)
  for (const each of [...given.columns, ...Object.keys(where)]) {
    const column = columns.find((known) => known.name === each)
    if (column === undefined) {
      const names = columns.map((known) => known.name).join(', ')
      throw invalid(`Index ${name} of table ${table} names "${each}", which is none of its columns (${names}).`)
    }
    if (kind === 'ordered' && given.columns.includes(each) && column.type.endsWith('[]'))
      throw invalid(`Column ${table}.${each} of type ${column.type} has no order. Use an index of kind 'hash'.`)
  }
  if (columns.some((each) => each.name === name))
    throw invalid(`Index ${name} of table ${table} is called like one of its columns. Choose another name.`)
  const conditions = Object.entries(where).map(([column, value]) =>
    resolveCondition(`Index ${name} of table ${table}`, column, value),
  )
  return { name, columns: [...given.columns], kind, unique, where: conditions }
}

function resolveCondition(what: string, column: string, value: unknown): ResolvedCondition {
  if (value === undefined)
    throw invalid(`${what} has no value for ${column} in its condition. Use null for "no value".`)
  const isTest = typeof value === 'object' && value !== null && Object.keys(value).join() === 'isNull'
  if (!isTest) return { column, isPresent: false, value }
  const { isNull } = value as { isNull: unknown }
  if (typeof isNull !== 'boolean') throw invalid(`${what} has an isNull for ${column} that is neither true nor false.`)
  return { column, isPresent: !isNull, value: null }
}

function invalid(message: string): SnapheapError {
  return new SnapheapError('INVALID_ARGUMENT', message)
}
