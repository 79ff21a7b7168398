import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { type Mirror, mirror } from '../../src/mirror/mirror'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, type ServerConnection, startPostgres } from '../support/postgres'

let server: PostgresServer
let connection: ServerConnection
const folder = mkdtempSync(join(tmpdir(), 'snapheap-ownership-'))
const undo: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each()
})

async function database(): Promise<void> {
  connection = await server.createDatabase('owned')
  await query(
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1); CREATE TABLE u (id int PRIMARY KEY)',
  )
}
const query = async (sql: string) => {
  const result = await server.query(sql, connection.database)
  return (Array.isArray(result) ? result.at(-1) : result).rows
}
const slots = () =>
  query('SELECT slot_name, active, temporary, confirmed_flush_lsn AS lsn FROM pg_replication_slots ORDER BY 1')

function openStore(path?: string): Store {
  const db = Store.open(path)
  undo.push(async () => {
    expect(db.check().problems).toEqual([])
    await db.close()
  })
  return db
}

async function mirrored(db: Store, options: Partial<MirrorOptions> = {}): Promise<Mirror> {
  const made = await mirror(db, { connection, tables: ['t'], checkIntervalMs: 50, ...options })
  undo.push(() => made.close({ dropSlot: true }).catch(() => undefined))
  await made.ready
  return made
}

test('closing a mirror removes what it has made, with its mark on it, and not the publication of somebody else', async () => {
  await database()
  await query(`CREATE PUBLICATION warehouse FOR TABLE t, u; COMMENT ON PUBLICATION warehouse IS 'nightly'`)
  const own = await mirrored(openStore())
  const used = await mirrored(openStore(), { publication: 'warehouse', slot: 'of_warehouse' })
  const publications = () => query('SELECT pubname, obj_description(oid) AS mark FROM pg_publication ORDER BY pubname')
  const warehouse = { pubname: 'warehouse', mark: 'nightly' }
  expect(await publications()).toEqual([
    { pubname: own.slot, mark: expect.stringMatching(/^Made by the snapheap mirror [0-9a-f-]{36}$/) },
    warehouse,
  ])
  expect(
    await query(`SELECT tablename FROM pg_publication_tables WHERE pubname = 'warehouse' ORDER BY 1`),
  ).toHaveLength(2)
  await Promise.all([own.close(), used.close()])
  expect(await publications()).toEqual([warehouse])
  expect(await slots()).toEqual([])
})

test('a slot that the database has not made is neither used nor dropped, whatever it is', async () => {
  await database()
  const away = await server.createDatabase('away')
  await query(
    `SELECT pg_create_logical_replication_slot('of_others', 'pgoutput'); SELECT pg_create_physical_replication_slot('physical')`,
  )
  await server.query(`SELECT pg_create_logical_replication_slot('elsewhere', 'pgoutput')`, away.database)
  undo.push(() => query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots'))
  const before = await slots()
  const reasons: [slot: string, of: RegExp][] = [
    ['of_others', /"of_others" exists \(plugin pgoutput, database owned_\d+\), and this mirror has not made it/],
    ['physical', /"physical" exists \(physical\), and/],
    ['elsewhere', /"elsewhere" exists \(plugin pgoutput, database away_\d+\), and/],
  ]
  for (const [slot, of] of reasons)
    for (const path of [undefined, join(folder, `${connection.database}_${slot}.heap`)])
      await expect(mirrored(openStore(path), { slot })).rejects.toMatchObject({
        code: 'PREFLIGHT',
        message: expect.stringMatching(of),
      })
  expect(await slots()).toEqual(before)
})

test('mirrors in files of one name have slots of their own, and keep them', async () => {
  await database()
  const paths = ['a', 'b'].map((each) => join(mkdtempSync(join(folder, each)), 'shop.heap'))
  const names: string[][] = []
  for (let round = 0; round < 2; round++) {
    const stores = paths.map((path) => Store.open(path))
    const both = []
    for (const db of stores) {
      both.push(await mirror(db, { connection, tables: ['t'] }))
      await both.at(-1)!.ready
    }
    names.push(both.map(({ slot }) => slot))
    expect((await slots()).map((row: { slot_name: string }) => row.slot_name).sort()).toEqual([...names[0]!].sort())
    for (const each of both) await each.close({ dropSlot: round === 1 })
    for (const db of stores) await db.close()
  }
  expect(names[0]).toEqual(names[1])
  expect(new Set(names[0]).size).toBe(2)
})

test('a mirror with the slot name of another one that is away is refused, and the other goes on where it was', async () => {
  await using bench = await MirrorBench.start(server, 'CREATE TABLE t (id int PRIMARY KEY)', {
    tables: ['t'],
    slot: 'twice',
  })
  connection = bench.connection
  await bench.shut()
  await bench.query('INSERT INTO t VALUES (1)')
  await expect(mirrored(openStore(join(folder, 'twice.heap')), { slot: 'twice' })).rejects.toMatchObject({
    code: 'PREFLIGHT',
    message: expect.stringContaining(`SELECT pg_drop_replication_slot('twice');`),
  })
  await expect(
    mirrored(openStore(join(folder, 'once.heap')), { slot: 'once', publication: 'twice' }),
  ).rejects.toMatchObject({ code: 'PREFLIGHT', message: expect.stringContaining('belongs to another mirror') })
  await bench.open()
  await bench.expectSame()
  expect(bench.statuses).not.toContain('resyncing')
})

test('of two copies of one file only the first to come is live, and the other says why it is not', async () => {
  await using bench = await MirrorBench.start(server, 'CREATE TABLE t (id int PRIMARY KEY)', { tables: ['t'] })
  connection = bench.connection
  await bench.shut()
  const copied = mkdtempSync(join(folder, 'copied'))
  cpSync(dirname(bench.path), copied, { recursive: true })
  await bench.open()
  const copy = await mirror(openStore(join(copied, 'mirrored.heap')), { connection, tables: ['t'] })
  undo.push(() => copy.close().catch(() => undefined))
  while (copy.error === undefined) await new Promise((resolve) => setTimeout(resolve, 10))
  expect([copy.slot, copy.status]).toEqual([bench.mirror.slot, 'stale'])
  expect(copy.error!.message).toMatch(
    /is in use by server process \d+: for another mirror, as of a copy of this database file/,
  )
  await bench.query('INSERT INTO t VALUES (1)')
  await bench.expectSame()
  expect(bench.statuses).not.toContain('resyncing')
  await copy.close({ dropSlot: true }).catch((error) => expect(error).toMatchObject({ code: 'POSTGRES' }))
  await bench.query('INSERT INTO t VALUES (2)')
  await bench.expectSame()
})

test('a second mirror into one database takes nothing from the first', async () => {
  await database()
  const db = openStore()
  const first = await mirrored(db)
  await expect(mirrored(db, { tables: ['u'] })).rejects.toMatchObject({
    code: 'BUSY',
    message: expect.stringContaining(first.slot),
  })
  expect([first.status, db.table('t').rowCount]).toEqual(['live', 1])
  const second = await mirrored(db, { tables: ['u'], slot: `${connection.database}_second` })
  await second.close()
  await first.close()
  await expect(mirrored(db)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/mirrors with several slots/),
  })
})

test('a database in memory keeps no slot on the server without its connection, and copies again after losing that', async () => {
  await database()
  const db = openStore()
  const only = await mirrored(db)
  const notices: string[] = []
  only.on('notice', (text) => notices.push(text))
  expect(await slots()).toEqual([expect.objectContaining({ slot_name: only.slot, active: true, temporary: true })])
  await query('SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots')
  await query('INSERT INTO t VALUES (2, 2)')
  while (db.table('t').rowCount < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(notices.join()).toContain('goes with its connection')
  expect((await slots()).length).toBe(1)
})
