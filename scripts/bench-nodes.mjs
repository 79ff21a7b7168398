// Runs a benchmark on each supported Node version, with binaries from npm (Linux x64). Packages whose addons are built
// for one version cannot be measured on others: name who is.
//
//   npm run --silent bench:nodes -- point-read --only raw,snapheap-column [--json]
import { spawnSync } from 'node:child_process'
import { installNode, root, VERSIONS } from './nodes.mjs'

const isJson = process.argv.includes('--json')
const reports = {}
for (const version of VERSIONS) {
  const program = ['scripts/run-bundled.mjs', 'bench/run.ts', ...process.argv.slice(2)]
  const stdio = ['ignore', isJson ? 'pipe' : 'inherit', 'inherit']
  const { status, stdout } = spawnSync(installNode(version), program, { cwd: root, stdio, encoding: 'utf8' })
  if (status !== 0) process.exit(1)
  if (isJson) reports[version] = JSON.parse(stdout)
}
if (isJson) process.stdout.write(`${JSON.stringify(reports)}\n`)
