import { BLOCK_MASK, BLOCK_SHIFT } from '../heap/layout'
import type { View } from '../heap/view'
import { Decimal, Rational } from '../value/decimal'
import { ColumnWords, isForNative } from './column-words'
import { compareIn } from './operand'
import type { BoundPath } from './path'
import type { Aggregate, AggregateFunction } from './plan'
import type { RowNumbers } from './table-scan'

export interface BoundAggregate {
  readonly aggregate: Aggregate
  readonly path: BoundPath | undefined
}

/** Groups that there is room for at first. */
const FIRST_GROUPS = 16

/** What `Kernels.gatherNumbers` calls what is done with numbers; an average is a sum first. */
const GATHERING: Readonly<Record<AggregateFunction, number>> = { count: 0, sum: 1, avg: 1, min: 2, max: 3 }
const EVERY_ROW = 4

/**
 * One aggregate over all groups. Numbers add up as doubles, bigints and decimals exactly. The sum of no values is 0;
 * their average, minimum and maximum are null.
 */
export class Accumulator {
  readonly name: string
  private counts = new Float64Array(FIRST_GROUPS)
  /** Sums or extremes of numbers alone, where the column has no other values. */
  private numbers = new Float64Array(0)
  private readonly sums: unknown[] = []
  private readonly isNumeric: boolean
  private readonly gathering: number

  constructor(
    private readonly bound: BoundAggregate,
    private readonly view: View,
  ) {
    const { aggregate, path } = bound
    this.name = aggregate.name
    const type = path?.isDirect === true ? path.column.type : undefined
    this.isNumeric = type === 'integer' || type === 'number'
    this.gathering = GATHERING[aggregate.function]
  }

  add(rows: RowNumbers, groups: Int32Array, groupCount: number): void {
    this.reach(Math.max(1, groupCount))
    const { counts } = this
    const { path } = this.bound
    const done = this.addNatively(rows, groups)
    if (path === undefined) for (let i = done; i < rows.length; i++) counts[groups[i]]++
    else if (this.isNumeric) this.addEach(rows, groups, path, done)
    else for (let i = done; i < rows.length; i++) this.addValue(path.value(rows[i]), groups[i])
  }

  /** Returns how many rows native code has added. */
  private addNatively(rows: RowNumbers, groups: Int32Array): number {
    const { kernels, table, buffers } = this.view
    const column = this.bound.path?.column
    if (kernels === undefined || !isForNative(rows) || (column !== undefined && !this.isNumeric)) return 0
    const [base, size] = column === undefined ? [0, 0] : [column.addressOf(0), column.capacity]
    const gathering = column === undefined ? EVERY_ROW : this.gathering
    const { counts, numbers } = this
    return kernels.gatherNumbers(table, buffers, base, size, rows, groups, 0, rows.length, gathering, counts, numbers)
  }

  /** Numbers of a column whose words are numbers, but for zeros and NaN, which are looked at one by one. */
  private addEach(rows: RowNumbers, groups: Int32Array, path: BoundPath, from: number): void {
    const { counts, numbers, gathering } = this
    const words = new ColumnWords(path.column, path.start.context.view)
    for (let i = from; i < rows.length; i++) {
      const row = rows[i]
      if (row >>> BLOCK_SHIFT !== words.block) words.turnTo(row >>> BLOCK_SHIFT)
      let number = words.numbers[words.index + (row & BLOCK_MASK)]
      if (number === 0) continue // no value: a stored zero is a tagged word
      if (number !== number) number = path.column.number(row)
      const group = groups[i]
      if (gathering === GATHERING.sum) numbers[group] += number
      else if (gathering !== GATHERING.count && (counts[group] === 0 || isBeyond(number, numbers[group], gathering)))
        numbers[group] = number
      counts[group]++
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
    while (!this.isNumeric && this.bound.path !== undefined && this.sums.length < groupCount) this.sums.push(0)
    let size = this.counts.length
    while (size < groupCount) size *= 2
    if (size > this.counts.length) this.counts = grown(this.counts, size)
    if (size > this.numbers.length) this.numbers = grown(this.numbers, size)
  }

  private isBeyond(value: unknown, extreme: unknown): boolean {
    const order = compareIn(this.bound.path!.column, value, extreme)
    return this.bound.aggregate.function === 'min' ? order < 0 : order > 0
  }
}

/** Whether a number is smaller (or, for the largest, larger) than another; NaN is the largest. */
function isBeyond(number: number, extreme: number, gathering: number): boolean {
  const [a, b] = gathering === GATHERING.min ? [number, extreme] : [extreme, number]
  return a < b || (b !== b && a === a)
}

function grown(values: Float64Array<ArrayBuffer>, size: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(size)
  larger.set(values)
  return larger
}

/** Of a sum and a value; NaN where that is no number. */
function sumOf(a: unknown, b: unknown): unknown {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (a === 0 && (typeof b === 'bigint' || b instanceof Decimal || b instanceof Rational)) return b
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
