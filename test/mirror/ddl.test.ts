import { expect, test } from 'vitest'
import { ddlRounds } from '../support/ddl-fuzz/rounds'
import { IS_LONG } from '../support/long'

const ROUNDS = IS_LONG ? 200 : 30
const SEED = 20261101
/** The beginning of each round, which `npm run crash -- ddl` lives through to its end. */
const STEPS = IS_LONG ? Number.POSITIVE_INFINITY : 5

test('whatever is changed in schema and rows, a live mirror has the rows of its tables', async () => {
  const { rounds, wrong, failures } = await ddlRounds(ROUNDS, SEED, undefined, { mostSteps: STEPS, jobs: 2 })
  expect(failures.map(({ seed, failure }) => `seed ${seed}: ${failure.kind}: ${failure.message}`)).toEqual([])
  expect({ rounds, wrong }).toEqual({ rounds: ROUNDS, wrong: 0 })
}, 3_600_000)
