// Makes a file whose table has an index of a type that only this process knows.
import { defineIndexType, open } from 'snapheap'

const type = defineIndexType({ name: 'only there', terms: (value) => String(value).split(' ') })
const db = await open(process.env.HEAP_PATH)
db.write((tx) => {
  tx.createTable('page', { key: 'id', columns: { id: 'integer', body: 'string' } })
  tx.insert('page', { id: 1, body: 'one term and another' })
  tx.addIndex('page', { name: 'search', columns: ['body'], kind: type.name })
})
console.log(
  db
    .query('page')
    .where({ body: { terms: 'another one' } })
    .count(),
)
await db.close()
