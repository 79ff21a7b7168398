import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { type Mirror, mirror } from '../../src/mirror/mirror'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
import { CopyNetwork } from '../support/copy-network'
import { type PostgresServer, type ServerConnection, startPostgres } from '../support/postgres'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')
const TABLES = ['a', 'b', 'large', 'z']
const SETUP = `
  CREATE TABLE a (id int PRIMARY KEY, v int); INSERT INTO a SELECT i, 0 FROM generate_series(1, 1000) i;
  CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b SELECT i, 0 FROM generate_series(1, 1000) i;
  CREATE TABLE large (id int PRIMARY KEY, v text);
  INSERT INTO large SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 8000) i;
  CREATE TABLE z (id int PRIMARY KEY, v int); INSERT INTO z SELECT i, 0 FROM generate_series(1, 1000) i`
/** Rows of each table, written between two attempts. */
const CHANGES = `UPDATE a SET v = v + 1; DELETE FROM b WHERE id % 7 = 3; INSERT INTO b SELECT max(id) + 1, 5 FROM b;
  UPDATE large SET v = 'changed' WHERE id % 100 = 1; DELETE FROM large WHERE id % 100 = 2; UPDATE z SET v = v + 1`

let server: PostgresServer
let network: CopyNetwork
let connection: ServerConnection
let folder: string
let db: Store
let live: Mirror | undefined
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'snapheap-interrupted-'))
  const { database } = await server.createDatabase('interrupted')
  network = await CopyNetwork.to(server.tcpConnection.port)
  connection = { ...server.tcpConnection, port: network.port, database }
  await query(SETUP)
})
afterEach(async () => {
  await live?.close({ dropSlot: true }).catch(() => undefined)
  live = undefined
  await db?.close()
  await network[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const query = async (sql: string) => (await server.query(sql, connection.database)).rows
const path = () => join(folder, 'mirrored.heap')
const options = (changed: Partial<MirrorOptions> = {}) => ({
  tables: TABLES,
  slot: connection.database,
  checkIntervalMs: 100,
  ...changed,
})

async function open(changed: Partial<MirrorOptions> = {}): Promise<Mirror> {
  db = Store.open(path())
  live = await mirror(db, { connection, ...options(changed) })
  return live
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    if (live?.status === 'failed') throw live.error
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** In step, with the rows of Postgres, and nothing left over. Returns how often each table was copied for it. */
async function expectSame(): Promise<Record<string, number>> {
  await live!.ready
  await until(() => live!.status === 'live')
  const times = TABLES.map((name) => [name, network.copied.filter((each) => each === name).length])
  const [{ lsn }] = (await query('SELECT pg_current_wal_insert_lsn()::text AS lsn')) as [{ lsn: string }]
  await live!.waitFor(lsn, { timeoutMs: 60_000 })
  const { tables } = await live!.verify()
  expect(tables.filter(({ examples }) => examples.length > 0)).toEqual([])
  expect(db.check().problems).toEqual([])
  await until(() => db.tableNames.every((name) => !name.includes('~')))
  return Object.fromEntries(times)
}

/** A mirroring process, killed when it has copied a part of the large table. */
async function beKilledWithin(table: string): Promise<void> {
  const isWithin = network.stopAt(table, 1 << 18)
  const child = spawn(
    process.execPath,
    [
      'scripts/run-bundled.mjs',
      'test/support/mirror-child.ts',
      path(),
      JSON.stringify(connection),
      JSON.stringify(options()),
    ],
    { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const hasExited = once(child, 'exit')
  await Promise.race([isWithin, hasExited.then(() => Promise.reject(new Error('The process ended by itself.')))])
  child.kill('SIGKILL')
  await hasExited
  network.cut()
}

test('a first copy that loses its connections, twice in a row, copies no finished table again', async () => {
  const isWithin = network.stopAt('large', 1 << 18)
  await open()
  await isWithin
  expect(db.tableNames).not.toContain('a')
  await query(CHANGES)
  const isWithinAgain = network.stopAt.bind(network, 'large', 1 << 18)
  network.cut()
  await isWithinAgain()
  expect(db.table('a').rowCount).toBe(1000)
  await query(CHANGES)
  network.cut()
  expect(await expectSame()).toEqual({ a: 1, b: 1, large: 3, z: 1 })
})

test('a first copy whose process is killed, twice in a row, copies no finished table again', async () => {
  await beKilledWithin('large')
  await query(CHANGES)
  await beKilledWithin('large')
  await query(CHANGES)
  await open()
  expect(await expectSame()).toEqual({ a: 1, b: 1, large: 3, z: 1 })
}, 120_000)

test('a copy of everything again that is interrupted goes on, and shows no table of before as in step', async () => {
  await open()
  await expectSame()
  await live!.close({ dropSlot: true })
  await db.close()
  network.copied.length = 0
  await query(CHANGES)
  const isWithin = network.stopAt('large', 1 << 18)
  await open()
  await isWithin
  expect(db.table('a').get(1)).toEqual({ id: 1, v: 0 })
  const isWithinAgain = network.stopAt.bind(network, 'large', 1 << 18)
  network.cut()
  await isWithinAgain()
  await until(() => db.table('a').get(1)!.v === 1)
  expect(db.table('large').rowCount).toBe(8000)
  for (const name of ['large', 'z']) expect(live!.tables().get(name)!.status).not.toBe('live')
  network.goOn()
  expect(await expectSame()).toEqual({ a: 1, b: 1, large: 2, z: 1 })
})

const DOUBTS: [what: string, change: () => Promise<unknown>, copiedAgain: string[]][] = [
  ['a slot that was made anew', () => remakeSlot(), ['a', 'b']],
  [
    'a slot that was moved on',
    () => query(`SELECT pg_replication_slot_advance('${connection.database}', pg_current_wal_lsn())`),
    ['a', 'b'],
  ],
  ['a publication that was made anew', () => query(`DROP PUBLICATION "${connection.database}"`), ['a', 'b']],
  ['a table that was altered', () => query('ALTER TABLE a ADD w int DEFAULT 3'), ['a']],
  ['a table of another type', () => query('ALTER TABLE b ALTER v TYPE text'), ['b']],
  [
    'a table that was replaced',
    () => query('DROP TABLE a; CREATE TABLE a (id int PRIMARY KEY, v int); INSERT INTO a VALUES (1, 1)'),
    ['a'],
  ],
  ['nothing', () => query(CHANGES), []],
]

async function remakeSlot(): Promise<void> {
  const name = connection.database
  await query(`SELECT pg_drop_replication_slot('${name}')`)
  await query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
}

for (const [what, change, copiedAgain] of DOUBTS) {
  test(`after an interrupted first copy, ${what} has copied again what is in doubt, and no more`, async () => {
    const isWithin = network.stopAt('large', 1 << 18)
    await open()
    await isWithin
    network.cut()
    await live!.close()
    await db.close()
    await query(CHANGES)
    await change()
    await open()
    const { a, b } = await expectSame()
    expect({ a, b }).toEqual({ a: copiedAgain.includes('a') ? 2 : 1, b: copiedAgain.includes('b') ? 2 : 1 })
  })
}

test('a finished table that is named no longer is given up', async () => {
  const isWithin = network.stopAt('large', 1 << 18)
  await open()
  await isWithin
  await live!.close()
  await db.close()
  await open({ tables: ['b', 'z'] })
  expect(await expectSame()).toEqual({ a: 1, b: 1, large: 1, z: 1 })
  expect(db.tableNames.sort()).toEqual(['b', 'snapheap.mirror', 'z'])
})
