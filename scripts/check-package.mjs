// Checks the package as its users get it: packs it, lints its entry points and types, installs the tarball into an empty
// folder and runs the README's quick start there, as ESM and as CommonJS.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(join(tmpdir(), 'snapheap-package-'))
try {
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], root)
  const tarball = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  )
  run('npx', ['--no-install', 'publint', 'run', tarball, '--strict'], root)
  run('npx', ['--no-install', 'attw', tarball, '--profile', 'node16'], root)
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  run('npm', ['install', '--no-audit', '--no-fund', tarball], folder)
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

function run(command, args, cwd) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status === 0) return
  process.stderr.write(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}\n`)
  process.exit(1)
}
