import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import type { SnapheapError } from '../../src/errors'
import { mirror } from '../../src/mirror/mirror'
import { ddlRounds } from '../support/ddl-fuzz/rounds'
import { IS_LONG } from '../support/long'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres()
})
afterEach(() => bench?.close())
afterAll(() => server?.close())

/** No look at the catalogue comes within a test. */
const NO_LOOKS = { ddlTrigger: true, checkIntervalMs: 3_600_000 }
const TABLES = `
  CREATE TYPE mood AS ENUM ('low', 'high');
  CREATE TABLE a (id int PRIMARY KEY, v text, m mood); INSERT INTO a SELECT i, 'a' || i, 'low' FROM generate_series(1, 100) i;
  CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
  CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (100);
  INSERT INTO p SELECT i, 'p' || i FROM generate_series(1, 99) i`

const CHANGES = [
  'ALTER TABLE a ADD COLUMN w int DEFAULT 7',
  'ALTER TABLE a ALTER COLUMN v TYPE varchar(10)',
  'BEGIN; ALTER TABLE a DROP COLUMN w; ALTER TABLE a ADD COLUMN w int DEFAULT 8; COMMIT',
  "ALTER TYPE mood RENAME VALUE 'low' TO 'lower'",
  'ALTER TABLE p DETACH PARTITION p1',
  'ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (50)',
  'DROP TABLE p2',
  'CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (100) TO (200)',
]

test('with the trigger, changes of tables that nobody writes to arrive without a look', async () => {
  bench = await MirrorBench.start(server, TABLES, { tables: ['a', 'p'], ...NO_LOOKS })
  for (const change of CHANGES) {
    await bench.query(change)
    await bench.expectSameSoon()
  }
})

test('schema and rows are changed at random, and the mirror with the trigger has the rows of its tables', async () => {
  const { failures } = await ddlRounds(IS_LONG ? 50 : 2, 20261130, undefined, { mirror: NO_LOOKS })
  expect(failures.map(({ seed, failure }) => `seed ${seed}: ${failure.kind}: ${failure.message}`)).toEqual([])
}, 1_200_000)

test('temporary tables write nothing into the log, and the trigger goes with the slot', async () => {
  bench = await MirrorBench.start(server, TABLES, { tables: ['a'], ...NO_LOOKS })
  await bench.query("SELECT pg_create_logical_replication_slot('witness', 'pgoutput')")
  await bench.query('CREATE TEMPORARY TABLE t (i int); CREATE TEMPORARY TABLE u AS SELECT 1 AS i')
  await bench.query('ALTER TABLE a ADD COLUMN w int')
  const messages = await bench.query(
    `SELECT get_byte(data, 0) AS type FROM pg_logical_slot_get_binary_changes('witness', NULL, NULL,
       'proto_version', '1', 'publication_names', '${bench.mirror.slot}', 'messages', 'true')
     WHERE get_byte(data, 0) = ascii('M')`,
  )
  expect(messages).toHaveLength(1)
  await bench.query("SELECT pg_drop_replication_slot('witness')")
  await bench.expectSameSoon()
  await bench.mirror.close({ dropSlot: true })
  expect(
    await bench.query("SELECT 1 FROM pg_event_trigger UNION ALL SELECT 1 FROM pg_proc WHERE proname LIKE 'snapheap%'"),
  ).toEqual([])
})

test('a role that may not create the trigger is told the SQL, and needs no more once it was run', async () => {
  const connection = await server.createDatabase('trigger')
  await server.query('CREATE ROLE reader LOGIN REPLICATION', connection.database)
  await server.query(
    `CREATE TABLE a (id int PRIMARY KEY); GRANT SELECT ON a TO reader; CREATE PUBLICATION trigger FOR TABLE a`,
    connection.database,
  )
  const options = {
    connection: { ...connection, user: 'reader' },
    tables: ['a'],
    slot: 'triggered',
    publication: 'trigger',
    ...NO_LOOKS,
  }
  const db = Store.open()
  const error = await mirror(db, options).then(undefined, (reason: SnapheapError) => reason)
  expect(error).toMatchObject({ code: 'PREFLIGHT' })
  const [finding] = (error as SnapheapError).details.findings as { remedy: string }[]
  await server.query(finding!.remedy.slice(0, finding!.remedy.indexOf(' -- ')), connection.database)
  const started = await mirror(db, options)
  await started.ready
  await server.query('ALTER TABLE a ADD COLUMN b int DEFAULT 3; INSERT INTO a VALUES (1)', connection.database)
  while (!db.table('a').columnNames.includes('b') || db.table('a').rowCount === 0)
    await new Promise((resolve) => setTimeout(resolve, 5))
  expect(db.check().problems).toEqual([])
  await started.close({ dropSlot: true })
  await db.close()
  await server.query(`DROP PUBLICATION trigger; DROP OWNED BY reader; DROP ROLE reader`, connection.database)
})
