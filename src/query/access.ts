import type { Column } from '../table/column'
import type { Table } from '../table/table'
import type { TableIndex } from '../table/table-index'
import type { BoundOperand, BoundOperands } from './operand'

/** Finds rows of a table, for the operands of the present run. */
export interface RowFinder {
  /** About how many rows it finds. */
  estimate(): number
  /** The rows, ascending, at most `limit`. */
  rows(limit: number): number[]
  /** What `explain` calls it. */
  readonly name: string
}

/** One way of finding the rows that a condition describes. */
export interface Access extends RowFinder {
  /** The conditions that its rows fulfil, by position among those of the source. */
  readonly covers: readonly number[]
}

/** By the key: the row number itself, or the unique index on it. */
export class KeyAccess implements Access {
  readonly name: string
  private readonly words = new Int32Array(2)

  constructor(
    private readonly table: Table,
    private readonly operand: BoundOperand,
    readonly covers: readonly number[],
  ) {
    this.name = `key ${table.name}.${table.keyColumns[0].name}`
  }

  estimate(): number {
    return this.row() < 0 ? 0 : 1
  }

  rows(limit: number): number[] {
    const row = this.row()
    return row < 0 || limit <= 0 ? [] : [row]
  }

  private row(): number {
    if (this.operand.isMissing) return -1
    this.words[0] = this.operand.low
    this.words[1] = this.operand.high
    return this.table.rowOfWords(this.words)
  }
}

/** By the key, for several values. */
export class KeyInAccess implements Access {
  readonly name: string
  private readonly words = new Int32Array(2)

  constructor(
    private readonly table: Table,
    private readonly operands: BoundOperands,
    readonly covers: readonly number[],
  ) {
    this.name = `key ${table.name}.${table.keyColumns[0].name}, several values`
  }

  estimate(): number {
    return this.operands.each.length
  }

  rows(limit: number): number[] {
    const rows: number[] = []
    for (const { low, high, isMissing } of this.operands.each) {
      if (isMissing) continue // no key is, though its word would pass for that of the first row
      this.words[0] = low
      this.words[1] = high
      const row = this.table.rowOfWords(this.words)
      if (row >= 0) rows.push(row)
    }
    return unionOf([rows.sort((a, b) => a - b)]).slice(0, limit)
  }
}

/** By the index of a column, for one value. */
export class IndexAccess implements Access {
  readonly name: string

  constructor(
    private readonly column: Column,
    private readonly operand: BoundOperand,
    readonly covers: readonly number[],
  ) {
    this.name = `index ${column.table.name}.${column.name}`
  }

  estimate(): number {
    const { column, operand } = this
    // missing values are in no index
    if (operand.isMissing) return Number.POSITIVE_INFINITY
    return column.index?.count(operand.low, operand.high) ?? Number.POSITIVE_INFINITY
  }

  rows(limit: number): number[] {
    return this.column.index!.rows(this.operand.low, this.operand.high, 0, limit)
  }
}

/** By the index of a column, for several values. */
export class IndexInAccess implements Access {
  readonly name: string

  constructor(
    private readonly column: Column,
    private readonly operands: BoundOperands,
    readonly covers: readonly number[],
  ) {
    this.name = `index ${column.table.name}.${column.name}, several values`
  }

  estimate(): number {
    const { index } = this.column
    let sum = 0
    for (const { low, high, isMissing } of this.operands.each) {
      sum += isMissing || index === undefined ? Number.POSITIVE_INFINITY : index.count(low, high)
    }
    return sum
  }

  rows(limit: number): number[] {
    const lists = this.operands.each.map(({ low, high }) => this.column.index!.rows(low, high))
    return unionOf(lists).slice(0, limit)
  }
}

/** Through a reference: the rows that refer to what a source of the table referred to finds. */
export class ReferenceAccess implements Access {
  readonly name: string

  /** Rows for each value, as counted when the table had `countedAt` rows. */
  private fanOut = 1
  private countedAt = -1

  constructor(
    private readonly table: Table,
    private readonly column: Column,
    /** The column of the other table whose values `column` holds. */
    private readonly key: Column,
    private readonly inner: RowFinder,
    private readonly operand: BoundOperand,
    readonly covers: readonly number[],
  ) {
    this.name = `index ${table.name}.${column.name} for each of (${inner.name})`
  }

  estimate(): number {
    const { index } = this.column
    // a row that refers to nothing has no value at the end of the path, and is in no index
    if (index === undefined || this.operand.isMissing) return Number.POSITIVE_INFINITY
    const { rowCount } = this.table
    // counting different values costs a step for each block of the index
    if (this.countedAt < 0 || rowCount > this.countedAt * 2 || rowCount * 2 < this.countedAt) {
      this.fanOut = Math.max(1, rowCount / Math.max(1, index.distinct))
      this.countedAt = rowCount
    }
    return this.inner.estimate() * this.fanOut
  }

  rows(limit: number): number[] {
    const { key, column } = this
    const index = column.index!
    const { view } = this.table.context
    const lists: number[][] = []
    for (const row of this.inner.rows(Number.POSITIVE_INFINITY)) {
      const address = key.addressOf(row)
      if (address !== 0) lists.push(index.rows(view.low(address), view.high(address)))
    }
    return unionOf(lists).slice(0, limit)
  }
}

/** By an index of a user's type: the rows that have all of some terms. */
export class TermAccess implements Access {
  readonly name: string

  constructor(
    table: Table,
    private readonly index: TableIndex,
    private readonly asked: { readonly terms: readonly string[] },
    readonly covers: readonly number[],
  ) {
    this.name = `${index.kind} index ${table.name}.${index.name}`
  }

  estimate(): number {
    const counts = this.asked.terms.map((term) => this.index.terms!.count(term))
    return counts.length === 0 ? 0 : counts.reduce((least, count) => Math.min(least, count))
  }

  rows(limit: number): number[] {
    const { asked } = this
    const terms = this.index.terms!
    const [rarest, ...others] = [...asked.terms].sort((a, b) => terms.count(a) - terms.count(b))
    if (rarest === undefined) return []
    let rows = terms.rows(rarest)
    for (const term of others) {
      if (rows.length === 0) break
      rows = intersectionOf(rows, terms.rows(term))
    }
    return limit < rows.length ? rows.slice(0, limit) : rows
  }
}

/** By several accesses, each for one of the conditions of an `or`. */
export class UnionAccess implements Access {
  readonly name: string

  constructor(
    private readonly parts: readonly RowFinder[],
    readonly covers: readonly number[],
  ) {
    this.name = `union of ${parts.map((each) => each.name).join('; ')}`
  }

  estimate(): number {
    return this.parts.reduce((sum, each) => sum + each.estimate(), 0)
  }

  rows(limit: number): number[] {
    return unionOf(this.parts.map((each) => each.rows(Number.POSITIVE_INFINITY))).slice(0, limit)
  }
}

/** Every number of ascending lists once, ascending. */
export function unionOf(lists: readonly number[][]): number[] {
  const some = lists.filter((each) => each.length > 0)
  if (some.length === 0) return []
  let size = 0
  for (const list of some) size += list.length
  const all = new Int32Array(size)
  let at = 0
  for (const list of some) {
    all.set(list, at)
    at += list.length
  }
  all.sort()
  const union: number[] = []
  let last = -1
  for (const number of all) {
    if (number !== last) union.push(number)
    last = number
  }
  return union
}

/** The numbers of two ascending lists that are in both, ascending. */
export function intersectionOf(a: readonly number[], b: readonly number[]): number[] {
  const both: number[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const difference = a[i] - b[j]
    if (difference === 0) both.push(a[i])
    if (difference <= 0) i++
    if (difference >= 0) j++
  }
  return both
}
