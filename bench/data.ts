import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { ServerConnection } from '../test/support/postgres'
import { startPostgres } from '../test/support/postgres'

/** One order of a shop: what most services look up by the hundred. */
export interface Order {
  id: number
  customer: number
  amount: number
  status: string
  note: string
}

const STATUSES = ['open', 'paid', 'packed', 'shipped', 'delivered', 'returned']

/** The same orders in every run: about 20 of each customer. */
export function orderAt(id: number): Order {
  return {
    id,
    customer: Math.floor((id * 7919) % 50_000),
    amount: (id % 9973) + 0.25,
    status: STATUSES[id % STATUSES.length],
    note: `order number ${id}`,
  }
}

/** A folder of its own, gone when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
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
    `INSERT INTO orders SELECT id, (id::bigint * 7919) % 50000, id % 9973 + 0.25,
       (ARRAY['open','paid','packed','shipped','delivered','returned'])[id % 6 + 1], 'order number ' || id
     FROM generate_series(0, $1::integer - 1) AS id`,
    [rows],
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
