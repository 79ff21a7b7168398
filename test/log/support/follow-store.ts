// Run as a process of its own: `follow-store.ts PATH`. Follows the database and prints, for each change it sees,
// version, sum and number of rows of table "t", read in one turn.
import { Store } from '../../../src/db/store'

const [path] = process.argv.slice(-1)
const store = Store.open(path, { follow: true })
const tell = (): void => {
  let sum = 0
  const table = store.table('t')
  const value = table.column('v')
  for (const row of table.rows()) sum += value.number(row)
  console.log(JSON.stringify({ version: store.version, sum, rows: table.rowCount, problems: store.check().problems }))
}
store.following!.on('change', tell)
tell()
setInterval(() => undefined, 1000)
