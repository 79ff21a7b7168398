// A process that mirrors until it is killed: node scripts/run-bundled.mjs test/support/mirror-child.ts FILE CONNECTION
// [OPTIONS]
import { Store } from '../../src/db/store'
import { mirror } from '../../src/mirror/mirror'

const [file, connection, options = '{}'] = process.argv.slice(2) as [string, string, string | undefined]
const db = Store.open(file)
process.stdout.write('started\n')
const started = await mirror(db, {
  connection: JSON.parse(connection),
  tables: ['ledger', 'account'],
  slot: 'crash_rounds',
  syncIntervalMs: 5,
  checkIntervalMs: 50,
  ...JSON.parse(options),
})
started.on('notice', (text) => process.stdout.write(`notice ${text}\n`))
started.on('status', (status, error) => process.stdout.write(`${status} ${error?.message ?? ''}\n`))
