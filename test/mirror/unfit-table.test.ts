import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
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
  CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, 'a' || i FROM generate_series(1, 100) i;
  CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT i, 'b' || i FROM generate_series(1, 100) i`

async function start(options: Partial<MirrorOptions> = {}): Promise<void> {
  bench = await MirrorBench.start(server, TABLES, { tables: ['a', 'b'], checkIntervalMs: 25, ...options })
}

const statuses = (): Record<string, string> =>
  Object.fromEntries([...bench.mirror.tables()].map(([name, { status }]) => [name, status]))

/** The other table is followed all the while, and what is verified is the same. */
async function expectOnlyStale(reason: RegExp): Promise<void> {
  await bench.until(
    () => bench.mirror.tables().get('b')?.status === 'stale' && bench.mirror.tables().get('a')?.status === 'live',
  )
  expect(statuses()).toEqual({ a: 'live', b: 'stale' })
  expect(bench.mirror.status).toBe('stale')
  expect(bench.mirror.error).toMatchObject({
    code: 'PREFLIGHT',
    message: expect.stringMatching(reason),
    details: { tables: ['b'] },
  })
  expect(bench.mirror.tables().get('b')?.error?.message).toMatch(reason)
  await bench.query("UPDATE a SET v = 'changed' WHERE id % 3 = 0")
  await bench.inStep()
  await bench.mirror.waitFor('0/1', { tables: ['a'] })
  await expect(bench.mirror.waitFor('0/1', { tables: ['b'], timeoutMs: 20 })).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringContaining('not in step: b.'),
  })
  expect(bench.db.table('a').get(3)).toMatchObject({ v: 'changed' })
  expect((await bench.mirror.verify()).tables).toMatchObject([{ table: 'a', examples: [] }])
  expect(bench.mirror.lag().ms).toBeGreaterThan(0)
}

async function expectLiveAgain(): Promise<void> {
  await bench.until(() => bench.mirror.status === 'live')
  expect(statuses()).toEqual({ a: 'live', b: 'live' })
  await bench.expectSame()
}

test('a table that takes the name of another one is mirrored under that, and the name that it has left is stale', async () => {
  await start({ tables: ['b', 'a'] })
  await bench.query('BEGIN; ALTER TABLE a RENAME TO a_away; ALTER TABLE b RENAME TO a; COMMIT')
  await expectOnlyStale(/no table b/)
  expect(bench.db.table('a').get(1)).toEqual({ id: 1, v: 'b1' })
  // It was called both a and b: a is followed, b is not.
  await bench.query("ALTER TABLE a RENAME TO c; UPDATE c SET v = 'later' WHERE id = 1")
  await bench.until(() => bench.db.table('a').get(1)?.v === 'later')
  await bench.until(() => statuses().a === 'live')
  expect(statuses()).toEqual({ a: 'live', b: 'stale' })
  await bench.query('BEGIN; ALTER TABLE c RENAME TO b; ALTER TABLE a_away RENAME TO a; COMMIT')
  await expectLiveAgain()
  expect([bench.db.table('a').get(1), bench.db.table('b').get(1)]).toMatchObject([{ v: 'a1' }, { v: 'later' }])
})

test('a table that is dropped is stale by itself, and mirrored again once there is one of its name', async () => {
  await start()
  await bench.query('DROP TABLE b')
  await expectOnlyStale(/no table b/)
  expect(bench.db.table('b').get(7)).toEqual({ id: 7, v: 'b7' }) // served as it was
  await bench.query('CREATE TABLE b (id int PRIMARY KEY, w int); INSERT INTO b VALUES (1, 2)')
  await expectLiveAgain()
  expect(bench.db.table('b').get(1)).toEqual({ id: 1, w: 2 })
})

for (const publication of [undefined, 'theirs']) {
  test(`a table without a key for a while is stale by itself, and gets the rows that came meanwhile${publication === undefined ? '' : ', in a publication of the owner'}`, async () => {
    bench = await MirrorBench.start(
      server,
      `${TABLES}; ${publication === undefined ? '' : 'CREATE PUBLICATION theirs FOR TABLE a, b'}`,
      { tables: ['a', 'b'], checkIntervalMs: 25, ...(publication === undefined ? {} : { publication }) },
    )
    await bench.query('ALTER TABLE b DROP CONSTRAINT b_pkey')
    await bench.query("INSERT INTO b VALUES (500, 'without a key')")
    await expectOnlyStale(/"b" has no primary key/)
    await bench.query("INSERT INTO b VALUES (501, 'left out')")
    await bench.query('ALTER TABLE b ADD PRIMARY KEY (id)')
    await expectLiveAgain()
    expect(bench.db.table('b').get(501)).toMatchObject({ v: 'left out' })
    expect(bench.notices.filter((notice) => /All tables are copied again/.test(notice))).toEqual([])
  })
}

test('a mirror that starts while a table is missing follows the others, and is ready with them', async () => {
  await start()
  await bench.shut()
  await bench.query(
    "ALTER TABLE b RENAME CONSTRAINT b_pkey TO k; ALTER TABLE b DROP CONSTRAINT k; UPDATE a SET v = 'away'",
  )
  await bench.open() // waits for ready
  await expectOnlyStale(/"b" has no primary key/)
  await bench.shut()
  await bench.query('INSERT INTO b VALUES (600, $$away$$); ALTER TABLE b ADD PRIMARY KEY (id)')
  await bench.open()
  await expectLiveAgain()
})

test('when no table is left, the mirror is stale, and goes on with the first that comes back', async () => {
  await start()
  await bench.query('ALTER TABLE a DROP CONSTRAINT a_pkey; ALTER TABLE b DROP CONSTRAINT b_pkey')
  await bench.until(() => bench.mirror.error?.code === 'PREFLIGHT')
  expect(statuses()).toEqual({ a: 'stale', b: 'stale' })
  await bench.query('ALTER TABLE a ADD PRIMARY KEY (id)')
  await expectOnlyStale(/"b" has no primary key/)
  await bench.query('ALTER TABLE b ADD PRIMARY KEY (id)')
  await expectLiveAgain()
})
