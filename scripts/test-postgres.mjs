// Runs the tests of mirrors on each supported version of Postgres, with servers from npm.
//
//   npm run test:postgres                       14 to 18
//   npm run test:postgres -- 14 16              only these
//   npm run test:postgres -- 14 rights slot     only tests whose files are called so
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './nodes.mjs'
import { installPostgres, VERSIONS } from './postgres-versions.mjs'

const given = process.argv.slice(2)
const named = given.filter((each) => /^\d+$/.test(each))
const versions = named.length > 0 ? named : VERSIONS
const files = given.filter((each) => !named.includes(each)).map((each) => `test/mirror/${each}`)

let failures = 0
for (const version of versions) {
  const folder = installPostgres(version)
  process.stdout.write(`\n== Postgres ${version}\n`)
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...(files.length > 0 ? files : ['test/mirror/'])], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, SNAPHEAP_TEST_POSTGRES: folder },
  })
  if (status !== 0) failures++
}
process.stdout.write(`\n${versions.length - failures} passed, ${failures} failed\n`)
process.exit(failures === 0 ? 0 : 1)
