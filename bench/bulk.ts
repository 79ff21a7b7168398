import { join } from 'node:path'
import { diskFolder } from './folders'
import type { Apart } from './harness'
import { ITEM_SETTINGS, type ItemStore, lmdbWithItems, snapheapWithItems, sqliteWithItems } from './item-stores'
import { digest, someIds } from './items'
import { onSqlite } from './sqlite'

/** Loaded before, uncounted: what a process does once, at its start, it does before its loops are compiled. */
const ROWS_BEFORE = 100_000

/**
 * Rows with five indexed columns into a new file, in one transaction. snapheap's file is synced at the end, the others'
 * are not; it and SQLite build the indexes once the rows are in.
 */
export const task: Apart = {
  rows: 1_000_000,
  contenders(rows) {
    const trial = (load: (path: string, count: number) => ItemStore | Promise<ItemStore>) => ({
      async measure() {
        const folder = diskFolder()
        await (await load(join(folder, 'before'), ROWS_BEFORE)).close()
        const start = performance.now()
        const store = await load(join(folder, 'items'), rows)
        const tookMs = performance.now() - start
        const answer = digest(store.get, someIds(rows))
        await store.close()
        return { answer, figures: { perSecond: rows / (tookMs / 1000) } }
      },
    })
    return {
      snapheap: trial((path, count) => snapheapWithItems(path, count, {})),
      ...onSqlite((name) => ({
        settings: `${ITEM_SETTINGS.sqlite} OFF, one transaction, indexes last`,
        ...trial((path, count) => sqliteWithItems(name, path, count, 'OFF')),
      })),
      lmdb: {
        settings: `${ITEM_SETTINGS.lmdb}, noSync, one transaction`,
        ...trial((path, count) => lmdbWithItems(path, count, false)),
      },
    }
  },
}
