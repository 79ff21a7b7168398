import { join } from 'node:path'
import pg from 'pg'
import { open } from '../src/index'
import { NO_LSN } from '../src/mirror/lsn'
import { ReplicationStream } from '../src/mirror/stream'
import { mirror } from '../src/postgres'
import type { ServerConnection } from '../test/support/postgres'
import { postgresWithOrders } from './data'
import { diskFolder } from './folders'
import { type Apart, percentile, type Sample } from './harness'

const TRANSACTIONS_PER_SECOND = 500
const SECONDS = 5
const BACKLOG = 100_000
/** The first byte of a message that ends a transaction: "C". */
const COMMIT = 0x43

/**
 * From a commit in Postgres to the value being readable here, at 500 transactions a second; and how fast a backlog is
 * drained, next to a client that reads the same stream and throws it away. Each process has a server and a backlog of
 * its own.
 */
export const task: Apart = {
  rows: 100_000,
  contenders: (rows) => ({
    snapheap: { measure: () => followed(rows) },
    'bare-stream': { measure: () => readAndThrownAway(rows) },
  }),
}

async function followed(rows: number): Promise<Sample> {
  const { connection, client } = await postgresWithOrders(rows)
  const db = await open(join(diskFolder(), 'orders.heap'))
  const options = { connection, tables: ['orders'] }
  const following = await mirror(db, options)
  await following.ready
  const amounts = db.table('orders').column('amount')
  const delays = await commitAndWatch(client, (id) => amounts.number(id))
  await db.checkpoint()
  await following.close()

  const lsn = await makeBacklog(client, rows)
  const start = performance.now()
  const draining = await mirror(db, options)
  await draining.waitFor(lsn, { timeoutMs: 300_000 })
  const took = performance.now() - start
  if (amounts.number(BACKLOG % rows) !== -BACKLOG) throw new Error('The backlog was not applied.')
  await draining.close()
  await db.close()
  const perSecond = BACKLOG / (took / 1000)
  return { figures: { p50Ms: percentile(delays, 0.5), p99Ms: percentile(delays, 0.99), perSecond } }
}

async function readAndThrownAway(rows: number): Promise<Sample> {
  const { connection, client } = await postgresWithOrders(rows)
  await client.query('CREATE PUBLICATION bare FOR TABLE orders')
  await client.query(`SELECT pg_create_logical_replication_slot('bare', 'pgoutput')`)
  await makeBacklog(client, rows)
  const took = await readAndThrowAway(connection)
  return { figures: { perSecond: BACKLOG / (took / 1000) } }
}

/** One-row transactions. Returns the LSN behind them. */
async function makeBacklog(client: pg.Client, rows: number): Promise<string> {
  await client.query(`
    CREATE PROCEDURE change_many(times integer) LANGUAGE plpgsql AS $$
    BEGIN
      FOR i IN 1..times LOOP
        UPDATE orders SET amount = -i WHERE id = i % ${rows};
        COMMIT;
      END LOOP;
    END $$`)
  await client.query(`SET synchronous_commit = off`)
  await client.query(`CALL change_many(${BACKLOG})`)
  const { rows: found } = await client.query('SELECT pg_current_wal_insert_lsn() AS lsn')
  return found[0].lsn
}

/** Milliseconds that it takes to read the backlog's stream. */
async function readAndThrowAway(connection: ServerConnection): Promise<number> {
  const start = performance.now()
  const replication = new pg.Client({ ...connection, replication: 'database' } as pg.ClientConfig)
  await replication.connect()
  let commits = 0
  await new Promise<void>((resolve, reject) => {
    const stream = new ReplicationStream(
      replication,
      { slot: 'bare', publication: 'bare', startLsn: NO_LSN },
      {
        onMessage: (bytes, at) => {
          if (bytes[at] === COMMIT && ++commits === BACKLOG) resolve()
        },
        onKeepalive: () => {},
      },
    )
    stream.done.catch(reject)
  })
  const took = performance.now() - start
  await replication.end()
  return took
}

/**
 * Commits one-row updates at a steady rate. Returns, for each, the milliseconds from its commit being known to its
 * value being read.
 */
async function commitAndWatch(client: pg.Client, amountOf: (id: number) => number): Promise<number[]> {
  const delays: number[] = []
  const begin = performance.now()
  for (let i = 1; i <= TRANSACTIONS_PER_SECOND * SECONDS; i++) {
    const due = begin + (i * 1000) / TRANSACTIONS_PER_SECOND
    while (performance.now() < due) await new Promise(setImmediate)
    const id = i % 1000
    await client.query({ name: 'change', text: 'UPDATE orders SET amount = $1 WHERE id = $2', values: [-i, id] })
    const committed = performance.now()
    while (amountOf(id) !== -i) await new Promise(setImmediate)
    delays.push(performance.now() - committed)
  }
  return delays
}
