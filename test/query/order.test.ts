import fc from 'fast-check'
import { expect, test } from 'vitest'
import { intersectionOf, unionOf } from '../../src/query/access'
import { firstOf } from '../../src/query/order'
import { atOnce } from '../../src/struct/steps'

const settings = { seed: 20240229, numRuns: 200 }
const ascending = fc.uniqueArray(fc.nat({ max: 60 })).map((numbers) => numbers.toSorted((a, b) => a - b))

test('the first of many are those that sorting all of them puts first', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 200 }), fc.nat({ max: 220 }), (values, limit) => {
      const compare = (a: number, b: number): number => values[a] - values[b] || a - b
      const sorted = [...values.keys()].sort(compare).slice(0, limit)
      expect([...atOnce(firstOf(values.length, limit, compare))]).toEqual(sorted)
      expect([...atOnce(firstOf(values.length, limit, compare, 3))]).toEqual(sorted)
    }),
    settings,
  )
})

test('unions and intersections of ascending rows are ascending, each row once', () => {
  fc.assert(
    fc.property(fc.array(ascending, { maxLength: 4 }), ascending, ascending, (lists, a, b) => {
      expect(unionOf(lists)).toEqual([...new Set(lists.flat())].sort((x, y) => x - y))
      expect(intersectionOf(a, b)).toEqual(a.filter((each) => b.includes(each)))
    }),
    settings,
  )
})
