import 'reflect-metadata'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runProgram } from '../support/program'
import { facesAgree } from './support/faces'

const seed = Number(process.env.SNAPHEAP_SEED ?? 20240229)

test('functions, builder and JSON give the same rows as a scan: in the newest version, snapshots and open transactions', async () => {
  await fc.assert(facesAgree, { seed, numRuns: 30, endOnFailure: true })
})

test('and so they do where code cannot be made from strings', async () => {
  const program = fileURLToPath(new URL('support/faces-program.ts', import.meta.url))
  const env = { FACES_SEED: String(seed), FACES_RUNS: '12' }
  const output = await runProgram(program, env, ['--disallow-code-generation-from-strings'])
  expect(output).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringContaining('agreed by closures') })
})
