// Packs this library and uses the tarball in empty folders, with one toolchain each: `npm run test:toolchains`. Ends
// with a table, and with exit code 1 where a toolchain fails that must work.
//
//   node scripts/test-toolchains.mjs                 all, from npm
//   node scripts/test-toolchains.mjs vitest webpack  those whose name has one of these words in it
//   node scripts/test-toolchains.mjs --quick         those that need nothing but what this repository has installed;
// without
//                                                    declarations of types, which take a minute to build
//   node scripts/test-toolchains.mjs --tarball FILE  with this tarball, not one that is packed now
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES } from '../test/toolchains/cases.mjs'
import { Project, root, Skipped } from '../test/toolchains/project.mjs'

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, tarball: { type: 'string' } },
})
const versions = JSON.parse(readFileSync(join(root, 'test/toolchains/versions.json'), 'utf8'))
// Downloads are kept by npm, which locks its cache itself.
process.env.npm_config_cache ??= join(root, 'node_modules', '.cache', 'toolchains')

// In this repository, where the build that is loaded to list its names finds its dependencies.
mkdirSync(join(root, 'build'), { recursive: true })
const packed = mkdtempSync(join(root, 'build', 'packed-'))
let exitCode = 1
try {
  exitCode = runAll(options.quick ? { unpacked: unpack() } : { tarball: options.tarball ?? pack() })
} finally {
  rmSync(packed, { recursive: true, force: true })
}
process.exitCode = exitCode

function runAll(library) {
  const chosen = CASES.filter(
    ({ name, isQuick }) =>
      (!options.quick || isQuick) && (words.length === 0 || words.some((word) => name.toLowerCase().includes(word))),
  )
  const results = chosen.map((each) => runCase(each, library))
  const width = Math.max(...results.map(({ name }) => name.length))
  process.stdout.write(`\n${results.map(({ name, result }) => `${name.padEnd(width)}  ${result}`).join('\n')}\n`)
  const count = (kind) => results.filter((each) => each.kind === kind).length
  const failed = results.filter(({ kind, isRequired }) => kind === 'fails' && isRequired).length
  process.stdout.write(
    `\n${count('works')} work, ${count('fails')} do not (${failed} that must), ${count('skipped')} were skipped.\n`,
  )
  return failed === 0 && results.length > 0 ? 0 : 1
}

/** Runs one case in a folder of its own, which is removed afterwards. */
function runCase({ name, packages, manifest, isInstalledByCase = false, isRequired = true, run }, library) {
  const startedMs = performance.now()
  const project = new Project()
  const done = (kind, result) => {
    process.stderr.write(`${name}: ${result} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)\n`)
    return { name, kind, result, isRequired }
  }
  try {
    project.begin(manifest)
    try {
      if (library.unpacked !== undefined) project.link(library.unpacked, packages)
      else if (!isInstalledByCase) project.install(library.tarball, packages)
    } catch (error) {
      if (isRequired) throw error
      return done('skipped', `skipped: it cannot be installed here (${reasonOf(error)})`)
    }
    const note = run(project, { ...library, version: (each) => versions[each] })
    return done('works', typeof note === 'string' ? `works (${note})` : 'works')
  } catch (error) {
    if (error instanceof Skipped) return done('skipped', `skipped: ${error.message}`)
    process.stderr.write(`${error.message}\n`)
    return done('fails', `does not: ${reasonOf(error)}`)
  } finally {
    project.remove()
  }
}

/** The line of an error that tells the most. */
function reasonOf({ message }) {
  const lines = message.split('\n').filter((line) => line.trim() !== '')
  const telling = lines.find((line) => /\b\w*Error\b|ERR!|error TS/.test(line)) ?? lines[0]
  return telling.trim().slice(0, 160)
}

/** Builds everything and packs it as for npm. Returns the tarball. */
function pack() {
  command('npm', ['run', '--silent', 'build'])
  command('npm', ['pack', '--ignore-scripts', '--pack-destination', packed])
  const name = readdirSync(packed).find((each) => each.endsWith('.tgz'))
  return join(packed, name)
}

/** Builds the JavaScript only, into a folder that is like the package unpacked. */
function unpack() {
  mkdirSync(join(packed, 'native'))
  for (const name of ['package.json', 'native/prebuilds'])
    cpSync(join(root, name), join(packed, name), { recursive: true })
  command(process.execPath, [
    join(root, 'node_modules/tsup/dist/cli-default.js'),
    '--no-dts',
    '-d',
    join(packed, 'dist'),
  ])
  return packed
}

function command(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`)
}
