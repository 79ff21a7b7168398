// Run as a process of its own, with the path of a database and that of a copy: fills the database, says so, and saves
// the copy again and again, saying each time that it has.
import { Store } from '../../../src/db/store'

const [path, copy] = process.argv.slice(2)
const store = Store.open(path, { durability: 'none' })
store.write((tx) => {
  tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } })
  const rows = tx.writer('t')
  for (let id = 0; id < 20_000; id++) rows.insert({ id, text: `the text of row ${id}, which takes some space` })
})
for (;;) {
  console.log('next')
  await store.saveAs(copy, { replace: true })
}
