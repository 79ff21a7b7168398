import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../src/index'
import { logFolderOf } from '../src/log/format'
import { diskFolder } from './folders'
import { type Apart, median, once, randomIntegers } from './harness'
import { snapheapWithItems } from './item-stores'
import { digest, type Item, itemAt, someIds } from './items'

const TABLE_ROWS = 100_000
const ROUNDS_IN_PROCESS = 4

/**
 * Opening a database with so many logged transactions, each an update of five indexed columns; and reading the log's
 * bytes. All processes open the same files, which that leaves as they are. `firstMs` is the first time in a process, as
 * after a crash; the others are medians of the three that follow.
 */
export const task: Apart = {
  rows: 200_000,
  contenders(transactions) {
    const share = once(() => makeLog(join(diskFolder(), 'recovered'), transactions))
    return {
      snapheap: {
        share,
        async measure(shared) {
          const { path, state } = shared as Made
          const took: number[] = []
          for (let round = 0; round < ROUNDS_IN_PROCESS; round++) {
            const start = performance.now()
            const db = await open(path)
            took.push(performance.now() - start)
            if (db.recovery.commits !== transactions) throw new Error(`${db.recovery.commits} were recovered.`)
            const items = db.table('items')
            if (round === 0 && digest((id) => items.get(id) as unknown as Item, someIds(TABLE_ROWS)) !== state) {
              throw new Error('What was recovered is not what was written.')
            }
            await db.close()
          }
          const ms = median(took.slice(1))
          const mbPerSecond = readAll(logFolderOf(path)) / 1e6 / (ms / 1000)
          return { figures: { ms, mbPerSecond, perSecond: transactions / (ms / 1000), firstMs: took[0] } }
        },
      },
      read: {
        share,
        async measure(shared) {
          const took: number[] = []
          let bytes = 0
          for (let round = 0; round < ROUNDS_IN_PROCESS; round++) {
            const start = performance.now()
            bytes = readAll(logFolderOf((shared as Made).path))
            took.push(performance.now() - start)
          }
          const ms = median(took.slice(1))
          return { figures: { ms, mbPerSecond: bytes / 1e6 / (ms / 1000), firstMs: took[0], logMb: bytes / 1e6 } }
        },
      },
    }
  },
}

/** A database whose file is as it was before the log, and a digest of the rows at the log's end. */
interface Made {
  path: string
  state: number
}

async function makeLog(path: string, transactions: number): Promise<Made> {
  const store = await snapheapWithItems(path, TABLE_ROWS, {
    durability: 'interval',
    checkpoint: { logBytes: Number.POSITIVE_INFINITY },
  })
  const ids = randomIntegers(1 << 16, TABLE_ROWS)
  for (let change = 1; change <= transactions; change++) {
    store.change(itemAt(ids[change % ids.length], change))
    if (change % 1024 === 0) await new Promise(setImmediate)
  }
  const state = digest(store.get, someIds(TABLE_ROWS))
  await store.close()
  return { path, state }
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
