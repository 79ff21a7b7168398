import type { QueryReader } from './pipeline'
import type { StepOf } from './plan'
import type { Query } from './query'
import { valueKey } from './values'

/**
 * The results of a query at one version, by what identifies each: the number of its row, where every result is of one row,
 * else what it looks like.
 */
export class QueryResults<R> {
  readonly identities: readonly unknown[]
  /** Where the results are objects: how they are made of their rows. */
  readonly objects: StepOf<'object'> | undefined
  private readonly results: readonly R[]
  private readonly places = new Map<unknown, number>()

  constructor(query: Query<R>) {
    const last = query.plan.at(-1)
    this.objects = last?.kind === 'object' ? last : undefined
    this.results = query.collect()
    const rows =
      last?.kind === 'object' || last?.kind === 'project' || last?.kind === 'get' ? query.withoutLast() : undefined
    this.identities = rows?.givesRows === true ? rows.collect() : countedKeys(this.results)
    for (const [place, identity] of this.identities.entries()) this.places.set(identity, place)
  }

  result(identity: unknown): R {
    return this.results[this.places.get(identity)!]
  }

  /** The result as it was in a version that is pinned. */
  resultIn(version: QueryReader, identity: unknown): R {
    const { objects } = this
    if (objects === undefined) return this.result(identity)
    const row = identity as number
    return (
      objects.type === undefined ? version.table(objects.table).read(row) : version.objectOf!(objects.type, row)
    ) as R
  }

  /** Equal for results that look alike; of no use for objects, which are looked at themselves. */
  look(identity: unknown): unknown {
    return valueKey(this.results[this.places.get(identity)!])
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
