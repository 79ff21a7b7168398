import { Decimal, Rational } from '../value/decimal'
import { compareIn } from './operand'
import type { BoundPath } from './path'
import type { Aggregate } from './plan'
import { valueKey } from './values'
import { WordDictionary } from './word-dictionary'

export interface BoundField {
  readonly name: string
  readonly path: BoundPath
}

export interface BoundAggregate {
  readonly aggregate: Aggregate
  readonly path: BoundPath | undefined
}

/** Gathers rows into groups, one for each combination of the keys' values, and adds them up. */
export class Grouping {
  private readonly accumulators: readonly Accumulator[]
  private readonly keys: readonly GroupKey[]
  /** Of each group: a row of it. */
  private readonly examples: number[] = []

  constructor(
    private readonly fields: readonly BoundField[],
    aggregates: readonly BoundAggregate[],
  ) {
    this.accumulators = aggregates.map((each) => new Accumulator(each))
    this.keys = fields.map(({ path }) =>
      path.isDirect && path.column.type !== 'any' ? new WordKey(path) : new ValueKey(path),
    )
  }

  add(rows: readonly number[]): void {
    const groups = new Int32Array(rows.length)
    for (const [i, key] of this.keys.entries()) key.number(rows, groups, i === 0)
    for (let i = 0; i < rows.length; i++) if (groups[i] === this.examples.length) this.examples.push(rows[i])
    for (const accumulator of this.accumulators) accumulator.add(rows, groups, this.examples.length)
  }

  /** A record for each group, in the order in which they were met; without keys one, even of no rows. */
  records(): Record<string, unknown>[] {
    const count = this.fields.length === 0 ? 1 : this.examples.length
    return Array.from({ length: count }, (_, group) => {
      const record: Record<string, unknown> = {}
      for (const { name, path } of this.fields) record[name] = path.value(this.examples[group])
      for (const each of this.accumulators) record[each.name] = each.result(group)
      return record
    })
  }
}

/** Numbers the groups that rows belong to by one key more: those numbered already are divided further. */
interface GroupKey {
  number(rows: readonly number[], groups: Int32Array, isFirst: boolean): void
}

/** A key that is a column: equal values are equal words. */
class WordKey implements GroupKey {
  private readonly values = new WordDictionary()
  private readonly groups = new WordDictionary()

  constructor(private readonly path: BoundPath) {}

  number(rows: readonly number[], groups: Int32Array, isFirst: boolean): void {
    const { view } = this.path.start.context
    const base = this.path.column.addressOf(0)
    const { capacity } = this.path.column
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]
      const value =
        row < capacity ? this.values.number(view.low(base + row), view.high(base + row)) : this.values.number(0, 0)
      groups[i] = isFirst ? value : this.groups.number(groups[i], value)
    }
  }
}

/** A key at the end of a path. */
class ValueKey implements GroupKey {
  private readonly values = new Map<unknown, number>()
  private readonly groups = new WordDictionary()

  constructor(private readonly path: BoundPath) {}

  number(rows: readonly number[], groups: Int32Array, isFirst: boolean): void {
    for (let i = 0; i < rows.length; i++) {
      const key = valueKey(this.path.value(rows[i]))
      let value = this.values.get(key)
      if (value === undefined) {
        value = this.values.size
        this.values.set(key, value)
      }
      groups[i] = isFirst ? value : this.groups.number(groups[i], value)
    }
  }
}

/**
 * One aggregate over all groups. Numbers add up as doubles, bigints and decimals exactly. The sum of no values is 0; their
 * average, minimum and maximum are null.
 */
class Accumulator {
  readonly name: string
  private readonly counts: number[] = []
  private readonly sums: unknown[] = []

  constructor(private readonly bound: BoundAggregate) {
    this.name = bound.aggregate.name
  }

  add(rows: readonly number[], groups: Int32Array, groupCount: number): void {
    const { counts, sums } = this
    while (counts.length < Math.max(1, groupCount)) {
      counts.push(0)
      sums.push(0)
    }
    const { path } = this.bound
    if (path === undefined) {
      for (let i = 0; i < rows.length; i++) counts[groups[i]]++
      return
    }
    const kind = this.bound.aggregate.function
    const isNumeric = path.isDirect && (path.column.type === 'integer' || path.column.type === 'number')
    for (let i = 0; i < rows.length; i++) {
      const group = groups[i]
      const number = isNumeric ? path.column.number(rows[i]) : 0
      const value = number !== 0 && number === number ? number : path.value(rows[i])
      if (value === null) continue
      const count = counts[group]++
      if (kind === 'sum' || kind === 'avg') sums[group] = sumOf(sums[group], value)
      else if (kind !== 'count' && (count === 0 || this.isBeyond(value, sums[group]))) sums[group] = value
    }
  }

  result(group: number): unknown {
    const count = this.counts[group] ?? 0
    switch (this.bound.aggregate.function) {
      case 'count':
        return count
      case 'sum':
        return this.sums[group] ?? 0
      case 'avg':
        return count === 0 ? null : asNumber(this.sums[group]) / count
      default:
        return count === 0 ? null : this.sums[group]
    }
  }

  private isBeyond(value: unknown, extreme: unknown): boolean {
    const order = compareIn(this.bound.path!.column, value, extreme)
    return this.bound.aggregate.function === 'min' ? order < 0 : order > 0
  }
}

function sumOf(a: unknown, b: unknown): unknown {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (a === 0) return b
  if (typeof a === 'bigint' && typeof b === 'bigint') return a + b
  if (a instanceof Decimal && b instanceof Decimal) {
    const scale = Math.max(a.scale, b.scale)
    const scaled = (each: Decimal): bigint => each.coefficient * 10n ** BigInt(scale - each.scale)
    return new Decimal(scaled(a) + scaled(b), scale)
  }
  return asNumber(a) + asNumber(b)
}

function asNumber(value: unknown): number {
  if (value instanceof Decimal || value instanceof Rational) return value.toNumber()
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : Number.NaN
}
