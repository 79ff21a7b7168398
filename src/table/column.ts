import type { View } from '../heap/view'
import type { Decoder, PathStep } from '../value/decoder'
import { CONSTANT, CONSTANT_HIGH } from '../value/word'
import { ColumnIndex } from './column-index'
import { type ColumnType, decodeAs } from './column-type'
import { COLUMN, COLUMN_FLAG, SCALE_SHIFT } from './layout'

/** What a column's values look like at one version. */
export interface ColumnStatistics {
  /** Rows that have a value. */
  readonly values: number
  /** Different values; undefined without an index. */
  readonly distinct: number | undefined
  /**
   * Smallest and largest value where the type has an order and the column an index. Costs a look at every different
   * value, unless an ordered index tells.
   */
  readonly min: unknown
  readonly max: unknown
}

/** The table that a column belongs to. */
export interface ColumnOwner {
  readonly name: string
  readonly rowCount: number
  /** The index of every row in the order of a column first; undefined without one. */
  orderedBy(column: Column): { extremes(): { min: number; max: number } | undefined } | undefined
  /** Throws when the table was closed, dropped or altered since this handle was made. */
  ensureUsable(): void
}

/** Types whose values have an order worth speaking of. */
const UNORDERED: ReadonlySet<ColumnType> = new Set(['any', 'json', 'boolean'])

/**
 * A column of a table, as one view of the heap has it: a flat array row number -> word, and its index. What it
 * remembers of the heap's layout is looked up again whenever the view's generation has moved on.
 */
export class Column {
  private generation = -2
  private base = 0
  private rows = 0
  private cachedIndex: ColumnIndex | undefined
  private readonly isBigint: boolean
  /** What an absent word reads as: null, and undefined in a dynamic column, where null is a value of its own. */
  private readonly absent: null | undefined
  /** Digits after the point of every decimal; undefined where each has its own. Fixed for the column's life. */
  readonly scale: number | undefined

  constructor(
    private readonly view: View,
    private readonly decoder: Decoder,
    readonly table: ColumnOwner,
    /** Fixed for the column's life. */
    readonly descriptor: number,
    readonly name: string,
    readonly type: ColumnType,
  ) {
    this.isBigint = type === 'bigint' || type === 'bigint[]'
    this.absent = type === 'any' ? undefined : null
    const scale = this.flags >>> SCALE_SHIFT
    this.scale = scale === 0 ? undefined : scale - 1
  }

  /** The value of an existing row: null where it has none (in a dynamic column, undefined). */
  get(row: number): unknown {
    if (this.generation !== this.view.generation) this.refresh()
    return this.currentGet(row)
  }

  /** `get` where this handle is known to be up to date. */
  currentGet(row: number): unknown {
    if (row >>> 0 >= this.rows) return this.absent
    const number = this.view.number(this.base + row)
    if (number === 0) return this.absent
    if (this.isBigint) return decodeAs(this.type, this.view, this.decoder, this.base + row)
    return number === number ? number : this.decoder.taggedAt(this.base + row)
  }

  /**
   * The value as a number: 0 where the row has none, NaN where it is something else. One load, two for a stored 0;
   * makes no object.
   */
  number(row: number): number {
    if (this.generation !== this.view.generation) this.refresh()
    return this.currentNumber(row)
  }

  /** `number` where this handle is known to be up to date. */
  currentNumber(row: number): number {
    if (row >>> 0 >= this.rows) return 0
    const number = this.view.number(this.base + row)
    return number === number ? number : this.taggedNumber(this.base + row)
  }

  /** Whether the row has no value. Tells SQL's NULL from the null of a JSON document, which both read as null. */
  isAbsent(row: number): boolean {
    const address = this.addressOf(row)
    return address === 0 || this.view.isAbsent(address)
  }

  /** A part of an array or document, read piecewise; undefined where there is nothing. */
  path(row: number, steps: readonly PathStep[]): unknown {
    const address = this.addressOf(row)
    return address === 0 ? undefined : this.decoder.path(address, steps)
  }

  /** Elements of the array, or members of the document, at a path; undefined where there is neither. */
  length(row: number, steps: readonly PathStep[] = []): number | undefined {
    const address = this.addressOf(row)
    return address === 0 ? undefined : this.decoder.length(address, steps)
  }

  /** Address of a row's word, 0 where the column has not grown so far (its word is absent then). */
  addressOf(row: number): number {
    if (this.generation !== this.view.generation) this.refresh()
    return row >>> 0 < this.rows ? this.base + row : 0
  }

  /** Address of row 0's word; 0 where there is no space yet. */
  get firstAddress(): number {
    if (this.generation !== this.view.generation) this.refresh()
    return this.base
  }

  /** Rows that its space reaches to: those beyond have no value. */
  get capacity(): number {
    if (this.generation !== this.view.generation) this.refresh()
    return this.rows
  }

  get isNullable(): boolean {
    return (this.flags & COLUMN_FLAG.nullable) !== 0
  }

  get isUnique(): boolean {
    return (this.flags & COLUMN_FLAG.unique) !== 0
  }

  get isIndexed(): boolean {
    return this.view.low(this.descriptor + COLUMN.index) >>> 0 !== 0
  }

  /** The column's index, undefined without one. */
  get index(): ColumnIndex | undefined {
    if (this.generation !== this.view.generation) this.refresh()
    if (this.cachedIndex === undefined) {
      const address = this.view.low(this.descriptor + COLUMN.index) >>> 0
      if (address !== 0) this.cachedIndex = ColumnIndex.open(this.view, this, address)
    }
    return this.cachedIndex
  }

  /** Counts and extremes at this version. */
  statistics(): ColumnStatistics {
    const { index } = this
    const isOrdered = !UNORDERED.has(this.type) && !this.type.endsWith('[]')
    const extremes = isOrdered ? (this.table.orderedBy(this) ?? index)?.extremes() : undefined
    const read = (address: number): unknown => decodeAs(this.type, this.view, this.decoder, address)
    return {
      values: this.table.rowCount - this.view.high(this.descriptor + COLUMN.flags),
      distinct: index?.distinct,
      min: extremes === undefined ? undefined : read(extremes.min),
      max: extremes === undefined ? undefined : read(extremes.max),
    }
  }

  /** Brings this handle up to date. Throws `CLOSED`, `NOT_FOUND` where its table is not there any more. */
  ensureUsable(): void {
    if (this.generation !== this.view.generation) this.refresh()
  }

  private taggedNumber(address: number): number {
    if (this.view.high(address) !== CONSTANT_HIGH) return Number.NaN
    const low = this.view.low(address)
    return low === CONSTANT.zero ? 0 : low === CONSTANT.minusZero ? -0 : Number.NaN
  }

  private get flags(): number {
    return this.view.low(this.descriptor + COLUMN.flags)
  }

  private refresh(): void {
    this.table.ensureUsable()
    const data = this.descriptor + COLUMN.data
    this.base = this.view.low(data) >>> 0
    this.rows = this.base === 0 ? 0 : (1 << this.view.high(data)) >>> 0 // 2 ** would make it a floating-point field
    this.cachedIndex = undefined
    this.generation = this.view.generation
  }
}
