import pg from 'pg'
import type { ServerConnection } from '../test/support/postgres'
import { startPostgres } from '../test/support/postgres'

/** One order of a shop: what most services look up by the hundred. */
export type Order = {
  id: number
  customer: number
  amount: number
  status: string
  note: string
}

export const STATUSES = ['open', 'paid', 'packed', 'shipped', 'delivered', 'returned']

/** The same orders in every run, of so many customers in turn. */
function orderAt(id: number, customers: number): Order {
  return {
    id,
    customer: (id * 7919) % customers,
    amount: amountAt(id),
    status: STATUSES[id % STATUSES.length],
    note: `order number ${id}`,
  }
}

export function amountAt(id: number): number {
  return (id % 9973) + 0.25
}

/** How many customers so many orders are of: 20 orders each, however many there are. */
export function customersOf(rows: number): number {
  return Math.ceil(rows / 20)
}

export function* ordersUpTo(rows: number): Generator<Order> {
  const customers = customersOf(rows)
  for (let id = 0; id < rows; id++) yield orderAt(id, customers)
}

/** A server with a table "orders" of so many rows, indexed as the heap indexes it; ends with the process. */
export async function postgresWithOrders(rows: number): Promise<{ connection: ServerConnection; client: pg.Client }> {
  const server = await startPostgres()
  const client = new pg.Client(server.connection)
  await client.connect()
  await client.query(
    'CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL, amount double precision NOT NULL, status text NOT NULL, note text NOT NULL)',
  )
  await client.query(
    `INSERT INTO orders SELECT id, (id::bigint * 7919) % ${customersOf(rows)}, id % 9973 + 0.25,
       ($2::text[])[id % ${STATUSES.length} + 1], 'order number ' || id
     FROM generate_series(0, $1::integer - 1) AS id`,
    [rows, STATUSES],
  )
  await client.query('CREATE INDEX ON orders (customer)')
  await client.query('VACUUM ANALYZE orders')
  return { connection: server.connection, client }
}

/** What a process shares with those that it starts: how to reach such a server. */
export async function serverWithOrders(rows: number): Promise<ServerConnection> {
  const { connection, client } = await postgresWithOrders(rows)
  await client.end()
  return connection
}

/** A client of a server that another process has started. */
export async function clientOf(connection: unknown): Promise<pg.Client> {
  const client = new pg.Client(connection as ServerConnection)
  await client.connect()
  return client
}

/** How contenders on Postgres are set up. */
export const POSTGRES_SETTINGS = 'prepared statements over a unix socket, one awaited after the other'
