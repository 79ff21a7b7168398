import type { Kernels } from '../heap/kernels'
import { BLOCK_MASK, BLOCK_SHIFT } from '../heap/layout'
import type { View } from '../heap/view'
import { Accumulator, type BoundAggregate } from './aggregate'
import { ColumnWords, isForNative, LEAST_NATIVE } from './column-words'
import { holdsNull, NULL_WORD } from './operand'
import type { BoundPath } from './path'
import type { RowNumbers } from './table-scan'
import { valueKey } from './values'
import { WordDictionary } from './word-dictionary'

export interface BoundField {
  readonly name: string
  readonly path: BoundPath
}

/** Gathers rows into groups, one for each combination of the keys' values, and adds them up. */
export class Grouping {
  private readonly accumulators: readonly Accumulator[]
  private readonly keys: readonly GroupKey[]
  /** Of each group: a row of it. */
  private readonly examples: number[] = []
  /** The groups of the rows that are added. */
  private scratch = new Int32Array(0)

  constructor(
    private readonly fields: readonly BoundField[],
    aggregates: readonly BoundAggregate[],
    view: View,
  ) {
    this.accumulators = aggregates.map((each) => new Accumulator(each, view))
    this.keys = fields.map(({ path }) => groupKey(path))
  }

  add(rows: RowNumbers): void {
    if (this.scratch.length < rows.length) this.scratch = new Int32Array(rows.length)
    const groups = this.scratch.subarray(0, rows.length)
    if (this.keys.length === 0) groups.fill(0)
    for (const [i, key] of this.keys.entries()) key.number(rows, groups, i === 0)
    const { examples } = this
    const count = this.keys.length === 0 ? Math.min(1, rows.length) : this.keys[this.keys.length - 1].count
    for (let i = 0; examples.length < count; i++) if (groups[i] === examples.length) examples.push(rows[i])
    for (const accumulator of this.accumulators) accumulator.add(rows, groups, examples.length)
  }

  /** A record for each group, in the order in which they were met; without keys one, even of no rows. */
  *records(): Generator<Record<string, unknown>> {
    const count = this.fields.length === 0 ? 1 : this.examples.length
    for (let group = 0; group < count; group++) {
      const record: Record<string, unknown> = {}
      for (const { name, path } of this.fields) record[name] = path.value(this.examples[group])
      for (const each of this.accumulators) record[each.name] = each.result(group)
      yield record
    }
  }
}

/** Divides groups further by the values of their rows. */
class GroupPairs {
  private readonly groups = new WordDictionary()

  get count(): number {
    return this.groups.size
  }

  number(values: Int32Array, groups: Int32Array, kernels: Kernels | undefined): void {
    const pairs = this.groups
    const { length } = groups
    if (kernels === undefined || length < LEAST_NATIVE) {
      for (let i = 0; i < length; i++) groups[i] = pairs.number(groups[i], values[i])
      return
    }
    for (let done = 0; done < length; ) {
      done += kernels.numberPairs(groups, values, done, length, pairs.places, pairs.count, groups)
      if (done < length) pairs.grow()
    }
  }
}

/** Numbers the groups that rows belong to by one key more: those numbered already are divided further. */
abstract class GroupKey {
  private readonly pairs = new GroupPairs()
  private isFirst = true

  constructor(protected readonly path: BoundPath) {}

  /** Groups so far. */
  get count(): number {
    return this.isFirst ? this.valueCount : this.pairs.count
  }

  number(rows: RowNumbers, groups: Int32Array, isFirst: boolean): void {
    this.isFirst = isFirst
    const numbers = isFirst ? groups : new Int32Array(rows.length)
    this.numberValues(rows, numbers)
    if (!isFirst) this.pairs.number(numbers, groups, this.path.start.context.view.kernels)
  }

  /** Different values so far. */
  protected abstract readonly valueCount: number

  /** Numbers the values of rows, in the order in which they are met. */
  protected abstract numberValues(rows: RowNumbers, numbers: Int32Array): void
}

/** The key for what stands at a path: values are told apart as conditions tell them. */
function groupKey(path: BoundPath): GroupKey {
  if (path.path.inside.length > 0) return new ValueKey(path)
  return path.isDirect && !holdsNull(path.column.type) ? new ColumnKey(path) : new WordKey(path)
}

/** Integers below this are looked up without hashing. */
const SMALL_INTEGERS = 1 << 17

/** A column of the rows themselves, whose equal values are equal words. */
class ColumnKey extends GroupKey {
  private readonly values = new WordDictionary()
  private integers: Int32Array | undefined

  protected get valueCount(): number {
    return this.values.size
  }

  protected numberValues(rows: RowNumbers, numbers: Int32Array): void {
    const { kernels } = this.path.start.context.view
    if (kernels === undefined || !isForNative(rows)) this.numberEach(rows, numbers)
    else this.numberAll(rows, numbers, kernels)
  }

  private numberAll(rows: Int32Array, numbers: Int32Array, kernels: Kernels): void {
    const { column, start } = this.path
    const { table, buffers } = start.context.view
    const { values } = this
    const [base, size] = [column.addressOf(0), column.capacity]
    const to = rows.length
    this.integers ??= new Int32Array(column.type === 'integer' ? SMALL_INTEGERS : 0)
    const { count } = values
    for (let done = 0; done < to; ) {
      const { places } = values
      done += kernels.numberWords(table, buffers, base, size, rows, done, to, places, count, this.integers, numbers)
      if (done < to) values.grow()
    }
  }

  private numberEach(rows: RowNumbers, numbers: Int32Array): void {
    const { column, start } = this.path
    const words = new ColumnWords(column, start.context.view)
    const { values } = this
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]
      if (row >>> BLOCK_SHIFT !== words.block) words.turnTo(row >>> BLOCK_SHIFT)
      const at = (words.index + (row & BLOCK_MASK)) << 1
      numbers[i] = values.number(words.halves[at], words.halves[at + 1])
    }
  }
}

/** A whole column at the end of references, or one that holds null as no value is. */
class WordKey extends GroupKey {
  private readonly values = new WordDictionary()

  protected get valueCount(): number {
    return this.values.size
  }

  protected numberValues(rows: RowNumbers, numbers: Int32Array): void {
    const { path, values } = this
    const { view } = path.start.context
    for (let i = 0; i < rows.length; i++) {
      const row = path.rowAt(rows[i])
      const address = row < 0 ? 0 : path.column.addressOf(row)
      const isNothing = address === 0 || view.isWord(address, NULL_WORD.low, NULL_WORD.high)
      numbers[i] = isNothing ? values.number(0, 0) : values.number(view.low(address), view.high(address))
    }
  }
}

/** A part of documents or arrays: values are equal where they say the same. */
class ValueKey extends GroupKey {
  private readonly values = new Map<unknown, number>()

  protected get valueCount(): number {
    return this.values.size
  }

  protected numberValues(rows: RowNumbers, numbers: Int32Array): void {
    for (let i = 0; i < rows.length; i++) {
      const key = valueKey(this.path.value(rows[i]))
      let value = this.values.get(key)
      if (value === undefined) {
        value = this.values.size
        this.values.set(key, value)
      }
      numbers[i] = value
    }
  }
}
