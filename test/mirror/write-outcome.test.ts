import pg, { type Client } from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { SnapheapError } from '../../src/errors'
import { MirrorBench } from '../support/mirror'
import { Network } from '../support/network'
import { type PostgresServer, startPostgres } from '../support/postgres'
import { rejectionOf } from '../support/store'

let server: PostgresServer
let network: Network
let bench: MirrorBench
beforeAll(async () => {
  // nothing reaches the device by itself for a long time
  server = await startPostgres({ wal_writer_delay: '10000ms', bgwriter_delay: '10000ms' })
  network = await Network.to(server.tcpConnection.port)
})
afterAll(async () => {
  await network[Symbol.asyncDispose]()
  await server.close()
})
afterEach(async () => {
  network.reset()
  network.onAnswer = network.onRequest = (bytes) => bytes
  await bench.close()
})

const SQL = `CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL); INSERT INTO account VALUES (1, 100);
  CREATE TABLE other (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)`

async function start(): Promise<void> {
  bench = await MirrorBench.start(server, SQL, { tables: ['account'] })
}

/** The same, with what is written passing through the network, and what is streamed not. */
async function startThroughNetwork(): Promise<void> {
  await start()
  await bench.shut()
  await bench.open({ connection: { ...bench.connection, host: '127.0.0.1', port: network.port } })
}

const setBalance = (balance: number) => (client: Client) =>
  client.query('UPDATE account SET balance = $1 WHERE id = 1', [balance])
const balance = () => bench.db.table('account').get(1)?.balance
const inTransaction = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_xid IS NOT NULL`

test('write within the work of write is an error at once, and the next one works', async () => {
  await start()
  const outer = bench.mirror.write(async (client) => {
    await setBalance(1)(client)
    await bench.mirror.write(setBalance(2))
  })
  expect(await rejectionOf(outer)).toMatchObject({ code: 'BUSY', message: expect.stringMatching(/^write was called/) })
  await bench.mirror.write(setBalance(3))
  expect(balance()).toBe(3)
  let later: Promise<unknown> | undefined
  await bench.mirror.write(async () => {
    setTimeout(() => {
      later = bench.mirror.write(setBalance(4)) // after the work, though begun within
    }, 100)
  })
  await bench.until(() => later !== undefined)
  await later
  expect(balance()).toBe(4)
})

test('what waits for its turn or for the server longer than timeoutMs has not happened', async () => {
  await start()
  const endless = bench.mirror.write(
    async (client) => {
      await setBalance(1)(client)
      await client.query('SELECT pg_sleep(3600)')
    },
    { timeoutMs: 400 },
  )
  const waiting = bench.mirror.write(setBalance(2), { timeoutMs: 100 })
  const [second, first] = await Promise.all([rejectionOf(waiting), rejectionOf(endless)])
  expect(second).toMatchObject({ code: 'TIMEOUT', message: expect.stringMatching(/did not begin.*within 100 ms/) })
  expect(first).toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringMatching(/within 400 ms, and it is rolled back/),
  })
  await bench.mirror.write((client) => client.query('UPDATE account SET balance = balance + 5'))
  expect(balance()).toBe(105)
  await bench.until(async () => (await bench.query(inTransaction)).length === 0)
})

/** Makes the connection of `write` silent at a statement of its own, from that on. */
function silenceWriteAt(statement: string): void {
  network.onRequest = (bytes, pair) => {
    if (!bytes.includes(statement)) return bytes
    network.onRequest = (passed) => passed
    pair.isSilent = true
    return undefined
  }
}

test('an idle connection that was lost without notice is replaced, and the write succeeds', async () => {
  await startThroughNetwork()
  await bench.mirror.write(setBalance(1))
  silenceWriteAt('BEGIN READ WRITE')
  await bench.mirror.write(setBalance(2))
  silenceWriteAt('DISCARD ALL')
  await bench.mirror.write(setBalance(3))
  await bench.mirror.write(setBalance(4))
  silenceWriteAt('BEGIN READ WRITE')
  await bench.mirror.write(setBalance(5), { timeoutMs: 1000 })
  expect(balance()).toBe(5)
})

test('a connection that goes silent during the work costs that write its time, and not those after it', async () => {
  await startThroughNetwork()
  await bench.mirror.write(setBalance(1))
  silenceWriteAt('UPDATE')
  expect(await rejectionOf(bench.mirror.write(setBalance(2), { timeoutMs: 300 }))).toMatchObject({ code: 'TIMEOUT' })
  await bench.mirror.write(setBalance(3))
  expect(balance()).toBe(3)
})

test('a write that is committed, and that the mirror does not show in time, says so', async () => {
  await startThroughNetwork()
  network.silence() // the stream, too
  const unseen = await rejectionOf(bench.mirror.write(setBalance(3), { timeoutMs: 1000 }))
  expect(unseen).toMatchObject({ code: 'TIMEOUT', details: { isCommitted: true } })
  expect(unseen.message).toMatch(/is committed in Postgres.*Do not run it again/)
  expect(await bench.query('SELECT balance FROM account')).toEqual([{ balance: 3 }])
})

/** Makes the connection that commits next silent, or ends it, before the answer. */
function loseAnswerOfCommit(isEnded: boolean): void {
  network.onRequest = (bytes, pair) => {
    if (bytes.includes('COMMIT')) network.onAnswer = (answer, from) => (from === pair ? lose(from) : answer)
    return bytes
  }
  const lose = (pair: { client: { destroy(): void } }): undefined => {
    if (isEnded) pair.client.destroy()
  }
}

async function statusOf(error: SnapheapError): Promise<unknown> {
  const [row] = await bench.query<{ status: string }>(`SELECT pg_xact_status('${error.details.xid}') AS status`)
  return row!.status
}

test.each([
  ['the connection is lost', true],
  ['no answer comes', false],
])('where COMMIT was sent and %s, the outcome is unknown, and the error says how to find out', async (_, isEnded) => {
  await startThroughNetwork()
  loseAnswerOfCommit(isEnded)
  const error = await rejectionOf(bench.mirror.write(setBalance(1), { timeoutMs: 500 }))
  expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', details: { isTransient: false } })
  expect(error.message).toMatch(/Do not run it again before you know.*pg_xact_status\('\d+'\)/)
  expect(await statusOf(error)).toBe('committed')
})

test('the outcome is unknown, too, where the mirror is closed after COMMIT was sent', async () => {
  await startThroughNetwork()
  let isSent = false
  loseAnswerOfCommit(false)
  const { onRequest } = network
  network.onRequest = (bytes, pair) => {
    isSent ||= bytes.includes('COMMIT')
    return onRequest(bytes, pair)
  }
  const written = rejectionOf(bench.mirror.write(setBalance(1)))
  await bench.until(() => isSent)
  await bench.shut()
  const error = await written
  expect(error.code).toBe('OUTCOME_UNKNOWN')
  expect(await statusOf(error)).toBe('committed')
})

test('what the server refuses to commit has not happened, and what has changed nothing has no outcome', async () => {
  await startThroughNetwork()
  const twice = bench.mirror.write((client) => client.query('INSERT INTO other VALUES (1), (1)'))
  expect(await rejectionOf(twice)).toMatchObject({ code: 'POSTGRES', details: { sqlState: '23505' } })
  loseAnswerOfCommit(true)
  expect(await rejectionOf(bench.mirror.write((client) => client.query('SELECT 1')))).toMatchObject({
    code: 'POSTGRES',
  })
})

test('nothing of a session is left to later writes, and named statements are prepared again', async () => {
  await start()
  await bench.query(
    `CREATE ROLE visitor_${bench.connection.database}; GRANT ALL ON account TO visitor_${bench.connection.database}`,
  )
  const named = (client: Client) => client.query({ name: 'add', text: 'UPDATE account SET balance = balance + 1' })
  const look = async (client: Client) => {
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const { rows } = await client.query(
      `SELECT current_user AS role, current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout,
         to_regclass('pg_temp.scratch') AS scratch, (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory') AS locks,
         (SELECT count(*)::int FROM pg_prepared_statements) AS prepared`,
    )
    return rows[0]
  }
  const before = await bench.mirror.write(look)
  let told = 0
  for (const fails of [false, true]) {
    const spoilt = bench.mirror.write(async (client) => {
      await named(client)
      client.on('notice', () => told++)
      client.setTypeParser(pg.types.builtins.INT4, () => 'spoilt')
      await client.query(`SET search_path = pg_catalog; SET statement_timeout = 7; CREATE TEMP TABLE scratch ();
        SELECT pg_advisory_lock(1); PREPARE own AS SELECT 1; SET ROLE visitor_${bench.connection.database}`)
      if (fails) throw new Error('changed my mind')
    })
    await spoilt.catch((error) => expect(error.message).toBe('changed my mind'))
    expect(await bench.mirror.write(look)).toEqual(before)
  }
  await bench.mirror.write(async (client) => {
    await named(client)
    await client.query(`DO $$ BEGIN RAISE NOTICE 'hello'; END $$`)
  })
  expect([balance(), told]).toEqual([102, 0])
})

test('settings do not stay behind a pooler, which gives the reset after a transaction another server session', async () => {
  await startThroughNetwork()
  network.onRequest = (bytes) => {
    const at = bytes.indexOf('DISCARD ALL')
    if (at >= 0) bytes.write("SELECT 'ok'", at)
    return bytes
  }
  await bench.query(`CREATE ROLE pooled_${bench.connection.database}; GRANT ALL ON account TO PUBLIC`)
  const look = async (client: Client) =>
    (await client.query(`SELECT current_user AS role, current_setting('search_path') AS path, pg_backend_pid() AS pid`))
      .rows[0]
  const before = await bench.mirror.write(look)
  await bench.mirror.write((client) =>
    client.query(`SET search_path = pg_catalog; SET ROLE pooled_${bench.connection.database}`),
  )
  expect(await bench.mirror.write(look)).toEqual(before)
})

test('a write whose commit is asynchronous is shown at once, and so is one beside an open transaction', async () => {
  await start()
  await bench.mirror.write(async (client) => {
    await client.query('SET LOCAL synchronous_commit = off')
    await setBalance(1)(client)
  })
  expect(balance()).toBe(1)
  const open = new pg.Client(bench.connection)
  await open.connect()
  await open.query('BEGIN; INSERT INTO other SELECT generate_series(1, 100)')
  await bench.mirror.write((client) => client.query('INSERT INTO account VALUES (1, 7) ON CONFLICT DO NOTHING'), {
    timeoutMs: 3000,
  })
  await open.end()
})

test('what others commit asynchronously is shown once waitFor has resolved with the end of the log, in time', async () => {
  await start()
  const client = new pg.Client(bench.connection)
  await client.connect()
  await client.query('SET synchronous_commit = off')
  for (let i = 1; i <= 5; i++) {
    await client.query(`UPDATE account SET balance = ${i}`)
    const { rows } = await client.query('SELECT pg_current_wal_insert_lsn() AS lsn')
    await bench.mirror.waitFor(rows[0].lsn, { timeoutMs: 5000 })
    expect(balance()).toBe(i)
  }
  await client.end()
})

const PAGE_BYTES = 8192
const PAGE_HEADER_BYTES = 24

test('waitFor is not late where the log ends at the end of a page', async () => {
  await start()
  const client = new pg.Client(bench.connection)
  await client.connect()
  const end = async (): Promise<{ place: number; lsn: string }> => {
    const sql = `SELECT ((pg_current_wal_insert_lsn() - '0/0') % ${PAGE_BYTES})::int AS place, pg_current_wal_insert_lsn() AS lsn`
    return (await client.query(sql)).rows[0]
  }
  /** Commits a message of a size; returns how much the log has grown. */
  const emit = async (bytes: number): Promise<number> => {
    const before = (await end()).place
    await client.query(`SELECT pg_logical_emit_message(true, '', repeat('x', ${bytes}))`)
    return (await end()).place - before
  }
  let lsn: string | undefined
  for (let attempt = 0; attempt < 20 && lsn === undefined; attempt++) {
    const grown = await emit(1000)
    const left = PAGE_BYTES - (await end()).place
    if (grown < 1000 || left < grown) continue // over the end of a page
    await emit(1000 + left - grown)
    const last = await end()
    if (last.place === PAGE_HEADER_BYTES) lsn = last.lsn
  }
  expect(lsn).toBeDefined()
  await bench.mirror.waitFor(lsn!, { timeoutMs: 5000 })
  await client.end()
})
