import { existsSync, readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { connect, queryRows } from '../../src/mirror/connection'
import { copyRows } from '../../src/mirror/copy'
import { serverPid } from '../../src/mirror/cut-off'
import { isStillAtWork } from '../../src/mirror/liveness'
import { type Mirror, mirror } from '../../src/mirror/mirror'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
import { Network } from '../support/network'
import { type PostgresServer, type ServerConnection, startPostgres } from '../support/postgres'
import { fileStore } from '../support/store'

let server: PostgresServer
let network: Network
const opened: Mirror[] = []
beforeAll(async () => {
  server = await startPostgres({ max_prepared_transactions: '5' })
  network = await Network.to(server.tcpConnection.port)
})
afterAll(async () => {
  await network[Symbol.asyncDispose]()
  await server.close()
})
afterEach(async () => {
  // one has told its test that it could not
  for (const each of opened.splice(0)) await each.close().catch(() => undefined)
  network.reset()
  network.isSilentToNew = false
  network.onAnswer = network.onRequest = (bytes) => bytes
  const { rows } = await server.query('SELECT slot_name FROM pg_replication_slots')
  for (const { slot_name } of rows)
    await server.query(`SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE slot_name = '${slot_name}' AND active;
      SELECT pg_drop_replication_slot('${slot_name}')`)
})

const SQL = 'CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, $$one$$)'

async function database(sql = SQL): Promise<ServerConnection> {
  const connection = await server.createDatabase('waits')
  await server.query(sql, connection.database)
  return connection
}

/** The same through the network. */
const throughNetwork = (connection: ServerConnection): ServerConnection => ({
  ...connection,
  host: '127.0.0.1',
  port: network.port,
})

async function start(connection: ServerConnection, options: Partial<MirrorOptions> = {}): Promise<Mirror> {
  const started = await mirror(fileStore(), { connection, tables: ['t'], checkIntervalMs: 50, ...options })
  started.ready.catch(() => undefined)
  opened.push(started)
  return started
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

const count = async (sql: string): Promise<number> => (await server.query(`SELECT count(*)::int AS n ${sql}`)).rows[0].n

async function closesInTime(closed: Mirror, options: { dropSlot?: boolean } = {}): Promise<void> {
  const startMs = performance.now()
  await closed.close(options)
  expect(performance.now() - startMs).toBeLessThan(5_000)
}

/** A client of its own that holds something in an open transaction. */
async function holding(connection: ServerConnection, sql: string): Promise<pg.Client> {
  const client = new pg.Client(connection)
  await client.connect()
  await client.query(`BEGIN; ${sql}`)
  return client
}

test('close ends while a server that accepts connections never answers', async () => {
  const live = await start(throughNetwork(await database()))
  await live.ready
  const before = network.count
  network.isSilentToNew = true
  network.reset()
  await until(() => live.status === 'stale' && network.count > before)
  await closesInTime(live)
})

test('close ends while a query on the catalogue hangs, and the server is rid of it', async () => {
  const connection = await database()
  const live = await start(connection)
  await live.ready
  const holder = await holding(connection, 'LOCK TABLE pg_catalog.pg_publication IN ACCESS EXCLUSIVE MODE')
  const waiting = `FROM pg_stat_activity WHERE datname = '${connection.database}' AND wait_event_type = 'Lock'`
  await until(async () => (await count(waiting)) === 1)
  await closesInTime(live)
  await until(async () => (await count(waiting)) === 0)
  await holder.end()
})

test('close ends while the slot waits for a transaction that is writing, and leaves no slot', async () => {
  const connection = await database()
  const holder = await holding(connection, `INSERT INTO t VALUES (2, 'two')`)
  const waiting = await start(connection)
  const making = `FROM pg_stat_activity WHERE query LIKE 'CREATE_REPLICATION_SLOT%' AND wait_event_type = 'Lock'`
  await until(async () => (await count(making)) === 1)
  await closesInTime(waiting)
  await until(async () => (await count(making)) + (await count('FROM pg_replication_slots')) === 0)
  await holder.end()
})

test('close ends in the middle of a copy that has gone silent', async () => {
  const connection = await database(
    `CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i`,
  )
  let bytes = 0
  network.onAnswer = (answer) => {
    bytes += answer.length
    return bytes > 5_000_000 ? undefined : answer
  }
  const copying = await start(throughNetwork(connection))
  await until(() => bytes > 5_000_000)
  expect(copying.status).toBe('copying')
  await closesInTime(copying)
})

test('close ends when the network has gone silent under a live mirror, and says what it could not remove', async () => {
  const live = await start(throughNetwork(await database()))
  await live.ready
  network.silence(true)
  const startMs = performance.now()
  await expect(live.close({ dropSlot: true })).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringContaining(`pg_drop_replication_slot('${live.slot}')`),
  })
  expect(performance.now() - startMs).toBeLessThan(5_000)
})

test.skipIf(process.platform === 'win32')('close ends when the server is frozen, also within a write', async () => {
  await using frozen = await startPostgres()
  await frozen.query(SQL)
  const live = await start(frozen.connection)
  await live.ready
  await live.write((client) => client.query('SELECT 1'))
  const { rows } = await frozen.query(`SELECT pid FROM pg_stat_activity UNION ALL SELECT 0 ORDER BY pid`)
  const folder = (await frozen.query('SHOW data_directory')).rows[0].data_directory
  expect(existsSync(`${folder}/postmaster.pid`)).toBe(true)
  const postmaster = Number(readFileSync(`${folder}/postmaster.pid`, 'utf8').split('\n')[0])
  const pids = [postmaster, ...rows.map(({ pid }) => pid as number).filter((pid) => pid > 0)]
  const signal = (name: NodeJS.Signals) => {
    for (const pid of pids) {
      try {
        process.kill(pid, name)
      } catch {} // it has ended meanwhile
    }
  }
  signal('SIGSTOP')
  try {
    const written = live.write((client) => client.query(`UPDATE t SET a = 'two'`))
    const outcome = expect(written).rejects.toMatchObject({ code: 'CLOSED' })
    await closesInTime(live)
    await outcome
  } finally {
    signal('SIGCONT')
  }
})

test('a statement that is not answered in time is given up, and the server is rid of it', async () => {
  const client = await connect(server.connection, 'query')
  await expect(queryRows(client, 'sleeping failed', 'SELECT pg_sleep(3600)', 100)).rejects.toMatchObject({
    code: 'POSTGRES',
    message: expect.stringMatching(/sleeping failed: no answer within 100 ms/),
    details: { isTransient: true },
  })
  await until(async () => (await count(`FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)'`)) === 0)
})

const rowsOfCopy = (client: pg.Client, command: string, afterMs: number) =>
  copyRows(client, command, 1, {
    onRow: () => undefined,
    silence: { afterMs, isAtWork: () => isStillAtWork(server.connection, serverPid(client)!) },
  })

test('a copy that has gone silent is given up when the server does not work on it, and waited for while it does', async () => {
  const slow = await connect(server.connection, 'query')
  const { rows } = await rowsOfCopy(slow, 'COPY (SELECT pg_sleep(0.4)::text) TO STDOUT', 50)
  expect(rows).toBe(1)
  await slow.end()
  const silent = await connect(throughNetwork(server.connection), 'query')
  network.onAnswer = () => undefined
  const copied = rowsOfCopy(silent, `COPY (SELECT repeat('x', 1000) FROM generate_series(1, 100000)) TO STDOUT`, 50)
  await expect(copied).rejects.toMatchObject({
    code: 'POSTGRES',
    message: expect.stringContaining('the copy has gone silent'),
    details: { isTransient: true },
  })
})

test('who keeps a slot waiting is told by name, prepared transactions by their gid, and the copy goes on afterwards', async () => {
  const connection = await database()
  const query = (sql: string) => server.query(sql, connection.database)
  await query(`BEGIN; INSERT INTO t VALUES (7, 'seven'); PREPARE TRANSACTION 'forgotten'`)
  const importer = { ...connection, application_name: 'slow-importer' } as ServerConnection
  const holder = await holding(importer, `INSERT INTO t VALUES (8, 'eight')`)
  const waiting = await start(connection)
  const notice = await new Promise<string>((resolve) => {
    waiting.on('notice', (text) => text.includes('server waits') && resolve(text))
  })
  const { rows } = await holder.query('SELECT pg_backend_pid() AS pid')
  expect(notice).toContain(`the prepared transaction 'forgotten' (role postgres, database ${connection.database})`)
  expect(notice).toMatch(
    new RegExp(
      `process ${rows[0].pid} \\(role postgres, slow-importer, database .*open since .* UTC.*last statement: BEGIN; INSERT`,
    ),
  )
  expect(waiting.status).toBe('copying')
  await holder.query('COMMIT')
  await query(`COMMIT PREPARED 'forgotten'`)
  await holder.end()
  await waiting.ready
  expect((await waiting.verify()).isSame).toBe(true)
  await waiting.close({ dropSlot: true })
})
