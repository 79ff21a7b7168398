import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { readTables, type SourceTable } from '../../src/mirror/catalogue'
import { connect, queryRows } from '../../src/mirror/connection'
import { serverPid } from '../../src/mirror/cut-off'
import { dropPublication, ensurePublication, publicationIdentity, readPublication } from '../../src/mirror/publication'
import { createSlot, dropSlot, slotStatus } from '../../src/mirror/slot'
import { beginAtSlot, lockUnchanged } from '../../src/mirror/slot-snapshot'
import { type PostgresServer, type ServerConnection, startPostgres } from '../support/postgres'

let server: PostgresServer
let connection: ServerConnection
let client: pg.Client
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
beforeEach(async () => {
  await client?.end()
  connection = await server.createDatabase('slots')
  client = await connect(connection, 'query')
  await client.query('CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)')
  return () => dropSlot(client, 'test_slot')
})

const query = (sql: string) => queryRows<Record<string, unknown>>(client, 'the test failed', sql)
const tables = async (...names: string[]) => (await readTables(client, names)) as SourceTable[]

test('the exported snapshot has what was committed before the slot, the slot what comes after', async () => {
  await ensurePublication(client, 'test_publication', await tables('a'), 'test')
  await query('INSERT INTO a VALUES (1)')
  const slot = await createSlot(connection, 'test_slot', 10_000)
  await query('INSERT INTO a VALUES (2)')
  const reader = await connect(connection, 'query')
  await reader.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${slot.snapshotName}'`)
  await slot.close() // the reader has taken the snapshot over
  await query('INSERT INTO a VALUES (3)')
  expect((await reader.query('SELECT id FROM a ORDER BY id')).rows).toEqual([{ id: 1 }])
  await reader.end()
  const [changes] = await query(
    `SELECT count(*)::int AS inserts FROM pg_logical_slot_peek_binary_changes('test_slot', NULL, NULL,
       'proto_version', '1', 'publication_names', 'test_publication') WHERE get_byte(data, 0) = ascii('I')`,
  )
  expect(changes).toEqual({ inserts: 2 })
  const status = await slotStatus(client, 'test_slot')
  expect(status).toMatchObject({
    isActive: false,
    activePid: undefined,
    isLost: false,
    confirmedLsn: slot.consistentLsn,
  })
  expect(status!.retainedBytes).toBeGreaterThan(0)
})

test('a slot that waits too long for a writing transaction names it and is not left behind', async () => {
  const writer = await connect({ ...connection, application_name: 'slow-importer' }, 'query')
  await writer.query('BEGIN; INSERT INTO a VALUES (1)')
  await expect(createSlot(connection, 'test_slot', 300)).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringMatching(
      /"test_slot".*300 ms.*process \d+ \(role postgres, slow-importer, database slots_\d+\)/,
    ),
  })
  expect(await slotStatus(client, 'test_slot')).toBeUndefined()
  await writer.query('COMMIT')
  await writer.end()
  await (await createSlot(connection, 'test_slot', 10_000)).close()
})

test('a slot name in use is an error that says so', async () => {
  await (await createSlot(connection, 'test_slot', 10_000)).close()
  await expect(createSlot(connection, 'test_slot', 10_000)).rejects.toMatchObject({
    code: 'POSTGRES',
    message: expect.stringContaining('"test_slot" already exists'),
  })
})

test('slots of other plugins and databases are not taken for ours', async () => {
  await query(`SELECT pg_create_physical_replication_slot('foreign_slot')`)
  await expect(slotStatus(client, 'foreign_slot')).rejects.toMatchObject({ code: 'POSTGRES' })
  await query(`SELECT pg_drop_replication_slot('foreign_slot')`)
  await (await createSlot({ ...connection, database: 'postgres' }, 'foreign_slot', 10_000)).close()
  await expect(slotStatus(client, 'foreign_slot')).rejects.toMatchObject({
    message: expect.stringContaining('another database'),
  })
  await server.query(`SELECT pg_drop_replication_slot('foreign_slot')`)
})

test('a slot in use is dropped only by the one who uses it', async () => {
  await ensurePublication(client, 'test_publication', await tables('a'), 'test')
  await (await createSlot(connection, 'test_slot', 10_000)).close()
  const user = await connect(connection, 'replication')
  const streaming = user.query(
    `START_REPLICATION SLOT test_slot LOGICAL 0/0 (proto_version '1', publication_names 'test_publication')`,
  )
  streaming.catch(() => undefined)
  while ((await slotStatus(client, 'test_slot'))!.isActive === false) await new Promise(setImmediate)
  await expect(dropSlot(client, 'test_slot')).rejects.toMatchObject({ details: { sqlState: '55006' } })
  await dropSlot(client, 'test_slot', serverPid(user))
  expect(await slotStatus(client, 'test_slot')).toBeUndefined()
  await dropSlot(client, 'test_slot') // nothing to do
  await user.end()
})

test('a slot whose log is gone is reported as lost', async () => {
  const small = await startPostgres({ max_slot_wal_keep_size: '1', min_wal_size: '32MB', max_wal_size: '32MB' })
  const own = await connect(small.connection, 'query')
  await (await createSlot(small.connection, 'test_slot', 10_000)).close()
  expect((await slotStatus(own, 'test_slot'))!.isLost).toBe(false)
  for (let i = 0; i < 4; i++) {
    await small.query('SELECT pg_switch_wal(); CREATE TABLE t (); DROP TABLE t; CHECKPOINT')
    await small.query('CHECKPOINT')
  }
  expect((await slotStatus(own, 'test_slot'))!.isLost).toBe(true)
  await own.end()
  await small.close()
})

const published = () => query(`SELECT tablename FROM pg_publication_tables WHERE pubname = 'p' ORDER BY 1`)
const options = () =>
  query(
    `SELECT pubinsert, pubupdate, pubdelete, pubtruncate, NOT pubviaroot AS by_leaf FROM pg_publication WHERE pubname = 'p'`,
  )

test('a publication is created, left alone when right, and corrected when wrong', async () => {
  const [a, b] = await tables('a', 'b')
  expect(await ensurePublication(client, 'p', [a!], 'test')).toBe(true)
  expect(await ensurePublication(client, 'p', [a!], 'test')).toBe(false)
  expect(await published()).toEqual([{ tablename: 'a' }])
  expect(await ensurePublication(client, 'p', [a!, b!], 'test')).toBe(true)
  expect(await published()).toEqual([{ tablename: 'a' }, { tablename: 'b' }])
  const [server] = await query(`SELECT current_setting('server_version_num')::int / 10000 AS version`)
  const damages = [`ALTER PUBLICATION p SET (publish = 'insert')`, 'ALTER PUBLICATION p DROP TABLE b']
  if (Number(server!.version) >= 15)
    damages.push('ALTER PUBLICATION p SET TABLE a, b WHERE (id > 5)', 'ALTER PUBLICATION p SET TABLE a, b (id)')
  for (const damage of damages) {
    await query(damage)
    expect(await ensurePublication(client, 'p', [a!, b!], 'test'), damage).toBe(true)
    expect(await ensurePublication(client, 'p', [b!, a!], 'test'), damage).toBe(false)
    expect(Object.values((await options())[0]!)).toEqual([true, true, true, true, true])
  }
  await dropPublication(client, 'p', 'test')
  await dropPublication(client, 'p', 'test')
  expect(await published()).toEqual([])
})

test('partitions are published under their own names', async () => {
  await query('CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id)')
  const sources = await tables('parted')
  expect(await ensurePublication(client, 'p', sources, 'test')).toBe(true)
  expect(await ensurePublication(client, 'p', sources, 'test')).toBe(false)
  await query('ALTER PUBLICATION p SET (publish_via_partition_root = true)')
  expect(await ensurePublication(client, 'p', sources, 'test')).toBe(true)
  expect(Object.values((await options())[0]!)).toEqual([true, true, true, true, true])
})

const identity = async (sources: SourceTable[]) =>
  publicationIdentity(await readPublication(client, 'p', sources), sources)

test('a publication that was changed, or dropped and made anew, is told from one that was there all along', async () => {
  const both = await tables('a', 'b')
  expect(await identity(both)).toEqual({ publication: '', entries: new Map() })
  await ensurePublication(client, 'p', both, 'test')
  const first = await identity(both)
  await ensurePublication(client, 'p', both, 'test')
  expect(await identity(both)).toEqual(first)
  await query('ALTER PUBLICATION p DROP TABLE b; ALTER PUBLICATION p ADD TABLE ONLY b')
  const second = await identity(both)
  expect(second.publication).toBe(first.publication)
  expect(both.map(({ oid }) => second.entries.get(oid) === first.entries.get(oid))).toEqual([true, false])
  await query(
    `ALTER PUBLICATION p SET (publish = 'insert'); ALTER PUBLICATION p SET (publish = 'insert, update, delete, truncate')`,
  )
  const third = await identity(both)
  expect(third.publication).not.toBe(first.publication)
  await query('DROP PUBLICATION p')
  await ensurePublication(client, 'p', both, 'test')
  expect([first.publication, third.publication]).not.toContain((await identity(both)).publication)
})

test('tables that inherit from a published one are not published with it', async () => {
  await query('CREATE TABLE child () INHERITS (a)')
  await ensurePublication(client, 'p', await tables('a'), 'test')
  expect(await published()).toEqual([{ tablename: 'a' }])
})

test('an ALTER TABLE that waits for the copy keeps nobody from looking at the table', async () => {
  await query('INSERT INTO a VALUES (1)')
  const sources = await tables('a')
  const [outside, altering] = [await connect(connection, 'query'), await connect(connection, 'query')]
  try {
    await query('BEGIN; LOCK TABLE a IN ACCESS SHARE MODE')
    const altered = altering.query('ALTER TABLE a ADD c int')
    for (;;) {
      const waiting = await outside.query(
        `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE a%'`,
      )
      if (waiting.rowCount === 1) break
    }
    expect(await lockUnchanged(client, outside, sources, 10_000)).toHaveLength(1)
    await query('ROLLBACK')
    await altered
    await query('BEGIN')
    expect(await lockUnchanged(client, outside, sources, 10_000)).toHaveLength(1)
    await query('ROLLBACK')
  } finally {
    await Promise.all([outside.end(), altering.end()])
  }
})

test('tables altered or truncated between the snapshot of a slot and their locks are told from untouched ones', async () => {
  const outside = await connect(connection, 'query')
  const locked = async (between: string): Promise<number | undefined> => {
    const sources = await tables('a', 'b')
    await beginAtSlot(client, await createSlot(connection, 'test_slot', 10_000, { temporary: true }))
    await outside.query(between)
    try {
      return (await lockUnchanged(client, outside, sources, 10_000))?.length
    } finally {
      await query('ROLLBACK')
    }
  }
  try {
    expect(await locked('SELECT 1')).toBe(2)
    expect(await locked('INSERT INTO a VALUES (1)')).toBe(2)
    expect(await locked('CREATE TABLE c (id int)')).toBe(2)
    expect(await locked('TRUNCATE b')).toBe(undefined)
    expect(await locked('ALTER TABLE a ADD d int')).toBe(undefined)
    expect(await locked('DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY)')).toBe(undefined)
  } finally {
    await outside.end()
  }
})
