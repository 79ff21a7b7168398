import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SnapheapError } from '../../src/errors'
import { Decimal } from '../../src/value/decimal'
import { errorOf } from '../support/store'
import { ValueShelf } from './support/value-shelf'
import { exact } from './support/values'

let shelf: ValueShelf
beforeEach(() => {
  shelf = new ValueShelf()
})
afterEach(() => shelf.close())

const spaces = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 })

describe('JSON text', () => {
  test('says the same as JSON.parse of it, however it is laid out', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5, stringUnit: 'binary' }), fc.nat(8), spaces, (text, indent, space) => {
        const value = JSON.parse(text)
        for (const each of [text, JSON.stringify(value, null, indent), `${space}${text}${space}`]) {
          expect(exact(shelf.jsonRoundtrip(each))).toBe(exact(JSON.parse(each)))
        }
      }),
      { numRuns: 500 },
    )
  })

  test('gives the same word as the value it says', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }), (value) => {
        shelf.jsonRoundtrip(JSON.stringify(value))
        shelf.put(1, JSON.parse(JSON.stringify(value)))
        expect(shelf.word(0)).toBe(shelf.word(1))
      }),
      { numRuns: 300 },
    )
  })

  test('an escaped string is the same as the plain one', () => {
    expect(shelf.jsonRoundtrip('"\\u0061\\n\\"\\\\\\/\\ud83e\\udd99\\ud800"')).toBe('a\n"\\/🦙\ud800')
  })

  test('every double is kept exactly', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const text = Object.is(number, -0) ? '-0' : String(number)
        expect(exact(shelf.jsonRoundtrip(text))).toBe(exact(number))
      }),
      { numRuns: 1000 },
    )
  })

  test('a number that no double says becomes a decimal that says it', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
        fc.nat({ max: 60 }),
        fc.oneof(fc.constant(undefined), fc.integer({ min: -400, max: 400 })),
        (coefficient, scale, exponent) => {
          const plain = new Decimal(coefficient, scale).toString()
          const text = exponent === undefined ? plain : `${plain}e${exponent}`
          const value = shelf.jsonRoundtrip(text)
          const said = value instanceof Decimal ? value : Decimal.parse(String(value))
          expect(said.compare(Decimal.parse(text))).toBe(0)
          const double = Number(text)
          const isDouble = Number.isFinite(double) && Decimal.parse(String(double)).compare(said) === 0
          expect(value instanceof Decimal).toBe(!isDouble)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test.each([
    ['1e400', 10n ** 400n, 0],
    ['-1e400', -(10n ** 400n), 0],
    ['1e-400', 1n, 400],
    ['0.1000000000000000055511151231257827', 1000000000000000055511151231257827n, 34],
    ['123456789012345678901234567890', 123456789012345678901234567890n, 0],
    ['9007199254740993', 9007199254740993n, 0],
    [`${'9'.repeat(120_000)}`, 10n ** 120_000n - 1n, 0],
  ])('%.40s is kept exactly', (text, coefficient, scale) => {
    const value = shelf.jsonRoundtrip(text)
    expect(value).toBeInstanceOf(Decimal)
    expect((value as Decimal).compare(new Decimal(coefficient, scale))).toBe(0)
  })

  test('of members with the same name the last counts, in the place of the first', () => {
    expect(exact(shelf.jsonRoundtrip('{"a":1,"b":[1,"a long string"],"a":2,"b":"last"}'))).toBe(
      '{"a":number 2,"b":"last"}',
    )
    const repeated = Array.from({ length: 60 }, (_, i) => `"member number ${i % 20}":"value number ${i}"`).join()
    expect(exact(shelf.jsonRoundtrip(`{${repeated}}`))).toBe(exact(JSON.parse(`{${repeated}}`)))
  })

  test('1000 levels are read, one more is refused', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    expect(shelf.jsonRoundtrip(nested(1000))).toHaveLength(1)
    expect(errorOf(() => shelf.jsonRoundtrip(nested(1001))).code).toBe('TYPE')
    expect(errorOf(() => shelf.jsonRoundtrip('[{"a":'.repeat(100_000))).code).toBe('TYPE')
    expect(shelf.jsonRoundtrip(nested(1000))).toHaveLength(1)
  })

  test.each([
    ['', 0],
    ['  ', 2],
    ['nul', 0],
    ['truee', 4],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['{"a"}', 4],
    ['{"a":1,}', 7],
    ['{a:1}', 1],
    ["'a'", 0],
    ['"abc', 4],
    ['"a\nb"', 2],
    ['"a\\', 4],
    ['"\\x"', 0],
    ['"\\u12"', 0],
    ['01', 0],
    ['1.', 0],
    ['.5', 0],
    ['-', 0],
    ['+1', 0],
    ['1e', 0],
    ['NaN', 0],
    ['[1] x', 4],
    ['[1e99999999999]', 1],
    ['[1e-200000]', 1],
  ])('%j is refused at byte %i', (text, position) => {
    const error = errorOf(() => shelf.jsonRoundtrip(text))
    expect([error.code, error.details.position]).toEqual(['TYPE', position])
    expect(error.message).toContain(`byte ${position}`)
  })

  test('bytes that are no UTF-8 are refused within strings', () => {
    const invalid = [[0xff], [0x80], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]
    for (const bytes of invalid) {
      for (const escaped of ['', '\\n']) {
        const text = Buffer.concat([Buffer.from(`["${escaped}ab`), Buffer.from(bytes), Buffer.from('"]')])
        expect(errorOf(() => shelf.jsonRoundtrip(text)).code).toBe('TYPE')
      }
    }
  })

  test('text cut off or changed anywhere is refused or is other JSON, never a crash, and leaves nothing behind', () => {
    const mutation = fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 }), fc.boolean())
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.array(mutation, { minLength: 1, maxLength: 3 }), (text, mutations) => {
        let bytes = Buffer.from(text)
        for (const [at, byte, isCut] of mutations) {
          if (isCut) bytes = bytes.subarray(0, at)
          else if (bytes.length > 0) bytes[at % bytes.length] = byte
        }
        expectLikeJsonParse(bytes)
      }),
      { numRuns: 1000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 30 }), expectLikeJsonParse), { numRuns: 1000 })
  })

  /** Accepts exactly what JSON.parse accepts of valid UTF-8, numbers beyond every bound aside. */
  function expectLikeJsonParse(bytes: Uint8Array): void {
    let expected: string | undefined
    try {
      expected = exact(JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)))
    } catch {
      expected = undefined
    }
    let found: string | undefined
    try {
      found = exact(shelf.jsonRoundtrip(bytes))
    } catch (error) {
      expect((error as SnapheapError).code).toBe('TYPE')
      found = undefined
    }
    if (found?.includes('decimal')) expect(expected).toBeDefined()
    else expect(found).toBe(expected)
  }
})
