import { DuckDBInstance } from '@duckdb/node-api'
import Database from 'better-sqlite3'
import { open, type Database as Snapheap } from '../src/index'
import { orderAt } from './data'

/** Orders whose amount, status and customer no index helps with: what a scan is asked about. */
export async function snapheapUnindexed(rows: number): Promise<Snapheap> {
  const db = await open()
  await db.bulkLoad(async (tx) => {
    tx.createTable('orders', {
      key: 'id',
      columns: {
        id: 'integer',
        customer: { type: 'integer', index: false },
        amount: { type: 'number', index: false },
        status: { type: 'string', index: false },
      },
    })
    const writer = tx.writer('orders')
    for (let id = 0; id < rows; id++) {
      const { customer, amount, status } = orderAt(id)
      writer.insert({ id, customer, amount, status })
    }
  })
  return db
}

const STATUSES = `['open','paid','packed','shipped','delivered','returned']`

/** The same in SQLite, in memory. */
export function sqliteUnindexed(rows: number): Database {
  const sqlite = new Database(':memory:')
  sqlite.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT)')
  const insert = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?)')
  sqlite.transaction(() => {
    for (let id = 0; id < rows; id++) {
      const { customer, amount, status } = orderAt(id)
      insert.run(id, customer, amount, status)
    }
  })()
  return sqlite
}

/** The same in DuckDB, in memory, on one thread. Asks it for one number. */
export async function duckdbUnindexed(rows: number): Promise<(sql: string) => Promise<number>> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  await connection.run('SET threads = 1')
  await connection.run(
    `CREATE TABLE orders AS SELECT id, (id * 7919) % 50000 AS customer, CAST(id % 9973 + 0.25 AS DOUBLE) AS amount,
       ${STATUSES}[id % 6 + 1] AS status FROM range(${rows}) AS r(id)`,
  )
  return async (sql) => Number((await (await connection.runAndReadAll(sql)).getRows())[0][0])
}
