import { join } from 'node:path'
import { diskFolder } from './folders'
import { type Apart, nsPerOperation, randomIntegers, type Sample } from './harness'
import {
  ITEM_SETTINGS,
  type ItemStore,
  immutableWithItems,
  lmdbWithItems,
  snapheapWithItems,
  sqliteWithItems,
} from './item-stores'
import { digest, itemAt } from './items'
import { onSqlite } from './sqlite'

const BATCH_ROWS = 1000
const BATCHES = 10
/** Logged as ever, and never synced: what the others do. */
const UNSYNCED = { intervalMs: 2 ** 31 - 1, intervalBytes: Number.POSITIVE_INFINITY }

/**
 * Transactions that each update all five indexed columns of 1,000 random rows; nobody syncs, everybody with a file
 * hands what was committed to the operating system.
 */
export const task: Apart = {
  rows: 100_000,
  contenders(rows) {
    const trial = (make: (path: string) => ItemStore | Promise<ItemStore>) => ({
      measure: async () => changed(await make(join(diskFolder(), 'items')), rows),
    })
    return {
      snapheap: trial((path) => snapheapWithItems(path, rows, { durability: UNSYNCED })),
      ...onSqlite((name) => ({
        settings: `${ITEM_SETTINGS.sqlite} OFF`,
        ...trial((path) => sqliteWithItems(name, path, rows, 'OFF')),
      })),
      lmdb: { settings: `${ITEM_SETTINGS.lmdb}, noSync`, ...trial((path) => lmdbWithItems(path, rows, false)) },
      immutable: {
        settings: ITEM_SETTINGS.immutable,
        ...trial(() => immutableWithItems(rows)),
      },
    }
  },
}

async function changed(store: ItemStore, rows: number): Promise<Sample> {
  const ids = randomIntegers(1 << 20, rows)
  let change = 0
  const nextItem = () => itemAt(ids[++change % ids.length], change)
  const run = async (batches: number): Promise<number> => {
    for (let i = 0; i < batches; i++) {
      store.changeAll(Array.from({ length: BATCH_ROWS }, nextItem))
      await new Promise(setImmediate) // what is done in the background gets its turn
    }
    return change
  }
  await run(BATCHES)
  const answer = digest(store.get, ids.subarray(0, BATCHES * BATCH_ROWS))
  const perSecond = (BATCH_ROWS * 1e9) / (await nsPerOperation(run, BATCHES))
  await store.close()
  return { answer, figures: { perSecond } }
}
