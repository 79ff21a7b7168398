import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../src/index'
import { logFolderOf } from '../src/log/format'
import { median, randomIntegers, round3 } from './harness'
import { digest, diskFolder, type Item, itemAt, snapheapWithItems } from './items'
import type { Task } from './run'

const TABLE_ROWS = 100_000
const ROUNDS = 3

/** Opening a database with so many logged transactions, each an update of five indexed columns; and reading the log's bytes. */
export const task: Task = {
  rows: 200_000,
  async run(transactions) {
    const path = join(diskFolder(), 'recovered')
    const state = await makeLog(path, transactions)
    const opened: number[] = []
    const read: number[] = []
    let bytes = 0
    for (let round = 0; round <= ROUNDS; round++) {
      let start = performance.now()
      bytes = readAll(logFolderOf(path))
      const readMs = performance.now() - start
      start = performance.now()
      const db = await open(path)
      const openMs = performance.now() - start
      if (db.recovery.commits !== transactions) throw new Error(`${db.recovery.commits} transactions were recovered.`)
      if (round === 0) {
        const items = db.table('items')
        if (digest({ get: (id) => items.get(id) as unknown as Item }, TABLE_ROWS) !== state)
          throw new Error('What was recovered is not what was written.')
      } else {
        opened.push(openMs)
        read.push(readMs)
      }
      await db.close()
    }
    const speed = (ms: number) => ({ ms: round3(ms), mbPerSecond: Math.round(bytes / 1e6 / (ms / 1000)) })
    return {
      snapheap: { ...speed(median(opened)), perSecond: Math.round(transactions / (median(opened) / 1000)) },
      read: { ...speed(median(read)), logMb: Math.round(bytes / 1e6) },
    }
  },
}

/** Returns a digest of the rows at the end. */
async function makeLog(path: string, transactions: number): Promise<number> {
  const store = await snapheapWithItems(path, TABLE_ROWS, {
    durability: 'interval',
    checkpoint: { logBytes: Number.POSITIVE_INFINITY },
  })
  const ids = randomIntegers(1 << 16, TABLE_ROWS)
  for (let change = 1; change <= transactions; change++) {
    store.change(itemAt(ids[change % ids.length], change))
    if (change % 1024 === 0) await new Promise(setImmediate)
  }
  const state = digest(store, TABLE_ROWS)
  await store.close()
  return state
}

function readAll(folder: string): number {
  const buffer = new Uint8Array(1 << 24)
  let total = 0
  for (const name of readdirSync(folder)) {
    const fd = openSync(join(folder, name), 'r')
    for (let count = -1; count !== 0; total += count) count = readSync(fd, buffer)
    closeSync(fd)
  }
  return total
}
