import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { beginsWith } from '../../src/value/contents-order'
import { Decimal, Rational } from '../../src/value/decimal'
import { LooseEncoder } from '../../src/value/loose-word'
import { Timestamp } from '../../src/value/timestamp'
import { ValueShelf } from './support/value-shelf'
import { anyBigint, anyBytes, anyDate, anyDecimal, anyNumber, anyRational, anyString, anyValue } from './support/values'

let shelf: ValueShelf
beforeEach(() => {
  shelf = new ValueShelf()
})
afterEach(() => shelf.close())

function compare(a: unknown, b: unknown): number {
  shelf.put(0, a)
  shelf.put(1, b)
  return Math.sign(shelf.order.compare(shelf.addressOf(0), shelf.addressOf(1)))
}

describe('the order of words', () => {
  test('is total: of any values, each pair has one order, and sorting any way gives one result', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(anyValue, anyNumber, anyBigint, anyDecimal), { maxLength: 7 }), (values) => {
        for (const [i, value] of values.entries()) shelf.put(i, value)
        const places = values.map((_, i) => shelf.addressOf(i))
        const { order } = shelf
        const word = (address: number) => shelf.word(address - shelf.addressOf(0))
        for (const a of places) {
          for (const b of places) {
            expect(order.compare(a, b) === 0).toBe(word(a) === word(b))
            expect(Math.sign(order.compare(a, b)) + Math.sign(order.compare(b, a))).toBe(0)
          }
        }
        const sorted = places.toSorted((a, b) => order.compare(a, b))
        for (let i = 0; i < sorted.length; i++) {
          for (let j = i; j < sorted.length; j++) expect(order.compare(sorted[i], sorted[j])).toBeLessThanOrEqual(0)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('numbers of every type are ordered by what they say', () => {
    const finite = anyNumber.filter(Number.isFinite)
    const small = fc.integer({ min: -3, max: 3 })
    const near = fc.oneof(
      small,
      small.map(BigInt),
      small.map((n) => new Decimal(BigInt(n) * 10n, 1)),
      small.map((n) => new Rational(BigInt(n), 2n)),
    )
    const any = fc.oneof(
      near,
      finite,
      anyBigint,
      anyDecimal.filter(({ scale }) => scale < 200),
      anyRational,
    )
    fc.assert(
      fc.property(any, any, (a, b) => {
        const x = fraction(a)
        const y = fraction(b)
        const difference = x.numerator * y.denominator - y.numerator * x.denominator
        if (difference !== 0n) expect(compare(a, b)).toBe(difference < 0n ? -1 : 1)
      }),
      { numRuns: 1000 },
    )
  })

  test('strings and byte strings are ordered by their bytes', () => {
    fc.assert(
      fc.property(anyString, anyString, (a, b) => {
        const difference = Buffer.compare(Buffer.from(a), Buffer.from(b))
        if (difference !== 0) expect(compare(a, b)).toBe(difference)
        expect(compare(a, a)).toBe(0)
      }),
    )
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        expect(compare(a, b)).toBe(Buffer.compare(a, b))
      }),
    )
  })

  test('instants are ordered to the microsecond', () => {
    fc.assert(
      fc.property(anyDate, anyDate, (a, b) => {
        const micros = (date: Date) =>
          BigInt(date.getTime()) * 1000n + BigInt(date instanceof Timestamp ? date.microseconds : 0)
        const difference = micros(a) - micros(b)
        expect(compare(a, b)).toBe(difference < 0n ? -1 : difference > 0n ? 1 : 0)
      }),
    )
  })

  test('a value that the heap does not hold compares with stored words as if it were stored, nulls coming last', () => {
    const near = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\0', '😀'), maxLength: 20 })
    fc.assert(
      fc.property(fc.oneof(near, anyValue, anyNumber, anyDecimal), fc.oneof(near, anyValue, anyBigint), (a, b) => {
        shelf.put(1, b)
        const address = shelf.addressOf(1)
        const loose = new LooseEncoder()
        loose.value(a)
        const found = Math.sign(shelf.order.compareNullsLast(loose.word(), address))
        const nulls = (value: unknown) => (value === undefined ? 2 : value === null ? 1 : 0)
        if (nulls(a) !== nulls(b)) {
          expect(found).toBe(Math.sign(nulls(a) - nulls(b)))
          return
        }
        if (isUnordered(a) && isUnordered(b)) return // by an address, which a loose word does not have
        const total = compare(a, b)
        if (found !== 0) expect(found).toBe(total)
        else if (typeof a === typeof b && typeof a === 'string') expect(a).toBe(b)
      }),
      { numRuns: 1000 },
    )
  })

  test('a string begins with another exactly when its text does', () => {
    const near = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\0', '😀'), maxLength: 20 })
    const wordOf = (value: string) => {
      const loose = new LooseEncoder()
      loose.string(value)
      return loose.word()
    }
    fc.assert(
      fc.property(near, near, fc.nat(20), (a, b, cut) => {
        const beginning = [...a].slice(0, cut).join('')
        expect(beginsWith(wordOf(a), wordOf(b))).toBe(a.startsWith(b))
        expect(beginsWith(wordOf(a), wordOf(beginning))).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  test('kinds follow each other; the infinities enclose numbers, instants and days', () => {
    const encoders: ((shelf: number) => void)[] = [
      ...[undefined, null, false, true, -Infinity, -Number.MAX_VALUE, new Decimal(-1n, 200), -0].map(
        (value) => (i: number) => shelf.put(i, value),
      ),
      ...[5e-324, 1n, Number.MAX_VALUE, 10n ** 400n, new Date(-8.64e15), new Date(8.64e15)].map(
        (value) => (i: number) => shelf.put(i, value),
      ),
      (i) => shelf.encode(i, (encoder) => encoder.day(-1)),
      (i) => shelf.encode(i, (encoder) => encoder.day(1)),
      (i) => shelf.put(i, Infinity),
      (i) => shelf.put(i, Number.NaN),
      (i) => shelf.encode(i, (encoder) => encoder.timeOfDay(0)),
      (i) => shelf.encode(i, (encoder) => encoder.timeOfDay(86_400_000_000)),
      (i) => shelf.encode(i, (encoder) => encoder.uuid(new Uint8Array(16))),
      (i) => shelf.encode(i, (encoder) => encoder.uuid(new Uint8Array(16).fill(255))),
      ...['', 'a', 'b', Buffer.alloc(0), Buffer.from([0]), []].map((value) => (i: number) => shelf.put(i, value)),
    ]
    for (const [i, encode] of encoders.entries()) encode(i)
    const order = encoders.map((_, i) => i)
    const mixed = order.toSorted((a, b) => ((a * 7919) % 31) - ((b * 7919) % 31))
    expect(mixed.sort((a, b) => shelf.order.compare(shelf.addressOf(a), shelf.addressOf(b)))).toEqual(order)
  })
})

function isUnordered(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    !(value instanceof Date || value instanceof Uint8Array || value instanceof Decimal || value instanceof Rational)
  )
}

function fraction(value: number | bigint | Decimal | Rational): Rational {
  if (value instanceof Rational) return value
  if (value instanceof Decimal) return new Rational(value.coefficient, 10n ** BigInt(value.scale))
  if (typeof value === 'bigint') return new Rational(value, 1n)
  // every double is a multiple of 2^-1074
  const magnitude = Math.abs(value)
  let numerator = BigInt(Math.floor(magnitude))
  let rest = magnitude - Math.floor(magnitude)
  let shift = 0n
  while (rest !== 0) {
    rest *= 2
    numerator = numerator * 2n + BigInt(Math.floor(rest))
    rest -= Math.floor(rest)
    shift++
  }
  return new Rational(value < 0 ? -numerator : numerator, 1n << shift)
}
