import { join } from 'node:path'
import { Column, Entity, Id, open, type Database as Snapheap } from '../src/index'
import { insertColumns } from './column-load'
import { amountAt, ordersUpTo } from './data'
import { temporaryFolder } from './folders'
import { openSqlite, type Sqlite, type SqlitePackage } from './sqlite'

@Entity({ name: 'orders' })
class Order {
  @Id({ type: 'integer' }) id!: number
  @Column({ type: 'integer' }) customer!: number
  @Column({ type: 'number', index: false }) amount!: number
  @Column({ type: 'string', index: false }) status!: string
  @Column({ type: 'string', index: false }) note!: string
}

/** Of orders too many for memory: what a read of one column touches. */
@Entity({ name: 'orders' })
class NarrowOrder {
  @Id({ type: 'integer' }) id!: number
  @Column({ type: 'number', index: false }) amount!: number
}

const MOST_WHOLE_ORDERS = 10_000_000

/** The class of so many orders: beyond 10 M they have their key and amount alone. */
export function orderClass(rows: number): typeof NarrowOrder {
  return rows > MOST_WHOLE_ORDERS ? NarrowOrder : Order
}

/** Orders in snapheap, their customers indexed, in memory where no path is given. */
export async function snapheapOrders(rows: number, path?: string): Promise<Snapheap> {
  const db = await open(path, { entities: [orderClass(rows)] })
  await db.bulkWrite(
    async (tx) => {
      if (rows > MOST_WHOLE_ORDERS) {
        insertColumns(tx.writer('orders'), rows, { id: (id) => id, amount: amountAt })
        return
      }
      tx.dropIndex('orders', 'customer')
      tx.insertMany('orders', ordersUpTo(rows))
      tx.addIndex('orders', 'customer')
    },
    { log: false },
  )
  return db
}

/** Orders in a SQLite file, their customers indexed. */
export function sqliteOrders(name: SqlitePackage, rows: number): Sqlite {
  const sqlite = openSqlite(name, join(temporaryFolder(), 'sqlite'))
  sqlite.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT, note TEXT)')
  const insert = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)')
  sqlite.transaction(() => {
    for (const { id, customer, amount, status, note } of ordersUpTo(rows))
      insert.run(id, customer, amount, status, note)
  })
  sqlite.exec('CREATE INDEX orders_customer ON orders (customer)')
  return sqlite
}
