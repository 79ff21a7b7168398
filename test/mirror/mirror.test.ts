import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import type { SnapheapError } from '../../src/errors'
import { parseLsn } from '../../src/mirror/lsn'
import { mirror } from '../../src/mirror/mirror'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
import type { CopyState } from '../../src/mirror/progress'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

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

async function start(sql: string, tables: string[], options: Partial<MirrorOptions> = {}): Promise<MirrorBench> {
  bench = await MirrorBench.start(server, sql, { tables, ...options })
  return bench
}

const QUOTES = `
  CREATE TABLE quote (id int PRIMARY KEY, name text, price numeric(10, 2), open boolean);
  INSERT INTO quote SELECT i, 'name ' || i % 100, i * 1.5, i % 2 = 0 FROM generate_series(1, 3000) i`

test('after ready the tables are there with key, types, indexes and rows', async () => {
  const { db, mirror } = await start(QUOTES, ['quote'])
  const table = db.table('quote')
  expect(mirror.status).toBe('live')
  expect(table.rowCount).toBe(3000)
  expect(table.keyColumns.map(({ name }) => name)).toEqual(['id'])
  expect(table.columns.map(({ name, type, isNullable, isIndexed }) => [name, type, isNullable, isIndexed])).toEqual([
    ['id', 'integer', false, false], // the row number is the key
    ['name', 'string', true, true],
    ['price', 'decimal', true, true],
    ['open', 'boolean', true, false],
  ])
  expect(table.get(7)).toMatchObject({ id: 7, name: 'name 7', open: false })
  expect(String(table.get(7)!.price)).toBe('10.50')
  expect(table.findRows({ name: 'name 42' })).toHaveLength(30)
  await bench!.expectSame()
})

test('inserts, updates, deletes and key changes arrive', async () => {
  const { db, query } = asFunctions(await start(QUOTES, ['quote']))
  await query(`INSERT INTO quote VALUES (5000, 'new', NULL, NULL); UPDATE quote SET name = 'other', price = 2 WHERE id = 1;
    DELETE FROM quote WHERE id BETWEEN 10 AND 20; UPDATE quote SET id = -id WHERE id BETWEEN 100 AND 110;
    UPDATE quote SET id = 3000000000 - 2000000000 WHERE id = 200`)
  await bench!.expectSame()
  expect(db().table('quote').get(5000)).toEqual({ id: 5000, name: 'new', price: null, open: null })
  expect(db().table('quote').get(15)).toBeUndefined()
  expect(db().table('quote').get(-105)).toMatchObject({ name: 'name 5' })
  expect(db().table('quote').get(1_000_000_000)).toMatchObject({ name: 'name 0' })
})

test('keys of every kind: text, uuid, bigint, several columns with a boolean, in an order of their own', async () => {
  const { query } = asFunctions(
    await start(
      `CREATE TABLE a (id text PRIMARY KEY, v int);
       CREATE TABLE b (id uuid PRIMARY KEY, v int);
       CREATE TABLE c (id bigint PRIMARY KEY, v int);
       CREATE TABLE d (v int, x text, y boolean, z date, PRIMARY KEY (z, y, x));
       CREATE TABLE e (v int, id int NOT NULL, w numeric NOT NULL, UNIQUE (w, id));
       ALTER TABLE e REPLICA IDENTITY USING INDEX e_w_id_key;
       INSERT INTO a SELECT 'key number ' || i, i FROM generate_series(1, 100) i;
       INSERT INTO b SELECT gen_random_uuid(), i FROM generate_series(1, 100) i;
       INSERT INTO c SELECT i * 100000000000000000, i FROM generate_series(1, 90) i;
       INSERT INTO d SELECT i, 'x' || i, i % 2 = 0, date '2020-01-01' + i FROM generate_series(1, 100) i;
       INSERT INTO e SELECT i, i, i / 7.0 FROM generate_series(1, 100) i`,
      ['a', 'b', 'c', 'd', 'e'],
    ),
  )
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await query(`UPDATE ${name} SET v = v + 1000 WHERE v % 3 = 0; DELETE FROM ${name} WHERE v % 5 = 0`)
  }
  await query(`UPDATE a SET id = id || '!' WHERE v % 2 = 0; UPDATE b SET id = gen_random_uuid() WHERE v % 2 = 0;
    UPDATE c SET id = id + 1 WHERE v % 2 = 0; UPDATE d SET y = NOT y, x = upper(x) WHERE v % 2 = 0;
    UPDATE e SET w = w + 1 WHERE v % 2 = 0`)
  await bench!.expectSame()
  expect(bench!.db.table('d').keyColumns.map(({ name }) => name)).toEqual(['z', 'y', 'x'])
})

test('rows named by all of their columns, also with keys that are checked only at the end', async () => {
  const { query } = asFunctions(
    await start(
      `CREATE TABLE whole (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text, j json);
       ALTER TABLE whole REPLICA IDENTITY FULL;
       INSERT INTO whole SELECT i, repeat(md5(i::text), 500), '{"a": 1}' FROM generate_series(1, 20) i`,
      ['whole'],
    ),
  )
  await query(
    `UPDATE whole SET v = NULL WHERE id = 3; UPDATE whole SET id = id + 100 WHERE id > 15; DELETE FROM whole WHERE id = 1`,
  )
  await bench!.expectSame()
  // Two rows that exchange their keys: for a moment, both have the same.
  await query('UPDATE whole SET id = 7 - id WHERE id IN (3, 4)')
  await bench!.expectSame()
  expect(bench!.db.table('whole').get(4)).toMatchObject({ v: null })
})

test('a value too large for its row keeps when an update does not touch it', async () => {
  const { db, query } = asFunctions(
    await start(
      `CREATE TABLE document (id int PRIMARY KEY, body text, n int);
       ALTER TABLE document ALTER body SET STORAGE EXTERNAL;
       INSERT INTO document SELECT i, repeat(md5(i::text), 1000), 0 FROM generate_series(1, 10) i`,
      ['document'],
    ),
  )
  await query(
    'UPDATE document SET n = 1; UPDATE document SET id = id + 50 WHERE id > 5; UPDATE document SET body = NULL WHERE id = 1',
  )
  await bench!.expectSame()
  expect((db().table('document').get(60)!.body as string).length).toBe(32_000)
})

test('truncating, also several tables and a cascade, and filling again in the same transaction', async () => {
  const { db, query } = asFunctions(
    await start(
      `CREATE TABLE parent (id int PRIMARY KEY, name text); CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
       INSERT INTO parent SELECT i, 'p' || i FROM generate_series(1, 500) i; INSERT INTO child SELECT i, i FROM generate_series(1, 500) i`,
      ['parent', 'child'],
    ),
  )
  await query(`BEGIN; TRUNCATE parent CASCADE; INSERT INTO parent VALUES (7, 'again'); COMMIT`)
  await bench!.expectSame()
  expect([db().table('parent').rowCount, db().table('child').rowCount]).toEqual([1, 0])
})

test('a partitioned table is one table, whichever partition its rows are in', async () => {
  const { db, query } = asFunctions(
    await start(
      `CREATE TABLE event (day date, id int, v text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
       CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
       CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
       INSERT INTO event SELECT date '2024-01-01' + i % 60, i, 'v' || i FROM generate_series(1, 500) i`,
      ['event'],
    ),
  )
  await query(`UPDATE event SET day = '2024-02-15' WHERE id < 50; DELETE FROM event_2 WHERE id > 400`)
  await query(`CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM ('2024-03-01') TO ('2024-04-01')`)
  await query(`INSERT INTO event VALUES ('2024-03-05', 9999, 'third')`)
  await bench!.expectSame()
  expect(db().table('event').get(['2024-03-05', 9999])).toMatchObject({ v: 'third' })
  await query('TRUNCATE event')
  await bench!.expectSame()
  expect(db().table('event').rowCount).toBe(0)
})

test('a partition that holds nothing when it is first seen needs no copy', async () => {
  const { db, query } = asFunctions(
    await start(
      `CREATE TABLE event (day int, id int, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
       CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10); INSERT INTO event VALUES (1, 1)`,
      ['event'],
    ),
  )
  await query('CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (10) TO (20)')
  await bench!.until(() => bench!.statuses.includes('stale') && bench!.mirror.status === 'live')
  await query('INSERT INTO event VALUES (12, 7), (2, 2); UPDATE event SET day = day + 10 WHERE day < 10')
  await bench!.expectSame()
  expect(db().table('event').rowCount).toBe(3)
  expect(bench!.statuses).not.toContain('resyncing')
})

test('partitions that are truncated, detached, dropped or attached are noticed, though the stream does not tell', async () => {
  const { db, query } = asFunctions(
    await start(
      `CREATE TABLE event (day int, id int, v text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
       CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10);
       CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (10) TO (20);
       CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM (20) TO (30);
       INSERT INTO event SELECT i % 30, i, 'v' || i FROM generate_series(1, 300) i`,
      ['event'],
    ),
  )
  const rowsAre = (count: number) => bench!.until(() => db().table('event').rowCount === count)
  await query('TRUNCATE event_1')
  await rowsAre(200)
  await query('ALTER TABLE event DETACH PARTITION event_2')
  await rowsAre(100)
  await query('ALTER TABLE event ATTACH PARTITION event_2 FOR VALUES FROM (10) TO (20)')
  await rowsAre(200)
  await query('DROP TABLE event_3')
  await rowsAre(100)
  await query(`UPDATE event SET v = 'last'`)
  await bench!.expectSame()
})

test('generated columns are left out, and said to be', async () => {
  const { db, query } = asFunctions(
    await start(
      `CREATE TABLE g (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, v text, t tsvector);
       INSERT INTO g (id, v) VALUES (1, 'a')`,
      ['g'],
    ),
  )
  await query(`INSERT INTO g (id, v) VALUES (2, 'b'); UPDATE g SET v = 'c' WHERE id = 1`)
  await bench!.expectSame()
  expect(db().table('g').columnNames).toEqual(['id', 'v', 't'])
  await bench!.until(() => bench!.notices.length === 2)
  expect(bench!.notices).toEqual([
    expect.stringContaining('type tsvector: its text form is kept'),
    expect.stringContaining('is generated, which logical replication leaves out'),
  ])
})

test('names that need quoting, other schemas, and a table whose name is in two of them', async () => {
  const { db, query } = asFunctions(
    await start(
      `CREATE SCHEMA "My Shop"; CREATE TABLE "My Shop"."Order" ("Id" int PRIMARY KEY, "a ""b""" text);
       CREATE TABLE "Order" (id int PRIMARY KEY); INSERT INTO "My Shop"."Order" VALUES (1, 'x')`,
      ['"My Shop"."Order"', '"Order"'],
    ),
  )
  await query(`INSERT INTO "My Shop"."Order" VALUES (2, 'y'); INSERT INTO "Order" VALUES (3)`)
  await bench!.expectSame()
  expect(db().tableNames.sort()).toEqual(['My Shop.Order', 'Order', 'snapheap.mirror'])
})

test('a large transaction is invisible until it is whole, and its memory is bounded', async () => {
  const { db, query } = asFunctions(await start(QUOTES, ['quote']))
  let heapBytes = 0
  const seen = new Set<number>()
  const watch = setInterval(() => {
    seen.add(db().table('quote').rowCount)
    heapBytes = Math.max(heapBytes, process.memoryUsage().arrayBuffers)
  }, 1)
  const before = process.memoryUsage().arrayBuffers
  await query(`INSERT INTO quote SELECT i, repeat(md5(i::text), 20), i, true FROM generate_series(10001, 70000) i`)
  await bench!.inStep()
  clearInterval(watch)
  seen.add(db().table('quote').rowCount)
  expect([...seen].sort((a, b) => a - b)).toEqual([3000, 63_000])
  // 60,000 rows of 700 bytes each went through.
  expect(heapBytes - before).toBeLessThan(24_000_000)
  await bench!.expectSame()
})

test('writes of the owner of the database go on beside the mirror, but not into its tables', async () => {
  const { db, query } = asFunctions(await start(QUOTES, ['quote']))
  db().write((tx) => tx.createTable('own', { key: 'id', columns: { id: 'integer' } }))
  expect(() => db().write((tx) => tx.insert('quote', { id: 1e6 }))).toThrowError(
    expect.objectContaining({ code: 'READ_ONLY', message: expect.stringContaining('mirrored from Postgres') }),
  )
  expect(() => db().write((tx) => tx.dropTable('snapheap.mirror'))).toThrowError(
    expect.objectContaining({ code: 'READ_ONLY' }),
  )
  // While a long transaction of the owner is open, the mirror waits for it and loses nothing.
  await db().bulkWrite(async (tx) => {
    await query(`UPDATE quote SET name = 'meanwhile' WHERE id < 500`)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 2))
    tx.insert('own', { id: 1 })
  })
  await bench!.expectSame()
  expect(db().table('own').rowCount).toBe(1)
})

test('options that cannot be meant are refused by name', async () => {
  const db = Store.open()
  const { connection } = server
  const tables = ['quote']
  for (const wrong of [{ connection }, { connection, tables: 'quote' }, { connection, tables: [undefined] }])
    await expect(mirror(db, wrong as MirrorOptions)).rejects.toThrow(
      /^mirror\(\) expects an array of names.* as option "tables", got /,
    )
  for (const [name, value] of [
    ['syncIntervalMs', Number.NaN],
    ['checkIntervalMs', 1e10],
  ])
    await expect(mirror(db, { connection, tables, [name]: value })).rejects.toThrow(
      `as option "${name}", got ${value}.`,
    )
  await expect(mirror(db, { connection, tables, every: 5 } as MirrorOptions)).rejects.toThrow(/no option "every"/)
  await expect(mirror(db, { connection, tables, slot: 5 as unknown as string })).rejects.toThrow(
    /as option "slot", got 5\./,
  )
  await db.close()
})

test('waitFor resolves when the writes can be read, and says what is wrong otherwise', async () => {
  const { db, query, waitFor } = asFunctions(await start(QUOTES, ['quote']))
  for (let i = 1; i <= 50; i++) {
    await query(`UPDATE quote SET name = 'round ${i}' WHERE id = ${i}`)
    const [row] = await query('SELECT pg_current_wal_lsn()::text AS lsn')
    await waitFor(row!.lsn as string)
    expect(db().table('quote').get(i)!.name).toBe(`round ${i}`)
  }
  // Also where nothing of ours was written.
  await query('CREATE TABLE unrelated AS SELECT generate_series(1, 1000) i')
  const [row] = await query('SELECT pg_current_wal_lsn()::text AS lsn')
  await waitFor(row!.lsn as string)
  await expect(bench!.mirror.waitFor('FFFF/0', { timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMEOUT' })
  for (const lsn of ['nonsense', undefined, null, 5] as string[])
    await expect(bench!.mirror.waitFor(lsn)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  for (const timeoutMs of [Number.NaN, -1, 1e10])
    await expect(bench!.mirror.waitFor('FFFF/0', { timeoutMs })).rejects.toThrow(
      `as option "timeoutMs", got ${timeoutMs}.`,
    )
  const waiting = bench!.mirror.waitFor('FFFF/0')
  await bench!.mirror.close()
  await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
  await expect(bench!.mirror.waitFor('FFFF/0')).rejects.toMatchObject({ code: 'CLOSED' })
})

test('lag is nothing when in step, grows while the mirror is held up, and tells the health of the slot', async () => {
  const { db, query } = asFunctions(await start(QUOTES, ['quote']))
  await bench!.inStep()
  await bench!.until(() => bench!.mirror.lag().slot?.isActive === true)
  const calm = bench!.mirror.lag()
  expect(calm).toMatchObject({ bytes: 0, ms: 0, slot: { isActive: true, isLost: false, safeWalSizeBytes: undefined } })
  await db().bulkWrite(async () => {
    await query(`UPDATE quote SET name = 'held up'`)
    await bench!.until(() => bench!.mirror.lag().bytes > 0 && bench!.mirror.lag().ms > 0)
    const [after] = await query('SELECT pg_current_wal_insert_lsn() AS lsn')
    expect(parseLsn(bench!.mirror.lag().lsn)).toBeLessThan(parseLsn(String(after.lsn)))
  })
  await bench!.inStep()
  await bench!.until(() => bench!.mirror.lag().ms === 0)
})

test('verify finds every kind of difference and names the keys', async () => {
  const { db } = asFunctions(await start(QUOTES, ['quote']))
  db().write((tx) => {
    tx.manage()
    tx.update('quote', 17, { name: 'planted' })
    tx.delete('quote', 18)
    tx.insert('quote', { id: 9999, name: 'extra' })
  })
  const found = await bench!.mirror.verify()
  expect(found).toMatchObject({
    isSame: false,
    tables: [{ table: 'quote', postgresRows: 3000, mirrorRows: 3000, missingRows: 1, extraRows: 1, differentRows: 1 }],
  })
  expect(found.tables[0]!.examples).toEqual([
    { kind: 'different', key: 17 },
    { kind: 'missing', key: ['18'] },
    { kind: 'extra', key: 9999 },
  ])
})

test('a row that is not what the stream supposes makes the mirror copy its table again', async () => {
  const { db, query } = asFunctions(await start(QUOTES, ['quote']))
  db().write((tx) => {
    tx.manage()
    tx.delete('quote', 18)
  })
  await query(`UPDATE quote SET name = 'there is no such row' WHERE id = 18`)
  await bench!.expectSame()
  expect(bench!.statuses).toContain('resyncing')
})

test('progress tells of the beginning and the end of each table, and rises to the whole', async () => {
  bench = await MirrorBench.start(server, QUOTES, { tables: ['quote'] })
  await bench.shut()
  await bench.query(
    `CREATE TABLE more AS SELECT i AS id, md5(i::text) AS v FROM generate_series(1, 20000) i; ALTER TABLE more ADD PRIMARY KEY (id)`,
  )
  const db = Store.open()
  const states: CopyState[] = []
  const other = await mirror(db, { connection: bench.connection, tables: ['quote', 'more'], slot: 'progress' })
  other.on('progress', (state) => states.push(state))
  await other.ready
  for (const [table, done] of Object.entries({ quote: 0, more: 3000 })) {
    const [first] = states.filter((state) => state.table === table)
    expect(first).toMatchObject({ rows: done })
    expect(first!.share).toBeLessThan(1)
  }
  expect(states.map(({ share }) => share)).toEqual(states.map(({ share }) => share).sort((a, b) => a - b))
  expect(states.at(-1)).toMatchObject({ table: 'more', rows: 23_000, rowsTotal: 23_000, share: 1, etaMs: 0 })
  expect(states.at(-1)!.bytes).toBe(states.at(-1)!.bytesTotal)
  await other.close()
  await db.close()
  const slots = await server.query(`SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'progress'`)
  expect(slots.rows).toEqual([]) // a database in memory leaves nothing behind
  const publications = await bench.query(`SELECT 1 FROM pg_publication WHERE pubname = 'progress'`)
  expect(publications).toEqual([])
})

test('an empty table of that name, as a class makes it, gives way to the mirrored one', async () => {
  const first = await start(QUOTES, ['quote'])
  const db = Store.open()
  db.write((tx) =>
    tx.createTable('quote', { key: 'id', columns: { id: 'integer', name: { type: 'string', nullable: true } } }),
  )
  const other = await mirror(db, { connection: first.connection, tables: ['quote'], slot: 'gives_way' })
  await other.ready
  expect(db.table('quote').rowCount).toBe(3000)
  expect(db.table('quote').columnNames).toEqual(['id', 'name', 'price', 'open'])
  expect(db.check().problems).toEqual([])
  await other.close()
  await db.close()
})

test('a database closed under the mirror makes it fail, and closing it afterwards is still possible', async () => {
  await start(QUOTES, ['quote'], { syncIntervalMs: 1e9 })
  await bench!.db.close() // which is noticed though nothing is changed
  while (bench!.mirror.status !== 'failed') await new Promise((resolve) => setTimeout(resolve, 2))
  expect(bench!.mirror.error).toMatchObject({ code: 'CLOSED' })
  await expect(bench!.mirror.waitFor('FFFF/0')).rejects.toMatchObject({ code: 'CLOSED' })
  await bench!.mirror.close({ dropSlot: true }).catch((error) => expect(error).toMatchObject({ code: 'CLOSED' }))
})

test('closing with dropSlot leaves nothing on the server, and the next start copies again', async () => {
  const { query } = asFunctions(await start(QUOTES, ['quote']))
  const { slot } = bench!.mirror
  await bench!.mirror.close({ dropSlot: true })
  expect((await server.query(`SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slot}'`)).rows).toEqual([])
  await bench!.db.close()
  await query('DELETE FROM quote WHERE id > 10')
  await bench!.open()
  await bench!.expectSame()
  expect(bench!.statuses).toContain('resyncing')
})

test('what cannot be mirrored is refused at once, all of it, with what mends it', async () => {
  const connection = await server.createDatabase('refused')
  await server.query(
    'CREATE TABLE nokey (id int); CREATE VIEW v AS SELECT 1 AS one; CREATE UNLOGGED TABLE u (id int PRIMARY KEY)',
    connection.database,
  )
  const db = Store.open()
  const attempt = mirror(db, { connection, tables: ['nokey', 'v', 'u', 'unknown'], slot: 'refused' })
  const error = (await attempt.catch((each) => each)) as SnapheapError
  expect(error).toMatchObject({ code: 'PREFLIGHT' })
  expect(error.message).toContain('ADD PRIMARY KEY')
  expect((error.details.findings as unknown[]).length).toBe(4)
  expect(db.tableNames).toEqual([])
  await expect(mirror(db, { connection, tables: ['u'], slot: 'Not a Name' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
  const nowhere = { ...connection, host: '127.0.0.1', port: 1 }
  await expect(mirror(db, { connection: nowhere, tables: ['u'], slot: 'nowhere' })).rejects.toMatchObject({
    code: 'POSTGRES',
  })
  db.write((tx) => {
    tx.createTable('nokey', { key: 'id', columns: { id: 'integer' } })
    tx.insert('nokey', { id: 1 })
  })
  await server.query('ALTER TABLE nokey ADD PRIMARY KEY (id)', connection.database)
  await expect(mirror(db, { connection, tables: ['nokey'], slot: 'refused' })).rejects.toMatchObject({
    code: 'EXISTS',
    message: expect.stringContaining('rows of its own'),
  })
  await db.close()
})

function asFunctions(of: MirrorBench) {
  return {
    db: () => of.db,
    query: (sql: string) => of.query(sql),
    waitFor: (lsn: string) => of.mirror.waitFor(lsn),
  }
}
