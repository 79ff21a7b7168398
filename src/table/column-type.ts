import { SnapheapError } from '../errors'
import type { View } from '../heap/view'
import { isBytes, isDate } from '../kinds'
import { Decimal } from '../value/decimal'
import type { Decoder } from '../value/decoder'
import type { Encoder } from '../value/encoder'
import { daysFromCivil, parseDay, parseFarInstant, parseTimeOfDay } from '../value/timestamp'

/** The kinds of column, with the JavaScript value that each reads as. */
export interface ScalarTypes {
  /** Any value, each with its own type. */
  any: unknown
  boolean: boolean
  /** A safe integer. */
  integer: number
  /** An integer of any size. */
  bigint: bigint
  /** A double. */
  number: number
  /** An exact decimal; NaN and the infinities read as numbers. */
  decimal: Decimal
  string: string
  bytes: Uint8Array
  /** Canonical text, lower case. */
  uuid: string
  /**
   * A Date; a `Timestamp` where it has microseconds; the infinities read as numbers, what no Date holds (after year
   * 275760) as ISO text, by which it is stored and asked for as well.
   */
  timestamp: Date
  /** A date without time: "2024-02-29". */
  day: string
  /** A time of day: "23:59:59.123456". */
  time: string
  /** Anything JSON can say. */
  json: unknown
}

export type ScalarType = keyof ScalarTypes
export type ColumnType = ScalarType | `${ScalarType}[]`

/** The value that a column of type T holds, `null` aside. */
export type ValueOf<T extends ColumnType> = T extends `${infer S extends ScalarType}[]`
  ? (ScalarTypes[S] | null)[]
  : T extends ScalarType
    ? ScalarTypes[T]
    : never

const SCALARS: readonly ScalarType[] = [
  'any',
  'boolean',
  'integer',
  'bigint',
  'number',
  'decimal',
  'string',
  'bytes',
  'uuid',
  'timestamp',
  'day',
  'time',
  'json',
]

const TYPES: readonly ColumnType[] = SCALARS.flatMap((scalar): ColumnType[] => [scalar, `${scalar}[]`])

/**
 * The type that a text read from the heap names: the very string that the code below compares with, which an engine
 * does by address, not character by character. Throws `VERSION` for a type that this version does not know.
 */
export function columnTypeNamed(text: unknown): ColumnType {
  const type = TYPES.find((each) => each === text)
  if (type !== undefined) return type
  throw new SnapheapError(
    'VERSION',
    `A column has the type ${JSON.stringify(text)}, which this version does not know. Open the file with a newer ` +
      'version.',
  )
}

/** The type of what stands within a column: that of an array's elements; anything in a document. */
export function scalarOf(type: ColumnType): ScalarType {
  return type.endsWith('[]') ? (type.slice(0, -2) as ScalarType) : 'any'
}

export function isColumnType(type: unknown): type is ColumnType {
  return typeof type === 'string' && SCALARS.includes((type.endsWith('[]') ? type.slice(0, -2) : type) as ScalarType)
}

/**
 * Encodes a value, neither null nor undefined, as a column of `type` stores it. Returns false, leaving no reference
 * behind, when it does not fit the type.
 */
export function encodeAs(type: ColumnType, value: unknown, out: Encoder): boolean {
  switch (type) {
    case 'any':
    case 'json':
      out.value(value)
      return true
    case 'boolean':
      if (typeof value !== 'boolean') return false
      out.boolean(value)
      return true
    case 'integer':
      if (!Number.isSafeInteger(value)) return false
      out.number((value as number) + 0)
      return true
    case 'bigint':
      if (typeof value === 'bigint') out.integer64(value)
      else if (Number.isSafeInteger(value)) out.number((value as number) + 0)
      else return false
      return true
    case 'number':
      if (typeof value !== 'number') return false
      out.number(value)
      return true
    case 'decimal':
      return encodeDecimal(value, out)
    case 'string':
      if (typeof value !== 'string') return false
      out.string(value)
      return true
    case 'bytes':
      if (!isBytes(value)) return false
      out.bytes(value)
      return true
    case 'uuid':
      return encodeUuid(value, out)
    default:
      if (type.endsWith('[]')) return encodeArray(type.slice(0, -2) as ScalarType, value, out)
      return encodeTime(type as ScalarType, value, out)
  }
}

/** Decodes the word at `address` of a column of `type`; the word is not absent. */
export function decodeAs(type: ColumnType, view: View, decoder: Decoder, address: number): unknown {
  if (type === 'bigint') {
    const number = view.number(address)
    return number === number ? BigInt(number) : asBigint(decoder.read(address))
  }
  const value = decoder.read(address)
  return type === 'bigint[]' ? asBigint(value) : value
}

/** What a type accepts, in words, for messages. */
export function describeType(type: ColumnType): string {
  if (type.endsWith('[]')) return `an array of ${describeType(type.slice(0, -2) as ScalarType)} (or null) items`
  const words: Partial<Record<ScalarType, string>> = {
    integer: 'a safe integer',
    bigint: 'a bigint or a safe integer',
    decimal: 'a Decimal, a safe integer, or its text like "12.50"',
    bytes: 'a Uint8Array',
    uuid: 'a UUID like "c0ffee00-0000-4000-8000-000000000000"',
    timestamp: 'a Date or Timestamp (ISO text where no Date holds it)',
    day: 'a date like "2024-02-29"',
    time: 'a time like "23:59:59.123456"',
    json: 'plain JSON data',
    any: 'plain data',
  }
  return words[type as ScalarType] ?? `a ${type}`
}

function asBigint(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asBigint)
  return typeof value === 'number' ? BigInt(value) : value
}

function encodeArray(type: ScalarType, value: unknown, out: Encoder): boolean {
  if (!Array.isArray(value)) return false
  out.beginArray()
  for (const item of value) {
    if (item === null) out.null()
    else if (Array.isArray(item) ? !encodeArray(type, item, out) : !encodeAs(type, item, out)) {
      out.abandon()
      return false
    }
    out.element()
  }
  out.endArray()
  return true
}

function encodeDecimal(value: unknown, out: Encoder): boolean {
  if (value instanceof Decimal) out.decimal(value.coefficient, value.scale)
  else if (Number.isSafeInteger(value)) out.smallDecimal(value as number, 0)
  else if (typeof value === 'bigint') out.decimal(value, 0)
  else if (typeof value === 'number' && !Number.isFinite(value)) out.number(value)
  else if (typeof value === 'string') {
    try {
      const decimal = Decimal.parse(value)
      out.decimal(decimal.coefficient, decimal.scale)
    } catch (error) {
      if (error instanceof SnapheapError) return false
      throw error
    }
  } else return false
  return true
}

const uuidScratch = new Uint8Array(16)

function encodeUuid(value: unknown, out: Encoder): boolean {
  if (typeof value !== 'string' || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) return false
  const digits = value.replaceAll('-', '')
  for (let i = 0; i < 16; i++) uuidScratch[i] = Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16)
  out.uuid(uuidScratch, 0)
  return true
}

function encodeTime(type: ScalarType, value: unknown, out: Encoder): boolean {
  const isInfinite = value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY
  if (type === 'time') {
    const micros = typeof value === 'string' ? parseTimeOfDay(value) : undefined
    if (micros !== undefined) out.timeOfDay(micros)
    return micros !== undefined
  }
  if (isInfinite) {
    out.number(value as number)
    return true
  }
  if (type === 'timestamp') {
    const instant = typeof value === 'string' ? parseFarInstant(value) : value
    if (!isDate(instant) || Number.isNaN(instant.getTime())) return false
    out.value(instant)
    return true
  }
  const days = isDate(value) ? dayOf(value) : typeof value === 'string' ? parseDay(value) : undefined
  if (days !== undefined) out.day(days)
  return days !== undefined
}

function dayOf(date: Date): number | undefined {
  if (Number.isNaN(date.getTime())) return undefined
  return daysFromCivil(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate())
}
