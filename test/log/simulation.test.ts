import { expect, test } from 'vitest'
import { simulate, simulateRounds } from './support/simulator'

test('no history of crashes, power cuts and failures loses, tears or invents a commit: 300 rounds', async () => {
  const report = await simulateRounds(300, 1)
  expect(report.failures.map(({ seed, error }) => `seed ${seed}: ${error.message}`)).toEqual([])
  // it did live through something
  expect(report.commits).toBeGreaterThan(1500)
  expect(report.reopenings).toBeGreaterThan(600)
  expect(report.faults).toBeGreaterThan(200)
}, 600_000)

test('a seed gives the same history every time, to the last operation', async () => {
  for (const seed of [3, 14, 159]) {
    const { operations } = await simulate(seed)
    expect((await simulate(seed)).operations).toEqual(operations)
  }
})
