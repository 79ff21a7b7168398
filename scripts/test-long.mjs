// Runs the test suite with more rounds and all variants.
//
//   npm run test:long                    everything
//   npm run test:long -- mirror/ddl      only files whose path has this in it
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './nodes.mjs'

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const { status } = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, SNAPHEAP_LONG: '1' },
})
process.exit(status ?? 1)
