import { show } from '../arguments'
import { type ColumnType, describeType, type ScalarType, scalarOf } from '../table/column-type'
import { Decimal } from '../value/decimal'
import { parseDay, parseFarInstant, parseTimeOfDay, Timestamp } from '../value/timestamp'
import { jsonFault } from './json-shape'

/** What to write in JSON for the types whose values JSON has not. */
const WRITTEN: Partial<Record<ScalarType, string>> = {
  timestamp: 'ISO text with its time zone like "2024-02-29T12:00:00Z", a day like "2024-02-29", or "infinity"',
  day: 'a day like "2024-02-29", or "infinity"',
  bigint: 'an integer, as text like "9007199254740993" where it is large',
  decimal: 'a number, or text like "12.50"',
  bytes: 'base64 text',
}

/**
 * The value of a column of a type that a value in JSON stands for: text for a timestamp (ISO 8601 with a time zone, or
 * a day that begins in UTC), a bigint, a decimal or bytes (base64, RFC 4648 section 4) is turned into that. Throws
 * `INVALID_ARGUMENT` for what the type cannot hold, naming the position.
 */
export function valueFromJson(type: ColumnType, json: unknown, position: string): unknown {
  if (json === null || type === 'json' || type === 'any') return json
  if (type.endsWith('[]')) {
    if (!Array.isArray(json)) throw unfit(type, json, position)
    return json.map((each) => valueFromJson(Array.isArray(each) ? type : scalarOf(type), each, position))
  }
  const value = scalarFromJson(type as ScalarType, json)
  if (value === undefined) throw unfit(type, json, position)
  return value
}

/** Undefined where it cannot be one. */
function scalarFromJson(type: ScalarType, json: unknown): unknown {
  switch (type) {
    case 'boolean':
      return typeof json === 'boolean' ? json : undefined
    case 'number':
      return typeof json === 'number' ? json : undefined
    case 'integer':
      return Number.isSafeInteger(json) ? json : undefined
    case 'bigint':
      if (typeof json === 'string') return /^[+-]?\d+$/.test(json) ? BigInt(json.replace('+', '')) : undefined
      return Number.isSafeInteger(json) ? json : undefined
    case 'decimal':
      return decimalOf(json)
    case 'bytes':
      return typeof json === 'string' && isBase64(json) ? Buffer.from(json, 'base64') : undefined
    case 'timestamp':
      return typeof json === 'string' ? (infinityOf(json) ?? instantOf(json)) : undefined
    case 'day':
      if (typeof json !== 'string') return undefined
      return infinityOf(json) ?? (parseDay(json) === undefined ? undefined : json)
    case 'time':
      return typeof json === 'string' && parseTimeOfDay(json) !== undefined ? json : undefined
    case 'uuid':
      return typeof json === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(json) ? json : undefined
    default:
      return typeof json === 'string' ? json : undefined
  }
}

function decimalOf(json: unknown): Decimal | undefined {
  if (typeof json !== 'string' && typeof json !== 'number') return undefined
  try {
    return Decimal.parse(String(json))
  } catch {
    return undefined
  }
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
}

function infinityOf(text: string): number | undefined {
  if (text === 'infinity') return Number.POSITIVE_INFINITY
  return text === '-infinity' ? Number.NEGATIVE_INFINITY : undefined
}

const INSTANT = /^([+-]\d{6}|\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d))?$/

/** As its column reads it: text where no Date holds it. */
function instantOf(text: string): Date | string | undefined {
  const parts = INSTANT.exec(text)
  if (parts === null) return undefined
  const [, year, month, day, time = '00:00', fraction = '', zone = 'Z'] = parts
  // Date takes the 30th of February for the 1st of March
  if (parseDay(`${year}-${month}-${day}`) === undefined || parseTimeOfDay(time) === undefined) return undefined
  const ms = Date.parse(`${year}-${month}-${day}T${time}${zone}`)
  const seconds = time.length === 5 ? `${time}:00` : time
  if (Number.isNaN(ms))
    return parseFarInstant(`${year}-${month}-${day}T${seconds}.${fraction || 0}${zone}`)?.toISOString()
  const micros = Number(fraction.padEnd(6, '0'))
  const rest = micros % 1000
  const wholeMs = ms + (micros - rest) / 1000
  return rest === 0 ? new Date(wholeMs) : new Timestamp(wholeMs, rest)
}

function unfit(type: ColumnType, json: unknown, position: string): Error {
  const expected = WRITTEN[type as ScalarType] ?? describeType(type)
  return jsonFault(position, `${show(json)} is no value of type ${type}. Write ${expected}.`, { type })
}
