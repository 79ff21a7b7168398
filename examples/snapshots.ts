// A file and its versions: snapshots that stay as they are, saving, a backup, checking, opening again.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, verify } from 'snapheap'

const folder = mkdtempSync(join(tmpdir(), 'stock-'))
const [path, backup] = [join(folder, 'stock.heap'), join(folder, 'backup.heap')]

const db = await open(path)
db.write((tx) => {
  tx.createTable('stock', { key: 'item', columns: { item: 'string', pieces: 'integer' } })
  tx.insert('stock', { item: 'bolt', pieces: 40 })
})

const before = db.snapshot() // pins this version, copies nothing
db.write((tx) => tx.update('stock', 'bolt', { pieces: 39 }))
console.log(before.table('stock').get('bolt'), db.table('stock').get('bolt'))
before.close()

await db.saveAs(backup) // a whole file of its own, beside reads and writes
db.write((tx) => tx.delete('stock', 'bolt'))
await db.checkpoint() // brings the database's own file up to date
console.log('problems:', db.check().problems) // proves every structure in memory
await db.close()

await verify(path) // proves every checksum in a file; throws where one is wrong
for (const each of [path, backup]) {
  const again = await open(each, { readOnly: true })
  console.log(again.table('stock').get('bolt'))
  await again.close()
}
rmSync(folder, { recursive: true })
// Prints:
// { item: 'bolt', pieces: 40 } { item: 'bolt', pieces: 39 }
// problems: []
// undefined
// { item: 'bolt', pieces: 39 }
