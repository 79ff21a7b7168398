// Run as a worker thread, with the path of a database as its data: follows it, and posts for each change it sees
// version, sum and number of rows of table "t", read in one turn.
import { parentPort, workerData } from 'node:worker_threads'
import { Store } from '../../../src/db/store'

const store = Store.open(workerData, { follow: true })
const tell = (): void => {
  let sum = 0
  const table = store.table('t')
  const value = table.column('v')
  for (const row of table.rows()) sum += value.number(row)
  parentPort!.postMessage({ version: store.version, sum, rows: table.rowCount, problems: store.check().problems })
}
store.following!.on('change', tell)
tell()
setInterval(() => undefined, 1000)
