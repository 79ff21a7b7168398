import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = dirname(import.meta.dirname)

test('the command that crashes databases runs by itself, outside of the tests', async () => {
  const args = ['scripts/run-bundled.mjs', 'scripts/crash.ts', '--rounds', '1', '--seed', '1']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
  expect(stdout).toContain('1 rounds, 0 lost, 0 torn, 0 false errors')
})
