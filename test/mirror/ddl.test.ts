import { expect, test } from 'vitest'
import { ddlRounds } from '../support/ddl-fuzz/rounds'

const ROUNDS = 30
const SEED = 20261101
/** The beginning of each round; `npm run crash -- ddl` lives through all of it. */
const STEPS = 6

test('whatever is changed in schema and rows, a live mirror has the rows of its tables', async () => {
  const { rounds, wrong, failures } = await ddlRounds(ROUNDS, SEED, undefined, {}, STEPS)
  expect(failures.map(({ seed, failure }) => `seed ${seed}: ${failure.kind}: ${failure.message}`)).toEqual([])
  expect({ rounds, wrong }).toEqual({ rounds: ROUNDS, wrong: 0 })
}, 600_000)
