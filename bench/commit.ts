import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { history } from '../src/index'
import { diskFolder } from './folders'
import { type Apart, median, nsPerOperation, type Operation, randomIntegers, type Sample } from './harness'
import {
  ITEM_SETTINGS,
  type ItemStore,
  immutableWithItems,
  lmdbWithItems,
  snapheapWithItems,
  sqliteWithItems,
} from './item-stores'
import { digest, type Item, itemAt } from './items'
import { onSqlite, type SqlitePackage } from './sqlite'

const SYNCED_OPERATIONS = 200
const UNSYNCED_OPERATIONS = 4000
const GROUP = 100
const OPERATIONS_TO_AGREE = 300

/**
 * An update of all five indexed columns of one row, each a transaction. `fdatasync` is an append of as many bytes as
 * snapheap's record, and its sync. Who syncs comes before who does not, and each file is gone with its process: what
 * some leave unsynced would be written to the disk together with what others sync.
 */
export const task: Apart = {
  rows: 100_000,
  contenders(rows) {
    const trial = (make: (path: string) => ItemStore | Promise<ItemStore>, operations: number) => ({
      measure: async () => oneByOne(await make(itemsPath()), rows, operations),
    })
    const snapheap = (durability: 'commit' | 'interval' | 'none', operations: number) =>
      trial((path) => snapheapWithItems(path, rows, { durability }), operations)
    const sqlite = (synchronous: 'FULL' | 'OFF', operations: number) =>
      onSqlite((name: SqlitePackage) => ({
        settings: `${ITEM_SETTINGS.sqlite} ${synchronous}`,
        ...trial((path) => sqliteWithItems(name, path, rows, synchronous), operations),
      }))
    const synced = sqlite('FULL', SYNCED_OPERATIONS)
    const unsynced = sqlite('OFF', UNSYNCED_OPERATIONS)
    return {
      'snapheap-commit': snapheap('commit', SYNCED_OPERATIONS),
      'snapheap-group': { measure: () => inGroups(rows) },
      'better-sqlite3-full': synced['better-sqlite3'],
      'node:sqlite-full': synced['node:sqlite'],
      'lmdb-sync': {
        settings: `${ITEM_SETTINGS.lmdb}, synced before the call returns`,
        ...trial((path) => lmdbWithItems(path, rows, true), SYNCED_OPERATIONS),
      },
      fdatasync: { measure: bareSync },
      'snapheap-interval': snapheap('interval', UNSYNCED_OPERATIONS),
      'snapheap-none': snapheap('none', UNSYNCED_OPERATIONS),
      'better-sqlite3-none': unsynced['better-sqlite3'],
      'node:sqlite-none': unsynced['node:sqlite'],
      'lmdb-nosync': {
        settings: `${ITEM_SETTINGS.lmdb}, noSync`,
        ...trial((path) => lmdbWithItems(path, rows, false), UNSYNCED_OPERATIONS),
      },
      immutable: {
        settings: ITEM_SETTINGS.immutable,
        ...trial(() => immutableWithItems(rows), UNSYNCED_OPERATIONS),
      },
    }
  },
}

function itemsPath(): string {
  return join(diskFolder(), 'items')
}

function oneByOne(store: ItemStore, rows: number, operations: number): Promise<Sample> {
  const next = changesOf(rows)
  const run: Operation = async (n) => {
    for (let i = 0; i < n; i++) {
      store.change(next())
      if (i % 64 === 63) await new Promise(setImmediate) // what is done in the background gets its turn
    }
    return n
  }
  return measured(store, rows, operations, run)
}

/** Commits that are made together and share a sync. */
async function inGroups(rows: number): Promise<Sample> {
  const store = await snapheapWithItems(itemsPath(), rows, { durability: 'commit' })
  const next = changesOf(rows)
  const write = async (): Promise<void> => {
    const item = next()
    await store.db.writeAsync((tx) => tx.update('items', item.id, item))
  }
  const run: Operation = async (n) => {
    for (let i = 0; i < n; i += GROUP) await Promise.all(Array.from({ length: GROUP }, write))
    return n
  }
  return measured(store, rows, SYNCED_OPERATIONS * 10, run)
}

/** The rows that are changed one after the other, the same for everybody. */
function changesOf(rows: number): () => Item {
  const ids = randomIntegers(1 << 16, rows)
  let change = 0
  return () => itemAt(ids[change % ids.length], ++change)
}

async function measured(store: ItemStore, rows: number, operations: number, run: Operation): Promise<Sample> {
  await run(OPERATIONS_TO_AGREE)
  const answer = digest(store.get, randomIntegers(OPERATIONS_TO_AGREE, rows))
  const nsPerOp = await nsPerOperation(run, operations)
  await store.close()
  return { answer, figures: { nsPerOp } }
}

/** As many bytes as a record of the log has, which hardly depends on the number of rows. */
async function bareSync(): Promise<Sample> {
  const rows = 100_000
  const path = itemsPath()
  const store = await snapheapWithItems(path, rows, { durability: 'interval' })
  const next = changesOf(rows)
  for (let i = 0; i < OPERATIONS_TO_AGREE; i++) store.change(next())
  await store.close()
  const recordBytes = median([...history(path)].map(({ sizeBytes }) => sizeBytes))
  const fd = openSync(`${path}-bare`, 'w')
  const bytes = Buffer.alloc(recordBytes, 'record')
  const run = (n: number): number => {
    for (let i = 0; i < n; i++) {
      writeSync(fd, bytes)
      fdatasyncSync(fd)
    }
    return n
  }
  return { figures: { nsPerOp: await nsPerOperation(run, SYNCED_OPERATIONS), recordBytes } }
}
