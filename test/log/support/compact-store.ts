// Run as a process of its own, with a path: fills a database there, says so, and rewrites it again and again.
import { Store } from '../../../src/db/store'

const store = Store.open(process.argv[2], { durability: 'none' })
if (store.tableNames.length === 0) {
  store.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } })
    const rows = tx.writer('t')
    for (let id = 0; id < 20_000; id++) rows.insert({ id, text: `the text of row ${id}, which takes some space` })
  })
  await store.checkpoint()
}
console.log('filled')
for (;;) await store.compact()
