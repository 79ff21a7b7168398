import fc from 'fast-check'
import { Decimal, Rational } from '../../../src/value/decimal'
import { List } from '../../../src/value/list'
import { Timestamp } from '../../../src/value/timestamp'

/**
 * A text that is the same for two values exactly when they are the same value: type, sign of zero, scale, microseconds
 * and order of members included. What the heap gives back is compared by it.
 */
export function exact(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? 'number -0' : `number ${value}`
  if (typeof value === 'bigint') return `bigint ${value}`
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Date) {
    return `instant ${value.getTime()} ms ${value instanceof Timestamp ? value.microseconds : 0} us`
  }
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  if (value instanceof Decimal) return `decimal ${value.coefficient} / 10^${value.scale}`
  if (value instanceof Rational) return `rational ${value}`
  if (value instanceof List) return `(${value.items.map(exact).join()})`
  if (Array.isArray(value)) return `[${Array.from(value, exact).join()}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${exact(member)}`).join()}}`
  }
  return String(value)
}

/** A double of any exponent, denormal and special ones included. */
export const anyNumber = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity, 5e-324, -5e-324, Number.MAX_VALUE, Number.MIN_VALUE),
  fc
    .tuple(fc.integer({ min: -1074, max: 1023 }), fc.boolean())
    .map(([e, isNegative]) => 2 ** e * (isNegative ? -1 : 1)),
)

const SURROGATES = { first: 0xd800, count: 0x800 }

/**
 * Any character. (fast-check's own unit `binary` makes a table of all 1.1 million, which takes it more than a second.)
 */
const anyCharacter = fc.nat(0x10ffff - SURROGATES.count).map(
  (place) => String.fromCodePoint(place < SURROGATES.first ? place : place + SURROGATES.count),
  (character) => {
    const point = typeof character === 'string' ? character.codePointAt(0) : undefined
    if (point === undefined || character !== String.fromCodePoint(point)) throw new Error('not a character')
    if (point >= SURROGATES.first && point < SURROGATES.first + SURROGATES.count) throw new Error('a surrogate')
    return point < SURROGATES.first ? point : point - SURROGATES.count
  },
)

/** Strings of any characters. */
export const anyCharacters = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: anyCharacter, maxLength })

/** Strings around the length where they leave the word, in one to four bytes a character, lone surrogates included. */
export const anyString = fc.oneof(
  fc.string({ maxLength: 10 }),
  anyCharacters(10),
  fc.string({ unit: fc.constantFrom('a', '\0', 'é', '漢', '🦙', '\ud83e', '\udd99', '�'), maxLength: 8 }),
  fc.string({ maxLength: 200 }),
)

/** Bigints around the limits of the word and of each size in bytes. */
export const anyBigint = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
    fc
      .tuple(fc.integer({ min: 0, max: 300 }), fc.bigInt({ min: -2n, max: 2n }))
      .map(([bits, near]) => 2n ** BigInt(bits) + near),
  )
  .chain((value) => fc.constantFrom(value, -value))

export const anyDecimal = fc
  .tuple(anyBigint, fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constantFrom(127, 128, 1000)))
  .map(([coefficient, scale]) => new Decimal(coefficient, scale))

export const anyRational = fc
  .tuple(anyBigint, anyBigint)
  .map(([numerator, denominator]) => new Rational(numerator, denominator === 0n ? 1n : denominator))

export const anyDate = fc
  .tuple(fc.oneof(fc.integer({ min: -8.64e15, max: 8.64e15 }), fc.integer()), fc.integer({ min: 0, max: 999 }))
  .map(([ms, micros]) => (micros % 2 === 0 ? new Date(ms) : new Timestamp(ms, micros)))

export const anyBytes = fc.uint8Array({ maxLength: 40 })

const anyScalar = fc.oneof(
  anyNumber,
  anyString,
  anyBigint,
  anyDecimal,
  anyRational,
  anyDate,
  anyBytes,
  fc.boolean(),
  fc.constantFrom(null, undefined),
)

const anyKey = fc.oneof(
  anyString,
  fc.constantFrom('__proto__', 'constructor', 'toString', '', '0', '1', 'a', 'b'),
  fc.integer({ min: 0, max: 40 }).map((i) => `key ${i}`),
)

/** Entries with distinct keys as a document; `__proto__` becomes a member like any other. */
export function documentOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries)
}

/** Any value that can be stored, nested a few levels. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    anyScalar,
    fc.array(tie('value'), { maxLength: 6 }),
    fc.array(tie('value'), { maxLength: 6 }).map((items) => new List(items)),
    fc
      .uniqueArray(fc.tuple(anyKey, tie('value')), { selector: ([key]) => key, maxLength: 20, size: '+1' })
      .map(documentOf),
  ),
})).value
