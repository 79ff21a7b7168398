import type { RowChanges } from '../table/row-changes'
import type { QueryReader } from './pipeline'
import type { StepOf } from './plan'
import type { Query } from './query'
import { valueKey } from './values'

/** A query that is asked again and again, for its results to be compared. */
export class WatchedQuery<R> {
  /** Where the results are objects: how they are made of their rows. */
  readonly objects: StepOf<'object'> | undefined
  /** The same without the last step, where its results are rows: each result is of one. */
  private readonly rows: Query<unknown> | undefined
  /** The table of those rows. */
  readonly rowTable: string | undefined

  constructor(private readonly query: Query<R>) {
    const last = query.plan.at(-1)
    this.objects = last?.kind === 'object' ? last : undefined
    const isOfRows = last?.kind === 'object' || last?.kind === 'project' || last?.kind === 'get'
    const rows = isOfRows ? query.withoutLast() : undefined
    this.rowTable = rows?.rowTable
    this.rows = this.rowTable === undefined ? undefined : rows
  }

  /** The results in one version. Default: in that which the query was made for. */
  results(reader?: QueryReader): QueryResults<R> {
    const [query, rows] =
      reader === undefined ? [this.query, this.rows] : [this.query.on(reader), this.rows?.on(reader)]
    // objects are made of those results alone that somebody is told of
    const results = this.objects === undefined || rows === undefined ? query.collect() : []
    return new QueryResults(results, rows?.collect() ?? countedKeys(results))
  }

  /** A result as it is in a version. */
  resultIn(version: QueryReader, results: QueryResults<R>, identity: unknown): R {
    const { objects, rows } = this
    if (objects === undefined || rows === undefined) return results.result(identity)
    const row = results.rowOf(identity)
    return (
      objects.type === undefined ? version.table(objects.table).read(row) : version.objectOf!(objects.type, row)
    ) as R
  }
}

/**
 * The results of a query at one version, by what identifies each: the number of its row, where every result is of one
 * row, else what it looks like.
 */
export class QueryResults<R> {
  private readonly places = new Map<unknown, number>()

  constructor(
    private readonly results: readonly R[],
    readonly identities: readonly unknown[],
    private readonly rows: readonly unknown[] = identities,
  ) {
    for (const [place, identity] of identities.entries()) this.places.set(identity, place)
  }

  /**
   * Results of rows by the numbers that these have after a commit: one that is made anew may have another, and one that
   * is deleted leaves its own to another.
   */
  renumbered({ updated, updatedFrom, deleted }: RowChanges): QueryResults<R> {
    const numbers = new Map<unknown, number>()
    for (const [i, row] of updatedFrom.entries()) numbers.set(row, updated[i])
    for (const row of deleted) numbers.set(row, -1 - row)
    return new QueryResults(
      this.results,
      this.identities.map((row) => numbers.get(row) ?? row),
      this.rows,
    )
  }

  /** The number of its row in the version that the results are of. */
  rowOf(identity: unknown): number {
    return this.rows[this.places.get(identity)!] as number
  }

  result(identity: unknown): R {
    return this.results[this.places.get(identity)!]
  }

  /** Equal for results that look alike. */
  look(identity: unknown): unknown {
    return valueKey(this.result(identity))
  }
}

/** A key for each result: what it looks like, and which of those that look alike it is. */
function countedKeys(results: readonly unknown[]): string[] {
  const counts = new Map<unknown, number>()
  return results.map((result) => {
    const key = valueKey(result)
    const count = counts.get(key) ?? 0
    counts.set(key, count + 1)
    return `${count} ${typeof key} ${String(key)}`
  })
}
