import { expect, test } from 'vitest'
import { crashRounds } from '../support/crash-rounds'
import { IS_LONG } from '../support/long'
import { seeded } from '../support/random'

const ROUNDS = IS_LONG ? 50 : 6

test('killed at any moment, nothing is lost and nothing applied twice', async () => {
  const report = await crashRounds(ROUNDS, seeded(20240601))
  expect(report).toMatchObject({ rounds: ROUNDS, lost: 0, doubled: 0, problems: [] })
  expect(report.transactions).toBeGreaterThan(ROUNDS * 10)
}, 600_000)
