import { expect, test } from 'vitest'
import { crashRounds } from '../support/crash-rounds'
import { seeded } from '../support/random'

test('killed at any moment, nothing is lost and nothing applied twice', async () => {
  const report = await crashRounds(10, seeded(20240601))
  expect(report).toMatchObject({ rounds: 10, lost: 0, doubled: 0, problems: [] })
  expect(report.transactions).toBeGreaterThan(100)
}, 120_000)
