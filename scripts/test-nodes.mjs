// Runs the test suite on each supported Node version, with binaries from npm (Linux x64).
//
//   npm run test:nodes               20, 22, 24 and 26
//   npm run test:nodes -- 22 26      only these
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { installNode, root, VERSIONS } from './nodes.mjs'

const versions = process.argv.length > 2 ? process.argv.slice(2) : VERSIONS

let failures = 0
for (const version of versions) {
  const node = installNode(version)
  const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  process.stdout.write(`\n== Node ${name}\n`)
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const { status } = spawnSync(node, [vitest, 'run'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) failures++
}
process.stdout.write(`\n${versions.length - failures} passed, ${failures} failed\n`)
process.exit(failures === 0 ? 0 : 1)
