import { once } from 'node:events'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres()
})
afterEach(() => bench?.close())
afterAll(() => server?.close())

const TABLES = `
  CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, 'a' || i FROM generate_series(1, 500) i;
  CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT i, 'b' || i FROM generate_series(1, 500) i`

test('a table that differs from Postgres is found, told of, counted and copied again', async () => {
  bench = await MirrorBench.start(server, TABLES, { tables: ['a', 'b'], verifyIntervalMs: 300 })
  const told = once(bench.mirror, 'difference')
  bench.db.write((transaction) => {
    transaction.manage()
    transaction.update('b', 7, { v: 'wrong' })
    transaction.delete('b', 8)
  })
  const [found] = await told
  expect(found).toMatchObject({ table: 'b', missingRows: 1, differentRows: 1, extraRows: 0, postgresRows: 500 })
  expect(found.examples).toContainEqual({ kind: 'different', key: 7 })
  await bench.until(() => bench.notices.some((notice) => /b was found to differ from Postgres/.test(notice)))
  await bench.until(() => bench.statuses.includes('resyncing') && bench.mirror.status === 'live')
  await bench.expectSame()
  expect(bench.mirror.stats()).toMatchObject({ differentTables: 1 })
})

test('tables that change all the time are compared round after round, and are the same', async () => {
  bench = await MirrorBench.start(server, TABLES, { tables: ['a', 'b'], verifyIntervalMs: 100 })
  for (let i = 0; bench.mirror.stats().verifiedTables < 6; i++)
    await bench.query(
      `UPDATE a SET v = '${i}' WHERE id % 7 = ${i % 7}; UPDATE b SET id = id + 1000 WHERE id = ${1 + i}`,
    )
  const { differentTables, lastVerified } = bench.mirror.stats()
  expect(differentTables).toBe(0)
  expect(['a', 'b']).toContain(lastVerified?.table)
  expect(bench.statuses.filter((status) => status !== 'live')).toEqual([])
  const both = await Promise.all([bench.mirror.verify(), bench.mirror.verify()]) // beside those of the background
  expect(both.map(({ isSame }) => isSame)).toEqual([true, true])
})

test('a comparison that is under way gives way to a statement that waits to lock the table', async () => {
  bench = await MirrorBench.start(
    server,
    'CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, repeat(md5(i::text), 250) FROM generate_series(1, 4000) i',
    { tables: ['a'], verifyIntervalMs: 50 },
  )
  const isCompared = async (): Promise<boolean> => {
    const held = `SELECT 1 FROM pg_locks l JOIN pg_stat_activity s USING (pid)
                  WHERE l.relation = 'a'::regclass AND l.granted AND s.query LIKE 'COPY%'`
    return (await bench.query(held)).length > 0
  }
  await bench.until(isCompared) // 32 MB at 8 MB a second
  await bench.query("SET lock_timeout = '2500ms'; ALTER TABLE a ADD COLUMN w int DEFAULT 7")
  await bench.expectSameSoon()
})

test('stats tell of a table that cannot be compared, and no longer once it has been', async () => {
  bench = await MirrorBench.start(server, TABLES, { tables: ['a', 'b'], verifyIntervalMs: 100 })
  const writer = new pg.Client(bench.connection)
  await writer.connect()
  await writer.query('BEGIN; UPDATE a SET id = -id') // whatever begins now waits for its end
  await bench.until(() => bench.mirror.stats().postponed !== undefined)
  expect(bench.mirror.stats().postponed).toMatchObject({
    table: expect.stringMatching(/^[ab]$/),
    attempts: 1,
    reason: expect.stringMatching(/_verify" could not be created: after 250 ms the server still waits for process/),
  })
  const { verifiedTables } = bench.mirror.stats()
  await writer.query('COMMIT')
  await writer.end()
  await bench.until(() => bench.mirror.stats().verifiedTables > verifiedTables)
  expect(bench.mirror.stats()).toMatchObject({ postponed: undefined, differentTables: 0 })
})

test('closing ends a comparison that is under way', async () => {
  bench = await MirrorBench.start(server, TABLES, { tables: ['a', 'b'], verifyIntervalMs: 0 })
  await bench.until(() => bench.mirror.stats().verifiedTables > 0)
  await bench.shut()
  expect(
    await server.query("SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'"),
  ).toMatchObject({
    rows: [],
  })
})
