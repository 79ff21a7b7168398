// Makes a fresh clone ready: installs the dependencies and builds the addon. Does nothing, quickly, when nothing
// changed.
//
//   node scripts/setup.mjs           what the tests and the demo need
//   node scripts/setup.mjs bench     also the databases that the benchmarks compare with
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Installs a folder's locked dependencies unless that was done for this very lock file and Node version. */
function install(folder) {
  const lock = readFileSync(join(folder, 'package-lock.json'))
  const wanted = createHash('sha256').update(lock).update(process.versions.modules).digest('hex')
  const marker = join(folder, 'node_modules', '.installed')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return
  process.stderr.write(`Installing dependencies in ${folder} …\n`)
  // not `npm ci`: it refuses a lock file that lacks the optional packages of platforms a registry mirror does not carry
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], folder)
  writeFileSync(marker, wanted)
}

function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 'inherit'], shell: process.platform === 'win32' })
  if (result.status === 0) return
  process.stderr.write(`${command} ${args.join(' ')} failed; see above.\n`)
  process.exit(1)
}

install(root)
run(process.execPath, [join(root, 'scripts', 'build-native.mjs')], root)
if (process.argv.includes('bench')) install(join(root, 'bench'))
