import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SnapheapError } from '../../src/errors'
import { connect, queryRows } from '../../src/mirror/connection'
import { type Finding, preflight } from '../../src/mirror/preflight'
import { ensurePublication } from '../../src/mirror/slot'
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
const request = (...tables: string[]) => ({ tables, slot: 'slot', publication: 'publication' })

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
]

test.each(cases)('refused: %s', async (_name, setup, tables, problem, mends) => {
  if (setup !== '') await run(setup)
  const found = await findings(client, ...tables)
  expect(found[0]!.problem).toMatch(problem)
  expect(found).toHaveLength(tables[0] === 'nothing' ? 2 : found.length)
  if (mends) {
    for (const { remedy } of found) await run(remedy)
    expect(await findings(client, ...tables)).toEqual([])
  }
})

test('an update works on every table that passes, once it is published', async () => {
  await run(`CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int NOT NULL UNIQUE, v int);
    ALTER TABLE b REPLICA IDENTITY USING INDEX b_id_key; CREATE TABLE c (id int PRIMARY KEY DEFERRABLE, v int);
    ALTER TABLE c REPLICA IDENTITY FULL`)
  const { tables } = await preflight(client, request('a', 'b', 'c'))
  await ensurePublication(client, 'publication', tables)
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
    'the role "little one" does not own "public"."x" and so cannot publish it',
    'the role "little one" does not own "public"."y" and so cannot publish it',
    'the role "little one" may not create a publication',
    'row security hides rows of "public"."x" from the role "little one"',
    'the role "little one" may not read "public"."y"',
  ])
  for (const { remedy } of found) await run(remedy)
  expect(await findings(role, 'x', 'y')).toEqual([])
  await role.end()
})

test('a publication made by somebody else needs no rights but to read', async () => {
  await run(`CREATE TABLE x (id int PRIMARY KEY); CREATE TABLE y (id int PRIMARY KEY); CREATE ROLE reader LOGIN REPLICATION;
    GRANT SELECT ON x, y TO reader`)
  const { tables } = await preflight(client, request('x'))
  await ensurePublication(client, 'publication', tables)
  const role = await connect({ ...connection, user: 'reader' }, 'query')
  expect(await findings(role, 'x')).toEqual([])
  expect(await ensurePublication(role, 'publication', tables)).toBe(false)
  const problems = (await findings(role, 'x', 'y')).map(({ problem }) => problem)
  expect(problems).toEqual([
    'the role "reader" does not own "public"."y" and so cannot publish it',
    expect.stringContaining('belongs to another role and lacks "public"."y"'),
  ])
  await role.end()
})

test('what the server lacks is told all at once', async () => {
  const poor = await startPostgres({ wal_level: 'replica', max_replication_slots: '1', max_wal_senders: '0' })
  await poor.query(`SELECT pg_create_physical_replication_slot('other'); CREATE TABLE x (id int PRIMARY KEY)`)
  const by = await connect(poor.connection, 'query')
  const found = await findings(by, 'x')
  expect(found.map(({ problem }) => problem)).toEqual([
    'wal_level is "replica"',
    'all 1 replication slots are taken',
    'all 0 WAL senders are taken',
  ])
  expect(found[0]!.remedy).toContain("ALTER SYSTEM SET wal_level = 'logical'")
  await by.end()
  await poor.close()
})
