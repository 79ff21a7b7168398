import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

test('the package works under import and require, in an esbuild bundle, and in the pool vmThreads of vitest', () => {
  const script = join(root, 'scripts', 'test-toolchains.mjs')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--quick'], { cwd: root, encoding: 'utf8' })
  expect(status, stdout + stderr).toBe(0)
  expect(stdout).toContain('3 work, 0 do not')
})
