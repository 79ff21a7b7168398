import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Database, Decimal, open, or, Parameter } from '../../src/index'

const NUMBERS = [-2, -1, -0, 0, 0.5, 1, 2, 3, 5, 8, 13, Number.NaN, Number.POSITIVE_INFINITY, null]
const MEMBERS = [...NUMBERS, 'a', '3', 3n, 2n ** 60n, Decimal.parse('2.50'), true, [1, 2], { x: 1 }, new Date(3)]

let db: Database
beforeAll(async () => {
  db = await open()
  db.write((tx) => {
    tx.createTable('thing', {
      key: 'id',
      columns: {
        id: 'integer',
        plain: { type: 'number', index: false, nullable: true },
        indexed: { type: 'number', index: 'ordered', nullable: true },
        extra: { type: 'any', index: false, nullable: true },
      },
    })
    for (let id = 0; id < 300; id++) {
      const number = NUMBERS[id % NUMBERS.length]
      const extra =
        id % 5 === 0 ? null : { member: MEMBERS[id % MEMBERS.length], list: [MEMBERS[(id * 7) % MEMBERS.length]] }
      tx.insert('thing', { id, plain: number, indexed: number, extra })
    }
  })
})
afterAll(() => db.close())

const bound = fc.constantFrom(-3, -1, -0, 0, 0.5, 1, 1.5, 2, 3, 5, 7, 8, 13, 20)
const lower = fc.tuple(fc.constantFrom('gt', 'gte', 'eq'), bound).map(([sign, value]) => ({ [sign]: value }))
const upper = fc.tuple(fc.constantFrom('lt', 'lte'), bound).map(([sign, value]) => ({ [sign]: value }))
const range = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(lower, upper).map(([from, to]) => ({ ...from, ...to })) },
  lower,
  upper,
  fc.constant({ gt: 'a' }),
)
const place = fc.constantFrom('plain', 'indexed', 'member')
const at = (name: string, what: unknown): object => (name === 'member' ? { extra: { member: what } } : { [name]: what })
const ids = (condition: unknown): unknown[] =>
  db
    .query('thing')
    .where(condition as object)
    .values('id')
    .collect()

describe('many values in one condition', () => {
  test('ranges of one name hold for the rows that one of them holds for', () => {
    const property = fc.property(place, fc.array(range, { minLength: 8, maxLength: 14 }), (name, ranges) => {
      const usual = name === 'member' ? ranges : ranges.filter((each) => !('gt' in each && each.gt === 'a'))
      const conditions = usual.map((each) => at(name, each))
      const expected = new Set(conditions.flatMap(ids))
      expect(ids(or(...conditions))).toEqual([...expected].sort((a, b) => Number(a) - Number(b)))
    })
    fc.assert(property, { seed: 20240229, numRuns: 150 })
  })

  test('values of a member, or of elements, are those that are equal to one of them', () => {
    const property = fc.property(fc.subarray(MEMBERS), (some) => {
      const expected = new Set(some.flatMap((each) => ids(at('member', { eq: each }))))
      const found = [...expected].sort((a, b) => Number(a) - Number(b))
      expect(ids(at('member', { in: some }))).toEqual(found)
      const given = db.query('thing').where({ extra: { member: { in: new Parameter('some') } } })
      expect(given.with({ some }).count()).toBe(found.length)
    })
    fc.assert(property, { seed: 20240229, numRuns: 100 })
    const json = { from: 'thing', where: { extra: { list: { $elemMatch: { $in: ['a', 3] } } } } }
    const expected = Array.from({ length: 300 }, (_, id) => id).filter((id) => {
      const element = MEMBERS[(id * 7) % MEMBERS.length]
      return id % 5 !== 0 && (element === 'a' || element === 3 || element === 3n)
    })
    expect(
      db
        .queryJson(json)
        .collect()
        .map(({ id }) => id),
    ).toEqual(expected)
  })
})
