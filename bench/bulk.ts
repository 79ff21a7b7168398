import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { median, type Result } from './harness'
import { digest, diskFolder, type ItemStore, lmdbWithItems, snapheapWithItems, sqliteWithItems } from './items'
import type { Task } from './run'

const ROUNDS = 3

/**
 * Rows with five indexed columns into a new file, in one transaction. snapheap's file is synced at the end, the others'
 * are not; it and better-sqlite3 build the indexes once the rows are in, lmdb has none.
 */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const folder = diskFolder()
    const loaders: Record<string, (path: string) => ItemStore | Promise<ItemStore>> = {
      snapheap: (path) => snapheapWithItems(path, rows, {}),
      'better-sqlite3': (path) => sqliteWithItems(path, rows, 'OFF'),
      lmdb: (path) => lmdbWithItems(path, rows, false),
    }
    const tookMs: Record<string, number[]> = {}
    const states = new Set<number>()
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [name, load] of Object.entries(loaders)) {
        const place = join(folder, `${name}-${round}`)
        const start = performance.now()
        const store = await load(place)
        const took = performance.now() - start
        if (round > 0) (tookMs[name] ??= []).push(took)
        else states.add(digest(store, rows))
        await store.close()
        for (const suffix of ['', '-wal', '-shm', '-lock', '.log'])
          rmSync(place + suffix, { recursive: true, force: true })
      }
      if (states.size !== 1) throw new Error('The contenders hold different rows: nothing to compare.')
    }
    return Object.fromEntries(
      Object.entries(tookMs).map(([name, each]): [string, Result] => [
        name,
        { perSecond: Math.round(rows / (median(each) / 1000)) },
      ]),
    )
  },
}
