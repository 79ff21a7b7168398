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

test.each([
  ['all', 100_000],
  ['the first 9,000', 9000],
  ['the first 100', 100],
])('sorting %s of many can be left after each of many small steps', (_, limit) => {
  const count = 100_000
  const values = Uint32Array.from({ length: count }, (_, i) => Math.imul(i + 1, 0x9e3779b1))
  let compared = 0
  const steps = firstOf(count, limit, (a, b) => {
    compared++
    return values[a] - values[b] || a - b
  })
  const costs: number[] = []
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) {
    costs.push(compared)
    compared = 0
  }
  expect(step.value).toHaveLength(limit)
  expect(costs.length).toBeGreaterThan(10)
  // what sorting 8,192 takes at the most: their number times its logarithm
  expect(Math.max(...costs, compared)).toBeLessThanOrEqual(8192 * 13)
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
