import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { history } from '../src/index'
import { agree, type Contender, median, type Result, race, randomIntegers } from './harness'
import { digest, diskFolder, type ItemStore, itemAt, lmdbWithItems, snapheapWithItems, sqliteWithItems } from './items'
import type { Task } from './run'

const SYNCED_OPERATIONS = 200
const UNSYNCED_OPERATIONS = 4000
const GROUP = 100
const AGREE_OPERATIONS = 300

interface ItemContender extends Contender {
  readonly store: ItemStore
}

/**
 * An update of all five indexed columns of one row, each a transaction. lmdb puts the whole row and indexes nothing;
 * `fdatasync` is an append of as many bytes as snapheap's record, and its sync.
 */
export const task: Task = {
  rows: 100_000,
  async run(rows) {
    const folder = diskFolder()
    const place = (name: string): string => join(folder, name)
    const ids = randomIntegers(1 << 16, rows)
    const oneByOne = (name: string, operations: number, store: ItemStore): ItemContender => {
      let change = 0
      const run = async (n: number): Promise<number> => {
        for (let i = 0; i < n; i++) {
          change++
          store.change(itemAt(ids[change % ids.length], change))
          if (i % 64 === 63) await new Promise(setImmediate) // what is done in the background gets its turn
        }
        return change
      }
      return { name, operations, store, run }
    }
    const snapheap = async (durability: 'commit' | 'interval' | 'none') => {
      const name = `snapheap-${durability}`
      const store = await snapheapWithItems(place(name), rows, { durability })
      return oneByOne(name, durability === 'commit' ? SYNCED_OPERATIONS : UNSYNCED_OPERATIONS, store)
    }

    const synced: ItemContender[] = [
      await snapheap('commit'),
      await inGroups(place('snapheap-group'), rows, ids),
      oneByOne('better-sqlite3-full', SYNCED_OPERATIONS, sqliteWithItems(place('sqlite-full'), rows, 'FULL')),
      oneByOne('lmdb-sync', SYNCED_OPERATIONS, lmdbWithItems(place('lmdb-sync'), rows, true)),
    ]
    const unsynced: ItemContender[] = [
      await snapheap('interval'),
      await snapheap('none'),
      oneByOne('better-sqlite3-none', UNSYNCED_OPERATIONS, sqliteWithItems(place('sqlite-none'), rows, 'OFF')),
      oneByOne('lmdb-nosync', UNSYNCED_OPERATIONS, lmdbWithItems(place('lmdb-nosync'), rows, false)),
    ]
    const stateAfter = ({ run, store, ...rest }: ItemContender): Contender => ({
      ...rest,
      run: async (n) => {
        await run(n)
        return digest(store, rows)
      },
    })
    await agree([...synced, ...unsynced].map(stateAfter), AGREE_OPERATIONS)
    const recordSizes = [...history(place('snapheap-commit'))].map(({ sizeBytes }) => sizeBytes)
    const recordBytes = median(recordSizes.slice(-AGREE_OPERATIONS))

    // apart: what some leave unsynced would be written to the disk together with what others sync
    const results: Record<string, Result> = {
      ...(await race([...synced, bareSync(place('bare'), recordBytes)])),
      ...(await race(unsynced)),
    }
    results.fdatasync.recordBytes = recordBytes
    for (const { store } of [...synced, ...unsynced]) await store.close()
    return results
  },
}

/** Commits that are made together and share a sync. */
async function inGroups(path: string, rows: number, ids: Uint32Array): Promise<ItemContender> {
  const store = await snapheapWithItems(path, rows, { durability: 'commit' })
  let change = 0
  const write = async (): Promise<void> => {
    const item = itemAt(ids[++change % ids.length], change)
    await store.db.writeAsync((tx) => tx.update('items', item.id, item))
  }
  const run = async (n: number): Promise<number> => {
    for (let i = 0; i < n; i += GROUP) await Promise.all(Array.from({ length: GROUP }, write))
    return change
  }
  return { name: 'snapheap-group', operations: SYNCED_OPERATIONS * 10, store, run }
}

function bareSync(path: string, sizeBytes: number): Contender {
  const fd = openSync(path, 'w')
  const bytes = Buffer.alloc(sizeBytes, 'record')
  const run = (n: number): number => {
    for (let i = 0; i < n; i++) {
      writeSync(fd, bytes)
      fdatasyncSync(fd)
    }
    return n
  }
  return { name: 'fdatasync', operations: SYNCED_OPERATIONS, run }
}
