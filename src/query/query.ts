import { SnapheapError } from '../errors'
import { ensureCount } from './count'
import { type ExplainOptions, type Explanation, explain } from './explain'
import { slotValues } from './operand'
import type { QueryReader, Take } from './pipeline'
import type { Plan } from './plan'
import { Prepared } from './prepared'
import { type Shape, shapeOf } from './shape'

/** Values for the parameters of a query, by name. */
export type Parameters = Readonly<Record<string, unknown>>

const NO_LIMIT = Number.POSITIVE_INFINITY

/**
 * A question, ready to be asked of one reader: a database (its newest version), a snapshot, or an open transaction. It is
 * planned and compiled when it is asked first, once for all queries of its shape. Each run sees one version. Immutable.
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

  /** Whether what it gives are row numbers. */
  get givesRows(): boolean {
    return this.prepared().use((pipeline) => pipeline.result.kind === 'rows', this.slots())
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
      'The query has more than one result, where one at most was expected. Make its conditions stricter, or take first().',
    )
  }

  /** Whether there is a result. */
  exists(): boolean {
    let isFound = false
    this.run(1, () => {
      isFound = true
      return true
    })
    return isFound
  }

  /** How many results there are. Makes none where they need not be made to be counted. */
  count(): number {
    return this.prepared().use((pipeline, slots) => {
      pipeline.begin(slots)
      if (pipeline.isMapping) return pipeline.head!.count(this.input)
      let count = 0
      pipeline.run(this.input, NO_LIMIT, () => {
        count++
        return false
      })
      return count
    }, this.slots())
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

  /** How it is answered: the steps, with what is estimated; with `run`, also with what was found and how long it took. */
  explain(options: ExplainOptions = {}): Explanation {
    return this.prepared().use((pipeline, slots) => explain(pipeline, slots, this.input, options), this.slots())
  }

  private run(wanted: number, take: Take): void {
    this.prepared().use((pipeline, slots) => {
      pipeline.begin(slots)
      pipeline.run(this.input, wanted, take)
    }, this.slots())
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
