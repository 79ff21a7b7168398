import { join } from 'node:path'
import pg from 'pg'
import { open } from '../src/index'
import { NO_LSN } from '../src/mirror/lsn'
import { ReplicationStream } from '../src/mirror/stream'
import { mirror } from '../src/postgres'
import type { ServerConnection } from '../test/support/postgres'
import { postgresWithOrders, temporaryFolder } from './data'
import { percentile, type Result, round3 } from './harness'
import type { Task } from './run'

const TRANSACTIONS_PER_SECOND = 500
const SECONDS = 5
const BACKLOG = 100_000
/** The first byte of a message that ends a transaction: "C". */
const COMMIT = 0x43

/**
 * From a commit in Postgres to the value being readable here, at 500 transactions a second; and how fast a backlog is drained,
 * next to a client that reads the same stream and throws it away.
 */
export const task: Task = {
  rows: 100_000,
  async run(rows) {
    const { connection, client } = await postgresWithOrders(rows)
    const path = join(temporaryFolder(), 'orders.heap')
    const db = await open(path)
    const options = { connection, tables: ['orders'] }
    const following = await mirror(db, options)
    await following.ready
    const amounts = db.table('orders').column('amount')
    const delays = await commitAndWatch(client, (id) => amounts.number(id))
    await db.save()
    await following.close()

    await client.query(`
      CREATE PROCEDURE change_many(times integer) LANGUAGE plpgsql AS $$
      BEGIN
        FOR i IN 1..times LOOP
          UPDATE orders SET amount = -i WHERE id = i % ${rows};
          COMMIT;
        END LOOP;
      END $$`)
    await client.query(`SELECT pg_create_logical_replication_slot('bare', 'pgoutput')`)
    await client.query(`SET synchronous_commit = off`)
    await client.query(`CALL change_many(${BACKLOG})`)
    const {
      rows: [{ lsn }],
    } = await client.query('SELECT pg_current_wal_insert_lsn() AS lsn')
    const bareTook = await readAndThrowAway(connection, client)
    const start = performance.now()
    const draining = await mirror(db, options)
    await draining.waitFor(lsn, { timeoutMs: 300_000 })
    const took = performance.now() - start
    if (amounts.number(BACKLOG % rows) !== -BACKLOG) throw new Error('the backlog was not applied')
    await draining.close()
    await db.close()
    const result: Result = {
      p50Ms: round3(percentile(delays, 0.5)),
      p99Ms: round3(percentile(delays, 0.99)),
      perSecond: Math.round(BACKLOG / (took / 1000)),
    }
    return { snapheap: result, 'bare-stream': { perSecond: Math.round(BACKLOG / (bareTook / 1000)) } }
  },
}

/** Milliseconds that it takes to read the backlog's stream. */
async function readAndThrowAway(connection: ServerConnection, client: pg.Client): Promise<number> {
  const { rows } = await client.query('SELECT pubname FROM pg_publication')
  const start = performance.now()
  const replication = new pg.Client({ ...connection, replication: 'database' } as pg.ClientConfig)
  await replication.connect()
  let commits = 0
  await new Promise<void>((resolve, reject) => {
    const stream = new ReplicationStream(
      replication,
      { slot: 'bare', publication: rows[0].pubname, startLsn: NO_LSN },
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
  await client.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'bare'`)
  return took
}

/** Commits one-row updates at a steady rate. Returns, for each, the milliseconds from its commit being known to its value being read. */
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
