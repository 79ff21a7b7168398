// Runs the tests of mirrors on each supported version of Postgres, with servers from npm.
//
//   npm run test:postgres                       14 to 18
//   npm run test:postgres -- 14 16              only these
//   npm run test:postgres -- 14 rights slot     only tests whose files are called so
import { testMirrors, VERSIONS, versionsAndNames } from './postgres-versions.mjs'

const { versions = VERSIONS, names } = versionsAndNames(process.argv.slice(2))
const files = names.length > 0 ? names.map((name) => `test/mirror/${name}`) : ['test/mirror/']
process.exit(testMirrors(versions, files) ? 0 : 1)
