// Run as a process of its own: `contend-store.ts native|plain PATH NUMBER ROWS`. Opens the database for writing, adds
// one row, closes it, and prints the row's id once `close` has resolved; again until it has added its rows. Where
// another process has the database it tries again.
import { Store } from '../../../src/db/store'
import { SnapheapError } from '../../../src/errors'
import { plainMemory } from '../../../src/heap/plain-memory'

const [kind, path, number, rows] = process.argv.slice(-4)
const options = kind === 'plain' ? { memory: plainMemory() } : {}
for (let done = 0; done < Number(rows); ) {
  let store: Store
  try {
    store = Store.open(path, options)
  } catch (error) {
    if (!(error instanceof SnapheapError && error.code === 'LOCKED')) throw error
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5))
    continue
  }
  const id = Number(number) * 1000 + done++
  store.write((tx) => {
    if (!store.tableNames.includes('t'))
      tx.createTable('t', { key: 'id', columns: { id: 'integer', before: 'integer' } })
    tx.insert('t', { id, before: store.table('t').rowCount })
  })
  if (done % 5 === 0) await store.checkpoint()
  await store.close()
  console.log(id)
}
