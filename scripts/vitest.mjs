import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './nodes.mjs'

/** Runs the tests whose paths have one of `names` in them, or all. Returns whether all have passed. */
export function runTests(names, env = {}, node = process.execPath) {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const { status } = spawnSync(node, [vitest, 'run', ...names], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  return status === 0
}
