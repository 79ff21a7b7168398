import { BLOCK_MASK, BLOCK_SHIFT, BLOCK_WORDS } from '../heap/layout'
import type { View } from '../heap/view'
import type { Column } from '../table/column'
import { Decimal, Rational } from '../value/decimal'
import { compareIn } from './operand'
import type { BoundPath } from './path'
import type { Aggregate } from './plan'
import type { RowNumbers } from './row-source'
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

  add(rows: RowNumbers): void {
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

/** The words of a column, block by block: within a block they are contiguous. */
class ColumnWords {
  block = -1
  halves: Int32Array = new Int32Array(0)
  numbers: Float64Array = new Float64Array(0)
  /** Where the block's first word is. */
  index = 0
  private readonly base: number
  private readonly rows: number

  constructor(
    column: Column,
    private readonly view: View,
  ) {
    this.base = column.addressOf(0)
    this.rows = column.capacity
  }

  turnTo(block: number): void {
    const { view } = this
    const row = block << BLOCK_SHIFT
    // rows that the column has not grown to have no value, as in the block of zeros
    const isBeyond = row >= this.rows
    const slot = isBeyond ? 0 : view.slotOf(this.base + row)
    this.block = block
    this.index = isBeyond ? 0 : view.indexOf(this.base + row)
    this.halves = view.halves[slot]
    this.numbers = view.numbers[slot]
    if (this.rows > 0 && this.rows < BLOCK_WORDS) this.turnToFew()
  }

  /** A column of less than a block: what lies behind its words is none of it. */
  private turnToFew(): void {
    const few = this.numbers.slice(this.index, this.index + this.rows)
    this.numbers = new Float64Array(BLOCK_WORDS)
    this.halves = new Int32Array(this.numbers.buffer)
    this.halves.set(new Int32Array(few.buffer))
    this.index = 0
  }
}

/** Groups that there is room for at first. */
const FIRST_GROUPS = 16

/** Numbers the groups that rows belong to by one key more: those numbered already are divided further. */
interface GroupKey {
  number(rows: RowNumbers, groups: Int32Array, isFirst: boolean): void
}

/** A key that is a column: equal values are equal words. */
class WordKey implements GroupKey {
  private readonly values = new WordDictionary()
  private readonly groups = new WordDictionary()

  constructor(private readonly path: BoundPath) {}

  number(rows: RowNumbers, groups: Int32Array, isFirst: boolean): void {
    const { column, start } = this.path
    const words = new ColumnWords(column, start.context.view)
    const { values } = this
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]
      if (row >>> BLOCK_SHIFT !== words.block) words.turnTo(row >>> BLOCK_SHIFT)
      const at = (words.index + (row & BLOCK_MASK)) << 1
      const value = values.number(words.halves[at], words.halves[at + 1])
      groups[i] = isFirst ? value : this.groups.number(groups[i], value)
    }
  }
}

/** A key at the end of a path. */
class ValueKey implements GroupKey {
  private readonly values = new Map<unknown, number>()
  private readonly groups = new WordDictionary()

  constructor(private readonly path: BoundPath) {}

  number(rows: RowNumbers, groups: Int32Array, isFirst: boolean): void {
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
  private counts = new Float64Array(FIRST_GROUPS)
  /** Sums of numbers alone, where the column has no other values. */
  private numbers = new Float64Array(0)
  private readonly sums: unknown[] = []
  private readonly isNumeric: boolean

  constructor(private readonly bound: BoundAggregate) {
    const { aggregate, path } = bound
    this.name = aggregate.name
    const type = path?.isDirect === true ? path.column.type : undefined
    this.isNumeric =
      (type === 'integer' || type === 'number') && aggregate.function !== 'min' && aggregate.function !== 'max'
  }

  add(rows: RowNumbers, groups: Int32Array, groupCount: number): void {
    this.reach(Math.max(1, groupCount))
    const { counts } = this
    const { path } = this.bound
    if (path === undefined) for (let i = 0; i < rows.length; i++) counts[groups[i]]++
    else if (this.isNumeric) this.addNumbers(rows, groups, path)
    else for (let i = 0; i < rows.length; i++) this.addValue(path.value(rows[i]), groups[i])
  }

  /** Sums of a column whose words are numbers, but for zeros and NaN, which are looked at one by one. */
  private addNumbers(rows: RowNumbers, groups: Int32Array, path: BoundPath): void {
    const { counts } = this
    const words = new ColumnWords(path.column, path.start.context.view)
    const sums = this.numbers
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]
      if (row >>> BLOCK_SHIFT !== words.block) words.turnTo(row >>> BLOCK_SHIFT)
      let number = words.numbers[words.index + (row & BLOCK_MASK)]
      if (number === 0) continue // no value: a stored zero is a tagged word
      if (number !== number) number = path.column.number(row)
      counts[groups[i]]++
      sums[groups[i]] += number
    }
  }

  private addValue(value: unknown, group: number): void {
    if (value === null) return
    const kind = this.bound.aggregate.function
    const { sums } = this
    const count = this.counts[group]++
    if (kind === 'sum' || kind === 'avg') sums[group] = sumOf(sums[group], value)
    else if (kind !== 'count' && (count === 0 || this.isBeyond(value, sums[group]))) sums[group] = value
  }

  result(group: number): unknown {
    const count = this.counts[group]
    const sum = this.isNumeric ? (this.numbers[group] ?? 0) : (this.sums[group] ?? 0)
    switch (this.bound.aggregate.function) {
      case 'count':
        return count
      case 'sum':
        return sum
      case 'avg':
        return count === 0 ? null : asNumber(sum) / count
      default:
        return count === 0 ? null : sum
    }
  }

  /** Makes room for so many groups. */
  private reach(groupCount: number): void {
    while (!this.isNumeric && this.sums.length < groupCount) this.sums.push(0)
    let size = this.counts.length
    while (size < groupCount) size *= 2
    if (size > this.counts.length) this.counts = grown(this.counts, size)
    if (this.isNumeric && size > this.numbers.length) this.numbers = grown(this.numbers, size)
  }

  private isBeyond(value: unknown, extreme: unknown): boolean {
    const order = compareIn(this.bound.path!.column, value, extreme)
    return this.bound.aggregate.function === 'min' ? order < 0 : order > 0
  }
}

function grown(values: Float64Array<ArrayBuffer>, size: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(size)
  larger.set(values)
  return larger
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
