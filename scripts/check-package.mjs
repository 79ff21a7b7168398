// Checks the package as its users get it: packs it, lints its entry points and types, installs the tarball into an
// empty folder and runs the README's quick start there, as ESM and as CommonJS. Prints how large it is and how long it
// takes to import.
//
//   npm run check:package                 with the binaries that are there: that of this machine at least
//   npm run check:package -- --release    refuses to go on without the binaries of all platforms
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MIB = 1 << 20
/** With the binaries of all platforms. Raise them on purpose only: what is installed everywhere counts. */
const MOST_PACKED_BYTES = 3 * MIB
const MOST_INSTALLED_BYTES = 8 * MIB
const MOST_BYTES_WITH_DEPENDENCIES = 18 * MIB

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(join(tmpdir(), 'snapheap-package-'))
try {
  if (process.argv.includes('--release')) run(process.execPath, ['scripts/prebuilds.mjs', '--check'], root)
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], root)
  const tarball = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  )
  run('npx', ['--no-install', 'publint', 'run', tarball, '--strict'], root)
  run('npx', ['--no-install', 'attw', tarball, '--profile', 'node16'], root)
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  run('npm', ['install', '--no-audit', '--no-fund', tarball], folder)
  guard('tarball', statSync(tarball).size, MOST_PACKED_BYTES)
  guard('installed', bytesIn(join(folder, 'node_modules', 'snapheap')), MOST_INSTALLED_BYTES)
  guard('installed with dependencies', bytesIn(join(folder, 'node_modules')), MOST_BYTES_WITH_DEPENDENCIES)
  process.stdout.write(`binaries: ${binaries().join(', ')}\n`)
  for (const entry of ['snapheap', 'snapheap/functions', 'snapheap/postgres'])
    process.stdout.write(`import ${entry}: ${importMs(entry)} ms\n`)
  writeFileSync(join(folder, 'quick-start.mjs'), quickStart())
  run(process.execPath, ['quick-start.mjs'], folder)
  writeFileSync(
    join(folder, 'imported.mjs'),
    `import { open } from 'snapheap'\nimport 'snapheap/postgres'\n${question()}`,
  )
  run(process.execPath, ['imported.mjs'], folder)
  writeFileSync(
    join(folder, 'required.cjs'),
    `const { open } = require('snapheap')\nrequire('snapheap/postgres')\n${question()}`,
  )
  run(process.execPath, ['required.cjs'], folder)
  process.stdout.write('The package installs and runs its quick start.\n')
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** The first JavaScript block of the README. */
function quickStart() {
  const block = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))
  if (block === null) throw new Error('README.md has no block of JavaScript to run.')
  return block[1]
}

/** A program that asks by JSON, for which packages are loaded that nothing else needs. */
function question() {
  return `open().then((db) => {
    db.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', name: 'string' } }))
    db.write((tx) => tx.insert('t', { id: 1, name: 'ant' }))
    const found = db.queryJson({ from: 't', where: { name: { $regex: '^a' } } }).count()
    if (found !== 1) throw new Error('The question found ' + found + ' rows.')
    return db.close()
  })
`
}

function guard(what, bytes, most) {
  const size = (count) => `${(count / MIB).toFixed(2)} MiB`
  process.stdout.write(`${what}: ${size(bytes)} (at most ${size(most)})\n`)
  if (bytes <= most) return
  throw new Error(`The package has grown too large: ${what}.`)
}

function bytesIn(path) {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0)
}

function binaries() {
  return readdirSync(join(folder, 'node_modules', 'snapheap', 'native', 'prebuilds')).sort()
}

/** The median of five processes, from before the import to after it. */
function importMs(entry) {
  const program = `const start = performance.now(); await import('${entry}'); console.log(performance.now() - start)`
  const times = Array.from({ length: 5 }, () =>
    Number(run(process.execPath, ['--input-type=module', '-e', program], folder)),
  )
  return times.sort((a, b) => a - b)[2].toFixed(0)
}

function run(command, args, cwd) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
}
