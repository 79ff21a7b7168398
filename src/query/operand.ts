import { SnapheapError } from '../errors'
import { isDate } from '../kinds'
import type { Column } from '../table/column'
import { type ColumnType, encodeAs } from '../table/column-type'
import { cannotHold } from '../table/messages'
import { atScale } from '../table/scale'
import { Decimal } from '../value/decimal'
import { formatTimeOfDay, parseDay, parseFarInstant, parseTimeOfDay, Timestamp } from '../value/timestamp'
import { areComparable, compareValues } from '../value/value-order'
import { CONSTANT, CONSTANT_HIGH } from '../value/word'
import type { BoundPath } from './path'
import { Parameter, type Path } from './plan'

/** The place of a value among those that a query is run with. Plans of one shape differ in nothing else. */
export class Slot {
  constructor(readonly index: number) {}
}

/** What a query runs with: a value for each slot. */
export type SlotValues = readonly unknown[]

/** High half of a word that is never stored: what a value has that stands nowhere in the heap. */
const NOWHERE_HIGH = 0xfff8 << 16

/**
 * A value that a column is compared with, as a word of the heap where it has one. Found anew for each run, by `take`.
 */
export class BoundOperand {
  value: unknown = null
  low = 0
  high = 0
  /**
   * The value as the number that its column's words are ordered by, where `ordinalKind` says that they are; otherwise
   * NaN.
   */
  ordinal = Number.NaN

  constructor(
    private readonly slot: Slot,
    private readonly path: BoundPath,
  ) {}

  /** Throws `TYPE` for a value that the column cannot hold, naming it. */
  take(slots: SlotValues): void {
    this.set(slots[this.slot.index])
  }

  set(value: unknown): void {
    this.value = canonical(this.path, value)
    this.ordinal = ordinalOf(this.path.column.type, this.value)
    if (this.path.path.inside.length > 0) return
    const { finder } = this.path.start.context
    finder.isMissing = false
    if (value === null || value === undefined) finder.absent()
    else encodeFor(this.path.column, value, this.path.start.context)
    this.low = finder.isMissing ? 1 : finder.low
    this.high = finder.isMissing ? NOWHERE_HIGH : finder.high
  }

  /** Whether no value is what is looked for. */
  get isMissing(): boolean {
    return this.value === null
  }
}

function canonical({ column, path }: BoundPath, value: unknown): unknown {
  return readAs(path.inside.length > 0 ? ANY : column, value)
}

/**
 * A value as what has values of a type reads it, where it may be written otherwise: what it is compared with by order.
 */
export function readAs({ type }: Typed, value: unknown): unknown {
  if (value === undefined) return null
  switch (type) {
    case 'day':
      return isDate(value) && !Number.isNaN(value.getTime()) ? value.toISOString().split('T')[0] : value
    case 'time': {
      const micros = typeof value === 'string' ? parseTimeOfDay(value) : undefined
      return micros === undefined ? value : formatTimeOfDay(micros)
    }
    case 'uuid':
      return typeof value === 'string' ? value.toLowerCase() : value
    case 'timestamp':
      return typeof value === 'string' ? (parseFarInstant(value)?.toISOString() ?? value) : value
    case 'decimal':
      // 0.1 is the decimal that it is written as, not the double, which is a little more
      return typeof value === 'string' || Number.isFinite(value) ? decimalOf(String(value)) : value
    default:
      return value
  }
}

/** Text that is no decimal number stays what it is, for the error that names it. */
function decimalOf(text: string): Decimal | string {
  try {
    return Decimal.parse(text)
  } catch {
    return text
  }
}

/** Leaves the word of a value in the finder. */
function encodeFor(column: Column, value: unknown, context: BoundPath['start']['context']): void {
  const { finder } = context
  let cause: unknown
  try {
    if (encodeAs(column.type, column.scale === undefined ? value : atScale(value, column.scale), finder)) return
  } catch (error) {
    cause = error
  }
  finder.abandon()
  throw cannotHold(column, value, cause)
}

/**
 * The null that a column may hold as a value of its own. Like no value it reads as null, and queries ask for both as
 * one.
 */
export const NULL_WORD = { low: CONSTANT.null, high: CONSTANT_HIGH } as const

/** Whether columns of a type may hold it: a dynamic one, and one of JSON, where a document may be no more than null. */
export function holdsNull(type: ColumnType): boolean {
  return type === 'any' || type === 'json'
}

/** Several of them: the values of an `in`. */
export class BoundOperands {
  each: readonly BoundOperand[] = []
  /** High halves of their words by the low ones. */
  private readonly words = new Map<number, number[]>()

  constructor(
    private readonly slots: readonly Slot[] | Slot,
    private readonly path: BoundPath,
  ) {
    if (Array.isArray(slots)) this.each = slots.map((slot) => new BoundOperand(slot, path))
  }

  /** Throws `TYPE`; `INVALID_ARGUMENT` where a parameter for all of them is no array. */
  take(values: SlotValues): void {
    if (this.slots instanceof Slot) this.takeAll(this.slots, values[this.slots.index])
    else for (const each of this.each) each.take(values)
    this.words.clear()
    for (const { low, high, isMissing } of this.each) {
      this.addWord(low, high)
      if (isMissing && holdsNull(this.path.column.type)) this.addWord(NULL_WORD.low, NULL_WORD.high)
    }
  }

  /** Whether one of them is this word of their column; the word of nothing is that of a missing value. */
  hasWord(low: number, high: number): boolean {
    return this.words.get(low)?.includes(high) === true
  }

  private addWord(low: number, high: number): void {
    const highs = this.words.get(low)
    if (highs === undefined) this.words.set(low, [high])
    else highs.push(high)
  }

  private takeAll(slot: Slot, all: unknown): void {
    ensureList(all, this.path.path)
    this.each = all.map((value) => {
      const operand = new BoundOperand(slot, this.path)
      operand.set(value)
      return operand
    })
  }
}

/** Throws `INVALID_ARGUMENT` unless the parameter for all values of an `in` is an array. */
export function ensureList(all: unknown, { label }: Path): asserts all is readonly unknown[] {
  if (Array.isArray(all)) return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `The values for ${label} are not an array. Pass an array of those to look for.`,
    { name: label },
  )
}

/** Values for the slots of a query, parameters filled in. Throws `INVALID_ARGUMENT` for a parameter without a value. */
export function slotValues(slots: readonly unknown[], parameters: Readonly<Record<string, unknown>>): SlotValues {
  if (!slots.some((each) => each instanceof Parameter)) return slots
  return slots.map((each) => {
    if (!(each instanceof Parameter)) return each
    if (Object.hasOwn(parameters, each.name) && parameters[each.name] !== undefined)
      return each.convert(parameters[each.name])
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `The query has a parameter "${each.name}" that was given no value. Pass { ${each.name}: … } when it runs.`,
      { parameter: each.name },
    )
  })
}

/** What has values of one type: a column, a member of records. */
export interface Typed {
  readonly type: ColumnType
}

/** Values of whatever type. */
export const ANY: Typed = Object.freeze({ type: 'any' })

/** Negative, zero or positive as one value of a column sorts before, with or after another. */
export function compareIn({ type }: Typed, a: unknown, b: unknown): number {
  if (type === 'day') return compareValues(dayNumber(a), dayNumber(b))
  return type === 'timestamp' ? compareValues(instantOf(a), instantOf(b)) : compareValues(a, b)
}

/** Whether one of two values of a column can be said to be less than the other. */
export function areComparableIn({ type }: Typed, a: unknown, b: unknown): boolean {
  if (type === 'day') return areComparable(dayNumber(a), dayNumber(b))
  return type === 'timestamp' ? areComparable(instantOf(a), instantOf(b)) : areComparable(a, b)
}

function dayNumber(value: unknown): unknown {
  return typeof value === 'string' ? parseDay(value) : value
}

/** Timestamps that no Date holds read as text. */
function instantOf(value: unknown): unknown {
  return typeof value === 'string' ? parseFarInstant(value) : value
}

/** How most words of a column can be ordered without reading values: as the numbers they are, or by their payload. */
export type OrdinalKind = 'number' | 'instant' | 'day'

export function ordinalKind(type: ColumnType): OrdinalKind | undefined {
  switch (type) {
    case 'integer':
    case 'number':
      return 'number'
    case 'timestamp':
      return 'instant'
    case 'day':
      return 'day'
    default:
      return undefined
  }
}

function ordinalOf(type: ColumnType, value: unknown): number {
  if (type === 'integer' || type === 'number') return typeof value === 'number' ? value : Number.NaN
  if (type === 'day') return typeof value === 'string' ? (parseDay(value) ?? Number.NaN) : Number.NaN
  if (type !== 'timestamp' || !isDate(value)) return Number.NaN
  return value instanceof Timestamp && value.microseconds !== 0 ? Number.NaN : value.getTime()
}
