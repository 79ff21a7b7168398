import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Decimal, Rational } from '../../src/value/decimal'
import { formatDay, formatTimeOfDay, parseDay, parseTimeOfDay, Timestamp } from '../../src/value/timestamp'
import { errorOf } from '../support/store'
import { anyBigint } from './support/values'

describe('Decimal', () => {
  test('prints what it parses, scale and all', () => {
    fc.assert(
      fc.property(anyBigint, fc.nat({ max: 200 }), (coefficient, scale) => {
        const decimal = new Decimal(coefficient, scale)
        expect(Decimal.parse(String(decimal))).toEqual(decimal)
      }),
    )
  })

  test('an exponent moves the point', () => {
    fc.assert(
      fc.property(anyBigint, fc.nat({ max: 50 }), fc.integer({ min: -60, max: 60 }), (coefficient, scale, exponent) => {
        const moved = Decimal.parse(`${new Decimal(coefficient, scale)}e${exponent}`)
        const [up, down] = [10n ** BigInt(Math.max(exponent, 0)), Math.max(-exponent, 0)]
        expect(moved.compare(new Decimal(coefficient * up, scale + down))).toBe(0)
      }),
    )
  })

  test('is the nearest double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), (number) => {
        expect(Decimal.parse(String(number)).toNumber()).toBe(number + 0)
      }),
    )
  })

  test.each(['', '.', '-', 'e5', '1e', '1.2.3', '0x10', '1_000', 'NaN', '1e9999999', '1e999999', '1e-999999'])(
    '%j is refused',
    (text) => {
      expect(errorOf(() => Decimal.parse(text)).code).toBe('INVALID_ARGUMENT')
    },
  )

  test.each([
    ['1.', '1'],
    ['.5', '0.5'],
    ['+1.50', '1.50'],
    [' 7 ', '7'],
    ['-0.00', '0.00'],
    ['-0.05', '-0.05'],
    ['1.5E3', '1500'],
  ])('%j is %s', (text, printed) => {
    expect(String(Decimal.parse(text))).toBe(printed)
  })
})

test('a Rational is in lowest terms with a positive denominator', () => {
  fc.assert(
    fc.property(anyBigint, anyBigint, fc.bigInt({ min: 1n, max: 1000n }), (n, d, factor) => {
      fc.pre(d !== 0n)
      const rational = new Rational(n, d)
      expect(rational.denominator > 0n).toBe(true)
      expect(rational.numerator * d).toBe(n * rational.denominator)
      expect(new Rational(n * factor, d * factor)).toEqual(rational)
      expect(new Rational(-n, -d)).toEqual(rational)
    }),
  )
})

describe('days', () => {
  test('are those of Date, for every day that it knows', () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000_000, max: 100_000_000 }), (days) => {
        const text = new Date(days * 86_400_000).toISOString().split('T')[0]
        expect(formatDay(days)).toBe(text)
        expect(parseDay(text)).toBe(days)
      }),
      { numRuns: 2000 },
    )
  })

  test('are exact far beyond', () => {
    for (const year of ['-999999999', '+999999999', '-000001', '+010000', '0000', '9999', '5874897']) {
      for (const day of ['01-01', '02-28', '12-31']) {
        const days = parseDay(`${year}-${day}`)!
        expect(parseDay(formatDay(days))).toBe(days)
        expect(Math.abs(days)).toBeLessThan(2 ** 47)
      }
    }
  })

  test.each([
    '2024-13-01',
    '2024-00-01',
    '2024-02-30',
    '2023-02-29',
    '1900-02-29',
    '2024-04-31',
    '2024-1-1',
    '24-01-01',
    '',
    '2024-01-01T00:00',
    ' 2024-01-01',
    '9999999999-01-01',
    '2024-01-00',
  ])('%j is none', (text) => {
    expect(parseDay(text)).toBeUndefined()
  })
})

describe('times of day', () => {
  test('print what they parse', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400_000_000 }), (micros) => {
        expect(parseTimeOfDay(formatTimeOfDay(micros))).toBe(micros)
      }),
    )
    expect(formatTimeOfDay(86_400_000_000)).toBe('24:00:00')
    expect([parseTimeOfDay('01:02'), parseTimeOfDay('00:00:00.5')]).toEqual([3_720_000_000, 500_000])
  })

  test.each(['24:00:01', '25:00', '1:00', '00:60', '00:00:60', '00:00:00.1234567', '', '00:00:00.'])(
    '%j is none',
    (text) => {
      expect(parseTimeOfDay(text)).toBeUndefined()
    },
  )
})

test('a Timestamp prints six digits and is a Date', () => {
  const timestamp = new Timestamp(Date.UTC(2024, 1, 29, 12, 30, 15, 123), 45)
  expect(timestamp.toISOString()).toBe('2024-02-29T12:30:15.123045Z')
  expect(JSON.stringify([timestamp])).toBe('["2024-02-29T12:30:15.123045Z"]')
  expect(timestamp).toBeInstanceOf(Date)
})
