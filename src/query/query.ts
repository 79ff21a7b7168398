import diagnosticsChannel from 'node:diagnostics_channel'
import { SnapheapError } from '../errors'
import { ArrowResults, type ArrowTable, loadArrow } from './arrow'
import { ensureCount } from './count'
import { type ExplainOptions, type Explanation, explain } from './explain'
import type { Flow } from './flow'
import { slotValues } from './operand'
import type { Pipeline, QueryReader, Take } from './pipeline'
import { columnPath, frozen, type Plan } from './plan'
import { Prepared } from './prepared'
import { type Shape, shapeOf } from './shape'

/** Values for the parameters of a query, by name. */
export type Parameters = Readonly<Record<string, unknown>>

const NO_LIMIT = Number.POSITIVE_INFINITY

/**
 * What is published on the diagnostics channel `snapheap:query` after each query, while somebody subscribes: to log the
 * slow ones.
 */
export interface QueryMessage {
  readonly query: Query<unknown>
  readonly plan: Plan
  readonly results: number
  readonly elapsedMs: number
}

const channel = diagnosticsChannel.channel('snapheap:query')

/**
 * A question, ready to be asked of one reader: a database (its newest version), a snapshot, or an open transaction. It
 * is planned and compiled when it is asked first, once for all queries of its shape. Each run sees one version.
 * Immutable.
 */
export class Query<T> {
  private shaped: Shape | undefined

  constructor(
    readonly plan: Plan,
    private readonly reader: QueryReader,
    private readonly parameters: Parameters = {},
    private readonly input: unknown = undefined,
  ) {}

  /** The same question of another reader. */
  on(reader: QueryReader): Query<T> {
    return this.copy(reader, this.parameters, this.input)
  }

  /** The same question with values for its parameters. */
  with(parameters: Parameters): Query<T> {
    return this.copy(this.reader, { ...this.parameters, ...parameters }, this.input)
  }

  /** The same question asked of another input: the value that the first step takes. */
  of(input: unknown): Query<T> {
    return this.copy(this.reader, this.parameters, input)
  }

  /** The table whose row numbers it gives, undefined where it gives anything else. */
  get rowTable(): string | undefined {
    return this.prepared().use(({ result }) => (result.kind === 'rows' ? result.table.name : undefined), this.slots())
  }

  /** The query before its last step. */
  withoutLast(): Query<unknown> {
    return new Query(Object.freeze(this.plan.slice(0, -1)), this.reader, this.parameters, this.input)
  }

  /** Every result, at most `limit` of them. Default all. */
  collect(limit = NO_LIMIT): T[] {
    const results: unknown[] = []
    if (limit !== NO_LIMIT) ensureCount(limit, 'collect')
    if (limit === 0) return []
    this.run(limit, (value) => {
      results.push(value)
      return results.length >= limit
    })
    return results as T[]
  }

  /** The first result, undefined without one. */
  first(): T | undefined {
    return this.collect(1)[0]
  }

  /** The only result, undefined without one. Throws `UNIQUE` where there is a second. */
  unique(): T | undefined {
    const results = this.collect(2)
    if (results.length < 2) return results[0]
    throw new SnapheapError(
      'UNIQUE',
      'The query has more than one result, where one at most was expected. Make its conditions stricter, or take ' +
        'first().',
    )
  }

  /** Whether there is a result. Makes none where none need be made to be found. */
  exists(): boolean {
    return (
      this.observed((pipeline) => {
        if (pipeline.isMapping) return pipeline.head!.rows(this.input, 1).length
        let found = 0
        pipeline.run(this.input, 1, () => {
          found = 1
          return true
        })
        return found
      }) > 0
    )
  }

  /** How many results there are. Makes none where they need not be made to be counted. */
  count(): number {
    return this.observed((pipeline) => {
      if (pipeline.isMapping) return pipeline.head!.count(this.input)
      let count = 0
      pipeline.run(this.input, NO_LIMIT, () => {
        count++
        return false
      })
      return count
    })
  }

  /**
   * As `collect`, in slices of a few milliseconds between which other events get their turn, of the version that is the
   * newest now. Reading an index is not sliced: its rows are found at once. Objects are of a snapshot: ask one for
   * them, and keep it open while they are used. Throws `INVALID_ARGUMENT` for objects of a database, and for an open
   * transaction, in which nothing can wait.
   */
  async collectAsync(): Promise<T[]> {
    const results: unknown[] = []
    await this.runInSlices((value) => {
      results.push(value)
      return false
    })
    return results as T[]
  }

  /** As `count`, in slices as `collectAsync`. */
  async countAsync(): Promise<number> {
    let count = 0
    const isObject = this.plan.at(-1)?.kind === 'object'
    await (isObject ? this.withoutLast() : this).runInSlices(() => {
      count++
      return false
    })
    return count
  }

  /**
   * Every result as a table of the package apache-arrow, which has to be installed beside this one; in slices, as
   * `collectAsync`. Numbers become Float64, bigints Int64, booleans Bool, timestamps TimestampMicrosecond (UTC), days
   * DateDay, times TimeMicrosecond, strings, uuids and decimals Dictionary<Utf8>, bytes Binary, everything else JSON as
   * Dictionary<Utf8>; a name that has no value at all and no column that says its type, Null. Results that are no
   * records are called "value". Throws `NOT_FOUND` without the package, `TYPE` for values of different types under one
   * name and for bigints of more than 64 bits, `INVALID_ARGUMENT` for objects of a class: select what you need, or ask
   * the builder.
   */
  async toArrow(): Promise<ArrowTable> {
    const last = this.plan.at(-1)
    if (last?.kind === 'object') {
      if (last.type === undefined)
        return new Query(this.asRecords(last.table), this.reader, this.parameters, this.input).toArrow()
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        'Objects of a class are no rows of Arrow. Select what you need of them.',
      )
    }
    const arrow = await loadArrow()
    let results: ArrowResults | undefined
    const begin = (flow: Flow): void => {
      results = new ArrowResults(flow)
    }
    await this.runInSlices((value) => {
      results!.add(value)
      return false
    }, begin)
    return results!.table(arrow)
  }

  /** What `add` makes of each result and of what it made of those before, beginning with `initial`. */
  reduce<R>(add: (sum: R, value: T) => R, initial: R): R {
    let sum = initial
    this.run(NO_LIMIT, (value) => {
      sum = add(sum, value as T)
      return false
    })
    return sum
  }

  /** Every result. All are found before the first is given, so that commits in between change none. */
  [Symbol.iterator](): Iterator<T> {
    return this.collect()[Symbol.iterator]()
  }

  /**
   * How it is answered: the steps, with what is estimated; with `run`, also with what was found and how long it took.
   */
  explain(options: ExplainOptions = {}): Explanation {
    return this.prepared().use((pipeline, slots) => explain(pipeline, slots, this.input, options), this.slots())
  }

  private run(wanted: number, take: Take): void {
    this.observed((pipeline) => {
      if (!channel.hasSubscribers) {
        pipeline.run(this.input, wanted, take)
        return 0
      }
      let results = 0
      pipeline.run(this.input, wanted, (value) => {
        results++
        return take(value)
      })
      return results
    })
  }

  /** Runs the pipeline, and tells those who listen to the channel how long it took for how many results. */
  private observed(run: (pipeline: Pipeline) => number): number {
    return this.prepared().use((pipeline, slots) => {
      const isWatched = channel.hasSubscribers
      const started = isWatched ? performance.now() : 0
      pipeline.begin(slots)
      const results = run(pipeline)
      if (isWatched) {
        const message: QueryMessage = { query: this, plan: this.plan, results, elapsedMs: performance.now() - started }
        channel.publish(message)
      }
      return results
    }, this.slots())
  }

  /** The plan with records of all columns in place of objects. */
  private asRecords(table: string): Plan {
    const fields = this.reader.table(table).columnNames.map((name) => ({ name, path: columnPath(name) }))
    return Object.freeze([...this.plan.slice(0, -1), frozen({ kind: 'project', fields })])
  }

  private async runInSlices(take: Take, begin: (flow: Flow) => void = () => {}): Promise<void> {
    const { reader } = this
    if (reader.pinnedReader === undefined) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        'A query in slices cannot be asked of an open transaction, in which nothing can wait. Ask the database or ' +
          'a snapshot.',
      )
    }
    const pinned = reader.pinnedReader()
    try {
      if (pinned !== reader && this.plan.at(-1)?.kind === 'object') {
        throw new SnapheapError(
          'INVALID_ARGUMENT',
          'Objects found in slices are of one version. Ask a snapshot: query.on(snapshot).collectAsync(), or ' +
            'select values.',
        )
      }
      const slots = this.slots()
      const pipeline = Prepared.of(pinned, this.shape()).own()
      pipeline.begin(slots)
      begin(pipeline.result)
      await pipeline.runInSlices(this.input, take)
    } finally {
      if (pinned !== reader) pinned.close()
    }
  }

  private prepared(): Prepared {
    return Prepared.of(this.reader, this.shape())
  }

  private slots(): readonly unknown[] {
    return slotValues(this.shape().slots, this.parameters)
  }

  private shape(): Shape {
    this.shaped ??= shapeOf(this.plan)
    return this.shaped
  }

  private copy(reader: QueryReader, parameters: Parameters, input: unknown): Query<T> {
    const copy = new Query<T>(this.plan, reader, parameters, input)
    copy.shaped = this.shape()
    return copy
  }
}
