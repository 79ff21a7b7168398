import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import type { SnapheapError } from '../../src/errors'
import { connect, queryRows } from '../../src/mirror/connection'
import { mirror } from '../../src/mirror/mirror'
import { preflight } from '../../src/mirror/preflight'
import { ensurePublication } from '../../src/mirror/publication'
import type { Finding } from '../../src/mirror/table-findings'
import { type PostgresServer, type ServerConnection, startPostgres } from '../support/postgres'

let server: PostgresServer
let connection: ServerConnection
let client: pg.Client
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
beforeEach(async () => {
  connection = await server.createDatabase('preflight')
  client = await connect(connection, 'query')
  return () => client.end()
})

const run = (sql: string) => queryRows<Record<string, unknown>>(client, 'the test failed', sql)
const request = (...tables: string[]) => ({
  tables,
  slot: 'slot',
  isOwnSlot: false,
  failover: false,
  publication: 'publication',
  id: undefined,
  served: new Map(),
})

async function findings(by: pg.Client, ...tables: string[]): Promise<Finding[]> {
  try {
    await preflight(by, request(...tables))
    return []
  } catch (error) {
    expect(error).toMatchObject({ code: 'PREFLIGHT' })
    const found = (error as SnapheapError).details.findings as Finding[]
    for (const { problem, remedy } of found) {
      expect((error as SnapheapError).message).toContain(problem)
      expect((error as SnapheapError).message).toContain(remedy)
    }
    return found
  }
}

test('tables that can be mirrored are read with their columns and keys', async () => {
  await run(`CREATE SCHEMA "My Shop"; CREATE DOMAIN price AS numeric(10, 2);
    CREATE TABLE "My Shop"."Order" (no int, line smallint, price price[] NOT NULL, t tsvector,
      twice int GENERATED ALWAYS AS (no * 2) STORED, PRIMARY KEY (line, no));
    ALTER TABLE "My Shop"."Order" ADD dropped int; ALTER TABLE "My Shop"."Order" DROP dropped`)
  const { tables, notices } = await preflight(client, request('"My Shop"."Order"'))
  expect(tables).toMatchObject([
    {
      schema: 'My Shop',
      name: 'Order',
      isPartitioned: false,
      key: ['line', 'no'],
      generatedColumns: ['twice'],
      columns: [
        { name: 'no', typeOid: 23, isNullable: false, type: { kind: 'base', name: 'int4' } },
        { name: 'line', isNullable: false },
        { name: 'price', isNullable: false, type: { kind: 'array', element: { name: 'numeric' }, delimiter: ',' } },
        { name: 't', isNullable: true, type: { name: 'tsvector' } },
      ],
    },
  ])
  expect(notices).toEqual([expect.stringContaining('tsvector'), expect.stringContaining('"twice" is generated')])
})

/** What is set up, the names asked for, the problem, and whether its remedy is SQL that can be run as it stands. */
const cases: [name: string, setup: string, tables: string[], problem: RegExp, mends: boolean][] = [
  ['unknown', '', ['nothing', 'no such name'], /no table nothing/, false],
  ['view', 'CREATE VIEW x AS SELECT 1 AS id', ['x'], /is a view/, false],
  ['materialized view', 'CREATE MATERIALIZED VIEW x AS SELECT 1 AS id', ['x'], /is a materialized view/, false],
  [
    'foreign table',
    'CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE x (id int) SERVER far',
    ['x'],
    /is a foreign table/,
    false,
  ],
  ['sequence', 'CREATE SEQUENCE x', ['x'], /is a sequence/, false],
  ['system table', '', ['pg_catalog.pg_class'], /is a system table/, false],
  ['named twice', 'CREATE TABLE x (id int PRIMARY KEY)', ['x', 'public.x'], /named twice/, false],
  ['temporary', 'CREATE TEMPORARY TABLE x (id int PRIMARY KEY)', ['x'], /is a temporary table/, false],
  ['unlogged', 'CREATE UNLOGGED TABLE x (id int PRIMARY KEY)', ['x'], /is unlogged/, true],
  ['no key', 'CREATE TABLE x (id int)', ['x'], /has no primary key/, false],
  ['no key, but an index', 'CREATE TABLE x (id int NOT NULL UNIQUE)', ['x'], /has no primary key/, true],
  ['full identity, no key', 'CREATE TABLE x (id int); ALTER TABLE x REPLICA IDENTITY FULL', ['x'], /equal rows/, false],
  [
    'identity nothing',
    'CREATE TABLE x (id int PRIMARY KEY); ALTER TABLE x REPLICA IDENTITY NOTHING',
    ['x'],
    /no replica identity/,
    true,
  ],
  ['deferrable key', 'CREATE TABLE x (id int PRIMARY KEY DEFERRABLE)', ['x'], /is deferrable/, true],
  [
    'generated key',
    'CREATE TABLE x (a int NOT NULL UNIQUE, id int GENERATED ALWAYS AS (a) STORED PRIMARY KEY)',
    ['x'],
    /generated column "id"/,
    true,
  ],
  [
    'deferrable key, but an index on the same',
    'CREATE TABLE x (id int PRIMARY KEY DEFERRABLE); CREATE UNIQUE INDEX i ON x (id)',
    ['x'],
    /is deferrable/,
    true,
  ],
  [
    'key of one boolean',
    'CREATE DOMAIN flag AS bool; CREATE TABLE x (id flag PRIMARY KEY, n int NOT NULL UNIQUE)',
    ['x'],
    /is one boolean/,
    true,
  ],
  [
    'column of a name that objects cannot have',
    'CREATE TABLE x (id int PRIMARY KEY, "__proto__" int)',
    ['x'],
    /has a column "__proto__"/,
    true,
  ],
  [
    'partition beside its root',
    'CREATE TABLE x (id int PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE y PARTITION OF x FOR VALUES WITH (MODULUS 1, REMAINDER 0)',
    ['x', 'y'],
    /"y" is a partition of "public"."x"/,
    false,
  ],
  [
    'partition without identity',
    'CREATE TABLE x (id int PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE y PARTITION OF x FOR VALUES WITH (MODULUS 1, REMAINDER 0); ALTER TABLE y REPLICA IDENTITY NOTHING',
    ['x'],
    /partition "public"."y" has another replica identity/,
    true,
  ],
  [
    'partition without the index that identifies the rows of its root',
    `CREATE TABLE x (id int NOT NULL UNIQUE) PARTITION BY HASH (id); ALTER TABLE x REPLICA IDENTITY USING INDEX x_id_key;
     CREATE TABLE y PARTITION OF x FOR VALUES WITH (MODULUS 1, REMAINDER 0)`,
    ['x'],
    /partition "public"."y" has another replica identity/,
    true,
  ],
]

test.each(cases)('refused: %s', async (_name, setup, tables, problem, mends) => {
  if (setup !== '') await run(setup)
  const found = await findings(client, ...tables)
  expect(found[0]!.problem).toMatch(problem)
  if (tables[0] === 'nothing') expect(found).toHaveLength(2)
  if (mends) {
    for (const { remedy } of found) await run(remedy)
    expect(await findings(client, ...tables)).toEqual([])
  }
})

test('refused: a partition that is a foreign table, and then the key that its root could not have', async () => {
  await run(`CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
    CREATE TABLE x (id int) PARTITION BY LIST (id); CREATE FOREIGN TABLE y PARTITION OF x DEFAULT SERVER far`)
  const found = await findings(client, 'x')
  expect(found.map(({ problem }) => problem)).toEqual([
    'the partition "public"."y" of "public"."x" is a foreign table, and has no changes to replicate',
    '"public"."x" has no primary key',
  ])
  for (const { remedy } of found) await run(remedy.replace('(…)', '(id)'))
  expect(await findings(client, 'x')).toEqual([])
})

test('refused: a key that has to be made, as its remedy says', async () => {
  await run('CREATE TABLE x (id int); CREATE TABLE y (id int); ALTER TABLE y REPLICA IDENTITY FULL')
  const found = await findings(client, 'x', 'y')
  expect(found).toHaveLength(2)
  for (const { remedy } of found) await run(remedy.replace('(…)', '(id)'))
  expect(await findings(client, 'x', 'y')).toEqual([])
})

test('refused: a database of unknown characters', async () => {
  await run(`CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0`)
  const ascii = await connect({ ...connection, database: 'ascii' }, 'query')
  await ascii.query('CREATE TABLE x (id int PRIMARY KEY)')
  const [{ problem, remedy }, ...others] = await findings(ascii, 'x')
  await ascii.end()
  expect([problem, others]).toEqual([expect.stringContaining('"ascii" has the encoding SQL_ASCII'), []])
  await run(remedy)
  const mended = await connect({ ...connection, database: 'ascii_utf8' }, 'query')
  await mended.query('CREATE TABLE x (id int PRIMARY KEY)')
  expect(await findings(mended, 'x')).toEqual([])
  await mended.end()
})

test('refused: a schema that the role may not look into', async () => {
  await run(`CREATE SCHEMA "Far ""away"; CREATE TABLE "Far ""away".x (id int PRIMARY KEY); CREATE SCHEMA near;
    CREATE TABLE near.y (id int PRIMARY KEY); CREATE ROLE stranger LOGIN REPLICATION`)
  const role = await connect({ ...connection, user: 'stranger' }, 'query')
  const tables = ['"Far ""away".x', 'NEAR . y']
  const found = await findings(role, ...tables)
  expect(found.filter(({ remedy }) => remedy.startsWith('GRANT USAGE')).map(({ problem }) => problem)).toEqual([
    'the role "stranger" may not look into the schema "Far ""away"',
    'the role "stranger" may not look into the schema "near"',
  ])
  for (const { remedy } of found) await run(remedy)
  for (const { remedy } of await findings(role, ...tables)) await run(remedy)
  expect(await findings(role, ...tables)).toEqual([])
  await role.end()
})

test('an update works on every table that passes, once it is published', async () => {
  await run(`CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int NOT NULL UNIQUE, v int);
    ALTER TABLE b REPLICA IDENTITY USING INDEX b_id_key; CREATE TABLE c (id int PRIMARY KEY DEFERRABLE, v int);
    ALTER TABLE c REPLICA IDENTITY FULL`)
  const { tables } = await preflight(client, request('a', 'b', 'c'))
  await ensurePublication(client, 'publication', tables, 'test')
  for (const name of ['a', 'b', 'c'])
    await run(`INSERT INTO ${name} VALUES (1, 1); UPDATE ${name} SET v = 2; DELETE FROM ${name}`)
})

test('a role without rights is told all that it lacks, and the SQL mends it', async () => {
  await run(`CREATE TABLE x (id int PRIMARY KEY); ALTER TABLE x ENABLE ROW LEVEL SECURITY;
    CREATE ROLE "little one" LOGIN; GRANT SELECT ON x TO "little one"; CREATE TABLE y (id int PRIMARY KEY)`)
  const role = await connect({ ...connection, user: 'little one' }, 'query')
  const found = await findings(role, 'x', 'y')
  expect(found.map(({ problem }) => problem)).toEqual([
    'the role "little one" may not replicate',
    'there is no publication "publication", and the role "little one" cannot make it: it does not own "public"."x", "public"."y"',
    'row security hides rows of "public"."x" from the role "little one"',
    'the role "little one" may not read "public"."y"',
  ])
  expect(found[1]!.remedy).toMatch(
    /^CREATE PUBLICATION "publication" FOR TABLE ONLY "public"."x", ONLY "public"."y" WITH \(publish_via_partition_root = false\);/,
  )
  for (const { remedy } of found) await run(remedy)
  expect(await findings(role, 'x', 'y')).toEqual([])
  await role.end()
})

test('a publication made by somebody else needs no rights but to read', async () => {
  await run(`CREATE TABLE x (id int PRIMARY KEY); CREATE TABLE y (id int PRIMARY KEY); CREATE ROLE reader LOGIN REPLICATION;
    GRANT SELECT ON x, y TO reader`)
  await run('CREATE PUBLICATION publication FOR TABLE x')
  const { tables } = await preflight(client, request('x'))
  const role = await connect({ ...connection, user: 'reader' }, 'query')
  expect(await findings(role, 'x')).toEqual([])
  expect(await ensurePublication(role, 'publication', tables, 'test')).toBe(false)
  const found = await findings(role, 'x', 'y')
  expect(found.map(({ problem }) => problem)).toEqual(['the publication "publication" lacks "public"."y"'])
  await run(found[0]!.remedy)
  expect(await findings(role, 'x', 'y')).toEqual([])
  await role.end()
})

/** Publications that somebody else has made of `x` and the partitioned `p`, and what keeps each from being used. */
const MADE: [made: string, version: number, problem?: RegExp][] = [
  ['FOR TABLE x, p', 14],
  ['FOR TABLE x, p, y', 14],
  ['FOR ALL TABLES', 14],
  ['FOR TABLES IN SCHEMA public', 15],
  ['FOR TABLE x', 14, /lacks "public"."p"$/],
  [`FOR TABLE x, p WITH (publish = 'insert, delete')`, 14, /leaves out update, truncate$/],
  ['FOR TABLE x, p WITH (publish_via_partition_root = true)', 14, /under the names of their roots$/],
  ['FOR TABLE x WHERE (id > 5), p', 15, /publishes "public"."x" with a row filter or a list of columns$/],
  ['FOR TABLE x (id), p', 15, /publishes "public"."x" with a row filter or a list of columns$/],
  ['FOR TABLE x, p, p0 WHERE (id > 5)', 15, /the partition "public"."p0" with a row filter or a list of columns$/],
  ['FOR TABLE x, p WITH (publish_generated_columns = stored)', 18, /publishes generated columns/],
  ['FOR ALL TABLES WITH (publish_via_partition_root = true)', 14, /under the names of their roots$/],
]

test('a publication of somebody else that gives exactly the changes is used, any other is refused with what mends it', async () => {
  await run(`CREATE TABLE x (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v + 1) STORED); CREATE TABLE y (id int PRIMARY KEY);
    CREATE TABLE p (id int PRIMARY KEY) PARTITION BY HASH (id);
    CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    CREATE ROLE other LOGIN REPLICATION; GRANT SELECT ON x, p TO other`)
  const [row] = await run(`SELECT current_setting('server_version_num')::int / 10000 AS version`)
  const role = await connect({ ...connection, user: 'other' }, 'query')
  for (const [made, version, problem] of MADE.filter((each) => each[1] <= (row!.version as number))) {
    await run(`CREATE PUBLICATION publication ${made}`)
    const found = await findings(role, 'x', 'p')
    expect(found.length, `${made} (from ${version} on)`).toBe(problem === undefined ? 0 : 1)
    if (problem !== undefined) expect(found[0]!.problem).toMatch(problem)
    for (const { remedy } of found) await run(remedy)
    expect(await findings(role, 'x', 'p'), made).toEqual([])
    await run('DROP PUBLICATION publication')
  }
  await role.end()
})

test('a publication of another mirror is neither used nor changed', async () => {
  await run('CREATE TABLE x (id int PRIMARY KEY)')
  const { tables } = await preflight(client, request('x'))
  await ensurePublication(client, 'publication', tables, 'another')
  const [found, ...rest] = await findings(client, 'x')
  expect([found!.problem, rest]).toEqual(['the publication "publication" belongs to another mirror (another)', []])
  expect(await ensurePublication(client, 'publication', tables, 'test')).toBe(false)
})

test('what the server lacks is told all at once, also by mirror, and is mended by what is told', async () => {
  await using poor = await startPostgres({ wal_level: 'replica', max_replication_slots: '1', max_wal_senders: '0' })
  await poor.query(`SELECT pg_create_physical_replication_slot('other'); CREATE TABLE x (id int PRIMARY KEY)`)
  const found = await findingsOf(poor, 'x')
  expect(found.map(({ problem }) => problem)).toEqual([
    'wal_level is "replica"',
    'all 1 replication slots are taken',
    'of 0 WAL senders 0 are free, and a copy needs 2',
  ])
  const db = Store.open()
  const start = () =>
    mirror(db, { connection: poor.connection, tables: ['x'], slot: 'slot', publication: 'publication' })
  await expect(start()).rejects.toMatchObject({ code: 'PREFLIGHT', details: { findings: found } })
  await restartWith(
    poor,
    found.map(({ remedy }) => remedy),
  )
  expect(await findingsOf(poor, 'x')).toEqual([])
  const mended = await start()
  await mended.ready
  await mended.close()
  await db.close()
})

test('a slot that is not needed can also be dropped', async () => {
  await using poor = await startPostgres({ max_replication_slots: '1' })
  await poor.query(`SELECT pg_create_physical_replication_slot('other'); CREATE TABLE x (id int PRIMARY KEY)`)
  const [{ remedy }] = await findingsOf(poor, 'x')
  await poor.query(/SELECT pg_drop_replication_slot.*$/.exec(remedy)![0].replace('…', 'other'))
  expect(await findingsOf(poor, 'x')).toEqual([])
})

test('two free senders are enough for a copy, and one is not', async () => {
  await using poor = await startPostgres({ max_wal_senders: '2' })
  await poor.query('CREATE TABLE x (id int PRIMARY KEY); INSERT INTO x VALUES (1)')
  const other = await connect(poor.connection, 'replication')
  const found = await findingsOf(poor, 'x')
  expect(found.map(({ problem }) => problem)).toEqual(['of 2 WAL senders 1 are free, and a copy needs 2'])
  await other.end()
  const db = Store.open()
  const enough = await mirror(db, { connection: poor.connection, tables: ['x'] })
  await enough.ready
  expect(db.table('x').rowCount).toBe(1)
  await enough.close()
  await db.close()
})

test('a role that may not replicate is told so by mirror, with the SQL', async () => {
  await run('CREATE TABLE x (id int PRIMARY KEY); CREATE ROLE bystander LOGIN; ALTER TABLE x OWNER TO bystander')
  await run(`GRANT CREATE ON DATABASE "${connection.database}" TO bystander`)
  const db = Store.open()
  const start = () => mirror(db, { connection: { ...connection, user: 'bystander' }, tables: ['x'] })
  const error: SnapheapError = await start().then(
    () => expect.unreachable(),
    (reason) => reason,
  )
  expect(error).toMatchObject({ code: 'PREFLIGHT', message: expect.stringContaining('may not replicate') })
  for (const { remedy } of error.details.findings as Finding[]) await run(remedy)
  const mended = await start()
  await mended.ready
  await mended.close()
  await db.close()
})

test('a standby without a publication is refused until it is the primary', async () => {
  await using standby = await startPostgres()
  const { rows } = await standby
    .query('CREATE TABLE x (id int PRIMARY KEY)')
    .then(() => standby.query('SHOW data_directory'))
  await standby.stop()
  writeFileSync(join(rows[0].data_directory, 'standby.signal'), '')
  await standby.start()
  const [found, ...rest] = await findingsOf(standby, 'x')
  const [version] = (await standby.query(`SELECT current_setting('server_version_num')::int / 10000 AS version`)).rows
  const problem =
    version.version < 16
      ? 'the server is a standby, which can be mirrored from version 16 on'
      : 'there is no publication "publication", and a standby cannot make one'
  expect([found!.problem, version.version < 16 ? [] : rest]).toEqual([problem, []])
  await standby.query('SELECT pg_promote()')
  expect(await findingsOf(standby, 'x')).toEqual([])
})

/** The findings about tables of a server of its own. */
async function findingsOf({ connection }: PostgresServer, ...tables: string[]): Promise<Finding[]> {
  const by = await connect(connection, 'query')
  try {
    return await findings(by, ...tables)
  } finally {
    await by.end()
  }
}

/**
 * Runs SQL and starts the server again with the settings that it has changed, which those of `startPostgres` would
 * hide.
 */
async function restartWith(poor: PostgresServer, sql: string[]): Promise<void> {
  for (const each of sql) await poor.query(each)
  const { rows } = await poor.query(
    `SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf'`,
  )
  await poor.stop()
  await poor.start(Object.fromEntries(rows.map(({ name, setting }) => [name, setting])))
}
