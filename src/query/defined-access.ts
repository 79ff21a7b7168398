import type { Column } from '../table/column'
import type { ColumnType } from '../table/column-type'
import { structureOf } from '../table/index-definition'
import type { OrderedRange } from '../table/ordered-range'
import type { Table } from '../table/table'
import type { TableIndex } from '../table/table-index'
import { LooseWord } from '../value/loose-word'
import type { Access } from './access'
import type { Binding } from './binding'
import { BoundOperand, compareIn, holdsNull, type Slot } from './operand'
import type { BoundOrder } from './order'
import type { Comparison, Condition } from './plan'

/** A condition that bounds one column, with its place among those of a source. */
interface Bound {
  readonly place: number
  readonly operator: Comparison | 'startsWith'
  readonly operand: BoundOperand | { readonly value: unknown }
}

/**
 * Types of which an index range has exactly the rows that a comparison holds for, so that it need not be made again.
 */
const EXACT: ReadonlySet<ColumnType> = new Set(['integer', 'number', 'string'])

/** Rows by an ordered index: equal in some of its first columns, within bounds in the next. */
export class OrderedAccess implements Access {
  readonly name: string
  readonly covers: readonly number[]
  private readonly equal: readonly { readonly value: unknown }[]
  private readonly range: readonly Bound[]

  constructor(
    table: Table,
    readonly index: TableIndex,
    equal: readonly Bound[],
    range: readonly Bound[],
    /** Whether, for the operands of the present run, every row that fits is in the index. */
    private readonly isWhole: () => boolean,
  ) {
    this.equal = equal.map(({ operand }) => operand)
    this.range = range
    const column = index.columns[equal.length]
    this.covers = column !== undefined && EXACT.has(column.type) ? range.map(({ place }) => place) : []
    const signs = range.map(({ operator }) => operator).join(' and ')
    this.name = `ordered index ${table.name}.${index.name}${signs === '' ? '' : `, ${signs}`}`
  }

  /** Whether it finds some rows, not all. */
  get isBounded(): boolean {
    return this.equal.length + this.range.length > 0
  }

  /** The columns by which the rows that the index finds are ordered. */
  get next(): readonly Column[] {
    return this.index.columns.slice(this.equal.length)
  }

  estimate(): number {
    if (!this.isWhole() || this.range.some(isBeyondIndex) || this.asksForNull()) return Number.POSITIVE_INFINITY
    const range = this.bounds()
    return range === undefined ? 0 : this.index.ordered!.estimate(range)
  }

  rows(limit: number): number[] {
    const range = this.bounds()
    if (range === undefined) return []
    const cursor = this.index.ordered!.cursor(range)
    const rows: number[] = []
    while (cursor.next()) rows.push(cursor.row)
    const sorted = Int32Array.from(rows).sort()
    return Array.from(limit < sorted.length ? sorted.subarray(0, limit) : sorted)
  }

  /**
   * Gives rows in the order of the next columns, those that are equal by `keys` ascending and never apart, in portions
   * of about `size`.
   */
  *walk(keys: readonly BoundOrder[], size: number): Generator<number[]> {
    const range = this.bounds()
    if (range === undefined) return
    const { isDescending } = keys[0]
    const cursor = this.index.ordered!.cursor(range, isDescending ? 'descending' : 'ascending')
    // an index that ends with the keys has equal rows ascending, but tells apart what an order does not: null and no
    // value, documents
    const isSorted =
      !isDescending &&
      this.equal.length + keys.length === this.index.columns.length &&
      keys.every(({ path }) => !holdsNull(path.column.type))
    let rows: number[] = []
    /** Where the rows begin that are equal to the last. */
    let equals = 0
    while (cursor.next()) {
      const { row } = cursor
      const isFull = rows.length >= size
      if ((isFull || !isSorted) && rows.length > 0 && !areEqual(keys, rows[rows.length - 1], row)) {
        if (!isSorted) sortFrom(rows, equals)
        if (isFull) {
          yield rows
          rows = []
        }
        equals = rows.length
      }
      rows.push(row)
    }
    if (!isSorted) sortFrom(rows, equals)
    if (rows.length > 0) yield rows
  }

  /** Whether it would miss rows: it has those that hold null apart from those without a value. */
  private asksForNull(): boolean {
    return this.equal.some(({ value }, i) => value === null && holdsNull(this.index.columns[i].type))
  }

  /** Undefined where no row can fit: nothing is less or more than what is missing. */
  private bounds(): OrderedRange | undefined {
    const equal = this.equal.map(({ value }) => value)
    if (this.range.length === 0) return equal.length === 0 ? {} : { lower: equal, upper: equal }
    let lower: { value: unknown; excludes: boolean } | undefined
    let upper: { value: unknown; excludes: boolean } | undefined
    const { column } = this
    for (const { operator, operand } of this.range) {
      const { value } = operand
      if (value === null) return undefined
      if (operator === 'startsWith') return typeof value === 'string' ? { startsWith: [...equal, value] } : undefined
      const excludes = operator === 'gt' || operator === 'lt'
      if (operator === 'gt' || operator === 'gte') {
        const order = lower === undefined ? 1 : compareIn(column, value, lower.value)
        if (order > 0 || (order === 0 && excludes)) lower = { value, excludes }
      } else {
        const order = upper === undefined ? -1 : compareIn(column, value, upper.value)
        if (order < 0 || (order === 0 && excludes)) upper = { value, excludes }
      }
    }
    return {
      lower: lower === undefined ? equal : [...equal, lower.value],
      excludesLower: lower?.excludes ?? false,
      // rows without a value are behind all others
      upper: [...equal, upper === undefined ? null : upper.value],
      excludesUpper: upper?.excludes ?? true,
    }
  }

  private get column(): Column {
    return this.index.columns[this.equal.length]
  }
}

/** Whether a bound is a beginning with a lone surrogate: it may be half of a character, and no index finds those. */
function isBeyondIndex({ operator, operand: { value } }: Bound): boolean {
  return operator === 'startsWith' && typeof value === 'string' && /\p{Surrogate}/u.test(value)
}

/** Sorts the rows from a place on. */
function sortFrom(rows: number[], from: number): void {
  if (rows.length - from < 2) return
  const tail = rows.splice(from).sort((a, b) => a - b)
  for (const row of tail) rows.push(row)
}

function areEqual(keys: readonly BoundOrder[], a: number, b: number): boolean {
  for (const { path } of keys) if (!isEqualIn(path.column, a, b)) return false
  return true
}

function isEqualIn(column: Column, a: number, b: number): boolean {
  if (column.type === 'integer' || column.type === 'number') {
    const number = column.number(a)
    if (number === number && number !== 0) return number === column.number(b)
  }
  const [x, y] = [column.get(a) ?? null, column.get(b) ?? null]
  return x === null || y === null ? x === y : compareIn(column, x, y) === 0
}

/** Rows by a hash index over several columns. */
class HashedAccess implements Access {
  readonly name: string
  readonly covers: readonly number[]
  private readonly words: readonly LooseWord[]

  constructor(
    private readonly table: Table,
    private readonly index: TableIndex,
    private readonly equal: readonly Bound[],
    private readonly isWhole: () => boolean,
  ) {
    this.name = `hash index ${table.name}.${index.name}`
    this.covers = equal.map(({ place }) => place)
    this.words = equal.map(() => new LooseWord(table.context.view))
  }

  estimate(): number {
    if (!this.isWhole() || !this.take()) return Number.POSITIVE_INFINITY
    return this.index.hash!.count(this.words)
  }

  rows(limit: number): number[] {
    return this.take() ? this.index.hash!.rowsOf(this.words).slice(0, limit) : []
  }

  /** Takes the operands' words over. False where one is missing: rows without a value are in no hash index. */
  private take(): boolean {
    const { view } = this.table.context
    return this.equal.every(({ operand }, i) => {
      if (!(operand instanceof BoundOperand) || operand.isMissing) return false
      this.words[i].set(view, operand.low, operand.high)
      return true
    })
  }
}

/**
 * Indexes with a definition that help with some conditions, or with an order. One of some rows only helps where the
 * conditions ask for no others.
 */
export function definedAccesses(
  table: Table,
  conditions: readonly Condition[],
  binding: Binding,
  order: readonly BoundOrder[],
): (OrderedAccess | HashedAccess)[] {
  const bounds = boundsOf(conditions, binding)
  return table.indexes.flatMap((index): (OrderedAccess | HashedAccess)[] => {
    if (structureOf(index.kind) === 'terms') return [] // what compares values asks for none
    const isWhole = wholeness(index, bounds)
    if (isWhole === undefined) return []
    const equal: Bound[] = []
    let range: Bound[] = []
    for (const column of index.columns) {
      const all = bounds.get(column) ?? []
      const same = all.find(({ operator }) => operator === 'eq')
      if (same === undefined) {
        range = all.filter(({ operator }) => operator !== 'startsWith')
        if (range.length === 0) range = all.slice(0, 1)
        break
      }
      equal.push(same)
    }
    if (index.kind === 'hash') {
      return equal.length === index.columns.length ? [new HashedAccess(table, index, equal, isWhole)] : []
    }
    const access = new OrderedAccess(table, index, equal, range, isWhole)
    return access.isBounded || givesOrder(access, order) ? [access] : []
  })
}

/** What bounds each column. */
function boundsOf(conditions: readonly Condition[], binding: Binding): Map<Column, Bound[]> {
  const bounds = new Map<Column, Bound[]>()
  for (const [place, condition] of conditions.entries()) {
    if (condition.kind !== 'compare' && condition.kind !== 'text') continue
    const path = binding.path(condition.path)
    const { operator } = condition
    if (!path.isDirect || operator === 'ne' || operator === 'contains' || path.column.type === 'any') continue
    if (condition.kind === 'text' && path.column.type !== 'string') continue // no beginning of such a value is one
    const slot = condition.value as Slot
    const operand = condition.kind === 'text' ? binding.value(slot) : binding.operand(slot, condition.path)
    const bound = { place, operator, operand }
    bounds.set(path.column, [...(bounds.get(path.column) ?? []), bound])
  }
  return bounds
}

/**
 * Tells, for the operands of a run, whether an index has all rows that fit; undefined where no operands could make that
 * so.
 */
function wholeness(
  { conditions }: TableIndex,
  bounds: ReadonlyMap<Column, readonly Bound[]>,
): (() => boolean) | undefined {
  const tests: (() => boolean)[] = []
  for (const { column, isPresent, low, high } of conditions) {
    const all = bounds.get(column) ?? []
    const same = all.find(({ operator }) => operator === 'eq')?.operand
    if (same instanceof BoundOperand) {
      const isBoth = (): boolean => same.isMissing && holdsNull(column.type)
      tests.push(() => (isPresent ? !same.isMissing : same.low === low && same.high === high && !isBoth()))
    } else if (!isPresent || all.length === 0) return undefined // what is compared is there
  }
  return () => tests.every((test) => test())
}

/** Whether the rows that an access finds are, as it walks them, in an order. */
export function givesOrder(access: OrderedAccess, order: readonly BoundOrder[]): boolean {
  if (order.length === 0 || order.length > access.next.length) return false
  return order.every(
    ({ path, isDescending }, i) =>
      path.isDirect &&
      path.column === access.next[i] &&
      isDescending === order[0].isDescending &&
      path.column.type !== 'any',
  )
}
