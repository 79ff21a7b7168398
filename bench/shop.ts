import { join } from 'node:path'
import Database from 'better-sqlite3'
import { open as openLmdb } from 'lmdb'
import { Column, Entity, Id, open, Ref, type Database as Snapheap } from '../src/index'
import type { ServerConnection } from '../test/support/postgres'
import { orderAt, postgresWithOrders, temporaryFolder } from './data'

/** Three tables that refer to each other: customers of a city, their orders, what was ordered. */
@Entity()
export class Customer {
  @Id() declare id: number
  @Column({ type: 'string' }) declare city: string
}

@Entity()
export class Product {
  @Id() declare id: number
  @Column({ type: 'number', index: false }) declare price: number
}

@Entity()
export class Orders {
  @Id() declare id: number
  @Ref(() => Customer) declare customer: Customer
  @Ref(() => Product) declare product: Product
  @Column({ type: 'number', index: 'ordered' }) declare amount: number
  @Column({ type: 'string' }) declare status: string
}

export const CUSTOMERS = 50_000
export const CITIES = 1_000
export const PRODUCTS = 10_000

export function cityOf(customer: number): string {
  return `city ${(customer * 31) % CITIES}`
}

export function priceOf(product: number): number {
  return (product % 100) + 0.5
}

export function productOf(order: number): number {
  return (order * 13) % PRODUCTS
}

/** The shop in snapheap, in memory, through classes. */
export async function snapheapShop(rows: number): Promise<Snapheap> {
  const db = await open(undefined, { entities: [Customer, Product, Orders] })
  await db.bulkLoad(async (tx) => {
    const customers = tx.writer('customer')
    for (let id = 0; id < CUSTOMERS; id++) customers.insert({ id, city: cityOf(id) })
    const products = tx.writer('product')
    for (let id = 0; id < PRODUCTS; id++) products.insert({ id, price: priceOf(id) })
    const orders = tx.writer('orders')
    for (let id = 0; id < rows; id++) {
      const { customer, amount, status } = orderAt(id)
      orders.insert({ id, customer, product: productOf(id), amount, status })
    }
  })
  return db
}

/** The same in SQLite, with the same indexes. */
export function sqliteShop(rows: number): Database {
  const sqlite = new Database(join(temporaryFolder(), 'sqlite'))
  sqlite.pragma('journal_mode = WAL')
  sqlite.pragma('cache_size = -1000000')
  sqlite.exec(`CREATE TABLE customer (id INTEGER PRIMARY KEY, city TEXT);
    CREATE TABLE product (id INTEGER PRIMARY KEY, price REAL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, product INTEGER, amount REAL, status TEXT)`)
  sqlite.transaction(() => {
    const customer = sqlite.prepare('INSERT INTO customer VALUES (?, ?)')
    for (let id = 0; id < CUSTOMERS; id++) customer.run(id, cityOf(id))
    const product = sqlite.prepare('INSERT INTO product VALUES (?, ?)')
    for (let id = 0; id < PRODUCTS; id++) product.run(id, priceOf(id))
    const order = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)')
    for (let id = 0; id < rows; id++) {
      const each = orderAt(id)
      order.run(id, each.customer, productOf(id), each.amount, each.status)
    }
  })()
  sqlite.exec(`CREATE INDEX customer_city ON customer (city); CREATE INDEX orders_customer ON orders (customer);
    CREATE INDEX orders_product ON orders (product); CREATE INDEX orders_amount ON orders (amount);
    CREATE INDEX orders_status ON orders (status); ANALYZE`)
  return sqlite
}

/** Whole rows by key in lmdb, and lists of orders by customer: an index kept by hand. */
export function lmdbShop(rows: number): {
  order(id: number): { customer: number; product: number; amount: number; status: string }
  ordersOf(customer: number): number[]
  city(customer: number): string
  price(product: number): number
} {
  const opened = (name: string) => openLmdb({ path: join(temporaryFolder(), name), noSync: true })
  const [orders, byCustomer, customers, products] = ['orders', 'lists', 'customers', 'products'].map(opened)
  const lists = new Map<number, number[]>()
  orders.transactionSync(() => {
    for (let id = 0; id < rows; id++) {
      const { customer, amount, status } = orderAt(id)
      orders.put(id, { customer, product: productOf(id), amount, status })
      const list = lists.get(customer)
      if (list === undefined) lists.set(customer, [id])
      else list.push(id)
    }
  })
  byCustomer.transactionSync(() => {
    for (const [customer, list] of lists) byCustomer.put(customer, list)
  })
  customers.transactionSync(() => {
    for (let id = 0; id < CUSTOMERS; id++) customers.put(id, { id, city: cityOf(id) })
  })
  products.transactionSync(() => {
    for (let id = 0; id < PRODUCTS; id++) products.put(id, { id, price: priceOf(id) })
  })
  return {
    order: (id) => orders.get(id),
    ordersOf: (customer) => byCustomer.get(customer) ?? [],
    city: (customer) => customers.get(customer).city,
    price: (product) => products.get(product).price,
  }
}

/** The same in Postgres, for all processes: how to reach it over a unix socket. */
export async function shopServer(rows: number): Promise<ServerConnection> {
  const { client, connection } = await postgresWithOrders(rows)
  await client.query('ALTER TABLE orders ADD COLUMN product integer')
  await client.query(`UPDATE orders SET product = (id::bigint * 13) % ${PRODUCTS}`)
  await client.query(
    `CREATE TABLE customer AS SELECT id, 'city ' || (id * 31) % ${CITIES} AS city FROM generate_series(0, ${CUSTOMERS - 1}) AS id`,
  )
  await client.query(
    `CREATE TABLE product AS SELECT id, id % 100 + 0.5::float8 AS price FROM generate_series(0, ${PRODUCTS - 1}) AS id`,
  )
  await client.query('ALTER TABLE customer ADD PRIMARY KEY (id); ALTER TABLE product ADD PRIMARY KEY (id)')
  await client.query(
    'CREATE INDEX ON customer (city); CREATE INDEX ON orders (amount); CREATE INDEX ON orders (product)',
  )
  await client.query('VACUUM ANALYZE')
  await client.end()
  return connection
}
