import { show } from '../arguments'
import { SnapheapError } from '../errors'
import type { ArrowTable } from './arrow'
import { Composed, conditionOf } from './conditions'
import { ensureCount } from './count'
import { type Cursor, cursorCondition, cursorOf } from './cursor'
import type { ExplainOptions, Explanation } from './explain'
import { JoinedPaths } from './joined-paths'
import type { QueryReader } from './pipeline'
import {
  type AggregateFunction,
  allOf,
  type Condition,
  ensureOneValueEach,
  type Field,
  frozen,
  type OrderKey,
  type Path,
  type Plan,
  type Step,
} from './plan'
import { type Parameters, Query } from './query'
import { type PathResolver, unknownName } from './table-paths'

/** What a builder starts from: a table or a class. */
export interface QueryRoot {
  readonly paths: PathResolver
  /** Makes of a row what the query gives. */
  readonly object: Step
  /** The names of another table or class. */
  other(of: unknown): PathResolver
}

/** What a query of rows is built of. */
export interface Parts {
  readonly conditions: readonly Condition[]
  readonly order: readonly OrderKey[]
  readonly skip: number
  readonly limit: number | undefined
}

const NO_PARTS: Parts = Object.freeze({ conditions: [], order: [], skip: 0, limit: undefined })

/**
 * Builds a query step by step: each method returns another builder and leaves this one as it was. T is what conditions
 * and names are about, R what the query gives. What gives results (`collect`, `first`, …) is as in `Query`.
 */
export class QueryBuilder<T, R> {
  constructor(
    private readonly reader: QueryReader,
    private readonly root: QueryRoot,
    private readonly parts: Parts = NO_PARTS,
  ) {}

  /**
   * Only what fits: `{ status: 'open', date: { gte: day } }`, or what `and`, `or` and `not` make. Several calls add up.
   */
  where(condition: unknown): this {
    return this.having({ conditions: [...this.parts.conditions, conditionOf(condition, this.root.paths)] })
  }

  /** In this order; several calls add up. Missing values come last where it ascends and first where it descends. */
  orderBy(name: string, direction: 'asc' | 'desc' = 'asc'): this {
    return this.having({ order: [...this.parts.order, orderKey(name, direction, this.root.paths)] })
  }

  /** At most so many. */
  limit(count: number): this {
    return this.having({ limit: ensureCount(count, 'limit') })
  }

  /** Without the first so many. */
  skip(count: number): this {
    return this.having({ skip: ensureCount(count, 'skip') })
  }

  /**
   * Joins another table or class: names behind the alias are those of the row that a value refers to, found by its key
   * or another unique column. Rows that refer to none drop out.
   */
  join(alias: string, of: unknown, on: { readonly from: string; readonly to?: string }): this {
    const { root, parts, reader } = this
    const paths = new JoinedPaths(root.paths, alias, root.other(of), on.from, on.to, reader)
    const exists = frozen({ kind: 'compare', path: paths.key, operator: 'ne', value: null } as const)
    const joined = { paths, object: root.object, other: (another: unknown) => root.other(another) }
    return this.having({ conditions: [...parts.conditions, exists] }, joined)
  }

  /**
   * Records of these values in place of objects, named as they are or by the names of an object given. Throws
   * `INVALID_ARGUMENT` for one name of two of them.
   */
  select(...names: readonly (string | Readonly<Record<string, string>>)[]): Query<unknown> {
    const fields = names.flatMap((each) =>
      typeof each === 'string'
        ? [this.field(each, each)]
        : Object.entries(each).map(([name, path]) => this.field(name, path)),
    )
    ensureOneValueEach(fields)
    const read = readingOf(fields, this.root.paths)
    return this.query(frozen({ kind: 'project', fields }), ...read)
  }

  /** The values of one name, in place of objects. */
  values(name: string): Query<unknown> {
    const make = this.root.paths.reading(name)
    const read = make === undefined ? [] : [frozen({ kind: 'apply', make } as const)]
    return this.query(frozen({ kind: 'get', path: this.root.paths.path(name) }), ...read)
  }

  /** A record for each combination of the values of these names, with what `aggregate` adds to it under other names. */
  groupBy(
    names: string | readonly string[],
    aggregate: (group: Group) => Readonly<Record<string, Aggregation>> = () => ({}),
  ): RecordQuery {
    const keys = (typeof names === 'string' ? [names] : names).map((each) => this.field(each, each))
    const aggregates = Object.entries(aggregate(new Group())).map(([name, each]) => ({
      name,
      function: each.function,
      path: each.of === undefined ? undefined : this.root.paths.path(each.of),
    }))
    const { paths } = this.root
    for (const each of aggregates) ensureSummable(each, paths)
    const plan = [...this.rows(), frozen({ kind: 'group', keys, aggregates })] as Plan
    const values = aggregates.flatMap(({ name, path, function: of }) =>
      path === undefined || of === 'count' ? [] : [{ name, path }],
    )
    const named = new Map([
      ...aggregates.map(({ name }) => [name, undefined] as const),
      ...[...keys, ...values].map(({ name, path }) => [name, path.label] as const),
    ])
    return new RecordQuery(this.reader, plan, new MemberPaths(named, paths), readingOf([...keys, ...values], paths))
  }

  /**
   * One page of results in an order that is made strict by the key, and the cursor that the next page begins after:
   * undefined on the last. Rows inserted or deleted meanwhile neither repeat nor skip others. Throws `INVALID_ARGUMENT`
   * beside skip or limit, for a size below 1, and for a cursor of another query.
   */
  page(sizeRows: number, after?: Cursor): { items: R[]; next: Cursor | undefined } {
    if (this.parts.skip > 0 || this.parts.limit !== undefined) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        'A page is cut by its size and its cursor. Leave out skip and limit where page is called.',
      )
    }
    const { table } = this.root.paths
    const keys = this.reader.table(table).keyColumns.map(({ name }): OrderKey => {
      return { path: frozen({ references: [], column: name, inside: [], label: name }), direction: 'asc' }
    })
    const order = [...this.parts.order, ...keys]
    const conditions = after === undefined ? [] : [cursorCondition(after, order, this.reader.table(table), this.reader)]
    const parts = {
      ...this.parts,
      order,
      conditions: [...this.parts.conditions, ...conditions],
      limit: ensureCount(sizeRows, 'page', 1) + 1,
    }
    const rows = new Query<number>(rowsPlan(table, parts), this.reader).collect()
    const items = rows.slice(0, sizeRows)
    const next =
      rows.length > sizeRows
        ? cursorOf(items[items.length - 1], order, this.reader.table(table), this.reader)
        : undefined
    return { items: items.map((row) => this.objectOf(row)), next }
  }

  /** The query as it stands, to be kept, given parameters, or asked of another reader. */
  query(...last: readonly Step[]): Query<R> {
    const steps = last.length === 0 ? [this.root.object] : last
    return new Query<R>(Object.freeze([...this.rows(), ...steps]), this.reader)
  }

  /** Values for its parameters. */
  with(parameters: Parameters): Query<R> {
    return this.query().with(parameters)
  }

  collect(): R[] {
    return this.query().collect()
  }

  /** As `Query.collectAsync`. */
  collectAsync(): Promise<R[]> {
    return this.query().collectAsync()
  }

  /** As `Query.countAsync`. */
  countAsync(): Promise<number> {
    return this.query().countAsync()
  }

  /** As `Query.toArrow`; of objects of a class all of their properties. */
  toArrow(): Promise<ArrowTable> {
    const { object, paths } = this.root
    const isClass = object.kind === 'object' && object.type !== undefined
    return (isClass ? this.select(...paths.names()) : this.query()).toArrow()
  }

  first(): R | undefined {
    return this.query().first()
  }

  /** Throws `UNIQUE` where there is a second. */
  unique(): R | undefined {
    return this.query().unique()
  }

  exists(): boolean {
    return this.query().exists()
  }

  count(): number {
    return this.query().count()
  }

  [Symbol.iterator](): Iterator<R> {
    return this.query()[Symbol.iterator]()
  }

  explain(options?: ExplainOptions): Explanation {
    return this.query().explain(options)
  }

  private rows(): Plan {
    return rowsPlan(this.root.paths.table, this.parts)
  }

  private field(name: string, path: string): Field {
    if (name !== '__proto__') return { name, path: this.root.paths.path(path) }
    throw new SnapheapError('INVALID_ARGUMENT', 'No member of a result can be named "__proto__". Take another name.')
  }

  private objectOf(row: number): R {
    const step = this.root.object
    const type = step.kind === 'object' ? step.type : undefined
    return (
      type === undefined ? this.reader.table(this.root.paths.table).read(row) : this.reader.objectOf!(type, row)
    ) as R
  }

  private having(parts: Partial<Parts>, root = this.root): this {
    return new QueryBuilder<T, R>(this.reader, root, { ...this.parts, ...parts }) as this
  }
}

/** Rows of a table: those that fit, in order, cut. */
export function rowsPlan(table: string, { conditions, order, skip, limit }: Parts): Plan {
  const plan: Step[] = [frozen({ kind: 'rows', table })]
  if (conditions.length > 0) plan.push(frozen({ kind: 'filter', condition: allOf(conditions) }))
  if (order.length > 0) plan.push(frozen({ kind: 'order', by: order }))
  if (skip > 0) plan.push(frozen({ kind: 'skip', count: skip }))
  if (limit !== undefined) plan.push(frozen({ kind: 'limit', count: limit }))
  return plan
}

/** What a group adds up, made by the methods of `Group`. */
export interface Aggregation {
  readonly function: AggregateFunction
  readonly of: string | undefined
}

/** What can be added up over the rows of a group. */
export class Group {
  /** Rows, or with a name those that have a value there. */
  count(of?: string): Aggregation {
    return { function: 'count', of }
  }

  /** 0 without values. Throws `INVALID_ARGUMENT`, when the query is asked, for a column whose values are no numbers. */
  sum(of: string): Aggregation {
    return { function: 'sum', of }
  }

  /** Null without values. Throws as `sum`. */
  avg(of: string): Aggregation {
    return { function: 'avg', of }
  }

  /** Null without values. */
  min(of: string): Aggregation {
    return { function: 'min', of }
  }

  /** Null without values. */
  max(of: string): Aggregation {
    return { function: 'max', of }
  }
}

/** A query that gives records, as `groupBy` makes them, which can be asked for further by their members. */
export class RecordQuery<R = Record<string, unknown>> extends Query<R> {
  constructor(
    private readonly recordReader: QueryReader,
    private readonly records: Plan,
    private readonly members: PathResolver,
    /** What comes after every other step: values as they are read. */
    private readonly last: Plan = [],
  ) {
    super(Object.freeze([...records, ...last]), recordReader)
  }

  /** Only records that fit. */
  having(condition: unknown): RecordQuery<R> {
    return this.and(frozen({ kind: 'filter', condition: conditionOf(condition, this.members) }))
  }

  orderBy(name: string, direction: 'asc' | 'desc' = 'asc'): RecordQuery<R> {
    return this.and(frozen({ kind: 'order', by: [orderKey(name, direction, this.members)] }))
  }

  limit(count: number): RecordQuery<R> {
    return this.and(frozen({ kind: 'limit', count: ensureCount(count, 'limit') }))
  }

  private and(step: Step): RecordQuery<R> {
    return new RecordQuery<R>(this.recordReader, [...this.records, step], this.members, this.last)
  }
}

/** Names of the members of records. */
class MemberPaths implements PathResolver {
  readonly table = ''
  readonly label = 'The result'

  constructor(
    /** What each has values of, by the name that has there; undefined for a count. */
    private readonly members: ReadonlyMap<string, string | undefined>,
    private readonly of: PathResolver,
  ) {}

  path(name: string): ReturnType<PathResolver['path']> {
    if (!this.members.has(name)) throw unknownName(this, name)
    return frozen({ references: [], column: name, inside: [], label: name })
  }

  names(): readonly string[] {
    return [...this.members.keys()]
  }

  leadsOn(): boolean {
    return false
  }

  holdsDocuments(): boolean {
    return false
  }

  operand(name: string, value: unknown): unknown {
    const of = this.members.get(name)
    return of === undefined ? value : this.of.operand(of, value)
  }

  reading(): undefined {
    return undefined
  }
}

/** The step that gives fields of records as they are read, none where each is read as it is stored. */
function readingOf(fields: readonly Field[], paths: PathResolver): Step[] {
  const readings = fields.flatMap(({ name, path }) => {
    const read = paths.reading(path.label)
    return read === undefined ? [] : [{ name, read }]
  })
  if (readings.length === 0) return []
  const make = (record: unknown): unknown => {
    const copy = { ...(record as Record<string, unknown>) }
    for (const { name, read } of readings) copy[name] = read(copy[name])
    return copy
  }
  return [frozen({ kind: 'apply', make })]
}

/** Throws `INVALID_ARGUMENT` for a sum or mean of what is stored otherwise than it reads. */
function ensureSummable(
  each: { readonly function: AggregateFunction; readonly path: Path | undefined },
  paths: PathResolver,
): void {
  if (each.path === undefined || (each.function !== 'sum' && each.function !== 'avg')) return
  if (paths.reading(each.path.label) === undefined) return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `${paths.label}.${each.path.label} is stored otherwise than it reads, so that its ${each.function} would say ` +
      `nothing. Add its values up yourself, by values('${each.path.label}').`,
    { name: each.path.label },
  )
}

function orderKey(name: string, direction: unknown, paths: PathResolver): OrderKey {
  if (direction === 'asc' || direction === 'desc') return { path: paths.path(name), direction }
  throw new SnapheapError('INVALID_ARGUMENT', `There is no direction ${show(direction)}. Pass 'asc' or 'desc'.`)
}

/** All of several conditions. */
export function and(...conditions: readonly unknown[]): Composed {
  return new Composed('and', conditions)
}

/** At least one of several conditions. */
export function or(...conditions: readonly unknown[]): Composed {
  return new Composed('or', conditions)
}

/** What does not fit a condition. */
export function not(condition: unknown): Composed {
  return new Composed('not', [condition])
}
