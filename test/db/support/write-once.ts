// Run as a process of its own: `write-once.ts native|plain PATH ID`. Opens the database for writing, adds a row, closes
// it, and prints `written`, or the code and message of the error.
import { Store } from '../../../src/db/store'
import { plainMemory } from '../../../src/heap/plain-memory'

const [kind, path, id] = process.argv.slice(-3)
try {
  const store = Store.open(path, kind === 'plain' ? { memory: plainMemory() } : {})
  store.write((tx) => tx.insert('t', { id: Number(id) }))
  await store.close()
  console.log('written')
} catch (error) {
  console.log((error as { code: string }).code, (error as Error).message)
}
