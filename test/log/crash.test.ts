import { expect, test } from 'vitest'
import { killRounds } from '../support/kill-rounds'
import { seeded } from '../support/random'

test('a process killed at any moment leaves every commit that it has acknowledged: 20 rounds', async () => {
  const report = await killRounds(20, seeded(1))
  expect(report).toEqual({ rounds: 20, lost: 0, torn: 0, problems: [], acknowledged: expect.any(Number) })
  expect(report.acknowledged).toBeGreaterThan(100)
})
