import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Decimal, List, Rational, Timestamp } from '../../src/index'
import { nearestName } from '../../src/query/nearest'
import { sameValue, ValueSet, valueKey } from '../../src/query/values'
import { WordDictionary } from '../../src/query/word-dictionary'
import { errorOf } from '../support/store'
import { opened } from './support/zoo'

class Thing {}
const [thing, other] = [new Thing(), new Thing()]

/** Values in groups of equal ones; no two of different groups are. */
const GROUPS: readonly (readonly unknown[])[] = [
  [null, undefined],
  [0, -0, 0n, Decimal.parse('0.00')],
  [1, 1n, Decimal.parse('1.0'), new Rational(2n, 2n)],
  [0.5, Decimal.parse('0.50'), new Rational(1n, 2n)],
  [2n ** 70n, Decimal.parse((2n ** 70n).toString())],
  [2n ** 70n + 1n, Decimal.parse(`${2n ** 70n + 1n}.0`), new Rational(2n ** 70n + 1n, 1n)],
  [2n ** 53n + 1n, Decimal.parse(`${2n ** 53n + 1n}`)],
  [-(2n ** 53n) - 1n, Decimal.parse(`-${2n ** 53n + 1n}.00`)],
  [Decimal.parse('0.1'), Decimal.parse('0.10'), new Rational(1n, 10n)], // not the double, which is a little more
  [Decimal.parse('0.35'), new Rational(7n, 20n)],
  [new Rational(1n, 3n), new Rational(2n, 6n)],
  [0.1],
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
  [''],
  ['0'],
  ['\0date 1970-01-01T00:00:00.000Z'],
  ['\0[1]', '\0[1]'],
  [true],
  [false],
  [new Date(0), new Date(0), new Timestamp(0, 0)],
  [new Date(Number.NaN), new Date(Number.NaN)],
  [new Timestamp(0, 1), new Timestamp(0, 1)],
  [new Uint8Array([1, 2]), Buffer.from([1, 2])],
  [
    [1, 'a'],
    [1n, 'a'],
  ],
  [['1', 'a']],
  [['1,"a"']],
  [[[]]],
  [[]],
  [new List([1]), new List([1])],
  [[1]],
  [
    { a: 1, b: [2] },
    { b: [2], a: 1 },
  ],
  [{ a: 1 }],
  [{}],
  [thing],
  [other],
  [[thing], [thing]],
  [[other]],
  [{ a: thing }, { a: thing }],
  [{ a: other }],
  [[Thing]],
  [[class Thing {}]],
]

describe('values', () => {
  test('are the same where they are equal, and nowhere else', () => {
    for (const [i, group] of GROUPS.entries()) {
      for (const a of group) {
        for (const [j, others] of GROUPS.entries()) {
          for (const b of others) expect([a, b, sameValue(a, b)]).toEqual([a, b, i === j])
        }
      }
    }
  })

  test('are in a set once', () => {
    const set = new ValueSet()
    for (const group of GROUPS) expect(group.map((each) => set.add(each))).toEqual(group.map((_, i) => i === 0))
    expect(GROUPS.flat().every((each) => set.has(each))).toBe(true)
    expect([set.has(2), set.has('\0[2]'), set.has([2])]).toEqual([false, false, false])
  })
})

test('a value is told from others at a cost that grows with it, and refused where it is deeper than any can be', async () => {
  const deep = (depth: number, last: unknown): unknown => {
    let value = last
    for (let i = 0; i < depth; i++) value = { '"\\': [value, '"'] }
    return value
  }
  expect(String(valueKey(deep(400, 1))).length).toBeLessThan(20_000)
  expect(valueKey(deep(400, 1))).toBe(valueKey(deep(400, 1)))
  expect(valueKey(deep(400, 1))).not.toBe(valueKey(deep(400, '1')))
  const db = await opened()
  db.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', doc: 'json' } })
    for (let id = 0; id < 4; id++) tx.insert('t', { id, doc: { part: deep(400, id % 2) } })
  })
  expect(
    db
      .query('t')
      .where({ doc: { part: { eq: deep(400, 1) } } })
      .values('id')
      .collect(),
  ).toEqual([1, 3])
  expect(
    db
      .query('t')
      .groupBy('doc.part', (group) => ({ rows: group.count() }))
      .collect(),
  ).toMatchObject([{ rows: 2 }, { rows: 2 }])
  for (const depth of [600, 100_000]) {
    const ask = () =>
      db
        .query('t')
        .where({ doc: { part: { eq: deep(depth, 1) } } })
        .count()
    expect(errorOf(ask).message).toBe('A value nests deeper than 1000 levels. Flatten it.')
  }
})

test('a dictionary numbers pairs in the order in which they are met', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.nat({ max: 40 })), { maxLength: 400 }),
      (pairs) => {
        const dictionary = new WordDictionary()
        const known = new Map<string, number>()
        for (const [low, high] of pairs) {
          const expected = known.get(`${low} ${high}`) ?? known.size
          known.set(`${low} ${high}`, expected)
          expect(dictionary.number(low, high)).toBe(expected)
        }
      },
    ),
    { seed: 20240229, numRuns: 100 },
  )
})

test.each([
  ['likez', 'likes'],
  ['LIKES', 'likes'],
  ['titel', 'title'],
  ['dat', 'date'],
  ['', undefined],
  ['somethingElse', undefined],
])('the name most like %j is %j', (wrong, nearest) => {
  expect(nearestName(wrong, ['likes', 'title', 'date', 'author'])).toBe(nearest)
})
