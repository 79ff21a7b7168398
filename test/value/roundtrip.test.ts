import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Decimal, Rational } from '../../src/value/decimal'
import { DEEPEST_NESTING } from '../../src/value/encoder'
import { List } from '../../src/value/list'
import { Timestamp } from '../../src/value/timestamp'
import { errorOf } from '../support/store'
import { ValueShelf } from './support/value-shelf'
import {
  anyBigint,
  anyBytes,
  anyDate,
  anyDecimal,
  anyNumber,
  anyRational,
  anyString,
  anyValue,
  exact,
} from './support/values'

let shelf: ValueShelf
beforeEach(() => {
  shelf = new ValueShelf()
})
afterEach(() => shelf.close())

function expectRoundtrip(value: unknown): void {
  expect(exact(shelf.roundtrip(value))).toBe(exact(value))
}

describe('every kind of value comes back exactly', () => {
  test.each([
    ['numbers', anyNumber],
    ['strings', anyString],
    ['bigints', anyBigint],
    ['decimals', anyDecimal],
    ['rationals', anyRational],
    ['dates', anyDate],
    ['bytes', anyBytes],
    ['nested values', anyValue],
  ] as [string, fc.Arbitrary<unknown>][])('%s', (_kind, arbitrary) => {
    fc.assert(fc.property(arbitrary, expectRoundtrip), { numRuns: 300 })
  })

  test('numbers of every exponent, and its neighbours', () => {
    for (let exponent = -1074; exponent <= 1023; exponent++) {
      const power = 2 ** exponent
      for (const number of [power, -power, power * 1.5, power * (1 + Number.EPSILON)]) expectRoundtrip(number)
    }
  })

  test('a NaN with any payload comes back as NaN and no other value', () => {
    const bits = new BigUint64Array(1)
    const numbers = new Float64Array(bits.buffer)
    for (let tag = 0x7ff0n; tag <= 0x7fffn; tag++) {
      for (const sign of [0n, 0x8000n]) {
        bits[0] = ((tag | sign) << 48n) | 1n
        shelf.put(0, numbers[0])
        expect(shelf.get(0)).toBeNaN()
      }
    }
  })

  test('strings of every length about the limit of a word, in characters of every width', () => {
    for (const character of ['a', '\0', 'é', '漢', '🦙', '\ud800', '\udfff']) {
      for (let length = 0; length <= 20; length++) expectRoundtrip(character.repeat(length))
    }
  })

  test('strings and bytes about the limits of cells and blocks', () => {
    for (const size of [16376, 16384, 16385, 32759, 32760, 32761, 32768, 65536, 100_000]) {
      expectRoundtrip('x'.repeat(size))
      expectRoundtrip(`é${'x'.repeat(size - 2)}`)
      expectRoundtrip(Buffer.alloc(size, 7))
    }
  })

  test('10 MB of text, of text with lone surrogates, and of bytes', () => {
    const bytes = Buffer.alloc(10_000_000)
    for (let i = 0; i < bytes.length; i += 4) bytes.writeInt32LE(Math.imul(i + 1, 0x9e3779b1), i)
    const text = bytes.toString('latin1')
    expect(bytes.equals(shelf.roundtrip(bytes) as Buffer)).toBe(true)
    expect(shelf.roundtrip(text) === text).toBe(true)
    const surrogates = `${'漢字 '.repeat(3_333_333)}\ud800`
    expect(shelf.roundtrip(surrogates) === surrogates).toBe(true)
  })

  test('bigints of a megabyte, of both signs', () => {
    const large = BigInt(`0x${'9e3779b1'.repeat(250_000)}`)
    for (const value of [large, -large]) expect(shelf.roundtrip(value) === value).toBe(true)
  })

  test('decimals of the largest scale', () => {
    for (const coefficient of [0n, 1n, -(2n ** 200n)]) expectRoundtrip(new Decimal(coefficient, 131072))
  })

  test('a Date comes back as a Date, a Timestamp as a Timestamp', () => {
    for (const ms of [0, -1, 8.64e15, -8.64e15, 2 ** 47, -(2 ** 47) - 1]) {
      expect(shelf.roundtrip(new Date(ms))).not.toBeInstanceOf(Timestamp)
      expect(shelf.roundtrip(new Timestamp(ms, 1))).toBeInstanceOf(Timestamp)
    }
  })

  test('bytes that are part of a larger buffer', () => {
    const buffer = Buffer.from('0123456789abcdef')
    expect(shelf.roundtrip(buffer.subarray(3, 13))).toEqual(Buffer.from('3456789abc'))
  })

  test('arrays and documents larger than a block', () => {
    expectRoundtrip(Array.from({ length: 20_000 }, (_, i) => i))
    expectRoundtrip(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`member ${i}`, i])))
  })

  test('documents of 0 to 40 members keep their order', () => {
    for (let members = 0; members <= 40; members++) {
      expectRoundtrip(Object.fromEntries(Array.from({ length: members }, (_, i) => [`${members - i} m`, i])))
    }
  })

  test('__proto__ is a member like any other and changes no prototype', () => {
    const document = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}')
    const result = shelf.roundtrip(document) as Record<string, unknown>
    expect(exact(result)).toBe(exact(document))
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype)
    expect((result as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test('undefined members are left out, undefined items stay', () => {
    expect(exact(shelf.roundtrip({ a: undefined, b: 1 }))).toBe('{"b":number 1}')
    expect(exact(shelf.roundtrip([undefined, null]))).toBe('[undefined,null]')
  })

  test('a list of a hundred thousand items', () => {
    expectRoundtrip(new List(Array.from({ length: 100_000 }, (_, i) => i)))
    shelf.drop(0)
  })
})

describe('nesting', () => {
  const nested = (levels: number, wrap: (inner: unknown) => unknown): unknown => {
    let value: unknown = 'core'
    for (let i = 0; i < levels; i++) value = wrap(value)
    return value
  }

  test.each([
    ['arrays', (inner: unknown) => [inner]],
    ['documents', (inner: unknown) => ({ inner })],
    ['lists', (inner: unknown) => new List([inner])],
  ])('%s of 1000 levels come back, one level more is refused', (_kind, wrap) => {
    expectRoundtrip(nested(DEEPEST_NESTING, wrap))
    shelf.drop(0)
    const error = errorOf(() => shelf.put(0, nested(DEEPEST_NESTING + 1, wrap)))
    expect([error.code, error.message]).toEqual(['TYPE', expect.stringContaining('1000 levels')])
    expectRoundtrip(nested(DEEPEST_NESTING, wrap))
  })

  test('a value that contains itself is refused', () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(errorOf(() => shelf.put(0, cycle)).code).toBe('TYPE')
  })
})

describe('what cannot be stored is refused and leaves nothing behind', () => {
  class Foreign {
    member = 'a string longer than a word'
  }

  test.each([
    ['a function', () => 1, 'function'],
    ['a symbol', Symbol('s'), 'symbol'],
    ['an invalid Date', new Date(Number.NaN), 'invalid Date'],
    ['an instance of a class', new Foreign(), 'Foreign'],
    ['a Map', new Map(), 'Map'],
    ['a typed array that is no bytes', new Float64Array(1), 'Float64Array'],
  ])('%s', (_kind, value, named) => {
    for (const whole of [value, ['some long string', value], { first: 'another long string', value }]) {
      const before = shelf.allocatedWords
      const error = errorOf(() => shelf.put(0, whole))
      expect([error.code, error.message]).toEqual(['TYPE', expect.stringContaining(named)])
      expect(shelf.allocatedWords - before).toBeLessThan(4096) // the tables of kinds stored for the first time
    }
    expect(shelf.get(0)).toBeUndefined()
  })

  test.each([
    ['a scale below zero', () => new Decimal(1n, -1)],
    ['a scale that is no integer', () => new Decimal(1n, 0.5)],
    ['a coefficient that is no bigint', () => new Decimal(1 as never, 0)],
    ['a denominator of zero', () => new Rational(1n, 0n)],
    ['more than 999 microseconds', () => new Timestamp(0, 1000)],
  ])('%s', (_what, make) => {
    expect(errorOf(make).code).toBe('INVALID_ARGUMENT')
  })
})
