import { DuckDBInstance } from '@duckdb/node-api'
import { open, type Database as Snapheap } from '../src/index'
import { insertColumns } from './column-load'
import { amountAt, STATUSES } from './data'
import { openSqlite, type Sqlite, type SqlitePackage } from './sqlite'

/** Their number is the same for any number of orders: groups are no more than they were. */
const CUSTOMERS = 50_000

/** How DuckDB is set up. */
export const DUCKDB_SETTINGS = 'in memory, one thread, as snapheap'

/** Orders whose amount, status and customer no index helps with: what a scan is asked about. */
export async function snapheapUnindexed(rows: number): Promise<Snapheap> {
  const db = await open()
  await db.bulkWrite(
    async (tx) => {
      tx.createTable('orders', {
        key: 'id',
        columns: {
          id: 'integer',
          customer: { type: 'integer', index: false },
          amount: { type: 'number', index: false },
          status: { type: 'string', index: false },
        },
      })
      insertColumns(tx.writer('orders'), rows, {
        id: (id) => id,
        customer: customerAt,
        amount: amountAt,
        status: statusAt,
      })
    },
    { log: false },
  )
  return db
}

function customerAt(id: number): number {
  return (id * 7919) % CUSTOMERS
}

function statusAt(id: number): string {
  return STATUSES[id % STATUSES.length]
}

/** The same in SQLite, in memory. */
export function sqliteUnindexed(name: SqlitePackage, rows: number): Sqlite {
  const sqlite = openSqlite(name, ':memory:')
  sqlite.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT)')
  const insert = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?)')
  sqlite.transaction(() => {
    for (let id = 0; id < rows; id++) insert.run(id, customerAt(id), amountAt(id), statusAt(id))
  })
  return sqlite
}

/** The same in DuckDB, in memory, on one thread. Asks it for one number. */
export async function duckdbUnindexed(rows: number): Promise<(sql: string) => Promise<number>> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  await connection.run('SET threads = 1')
  await connection.run(
    `CREATE TABLE orders AS SELECT id, (id * 7919) % ${CUSTOMERS} AS customer, CAST(id % 9973 + 0.25 AS DOUBLE) AS amount,
       ['${STATUSES.join("','")}'][id % ${STATUSES.length} + 1] AS status FROM range(${rows}) AS r(id)`,
  )
  return async (sql) => Number((await (await connection.runAndReadAll(sql)).getRows())[0][0])
}
