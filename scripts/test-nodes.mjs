// Runs the test suite on each supported Node version, with binaries from npm (Linux x64).
//
//   npm run test:nodes               20, 22, 24 and 26
//   npm run test:nodes -- 22 26      only these
import { spawnSync } from 'node:child_process'
import { installNode, VERSIONS } from './nodes.mjs'
import { runTests } from './vitest.mjs'

const versions = process.argv.length > 2 ? process.argv.slice(2) : VERSIONS

let failures = 0
for (const version of versions) {
  const node = installNode(version)
  const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  process.stdout.write(`\n== Node ${name}\n`)
  if (!runTests([], {}, node)) failures++
}
process.stdout.write(`\n${versions.length - failures} passed, ${failures} failed\n`)
process.exit(failures === 0 ? 0 : 1)
