import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { mirror } from '../../src/mirror/mirror'
import { MirrorBench } from '../support/mirror'
import { Network } from '../support/network'
import { type PostgresServer, startPostgres } from '../support/postgres'
import { memoryStore } from '../support/store'

let server: PostgresServer
let bench: MirrorBench | undefined
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
afterEach(async () => {
  await bench?.close()
  bench = undefined
})

const SQL = `CREATE TYPE mood AS ENUM ('a', 'b');
  CREATE TABLE t (id int PRIMARY KEY, note text, tags text[], m mood) PARTITION BY RANGE (id);
  CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100); INSERT INTO t VALUES (1, 'one', '{x,y}', 'a')`

/** Parsers of the types that the mirror itself asks for, each of which spoils its values. */
const PARSERS: readonly [oid: number, parse: (text: string) => unknown][] = [
  [16, (text) => (text === 't' ? 1 : 0)],
  [23, BigInt],
  [25, (text) => text.toUpperCase()],
  [701, (text) => ({ decimal: text })],
  [1003, (text) => text],
  [1009, (text) => text],
  [1022, (text) => text],
  [3220, (text) => ({ lsn: text })],
  [3802, (text) => text],
]

test('parsers of types that an application sets for its whole process reach its own statements only', async () => {
  const before = PARSERS.map(([oid]) => pg.types.getTypeParser(oid, 'text'))
  for (const [oid, parse] of PARSERS) pg.types.setTypeParser(oid, parse)
  try {
    bench = await MirrorBench.start(server, SQL, { tables: ['t'] })
    const { rows } = await bench.mirror.write((client) =>
      client.query(`UPDATE t SET note = 'two' RETURNING id, note, '{"a": 1}'::jsonb AS document`),
    )
    expect(rows).toEqual([{ id: 1n, note: 'TWO', document: '{"a": 1}' }])
    expect(bench.db.table('t').get(1)).toMatchObject({ id: 1, note: 'two', tags: ['x', 'y'], m: 'a' })
    expect((await bench.mirror.verify()).isSame).toBe(true)
    await bench.mirror.close({ dropSlot: true })
  } finally {
    for (const [i, [oid]] of PARSERS.entries()) pg.types.setTypeParser(oid, before[i]!)
  }
})

test('a role whose transactions are read-only by default can mirror, and write', async () => {
  bench = await MirrorBench.start(
    server,
    `CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE careful LOGIN SUPERUSER REPLICATION;
     ALTER ROLE careful SET default_transaction_read_only = on; ALTER ROLE careful SET default_transaction_isolation = 'serializable'`,
    { tables: ['t'] },
  )
  await bench.mirror.close({ dropSlot: true })
  await bench.db.close()
  await bench.open({ connection: { ...bench.connection, user: 'careful' } })
  await bench.mirror.write((client) => client.query('INSERT INTO t VALUES (1)'))
  await bench.expectSame()
  expect(bench.db.table('t').rowCount).toBe(1)
})

test('a listener that throws is an uncaught error of its own: the mirror and other listeners go on', async () => {
  const usual = process.listeners('uncaughtException')
  const caught: string[] = []
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => caught.push(error.message))
  try {
    bench = await MirrorBench.start(server, SQL, { tables: ['t'] })
    const heard: string[] = []
    bench.mirror.prependListener('status', (status) => {
      throw new Error(`bug at ${status}`)
    })
    bench.mirror.on('status', (status) => heard.push(status))
    await bench.query(
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${bench.mirror.slot}'`,
    )
    await bench.until(() => heard.includes('live'))
    await bench.query(`UPDATE t SET note = 'two'`)
    await bench.expectSame()
    expect(caught).toEqual(heard.map((status) => `bug at ${status}`))
    await bench.mirror.close({ dropSlot: true })
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const each of usual) process.on('uncaughtException', each)
  }
})

test('the mirror saves beside a long transaction of the application, and has nothing to complain about', async () => {
  bench = await MirrorBench.start(server, SQL, { tables: ['t'], syncIntervalMs: 5 })
  await bench.query('CREATE TABLE noise AS SELECT i FROM generate_series(1, 1000) i')
  let isOver = false
  const own = bench.db.bulkWrite(async (transaction) => {
    transaction.createTable('own', { key: 'id', columns: { id: 'integer' } })
    while (!isOver) await new Promise((resolve) => setTimeout(resolve, 5))
  })
  // more than a file of the server's log
  await bench.query(`INSERT INTO noise SELECT i FROM generate_series(1, 400000) i`)
  await bench.query(`UPDATE t SET note = 'two'`)
  await new Promise((resolve) => setTimeout(resolve, 100))
  isOver = true
  await own
  await bench.expectSame()
  expect(bench.notices).toEqual([])
})

/** An error as Postgres and poolers send it. */
function errorResponse(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`.replaceAll('\\\0', '\0'), 'latin1')
  const header = Buffer.alloc(5)
  header[0] = 0x45 // 'E'
  header.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([header, fields])
}

test.each([
  ['replication', {}],
  ['options', { options: '-c search_path=public' }],
])(
  'a pooler that refuses the parameter %s is told for what it is, with the way past it',
  async (parameter, options) => {
    await using network = await Network.to(server.tcpConnection.port)
    network.onRequest = (bytes, pair) => {
      if (!bytes.includes(`\0${parameter}\0`)) return bytes
      pair.client.end(errorResponse('08P01', `unsupported startup parameter: ${parameter}`))
      return undefined
    }
    await server.query('CREATE TABLE IF NOT EXISTS plain (id int PRIMARY KEY)')
    const connection = { ...server.tcpConnection, port: network.port, ...options }
    await expect(mirror(memoryStore(), { connection, tables: ['plain'] })).rejects.toMatchObject({
      code: 'POSTGRES',
      message: expect.stringMatching(
        /unsupported startup parameter.*PgBouncer.*Connect to the Postgres server directly/,
      ),
      details: { isTransient: false },
    })
    await server.query('DROP PUBLICATION IF EXISTS snapheap_postgres_memory')
  },
)
