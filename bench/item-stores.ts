import { Map as ImmutableMap } from 'immutable'
import { open as openLmdb } from 'lmdb'
import { type OpenOptions, open, type Database as Snapheap } from '../src/index'
import { INDEXED, type Item, itemsUpTo } from './items'
import { openSqlite, type SqlitePackage } from './sqlite'

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
  await db.bulkWrite(
    async (tx) => {
      const indexless = Object.entries(INDEXED).map(([name, type]) => [name, { type, index: false }])
      tx.createTable('items', { key: 'id', columns: { id: 'integer', ...Object.fromEntries(indexless) } })
      tx.insertMany('items', itemsUpTo(rows))
      for (const column of Object.keys(INDEXED)) tx.addIndex('items', column)
    },
    { log: false },
  )
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

/** The same indexes, built after the rows are in. */
export function sqliteWithItems(
  name: SqlitePackage,
  path: string,
  rows: number,
  synchronous: 'FULL' | 'OFF',
): ItemStore {
  const sqlite = openSqlite(name, path)
  sqlite.exec(`PRAGMA synchronous = ${synchronous};
    CREATE TABLE items (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT, pieces INTEGER, note TEXT)`)
  sqlite.transaction(() => {
    const insert = sqlite.prepare('INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)')
    for (const { id, customer, amount, status, pieces, note } of itemsUpTo(rows)) {
      insert.run(id, customer, amount, status, pieces, note)
    }
    for (const column of Object.keys(INDEXED)) sqlite.exec(`CREATE INDEX items_${column} ON items (${column})`)
  })
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
    changeAll: (all) => sqlite.transaction(() => all.forEach(change)),
    close: async () => sqlite.close(),
  }
}

/** Whole rows by key, and no index at all: lmdb has none. Synced means before the call returns, as elsewhere. */
export function lmdbWithItems(path: string, rows: number, isSynced: boolean): ItemStore {
  const lmdb = openLmdb({ path, noSync: !isSynced, overlappingSync: false })
  lmdb.transactionSync(() => {
    for (const item of itemsUpTo(rows)) lmdb.put(item.id, item)
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

/** A version for each transaction, and nothing else: no index, no file, only memory. */
export function immutableWithItems(rows: number): ItemStore {
  let version = ImmutableMap<number, Item>().withMutations((filled) => {
    for (const item of itemsUpTo(rows)) filled.set(item.id, item)
  })
  return {
    get: (id) => version.get(id)!,
    change: (item) => {
      version = version.set(item.id, item)
    },
    changeAll: (all) => {
      version = version.withMutations((changed) => {
        for (const item of all) changed.set(item.id, item)
      })
    },
    close: async () => {},
  }
}

/** How contenders that hold items are set up. */
export const ITEM_SETTINGS = {
  sqlite: 'write-ahead log, a cache of 1 GB, synchronous =',
  lmdb: 'whole rows as MessagePack, no index',
  immutable: 'whole rows in memory, one new version a transaction (withMutations), no index, no file',
}
