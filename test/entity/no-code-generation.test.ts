import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runProgram } from '../support/program'

test('classes work where the process may not make code from strings', async () => {
  const program = fileURLToPath(new URL('../../examples/classes.ts', import.meta.url))
  const flag = '--disallow-code-generation-from-strings'
  const free = await runProgram(program)
  expect(free).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Ursula') })
  expect(await runProgram(program, {}, [flag])).toEqual(free)
})
