import { ensure, FUNCTION, type Rule, TEXT } from '../arguments'
import { SnapheapError } from '../errors'
import type { QueryReader } from './pipeline'
import { type Condition, columnPath, frozen, isMade, type Plan, type Step } from './plan'
import { Query } from './query'

/** Part of a query: a step, or several that were composed. */
export type QueryPart = Step | Plan

/** How a query ends: what is made of its results, for an input where its first step takes one. */
export interface Terminal<R> {
  readonly kind: 'terminal'
  readonly run: (query: Query<unknown>) => R
}

const STEP: Rule = [isMade, 'what rows(…), columnEqual(…) and their like return, or several of them composed']
const READER: Rule = [
  (value) => typeof (value as Partial<QueryReader> | null | undefined)?.table === 'function',
  'a database, a snapshot or an open transaction',
]
const INTEGER: Rule = [Number.isSafeInteger, 'a whole number']

/** One query out of parts, each taking what the one before it gives. Throws `INVALID_ARGUMENT` for what is no part. */
export function compose(...parts: readonly QueryPart[]): Plan {
  const steps = parts.flatMap((part) => (isPlan(part) ? part : [part]))
  for (const step of steps) ensure('compose()', step, STEP)
  return Object.freeze(steps)
}

/**
 * Asks a reader (a database, a snapshot, an open transaction). With a terminal as the last part it returns what that
 * makes of the results, else a prepared `Query` that can be asked of any reader with any input.
 *
 *     query(db, indexLookup('animal', 'legs'), columnEqual('animal', 'type', 'mammal'), exists(5))
 */
export function query<R>(reader: QueryReader, ...parts: readonly [...QueryPart[], Terminal<R>]): R
export function query(reader: QueryReader, ...parts: readonly QueryPart[]): Query<unknown>
export function query(reader: QueryReader, ...parts: readonly (QueryPart | Terminal<unknown>)[]): unknown {
  ensure('query()', reader, READER)
  const last = parts.at(-1)
  const steps = (isTerminal(last) ? parts.slice(0, -1) : parts) as readonly QueryPart[]
  if (steps.some(isTerminal)) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      'A terminal such as collect() must be the last part of a query. Move it to the end.',
    )
  }
  const asked = new Query(compose(...steps), reader)
  return isTerminal(last) ? last.run(asked) : asked
}

/** Anything -> every row of a table. */
export function rows(table: string): Step {
  ensure('rows()', table, TEXT)
  return frozen({ kind: 'rows', table })
}

/** A value -> the rows whose column has it: by the index where there is one. */
export function indexLookup(table: string, column: string): Step {
  ensureColumn('indexLookup', table, column)
  return frozen({ kind: 'lookup', table, column })
}

/** Rows whose column has this value; null means none. */
export function columnEqual(table: string, column: string, value: unknown): Step {
  ensureColumn('columnEqual', table, column)
  return filter(table, { kind: 'compare', path: columnPath(column), operator: 'eq', value })
}

/** Rows whose column does not have this value. */
export function columnNotEqual(table: string, column: string, value: unknown): Step {
  ensureColumn('columnNotEqual', table, column)
  return filter(table, { kind: 'compare', path: columnPath(column), operator: 'ne', value })
}

/** Rows for whose value in a column the function returns true. It is given null where there is none. */
export function columnSatisfies(table: string, column: string, test: (value: unknown) => boolean): Step {
  ensureColumn('columnSatisfies', table, column)
  ensure('columnSatisfies()', test, FUNCTION)
  return filter(table, { kind: 'satisfies', path: columnPath(column), test })
}

/** A row -> its value in a column, null where it has none. */
export function getColumn(table: string, column: string): Step {
  ensureColumn('getColumn', table, column)
  return frozen({ kind: 'get', path: columnPath(column), of: table })
}

/** Anything -> every different value of a column. */
export function allValues(table: string, column: string): Step {
  ensureColumn('allValues', table, column)
  return frozen({ kind: 'values', table, column })
}

/** Values for which the function returns true. */
export function satisfies(test: (value: never) => boolean): Step {
  ensure('satisfies()', test, FUNCTION)
  return frozen({ kind: 'test', test: test as (value: unknown) => boolean })
}

/** A value -> what the function makes of it. */
export function apply(make: (value: never) => unknown): Step {
  ensure('apply()', make, FUNCTION)
  return frozen({ kind: 'apply', make: make as (value: unknown) => unknown })
}

/** Anything -> these values. */
export function constant(...values: readonly unknown[]): Step {
  return frozen({ kind: 'constant', values })
}

/** Anything -> 0, 1, 2 and so on without end: to be cut by what comes after. */
export function naturals(from = 0): Step {
  ensure('naturals()', from, INTEGER)
  return frozen({ kind: 'naturals', from })
}

/** A value -> every combination, as arrays, of what several queries make of it. */
export function product(...queries: readonly QueryPart[]): Step {
  return frozen({ kind: 'product', plans: queries.map((each) => compose(each)) })
}

/** A value -> what several queries make of it, one after the other. */
export function union(...queries: readonly QueryPart[]): Step {
  return frozen({ kind: 'union', plans: queries.map((each) => compose(each)) })
}

/** Values that are among the results of a query, which is run once. */
export function inSub(...parts: readonly QueryPart[]): Step {
  return frozen({ kind: 'among', plan: compose(...parts), isNegated: false })
}

/** Values that are not among the results of a query, which is run once. */
export function notInSub(...parts: readonly QueryPart[]): Step {
  return frozen({ kind: 'among', plan: compose(...parts), isNegated: true })
}

/** Every result, at most `limit`. */
export function collect(input?: unknown, limit?: number): Terminal<unknown[]> {
  return terminal((asked) => asked.of(input).collect(limit))
}

/** The first result, undefined without one. */
export function first(input?: unknown): Terminal<unknown> {
  return terminal((asked) => asked.of(input).first())
}

/** The only result, undefined without one. Throws `UNIQUE` where there is a second. */
export function unique(input?: unknown): Terminal<unknown> {
  return terminal((asked) => asked.of(input).unique())
}

/** Whether there is a result. */
export function exists(input?: unknown): Terminal<boolean> {
  return terminal((asked) => asked.of(input).exists())
}

/** How many results there are. */
export function count(input?: unknown): Terminal<number> {
  return terminal((asked) => asked.of(input).count())
}

/** What `add` makes of each result and of what it made of those before, beginning with `initial`. */
export function reduce<R>(add: (sum: R, value: never) => R, initial: R, input?: unknown): Terminal<R> {
  ensure('reduce()', add, FUNCTION)
  return terminal((asked) => asked.of(input).reduce(add as (sum: R, value: unknown) => R, initial))
}

function filter(table: string, condition: Condition): Step {
  return frozen({ kind: 'filter', condition: frozen(condition), of: table })
}

function ensureColumn(of: string, table: string, column: string): void {
  ensure(`${of}()`, table, TEXT)
  ensure(`${of}()`, column, TEXT)
}

function terminal<R>(run: (asked: Query<unknown>) => R): Terminal<R> {
  return Object.freeze({ kind: 'terminal', run })
}

function isTerminal(part: unknown): part is Terminal<unknown> {
  const { kind, run } = (part ?? {}) as Partial<Terminal<unknown>>
  return kind === 'terminal' && typeof run === 'function'
}

function isPlan(part: QueryPart): part is Plan {
  return Array.isArray(part)
}
