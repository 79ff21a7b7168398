// An index type of one's own: full-text search, by an index over the words of a text, in a dozen lines.
//
//   node scripts/run-bundled.mjs examples/full-text.ts
import { defineIndexType, open } from 'snapheap'

// Whoever writes to the table defines the type, under this name; the file keeps the words and the rows that have them.
const words = defineIndexType({
  name: 'words',
  *terms(text) {
    for (const [word] of String(text)
      .toLowerCase()
      .normalize('NFC')
      .matchAll(/[\p{L}\p{N}]+/gu)) {
      yield word.length > 3 ? word.replace(/(es|s)$/, '') : word
    }
  },
})

const db = await open()
db.write((tx) => {
  tx.createTable('page', {
    key: 'id',
    columns: { id: 'integer', title: 'string', body: { type: 'string', index: false } },
    indexes: [{ name: 'search', columns: ['body'], kind: words.name }],
  })
  tx.insert('page', {
    id: 1,
    title: 'Heaps',
    body: 'A heap is a flat array of words. Blocks are copied when they change.',
  })
  tx.insert('page', { id: 2, title: 'Logs', body: 'The log keeps changed words, not rows.' })
  tx.insert('page', { id: 3, title: 'Rows', body: 'Rows of a table, found by their key.' })
})

const search = (text: string): string[] =>
  db
    .query('page')
    .where({ body: { terms: text } })
    .values('title')
    .collect() as string[]
console.log(search('word'), search('changed WORDS'), search('rows'), search('nothing'))
db.write((tx) => tx.update('page', 3, { body: 'Words of a table, too.' }))
console.log(search('words'))
console.log(
  db
    .query('page')
    .where({ body: { terms: 'table' } })
    .explain()
    .toString(),
)
await db.close()
// Prints:
// [ 'Heaps', 'Logs' ] [ 'Logs' ] [ 'Logs', 'Rows' ] []
// [ 'Heaps', 'Logs', 'Rows' ]
// rows of page · by words index page.search · about 1 rows
//   └ object
