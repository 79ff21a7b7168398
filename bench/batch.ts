import { join } from 'node:path'
import { agree, type Contender, race, randomIntegers } from './harness'
import { digest, diskFolder, type ItemStore, itemAt, lmdbWithItems, snapheapWithItems, sqliteWithItems } from './items'
import type { Task } from './run'

const BATCH_ROWS = 1000
const BATCHES = 10
/** Logged as ever, and never synced: what the others do. */
const UNSYNCED = { everyMs: 2 ** 31 - 1, everyBytes: Number.POSITIVE_INFINITY }

/**
 * Transactions that each update all five indexed columns of 1,000 random rows; nobody syncs, everybody hands what was
 * committed to the operating system. lmdb puts whole rows and indexes nothing.
 */
export const task: Task = {
  rows: 100_000,
  async run(rows) {
    const folder = diskFolder()
    const ids = randomIntegers(1 << 20, rows)
    const stores: Record<string, ItemStore> = {
      snapheap: await snapheapWithItems(join(folder, 'snapheap'), rows, { durability: UNSYNCED }),
      'better-sqlite3': sqliteWithItems(join(folder, 'sqlite'), rows, 'OFF'),
      lmdb: lmdbWithItems(join(folder, 'lmdb'), rows, false),
    }
    const contenders = Object.entries(stores).map(([name, store]): Contender => {
      let change = 0
      const nextItem = () => itemAt(ids[++change % ids.length], change)
      const run = async (batches: number): Promise<number> => {
        for (let i = 0; i < batches; i++) {
          store.changeAll(Array.from({ length: BATCH_ROWS }, nextItem))
          await new Promise(setImmediate) // what is done in the background gets its turn
        }
        return change
      }
      return { name, operations: BATCHES, run }
    })
    const stateAfter = ({ name, operations, run }: Contender): Contender => ({
      name,
      operations,
      run: async (n) => {
        await run(n)
        return digest(stores[name], rows)
      },
    })
    await agree(contenders.map(stateAfter), BATCHES)
    const results = await race(contenders)
    for (const store of Object.values(stores)) await store.close()
    return Object.fromEntries(
      Object.entries(results).map(([name, { nsPerOp }]) => [
        name,
        { perSecond: Math.round((BATCH_ROWS * 1e9) / nsPerOp!) },
      ]),
    )
  },
}
