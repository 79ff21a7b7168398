import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { Column, Entity, Id, open, Ref, type Database as Snapheap } from '../src/index'
import type { ServerConnection } from '../test/support/postgres'
import { customersOf, ordersUpTo, postgresWithOrders } from './data'
import { temporaryFolder } from './folders'
import { CITIES, cityOf, PRODUCTS, priceOf, productOf } from './shop-data'
import { openSqlite, type Sqlite, type SqlitePackage } from './sqlite'

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

const HASHED = ['customer', 'product', 'status']

/** The shop in snapheap, in memory, through classes. */
export async function snapheapShop(rows: number): Promise<Snapheap> {
  const db = await open(undefined, { entities: [Customer, Product, Orders] })
  await db.bulkWrite(
    async (tx) => {
      tx.insertMany(
        'customer',
        upTo(customersOf(rows), (id) => ({ id, city: cityOf(id) })),
      )
      tx.insertMany(
        'product',
        upTo(PRODUCTS, (id) => ({ id, price: priceOf(id) })),
      )
      for (const column of HASHED) tx.dropIndex('orders', column)
      tx.dropIndex('orders', 'amount_ordered')
      tx.insertMany('orders', shopOrders(rows))
      for (const column of HASHED) tx.addIndex('orders', column)
      tx.addIndex('orders', { columns: ['amount'], kind: 'ordered' })
    },
    { log: false },
  )
  return db
}

function* upTo<Row>(count: number, rowAt: (id: number) => Row): Generator<Row> {
  for (let id = 0; id < count; id++) yield rowAt(id)
}

/** Orders with their products. */
export function* shopOrders(
  rows: number,
): Generator<{ id: number; customer: number; product: number; amount: number; status: string }> {
  for (const { id, customer, amount, status } of ordersUpTo(rows)) {
    yield { id, customer, product: productOf(id), amount, status }
  }
}

/** The same in SQLite, with the same indexes. */
export function sqliteShop(name: SqlitePackage, rows: number): Sqlite {
  const sqlite = openSqlite(name, join(temporaryFolder(), 'sqlite'))
  sqlite.exec(`CREATE TABLE customer (id INTEGER PRIMARY KEY, city TEXT);
    CREATE TABLE product (id INTEGER PRIMARY KEY, price REAL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, product INTEGER, amount REAL, status TEXT)`)
  sqlite.transaction(() => {
    const customer = sqlite.prepare('INSERT INTO customer VALUES (?, ?)')
    for (let id = 0; id < customersOf(rows); id++) customer.run(id, cityOf(id))
    const product = sqlite.prepare('INSERT INTO product VALUES (?, ?)')
    for (let id = 0; id < PRODUCTS; id++) product.run(id, priceOf(id))
    const order = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)')
    for (const { id, customer, product, amount, status } of shopOrders(rows)) {
      order.run(id, customer, product, amount, status)
    }
  })
  sqlite.exec(`CREATE INDEX customer_city ON customer (city); CREATE INDEX orders_customer ON orders (customer);
    CREATE INDEX orders_product ON orders (product); CREATE INDEX orders_amount ON orders (amount);
    CREATE INDEX orders_status ON orders (status); ANALYZE`)
  return sqlite
}

/** How contenders on lmdb are set up. */
export const LMDB_SETTINGS = 'rows as MessagePack by key, indexes by hand as lists of keys'

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
    for (const { id, customer, product, amount, status } of shopOrders(rows)) {
      orders.put(id, { customer, product, amount, status })
      const list = lists.get(customer)
      if (list === undefined) lists.set(customer, [id])
      else list.push(id)
    }
  })
  byCustomer.transactionSync(() => {
    for (const [customer, list] of lists) byCustomer.put(customer, list)
  })
  customers.transactionSync(() => {
    for (let id = 0; id < customersOf(rows); id++) customers.put(id, { id, city: cityOf(id) })
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
  const product = `id % ${PRODUCTS} * 13 % ${PRODUCTS}`
  await client.query(`ALTER TABLE orders ADD COLUMN product integer GENERATED ALWAYS AS (${product}) STORED`)
  await client.query(
    `CREATE TABLE customer AS SELECT id, 'city ' || (id * 31) % ${CITIES} AS city FROM generate_series(0, ${customersOf(rows) - 1}) AS id`,
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
