import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { open as openLmdb } from 'lmdb'
import { type OpenOptions, open, type Database as Snapheap } from '../src/index'
import { temporaryFolder } from './data'

/** A row with five columns that it is looked up by, beside its key: what writing it costs is keeping the indexes. */
export type Item = {
  id: number
  customer: number
  amount: number
  status: string
  pieces: number
  note: string
}

const INDEXED = {
  customer: 'integer',
  amount: 'number',
  status: 'string',
  pieces: 'integer',
  note: 'string',
} as const
const STATUSES = ['open', 'paid', 'packed', 'shipped', 'delivered', 'returned']

/** The same rows and changes in every run: what row `id` holds once change number `change` has given all columns new values. */
export function itemAt(id: number, change = 0): Item {
  return {
    id,
    customer: (id * 7919 + change * 104_729) % 50_000,
    amount: ((id + change * 31) % 9973) + 0.25,
    status: STATUSES[(id + change) % STATUSES.length],
    pieces: (id + change * 7) % 1000,
    note: `item ${id}, change ${change}`,
  }
}

function* itemsUpTo(rows: number): Generator<Item> {
  for (let id = 0; id < rows; id++) yield itemAt(id)
}

/** A database with such rows under keys from 0 on. */
export interface ItemStore {
  get(id: number): Item
  /** Gives rows new values, in a transaction of its own. */
  change(item: Item): void
  changeAll(items: readonly Item[]): void
  close(): Promise<void>
}

/** Fills the database in its own file, in the fastest way it has. */
export async function snapheapWithItems(
  path: string,
  rows: number,
  options: OpenOptions,
): Promise<ItemStore & { db: Snapheap }> {
  const db = await open(path, options)
  await db.bulkLoad(async (tx) => {
    const indexless = Object.entries(INDEXED).map(([name, type]) => [name, { type, index: false }])
    tx.createTable('items', { key: 'id', columns: { id: 'integer', ...Object.fromEntries(indexless) } })
    tx.insertMany('items', itemsUpTo(rows))
    for (const column of Object.keys(INDEXED)) tx.addIndex('items', column)
  })
  const items = db.table('items')
  return {
    db,
    get: (id) => items.get(id) as unknown as Item,
    change: (item) => db.write((tx) => tx.update('items', item.id, item)),
    changeAll: (all) =>
      db.write((tx) => {
        for (const item of all) tx.update('items', item.id, item)
      }),
    close: () => db.close(),
  }
}

/** The same indexes, built after the rows are in; a write-ahead log. */
export function sqliteWithItems(path: string, rows: number, synchronous: 'FULL' | 'OFF'): ItemStore {
  const sqlite = new Database(path)
  sqlite.pragma('journal_mode = WAL')
  sqlite.pragma(`synchronous = ${synchronous}`)
  sqlite.pragma('cache_size = -1000000')
  sqlite.transaction(() => {
    sqlite.exec(
      'CREATE TABLE items (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT, pieces INTEGER, note TEXT)',
    )
    const insert = sqlite.prepare('INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)')
    for (let id = 0; id < rows; id++) {
      const item = itemAt(id)
      insert.run(item.id, item.customer, item.amount, item.status, item.pieces, item.note)
    }
    for (const column of Object.keys(INDEXED)) sqlite.exec(`CREATE INDEX items_${column} ON items (${column})`)
  })()
  const select = sqlite.prepare<[number], Item>('SELECT * FROM items WHERE id = ?')
  const update = sqlite.prepare(
    'UPDATE items SET customer = ?, amount = ?, status = ?, pieces = ?, note = ? WHERE id = ?',
  )
  const change = (item: Item): void => {
    update.run(item.customer, item.amount, item.status, item.pieces, item.note, item.id)
  }
  return {
    get: (id) => select.get(id)!,
    change,
    changeAll: sqlite.transaction((all: readonly Item[]) => all.forEach(change)),
    close: async () => sqlite.close(),
  }
}

/** Whole rows by key, and no index at all: lmdb has none. Synced means before the call returns, as elsewhere. */
export function lmdbWithItems(path: string, rows: number, isSynced: boolean): ItemStore {
  const lmdb = openLmdb({ path, noSync: !isSynced, overlappingSync: false })
  lmdb.transactionSync(() => {
    for (let id = 0; id < rows; id++) lmdb.put(id, itemAt(id))
  })
  return {
    get: (id) => lmdb.get(id),
    change: (item) => void lmdb.putSync(item.id, item),
    changeAll: (all) =>
      lmdb.transactionSync(() => {
        for (const item of all) lmdb.put(item.id, item)
      }),
    close: () => lmdb.close(),
  }
}

/** One number that depends on every value of every row (FNV-1a; G. Fowler, L. C. Noll, K.-P. Vo, 1991). */
export function digest(store: Pick<ItemStore, 'get'>, rows: number): number {
  let hash = 0x811c9dc5
  for (let id = 0; id < rows; id++) {
    const { customer, amount, status, pieces, note } = store.get(id)
    const text = `${customer} ${amount} ${status} ${pieces} ${note}`
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}

const TMPFS_MAGIC = 0x01021994

/**
 * A folder of its own on a real disk, gone when the process ends: a temporary one, or, where those are kept in memory, one
 * beside the running bundle. Says on stderr which.
 */
export function diskFolder(): string {
  const isInMemory = process.platform === 'linux' && statfsSync(tmpdir()).type === TMPFS_MAGIC
  const folder = isInMemory ? folderBesideBundle() : temporaryFolder()
  process.stderr.write(`Files are in ${folder}.\n`)
  return folder
}

function folderBesideBundle(): string {
  const folder = mkdtempSync(join(dirname(process.argv[1]), 'data-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
