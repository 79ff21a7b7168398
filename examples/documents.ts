// Arrays, JSON documents and dynamic columns, read piece by piece: only the words on the way are looked at.
import { Decimal, open } from 'snapheap'

const db = await open()
db.write((tx) => {
  tx.createTable('part', {
    key: 'id',
    columns: {
      id: 'integer',
      tags: 'string[]',
      spec: { type: 'json', nullable: true },
      note: 'any', // each row decides what it holds: a value of any kind, null, or nothing at all
    },
  })
  tx.insert('part', { id: 1, tags: ['metal', 'round'], spec: { size: { mm: [4, 16] }, colours: [] }, note: 12n })
  tx.insert('part', { id: 2, tags: [], note: Decimal.parse('0.10') }) // exact
  tx.insert('part', { id: 3, tags: ['metal'], spec: { size: null }, note: null })
  tx.insert('part', { id: 4, tags: [] })
})

const part = db.table('part')
const spec = part.column('spec')
const row = part.rowOf(1)
console.log(spec.path(row, ['size', 'mm', -1]), spec.length(row, ['size', 'mm']), spec.path(row, ['weight']))
console.log(part.column('tags').path(row, [0]), part.get(3))
console.log(part.findRows({ tags: ['metal'] }), part.findRows({ note: 12n }), part.findRows({ spec: null }))
for (const each of part.rows()) console.log(String(part.column('note').get(each)))
await db.close()

// Prints:
// 16 2 undefined
// metal { id: 3, tags: [ 'metal' ], spec: { size: null }, note: null }
// [ 3 ] [ 1 ] [ 2, 4 ]
// 12
// 0.10
// null
// undefined
