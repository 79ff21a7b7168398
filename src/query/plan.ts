import { SnapheapError } from '../errors'
import { brand } from '../kinds'
import type { PathStep } from '../value/decoder'

/**
 * What is asked of the data, as frozen nodes: every face (functions, builders, JSON) makes these and nothing else, and
 * planning, running and explaining start from these alone.
 *
 * A plan is a sequence of steps. Each takes values one by one and gives any number of others. What flows between two
 * steps is rows of one table, records (what `project` and `group` make) or plain values; `flow.ts` says which.
 *
 * Conditions have two truth values. A missing value equals no value and nothing else, so `ne` and `not` are exact
 * complements, as in JavaScript and unlike SQL; `lt`, `gt` and the text conditions are false for a missing value.
 */
export type Plan = readonly Step[]

/** A value that is given when a query runs. */
export class Parameter {
  constructor(
    readonly name: string,
    /** What is made of the value that is given. */
    readonly convert: (value: unknown) => unknown = (value) => value,
  ) {
    Object.freeze(this)
  }
}
brand(Parameter, 'Parameter')

/** A value of a condition: itself, or a parameter for it. */
export type Operand = unknown

/** Leads from a row to a value: through references, to a column, into what that holds. */
export interface Path {
  /** References to follow first: the column that holds a key, and the table whose key it is. */
  readonly references: readonly Reference[]
  readonly column: string
  /** Into an array or a document that the column holds. */
  readonly inside: readonly PathStep[]
  /** What a message calls it. */
  readonly label: string
}

export interface Reference {
  readonly column: string
  readonly table: string
  /** The unique column of `table` that the values of `column` are found in; undefined for its key. */
  readonly by?: string
}

export type Comparison = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte'

export type Condition =
  | { readonly kind: 'compare'; readonly path: Path; readonly operator: Comparison; readonly value: Operand }
  /** One of these values; a parameter for all of them, too. */
  | { readonly kind: 'in'; readonly path: Path; readonly values: readonly Operand[] | Parameter }
  | {
      readonly kind: 'text'
      readonly path: Path
      readonly operator: 'startsWith' | 'contains'
      readonly value: Operand
    }
  | { readonly kind: 'matches'; readonly path: Path; readonly pattern: TextPattern }
  /** Has all terms of this, by the index type of the column's index by terms. */
  | { readonly kind: 'terms'; readonly path: Path; readonly value: Operand }
  | { readonly kind: 'satisfies'; readonly path: Path; readonly test: (value: unknown) => boolean }
  /** An element of the array or list that fits: at a path of its test stands what is inside of the element. */
  | { readonly kind: 'element'; readonly path: Path; readonly test: Condition }
  /** Among the results of a plan that is run once, without input. */
  | { readonly kind: 'among'; readonly path: Path; readonly plan: Plan }
  | { readonly kind: 'and'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'or'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'not'; readonly condition: Condition }

/** What `matches` asks: a regular expression, of whatever engine. */
export interface TextPattern {
  test(text: string): boolean
  /** Its text, for `explain`. */
  readonly source: string
}

export interface OrderKey {
  readonly path: Path
  readonly direction: 'asc' | 'desc'
}

export interface Field {
  readonly name: string
  readonly path: Path
}

/**
 * Throws `INVALID_ARGUMENT` where a name is given to two values: the record has but one. The same value may be named
 * again.
 */
export function ensureOneValueEach(fields: readonly Field[]): void {
  const paths = new Map<string, string>()
  for (const { name, path } of fields) {
    const other = paths.get(name) ?? path.label
    paths.set(name, path.label)
    if (other === path.label) continue
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `Two members of a result are named "${name}": ${other} and ${path.label}. Take another name.`,
      { name },
    )
  }
}

export type AggregateFunction = 'count' | 'sum' | 'avg' | 'min' | 'max'

export interface Aggregate {
  readonly name: string
  readonly function: AggregateFunction
  /** Undefined for a count of rows; otherwise values that are there. */
  readonly path: Path | undefined
}

/** Where a step has `of`, that is the table whose rows must reach it. */
export type Step =
  /** Anything -> every row of the table. */
  | { readonly kind: 'rows'; readonly table: string }
  /** A value -> the rows whose column has it; none for a missing value. */
  | { readonly kind: 'lookup'; readonly table: string; readonly column: string }
  /** Rows or records that fit. */
  | { readonly kind: 'filter'; readonly condition: Condition; readonly of?: string }
  | { readonly kind: 'order'; readonly by: readonly OrderKey[] }
  | { readonly kind: 'skip'; readonly count: number }
  | { readonly kind: 'limit'; readonly count: number }
  /** A row -> the value there, null where it is missing. */
  | { readonly kind: 'get'; readonly path: Path; readonly of?: string }
  /** A row -> a record. */
  | { readonly kind: 'project'; readonly fields: readonly Field[] }
  /** Rows -> a record for each combination of the keys, in the order in which they were met. */
  | { readonly kind: 'group'; readonly keys: readonly Field[]; readonly aggregates: readonly Aggregate[] }
  /**
   * A row -> its object, by what whoever runs the plan makes of `type`; an object of all columns where that is
   * undefined.
   */
  | { readonly kind: 'object'; readonly table: string; readonly type: unknown }
  /** Anything -> every different value of an indexed column. */
  | { readonly kind: 'values'; readonly table: string; readonly column: string }
  | { readonly kind: 'test'; readonly test: (value: unknown) => boolean }
  | { readonly kind: 'apply'; readonly make: (value: unknown) => unknown }
  | { readonly kind: 'constant'; readonly values: readonly unknown[] }
  /** Anything -> 0, 1, 2 and so on without end. */
  | { readonly kind: 'naturals'; readonly from: number }
  /** A value -> every combination of what the plans make of it, as arrays. */
  | { readonly kind: 'product'; readonly plans: readonly Plan[] }
  /** A value -> what the plans make of it, one after the other. */
  | { readonly kind: 'union'; readonly plans: readonly Plan[] }
  /** Values that are (or are not) among the results of a plan, which is run once. */
  | { readonly kind: 'among'; readonly plan: Plan; readonly isNegated: boolean }
  /** Each different value once. */
  | { readonly kind: 'distinct' }

export type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>
export type ConditionOf<K extends Condition['kind']> = Extract<Condition, { kind: K }>

/** Freezes a node. Arrays in it are frozen where they are made; values of the user's are left as they are. */
export function frozen<T extends Step | Condition | Path>(node: T): T {
  made.add(node)
  return Object.freeze(node)
}

const made = new WeakSet<object>()

/** Whether it was made here, and so holds what it should. */
export function isMade(node: unknown): boolean {
  return typeof node === 'object' && node !== null && made.has(node)
}

/** Conditions, and plans, within each other, and steps of one plan: those who walk them have a stack for this many. */
export const PLAN_LIMITS = Object.freeze({ nested: 200, steps: 2000 })

/** Throws `INVALID_ARGUMENT` for what stands within too many others. */
export function ensureNested(depth: number, what: string, remedy: string): void {
  if (depth <= PLAN_LIMITS.nested) return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `${what} are nested more than ${PLAN_LIMITS.nested} deep, which is the limit. ${remedy}`,
    { limit: PLAN_LIMITS.nested },
  )
}

const NO_REFERENCES: readonly Reference[] = Object.freeze([])
const NOTHING_INSIDE: readonly PathStep[] = Object.freeze([])

/** The path to a column of the row itself. */
export function columnPath(column: string, inside: readonly PathStep[] = NOTHING_INSIDE): Path {
  return frozen({
    references: NO_REFERENCES,
    column,
    inside,
    label: inside.length === 0 ? column : [column, ...inside].join('.'),
  })
}

/** All of these conditions, flat. */
export function allOf(conditions: readonly Condition[]): Condition {
  if (conditions.length === 1) return conditions[0]
  const flat = conditions.flatMap((each) => (each.kind === 'and' ? each.conditions : [each]))
  return frozen({ kind: 'and', conditions: Object.freeze(flat) })
}

/** What must hold, one by one. */
export function conjuncts(condition: Condition): readonly Condition[] {
  return condition.kind === 'and' ? condition.conditions.flatMap(conjuncts) : [condition]
}
