import { SnapheapError } from '../errors'
import { isBytes, isDate, isPlainObject } from '../kinds'
import { Decimal, Rational } from './decimal'
import type { Encoder } from './encoder'
import { List } from './list'
import { Timestamp } from './timestamp'

/** Encodes an object of JavaScript: one of the value classes, or plain data. Throws `TYPE` for anything else. */
export function encodeObject(encoder: Encoder, value: object): void {
  if (Array.isArray(value)) {
    encodeItems(encoder, value)
    encoder.endArray()
  } else if (isPlainObject(value)) encodeDocument(encoder, value)
  else if (isDate(value)) encodeDate(encoder, value)
  else if (isBytes(value)) encoder.bytes(value)
  else if (value instanceof Decimal) encoder.decimal(value.coefficient, value.scale)
  else if (value instanceof Rational) encoder.rational(value.numerator, value.denominator)
  else if (value instanceof List) {
    encodeItems(encoder, value.items)
    encoder.endList()
  } else throw notPlain(value)
}

function encodeDate(encoder: Encoder, value: Date): void {
  const ms = value.getTime()
  if (Number.isNaN(ms)) throw new SnapheapError('TYPE', 'An invalid Date cannot be stored. Check how it was made.')
  encoder.instant(ms, value instanceof Timestamp ? value.microseconds : 0)
}

function encodeItems(encoder: Encoder, items: readonly unknown[]): void {
  encoder.beginArray()
  for (let i = 0; i < items.length; i++) {
    encoder.value(items[i])
    encoder.element()
  }
}

function notPlain(value: object): SnapheapError {
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } }
  const name = prototype.constructor?.name ?? 'unknown'
  return new SnapheapError('TYPE', `An object of class ${name} cannot be stored. Store plain data.`)
}

function encodeDocument(encoder: Encoder, value: object): void {
  encoder.beginArray()
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue
    encoder.string(key)
    encoder.element()
    encoder.value(member)
    encoder.element()
  }
  encoder.endDocument()
}
