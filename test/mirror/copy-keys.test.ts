import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CopyNetwork } from '../support/copy-network'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

const MEGABYTE = 1 << 20
const ROWS = 90

interface Kind {
  /** Name of the table. */
  name: string
  type: string
  /** SQL for the key of row `i`: different for different i. */
  key: string
  /** Two spellings of one value, where the type has such. */
  same?: [first: string, second: string]
}

const TYPES = `CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TYPE pair AS (a int, b numeric); CREATE TYPE mood AS ENUM ('low', 'mid', 'high');
  CREATE DOMAIN code AS text CHECK (value <> '');`
const KINDS: Kind[] = [
  {
    name: 'k_interval',
    type: 'interval',
    key: 'make_interval(days => i % 7, secs => i)',
    same: ["'1 day'", "'24 hours'"],
  },
  { name: 'k_inet', type: 'inet', key: "('10.1.0.' || i || '/' || 8 + i % 24)::inet" },
  { name: 'k_cidr', type: 'cidr', key: "('10.1.' || i || '.0/24')::cidr" },
  { name: 'k_mac', type: 'macaddr', key: "('08:00:2b:01:02:' || lpad(to_hex(i), 2, '0'))::macaddr" },
  { name: 'k_range', type: 'int4range', key: "int4range(i, i + 5, CASE WHEN i % 3 = 0 THEN '[]' ELSE '()' END)" },
  {
    name: 'k_numrange',
    type: 'numrange',
    key: 'numrange(i, i + 0.5)',
    same: ['numrange(7.0, 8.00)', 'numrange(7, 8)'],
  },
  {
    name: 'k_multirange',
    type: 'datemultirange',
    key: "datemultirange(daterange('2020-01-01', '2020-01-01'::date + i), daterange('2021-01-01', '2022-01-01'))",
  },
  {
    name: 'k_jsonb',
    type: 'jsonb',
    key: "jsonb_build_object('a', i::numeric + 0.5, 'b', ARRAY[i, null], 'c', 'é \"' || i)",
    same: [`'{"a": 1.0, "z": 12345678901234567890.10}'`, `'{"z": 12345678901234567890.1, "a": 1.00}'`],
  },
  { name: 'k_jsonb_number', type: 'jsonb', key: 'to_jsonb(12345678901234567890::numeric + i)', same: ["'1.0'", "'1'"] },
  {
    name: 'k_array',
    type: 'int[]',
    key: "CASE i % 3 WHEN 0 THEN ARRAY[i, null, i] WHEN 1 THEN ARRAY[i] ELSE '{}'::int[] || i || i END",
  },
  { name: 'k_matrix', type: 'text[]', key: "ARRAY[[i::text, 'a,\"b'], ['NULL', null]]" },
  { name: 'k_numerics', type: 'numeric[]', key: 'ARRAY[i, 1.10]', same: ['ARRAY[1.0]', 'ARRAY[1.00]'] },
  { name: 'k_numeric', type: 'numeric', key: 'i * 1.0000000001 / (1 + i % 4)', same: ["'1.0'", "'1.00'"] },
  { name: 'k_large_numeric', type: 'numeric', key: "('1e' || 200 - i)::numeric + i", same: ["'NaN'", "'nan'"] },
  { name: 'k_scaled', type: 'numeric(20, 4)', key: 'i * 1.5', same: ["'Nan'", "'NaN'"] },
  {
    name: 'k_float',
    type: 'float8',
    key: "CASE i WHEN 20 THEN 'NaN' WHEN 21 THEN 'Infinity' WHEN 22 THEN '-Infinity' ELSE i / 7.0 END::float8",
    same: ["'-0'", "'0'"],
  },
  { name: 'k_real', type: 'float4', key: "CASE i WHEN 20 THEN 'NaN' ELSE i / 7.0 END::float4", same: ["'-0'", "'0'"] },
  { name: 'k_blind', type: 'text COLLATE blind', key: "'Käse ' || i", same: ["'Brot'", "'BROT'"] },
  {
    name: 'k_timestamp',
    type: 'timestamptz',
    key: `CASE i WHEN 20 THEN 'infinity' WHEN 21 THEN '-infinity' WHEN 22 THEN '0044-03-15 BC'
      ELSE 'epoch'::timestamptz + i * interval '1.000001 s' END::timestamptz`,
  },
  {
    name: 'k_time',
    type: 'time',
    key: "CASE i WHEN 20 THEN '24:00' WHEN 21 THEN '00:00' ELSE time '10:00' + i * interval '1.000001 s' END::time",
  },
  {
    name: 'k_timetz',
    type: 'timetz',
    key: `CASE i WHEN 20 THEN '10:00+02' WHEN 21 THEN '09:00+01'
      ELSE timetz '10:00+01' + i * interval '1 s' END::timetz`,
  },
  {
    name: 'k_composite',
    type: 'pair',
    key: 'ROW(i, i * 1.10)::pair',
    same: ['ROW(1000, 1.0)::pair', 'ROW(1000, 1.00)::pair'],
  },
  {
    name: 'k_composites',
    type: 'pair[]',
    key: 'ARRAY[ROW(i, i * 1.10)::pair]',
    same: ['ARRAY[ROW(1000, 1.0)::pair]', 'ARRAY[ROW(1000, 1.00)::pair]'],
  },
  { name: 'k_bpchar', type: 'char(8)', key: "'b' || i", same: ["'x'", "'x   '"] },
  { name: 'k_blanks', type: 'bpchar', key: "'b' || i", same: ["'x'", "'x   '"] },
  { name: 'k_bits', type: 'varbit', key: 'i::bit(12)::varbit' },
  { name: 'k_money', type: 'money', key: 'i::money * 1000' },
  { name: 'k_vector', type: 'tsvector', key: "to_tsvector('simple', 'word ' || i)" },
  { name: 'k_bytes', type: 'bytea', key: "decode(md5(i::text), 'hex')" },
  { name: 'k_domain', type: 'code', key: "'d' || i" },
  { name: 'k_long', type: 'text', key: "repeat('x', 1200) || i" },
]
/** Keys of two columns, and other replica identities. */
const MOODS = `CREATE TABLE k_mood (k mood, id int, v text, PRIMARY KEY (k, id));
  INSERT INTO k_mood SELECT (enum_range(null::mood))[1 + i % 3], i, 'before' FROM generate_series(1, ${ROWS}) i;
  CREATE TABLE k_index (k text COLLATE blind NOT NULL, id int PRIMARY KEY, v text, n numeric NOT NULL);
  INSERT INTO k_index SELECT 'Käse ' || i % 7, i, 'before', i * 1.0 FROM generate_series(1, ${ROWS}) i;
  CREATE UNIQUE INDEX k_index_key ON k_index (k, n); ALTER TABLE k_index REPLICA IDENTITY USING INDEX k_index_key;
  CREATE TABLE k_full (k numeric PRIMARY KEY, id int, v text);
  INSERT INTO k_full SELECT i * 1.5, i, 'before' FROM generate_series(1, ${ROWS}) i;
  ALTER TABLE k_full REPLICA IDENTITY FULL;
  INSERT INTO k_full VALUES (1000.0, 1000, 'before'), (1000.50, 1001, 'before');`
const OTHERS = ['k_mood', 'k_index', 'k_full']

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

const made = ({ name, type, key, same }: Kind): string => `CREATE TABLE ${name} (k ${type} PRIMARY KEY, id int, v text);
  INSERT INTO ${name} SELECT ${key}, i, 'before' FROM generate_series(1, ${ROWS}) i;
  ${same === undefined ? '' : `INSERT INTO ${name} VALUES (${same[0]}, 1000, 'before')`};`

const changed = ({ name, key, same }: Kind, spelling: 0 | 1): string => `
  UPDATE ${name} SET v = 'new' WHERE id % 10 = 1; DELETE FROM ${name} WHERE id % 10 = 2;
  INSERT INTO ${name} SELECT ${key}, i, 'again' FROM generate_series(1, ${ROWS}) i WHERE i % 20 = 2;
  UPDATE ${name} SET id = -id WHERE id % 10 = 3;
  DELETE FROM ${name} WHERE id IN (5, 6);
  UPDATE ${name} SET k = (SELECT ${key} FROM (VALUES (5)) g(i)) WHERE id = 14;
  INSERT INTO ${name} SELECT ${key}, 5, 'moved' FROM (VALUES (14)) g(i);
  DELETE FROM ${name} WHERE id IN (14, 5);
  INSERT INTO ${name} SELECT ${key}, i, 'swapped' FROM (VALUES (5), (14)) g(i);
  ${same === undefined ? '' : `UPDATE ${name} SET k = ${same[spelling]} WHERE id = 1000`};`

async function copyUntil(table: string, bytes: number): Promise<void> {
  const isWithin = network.stopAt(table, bytes)
  await isWithin
  network.cut()
}

async function expectSameRows(names: string[]): Promise<void> {
  for (const name of names) {
    const rows = await bench.query<{ id: number; v: string }>(`SELECT id, v FROM ${name} ORDER BY id`)
    const table = bench.db.table(name)
    const own = [...table.rows()].map((row) => table.read(row) as { id: number; v: string })
    own.sort((a, b) => a.id - b.id)
    expect([name, own.map(({ id, v }) => ({ id, v }))]).toEqual([name, rows])
  }
}

test('tables with keys of any type that were copied before an interruption come into step with Postgres', async () => {
  const names = [...KINDS.map(({ name }) => name), ...OTHERS]
  const sql = `${TYPES} CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small VALUES (1, 1);
    ${KINDS.map(made).join('\n')} ${MOODS}
    CREATE TABLE large (id int PRIMARY KEY, v text);
    INSERT INTO large SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 10000) i;`
  bench = await MirrorBench.start(server, sql, { tables: ['small'] })
  await bench.shut()
  const connection = { ...server.tcpConnection, port: network.port, database: bench.connection.database }
  const ready = bench.open({ connection, tables: ['small', ...names, 'large'] })
  ready.catch(() => undefined)
  await copyUntil('large', 2 * MEGABYTE)
  await bench.query(`${KINDS.map((kind) => changed(kind, 1)).join('\n')}
    UPDATE k_mood SET k = 'high' WHERE id % 10 = 3; DELETE FROM k_mood WHERE id % 10 = 4;
    UPDATE k_index SET k = upper(k) WHERE id % 10 = 3; UPDATE k_index SET n = n + 1000 WHERE id % 10 = 4;
    UPDATE k_full SET k = 1000.00 WHERE id = 1000; UPDATE k_full SET v = 'new' WHERE id % 10 = 3;`)
  await copyUntil('large', 2 * MEGABYTE)
  for (const name of names) await bench.query(`VACUUM FREEZE ${name}`)
  await bench.query(`${KINDS.map((kind) => changed(kind, 0)).join('\n')}`)
  await ready
  await bench.expectSame()
  await expectSameRows(names)
  await bench.query(`${KINDS.map((kind) => changed(kind, 1)).join('\n')}`)
  await bench.expectSame()
  await expectSameRows(names)
})

test('keys that are one in a heap are refused with their value, and the other tables are followed', async () => {
  const sql = `CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small VALUES (1, 1);
    CREATE TABLE bounds (k int[] PRIMARY KEY, v int);
    INSERT INTO bounds VALUES ('{1,2}', 1), ('[0:1]={1,2}', 2), ('{3}', 3)`
  bench = await MirrorBench.start(server, sql, { tables: ['small'] })
  await bench.shut()
  const ready = bench.open({ tables: ['small', 'bounds'] })
  ready.catch(() => undefined)
  const told = /"public"."bounds" has two rows with different keys \(k\) that are the same in a heap, \[1,2\]/
  await bench.until(() => bench.notices.some((notice) => told.test(notice)))
  await bench.query('UPDATE small SET v = 2')
  await bench.until(() => bench.db.table('small').get(1)!.v === 2)
  await bench.query("DELETE FROM bounds WHERE k = '[0:1]={1,2}'")
  await ready
  await bench.expectSame()
  await bench.query("INSERT INTO bounds VALUES ('[0:1]={1,2}', 4)")
  await bench.until(() => bench.notices.filter((notice) => told.test(notice)).length > 1)
  expect(bench.db.table('bounds').rowCount).toBe(2)
  await bench.query("UPDATE small SET v = 3; UPDATE bounds SET k = '{4}' WHERE v = 1")
  await bench.until(() => bench.mirror.status === 'live' && bench.db.table('small').get(1)!.v === 3)
  await bench.expectSame()
})

test('a document that is null is a key as any other', async () => {
  const sql = `CREATE TABLE one (k jsonb PRIMARY KEY, v int); CREATE TABLE two (k jsonb, n int, v int, PRIMARY KEY (k, n));
    INSERT INTO one VALUES ('null', 1), ('0', 2); INSERT INTO two VALUES ('null', 1, 1), ('0', 1, 2)`
  bench = await MirrorBench.start(server, sql, { tables: ['one', 'two'] })
  await bench.expectSame()
  await bench.query('UPDATE one SET v = 5; UPDATE two SET v = 5')
  await bench.expectSame()
  expect(bench.db.table('one').get(null as never)).toEqual({ k: null, v: 5 })
  expect(bench.db.table('two').get([null, 1] as never)).toEqual({ k: null, n: 1, v: 5 })
  await bench.query("DELETE FROM one WHERE k = 'null'; DELETE FROM two WHERE k = 'null'")
  await bench.expectSame()
})
