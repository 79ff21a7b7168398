import { SnapheapError } from '../errors'
import type { Encoder } from '../value/encoder'

/** Turns the text form of a value, `bytes[start, end)`, into a word, which it leaves in `out`. */
export type TextDecoder = (bytes: Buffer, start: number, end: number, out: Encoder) => void

/** More decimal digits than this do not fit a double exactly. */
const EXACT_DIGITS = 15
/** Powers of ten that a double holds exactly. */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`))

const MINUS = 0x2d
const POINT = 0x2e
const BACKSLASH = 0x5c
const LETTER_X = 0x78

/** The error for text that is not what its type prints. */
export function unreadable(bytes: Buffer, start: number, end: number, what: string): SnapheapError {
  const text = bytes.toString('utf8', start, Math.min(end, start + 60))
  return new SnapheapError(
    'POSTGRES',
    `Postgres: ${JSON.stringify(text)} cannot be read as ${what}. Please report this, with the column's type.`,
    { text },
  )
}

function ascii(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, end)
}

/**
 * Bytes a decoder needs while it decodes one value. Kept for the next one unless a single large value asked for them.
 */
export class Scratch {
  private readonly kept = Buffer.alloc(4096)

  take(lengthBytes: number): Buffer {
    return lengthBytes <= this.kept.length ? this.kept : Buffer.allocUnsafe(lengthBytes)
  }
}

/** Digits with an optional sign, at most 15 of them: the number, else NaN. */
function shortInteger(bytes: Buffer, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS
  const first = isNegative ? start + 1 : start
  if (end <= first || end - first > EXACT_DIGITS) return Number.NaN
  let value = 0
  for (let i = first; i < end; i++) {
    const digit = bytes[i]! - 48
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return isNegative ? -value : value
}

/** int2, int4, oid. */
export const decodeInteger: TextDecoder = (bytes, start, end, out) => {
  const value = shortInteger(bytes, start, end)
  if (Number.isNaN(value)) throw unreadable(bytes, start, end, 'an integer')
  out.number(value)
}

/** int8: a plain number as far as that is exact. */
export const decodeBigint: TextDecoder = (bytes, start, end, out) => {
  const value = shortInteger(bytes, start, end)
  if (!Number.isNaN(value)) {
    out.number(value)
    return
  }
  const text = ascii(bytes, start, end)
  if (!/^-?\d+$/.test(text)) throw unreadable(bytes, start, end, 'an integer')
  out.integer64(BigInt(text))
}

/**
 * float8 and float4, the latter as the double that its shortest digits denote (1.1, not 1.10000002384…).
 * With at most 15 digits and a small power of ten, one correctly rounded division gives the nearest double
 * (W. D. Clinger, "How to Read Floating Point Numbers Accurately"); everything else takes the engine's own way.
 */
export const decodeFloat: TextDecoder = (bytes, start, end, out) => {
  const isNegative = bytes[start] === MINUS
  let mantissa = 0
  let digits = 0
  let point = -1
  let i = isNegative ? start + 1 : start
  for (; i < end; i++) {
    const byte = bytes[i]!
    if (byte === POINT && point < 0) {
      point = i
      continue
    }
    const digit = byte - 48
    if (digit < 0 || digit > 9) break
    mantissa = mantissa * 10 + digit
    digits++
  }
  if (i === end && digits > 0 && digits <= EXACT_DIGITS) {
    const value = point < 0 ? mantissa : mantissa / POWERS_OF_TEN[end - point - 1]!
    out.number(isNegative ? -value : value)
    return
  }
  const text = ascii(bytes, start, end)
  const value = Number(text)
  if (text === '' || (Number.isNaN(value) && text !== 'NaN')) throw unreadable(bytes, start, end, 'a number')
  out.number(value)
}

/** numeric: coefficient and scale as printed, so 1.10 keeps its zero. NaN and infinities are numbers. */
export const decodeDecimal: TextDecoder = (bytes, start, end, out) => {
  const isNegative = bytes[start] === MINUS
  let coefficient = 0
  let digits = 0
  let scale = 0
  for (let i = isNegative ? start + 1 : start; i < end; i++) {
    const byte = bytes[i]!
    if (byte === POINT && scale === 0) {
      scale = end - i - 1
      continue
    }
    const digit = byte - 48
    if (digit < 0 || digit > 9) return decodeDecimalSpecial(bytes, start, end, out)
    coefficient = coefficient * 10 + digit
    digits++
  }
  if (digits === 0) throw unreadable(bytes, start, end, 'a decimal')
  if (digits <= EXACT_DIGITS) out.smallDecimal(isNegative ? 0 - coefficient : coefficient, scale)
  else out.decimal(BigInt(ascii(bytes, start, end).replace('.', '')), scale)
}

const decodeDecimalSpecial: TextDecoder = (bytes, start, end, out) => {
  const text = ascii(bytes, start, end)
  if (text !== 'NaN' && text !== 'Infinity' && text !== '-Infinity') throw unreadable(bytes, start, end, 'a decimal')
  out.number(Number(text))
}

export const decodeBoolean: TextDecoder = (bytes, start, end, out) => {
  const isTrue = bytes[start] === 0x74 // t
  if (end - start !== 1 || (!isTrue && bytes[start] !== 0x66)) throw unreadable(bytes, start, end, 'a boolean')
  out.boolean(isTrue)
}

/** Any type whose text form is the value. */
export const decodeText: TextDecoder = (bytes, start, end, out) => out.utf8(bytes, start, end)

export const decodeJson: TextDecoder = (bytes, start, end, out) => out.json(bytes, start, end)

/** Value of a hexadecimal digit by character code, 16 if it is none. */
const HEX_VALUES = Uint8Array.from({ length: 256 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(value) ? 16 : value
})

const bytesScratch = new Scratch()

/** bytea, `\x…`. */
export const decodeBytes: TextDecoder = (bytes, start, end, out) => {
  const length = (end - start - 2) / 2
  if (bytes[start] !== BACKSLASH || bytes[start + 1] !== LETTER_X || !Number.isInteger(length) || length < 0) {
    throw unreadable(bytes, start, end, 'a byte string')
  }
  const target = bytesScratch.take(length)
  let invalid = 0
  for (let i = 0, source = start + 2; i < length; i++, source += 2) {
    const high = HEX_VALUES[bytes[source]!]!
    const low = HEX_VALUES[bytes[source + 1]!]!
    invalid |= high | low
    target[i] = (high << 4) | low
  }
  if (invalid & 16) throw unreadable(bytes, start, end, 'a byte string')
  out.bytes(target, 0, length)
}

const uuidScratch = new Uint8Array(16)

export const decodeUuid: TextDecoder = (bytes, start, end, out) => {
  let invalid = end - start === 36 ? 0 : 16
  for (let i = 0, source = start; i < 16 && invalid === 0; i++, source += 2) {
    if (i === 4 || i === 6 || i === 8 || i === 10) source++
    const high = HEX_VALUES[bytes[source]!]!
    const low = HEX_VALUES[bytes[source + 1]!]!
    invalid = (high | low) & 16
    uuidScratch[i] = (high << 4) | low
  }
  if (invalid !== 0) throw unreadable(bytes, start, end, 'a uuid')
  out.uuid(uuidScratch, 0)
}
