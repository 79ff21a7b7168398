// Run as a process of its own, with a path and "none" or "retain": commits, makes checkpoints, rewrites and removes log
// without end.
import { Store } from '../../../src/db/store'

const [path, retain] = process.argv.slice(2)
const store = Store.open(path, {
  segmentBytes: 20_000,
  durability: 'interval',
  ...(retain === 'retain' ? { retain: { log: 200_000 } } : {}),
})
store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } }))
await store.checkpoint()
console.log('begun')
for (let n = 0; ; n++) {
  store.write((tx) => {
    for (let i = 0; i < 20; i++) tx.upsert('t', { id: (n * 7 + i) % 300, text: `text ${n} ${i}` })
  })
  if (n % 20 === 0) await store.checkpoint()
  if (n % 60 === 0) await store.compact()
  await new Promise(setImmediate)
}
