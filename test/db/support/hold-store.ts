// Run as a process of its own: `hold-store.ts native|plain PATH`. Opens the database for writing, saves one row, says
// so on standard output and holds it until it dies.
import { Store } from '../../../src/db/store'
import { plainMemory } from '../../../src/heap/plain-memory'

const [kind, path] = process.argv.slice(-2)
const store = Store.open(path, kind === 'plain' ? { memory: plainMemory() } : {})
store.write((tx) => {
  tx.createTable('t', { key: 'id', columns: { id: 'integer', pid: 'integer' } })
  tx.insert('t', { id: 1, pid: process.pid })
})
await store.checkpoint()
console.log('held')
setInterval(() => undefined, 1000)
