import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CopyNetwork } from '../support/copy-network'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'
import { seeded } from '../support/random'

const MEGABYTE = 1 << 20
const TEXT = (i: string) => `repeat(md5((${i})::text), 20)`
const SMALL =
  'CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small SELECT i, 0 FROM generate_series(1, 100) i;'
const LARGE = `CREATE TABLE large (id int PRIMARY KEY, n int NOT NULL, v text);
  INSERT INTO large SELECT i, i % 100, ${TEXT('i')} FROM generate_series(1, 40000) i;`
const PARTED = `CREATE TABLE parted (part int, id int, v text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
  INSERT INTO parted SELECT 1 + (i > 14000)::int, i, ${TEXT('i')} FROM generate_series(1, 24000) i;`

let server: PostgresServer
let network: CopyNetwork
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
beforeEach(async () => {
  network = await CopyNetwork.to(server.tcpConnection.port)
})
afterEach(async () => {
  await bench.close()
  await network[Symbol.asyncDispose]()
})

/** Mirrors a small table, so that there is a mirror. */
async function start(others: string): Promise<void> {
  bench = await MirrorBench.start(server, `${SMALL} ${others} ANALYZE`, { tables: ['small'] })
  await bench.shut()
}

/** Opens the mirror of more tables, which is ready later. */
function open(...tables: string[]): { ready: Promise<void> } {
  const connection = { ...server.tcpConnection, port: network.port, database: bench.connection.database }
  const ready = bench.open({ connection, tables: ['small', ...tables] })
  ready.catch(() => undefined)
  return { ready }
}

/** Copies until so many more bytes of a table have come, and cuts all connections. */
async function copyUntil(table: string, bytes: number): Promise<void> {
  const isWithin = network.stopAt(table, bytes)
  await isWithin
  network.cut()
}

const sentMegabytes = (table: string) => (network.sentBytes.get(table) ?? 0) / MEGABYTE

async function sizeMegabytes(table: string): Promise<number> {
  const [row] = await bench.query<{ bytes: number }>(`SELECT sum(length(t::text))::float8 AS bytes FROM ${table} t`)
  return row!.bytes / MEGABYTE
}

test('an interrupted copy of a large table goes on behind the parts that it has, with the rows of Postgres', async () => {
  await start(LARGE)
  const { ready } = open('large')
  await copyUntil('large', 15 * MEGABYTE)
  await bench.query(`UPDATE large SET n = n + 1000 WHERE id % 50 = 3; DELETE FROM large WHERE id % 60 = 4;
    INSERT INTO large SELECT i, 5, 'new' FROM generate_series(50001, 50100) i;
    UPDATE large SET id = -id WHERE id % 500 = 6`)
  await copyUntil('large', 4 * MEGABYTE)
  await bench.query("UPDATE large SET v = v || 'x' WHERE id % 2000 = 7")
  await ready
  const sent = sentMegabytes('large')
  await bench.expectSame()
  expect(sent).toBeLessThan((await sizeMegabytes('large')) * 1.5)
})

test('a partitioned table goes on leaf by leaf, and within a leaf; rows that have moved to another one are where they are', async () => {
  await start(PARTED)
  const { ready } = open('parted')
  await copyUntil('parted_2', 5 * MEGABYTE)
  await bench.query(`UPDATE parted SET part = 3 - part WHERE id % 90 = 3; DELETE FROM parted WHERE id % 60 = 4;
    UPDATE parted SET v = 'y' WHERE id % 70 = 5; INSERT INTO parted SELECT 1 + i % 2, i, 'z' FROM generate_series(50001, 50100) i`)
  await ready
  const sent = sentMegabytes('parted_1')
  await bench.expectSame()
  expect(sent).toBeLessThan((await sizeMegabytes('parted_1')) * 1.2)
  await bench.query('TRUNCATE parted_1; UPDATE parted SET v = v WHERE id % 60 = 5')
  await bench.expectSame()
})

test('a table of few blocks whose values are stored elsewhere goes on behind the parts that it has', async () => {
  await start(`CREATE TABLE large (id int PRIMARY KEY, v text);
    ALTER TABLE large ALTER v SET STORAGE EXTERNAL; ALTER TABLE large SET (toast_tuple_target = 128);
    INSERT INTO large SELECT i, repeat(md5(i::text), 1600) FROM generate_series(1, 600) i;`)
  const { ready } = open('large')
  await copyUntil('large', 25 * MEGABYTE)
  await bench.query(`UPDATE large SET v = v || 'x' WHERE id % 200 = 3; DELETE FROM large WHERE id % 200 = 4`)
  await ready
  const sent = sentMegabytes('large')
  await bench.expectSame()
  expect(sent).toBeLessThan((await sizeMegabytes('large')) * 1.5)
})

test('REINDEX, which keeps writers waiting, does not wait for the end of a copy in parts', async () => {
  await start(LARGE)
  const { ready } = open('large')
  const isWithin = network.stopAt('large', 2 * MEGABYTE)
  await isWithin
  const isReindexed = bench.query('REINDEX INDEX large_pkey')
  const waiting = () =>
    bench.query(`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'REINDEX%' AND wait_event_type = 'Lock'`)
  await bench.until(async () => (await waiting()).length > 0)
  network.goOn()
  const isWithinLater = network.stopAt('large', 12 * MEGABYTE)
  await isWithinLater
  await isReindexed
  network.goOn()
  await ready
  await bench.expectSame()
})

const OTHER_ROWS: [what: string, sql: string][] = [
  ['a table whose rows were written to another file', 'VACUUM FULL large'],
  ['a table that got a column', "ALTER TABLE large ADD w text DEFAULT 'w'"],
  [
    'a table that was truncated',
    "TRUNCATE large; INSERT INTO large SELECT i, 1, 'again' FROM generate_series(1, 500) i",
  ],
]
for (const [what, sql] of OTHER_ROWS) {
  test(`what was copied of ${what} is not gone on with`, async () => {
    await start(LARGE)
    const { ready } = open('large')
    await copyUntil('large', 15 * MEGABYTE)
    await bench.query(sql)
    await ready
    await bench.expectSame()
    await bench.until(() => bench.db.tableNames.every((name) => !name.includes('~copy')))
  })
}

test('a copy ends also where statements alter a followed table again and again before it can be made at once', async () => {
  await start(LARGE)
  const { ready } = open('large')
  for (let step = 0; ; step++) {
    const isWithin = network.stopAt('large', 12 * MEGABYTE)
    if ((await Promise.race([isWithin, ready.then(() => 'ready')])) === 'ready') break
    expect(step).toBeLessThan(6)
    await bench.query(`ALTER TABLE small ADD c_${step} int DEFAULT ${step}`)
    await bench.until(() => bench.db.table('small').columnNames.includes(`c_${step}`))
    network.goOn()
  }
  network.goOn()
  await bench.expectSame()
  expect(bench.db.table('small').columnNames.length).toBeGreaterThan(3)
})

test('a copy that is interrupted at any point, with any changes and vacuums in between, ends with the rows of Postgres', async () => {
  const seed = Date.now() % 2 ** 31
  const random = seeded(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  let moves = 0
  await start(LARGE + PARTED)
  const { ready } = open('large', 'parted')
  const changes: (() => string)[] = [
    () => `UPDATE large SET n = n + 1 WHERE id % ${2 + below(40)} = 1`,
    () => `DELETE FROM large WHERE id % ${20 + below(40)} = ${below(20)}`,
    () =>
      `INSERT INTO large SELECT i, 0, ${TEXT('i')} FROM generate_series(1, 42000, ${1 + below(9)}) i ON CONFLICT DO NOTHING`,
    () => `UPDATE large SET id = id + ${100_000 * ++moves} WHERE id < 100000 AND id % ${100 + below(40)} = 2`,
    () => `BEGIN; SAVEPOINT a; UPDATE large SET v = 'sub' WHERE id % 37 = ${below(37)}; RELEASE a; COMMIT`,
    () => `BEGIN; DELETE FROM large WHERE id % 3 = 1; ROLLBACK`,
    () => `UPDATE parted SET part = 3 - part WHERE id % ${10 + below(40)} = 3`,
    () => `DELETE FROM parted WHERE id % ${20 + below(40)} = ${below(20)}`,
    () =>
      `INSERT INTO parted SELECT 1 + i % 2, i, 'p' FROM generate_series(1, 42000, ${1 + below(9)}) i
      WHERE NOT EXISTS (SELECT FROM parted p WHERE p.id = i)`,
    () => 'VACUUM large',
    () => 'VACUUM FREEZE large, parted',
  ]
  for (let round = 0; round < 8; round++) {
    const table = ['large', 'large', 'parted_1', 'parted_2'][below(4)]!
    const isWithin = network.stopAt(table, 1 + below(12 * MEGABYTE))
    if ((await Promise.race([isWithin, ready.then(() => 'ready')])) === 'ready') break
    for (let i = below(4); i >= 0; i--) await bench.query(changes[below(changes.length)]!())
    if (random() < 0.5) network.cut()
    else network.goOn()
  }
  network.goOn()
  await ready
  await bench.expectSame().catch((error) => {
    throw new Error(`seed ${seed}`, { cause: error })
  })
})
