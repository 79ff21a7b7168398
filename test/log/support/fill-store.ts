// Run as a process of its own, with a path on a small device: changes rows and saves without end, goes on after each
// failure, and prints the number of each change that was acknowledged, and "full" for each that was refused for want of
// space.
import { Store } from '../../../src/db/store'
import { SnapheapError } from '../../../src/errors'

const [path, first] = process.argv.slice(2)
const store = Store.open(path, { checkpoint: { logBytes: 1 << 30 }, segmentBytes: 1 << 18, onFailure: () => undefined })
if (store.tableNames.length === 0)
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', n: 'integer', text: 'string' } }))
for (let n = Number(first); ; n++) {
  await unlessFull(async () => {
    store.write((tx) => tx.upsert('t', { id: n % 100, n, text: `${n},`.repeat(2000) }))
    console.log(n)
  })
  if (n % 90 === 89) await unlessFull(() => (n % 270 === 269 ? store.compact() : store.checkpoint()))
  await new Promise(setImmediate)
}

async function unlessFull(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof SnapheapError && error.details.systemCode === 'ENOSPC')) throw error
    console.log('full')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
