import 'reflect-metadata'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Column, type Database, Entity, Id, open } from '../../src/index'
import { type Mirror, mirror } from '../../src/mirror/mirror'
import { type PostgresServer, type ServerConnection, startPostgres } from '../support/postgres'

@Entity({ name: 'item' })
class Item {
  @Id() declare id: number
  @Column() declare v: number
}

@Entity({ name: 'part' })
class Part {
  @Id() declare id: number
  @Column() declare v: number
}

const SETUP = `
  CREATE TABLE item (id int PRIMARY KEY, v int NOT NULL); INSERT INTO item SELECT i, 0 FROM generate_series(1, 1000) i;
  CREATE TABLE part (id int PRIMARY KEY, v int NOT NULL) PARTITION BY RANGE (id);
  CREATE TABLE part_0 PARTITION OF part FOR VALUES FROM (0) TO (500);
  CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (500) TO (2000);
  INSERT INTO part SELECT i, 0 FROM generate_series(1, 999) i`

let server: PostgresServer
let connection: ServerConnection
let folder: string
let db: Database
let live: Mirror
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'snapheap-recopy-'))
  connection = await server.createDatabase('recopy')
  await query(SETUP)
  db = await open(join(folder, 'shop.heap'), { entities: [Item, Part] })
  live = await mirror(db, { connection, tables: ['item', 'part'], slot: connection.database, checkIntervalMs: 50 })
  await live.ready
})
afterEach(async () => {
  await live.close({ dropSlot: true }).catch(() => undefined)
  expect(db.check().problems).toEqual([])
  await db.close()
  rmSync(folder, { recursive: true, force: true })
})

const query = async (sql: string) => (await server.query(sql, connection.database)).rows

/** Ends the stream, so that its slot can be changed; the mirror connects again at once. */
async function withoutStream(sql: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    await query(`SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots
      WHERE slot_name = '${live.slot}' AND active_pid IS NOT NULL`)
    try {
      await query(sql)
      return
    } catch (error) {
      if (attempt > 50) throw error
    }
  }
}

const LOSSES: [what: string, lose: () => Promise<unknown>][] = [
  ['a dropped slot', () => withoutStream(`SELECT pg_drop_replication_slot('${live.slot}')`)],
  ['a publication that was dropped', () => query(`DROP PUBLICATION "${live.slot}"`)],
]
for (const [what, lose] of LOSSES) {
  test(`after ${what} watchers are notified of the rows that have changed alone, and objects stay valid`, async () => {
    const [item, part] = [db.get(Item, 1)!, db.get(Part, 1)!]
    const heard: [string, number, number, number][] = []
    db.watch(Item, (each) => heard.push(['item', each.inserted.length, each.updated.length, each.deleted.length]))
    db.watch(Part, (each) => heard.push(['part', each.inserted.length, each.updated.length, each.deleted.length]))
    const isCopied = new Promise<void>((resolve) => live.on('status', (status) => status === 'resyncing' && resolve()))
    await lose()
    // Sent by no stream: the slot has gone, or the publication names no table at that time.
    await query(`UPDATE item SET v = 1 WHERE id <= 3; DELETE FROM item WHERE id = 10; INSERT INTO item VALUES (2000, 7);
      UPDATE part SET v = 2 WHERE id = 5 OR id = 600; UPDATE part SET id = 1500 WHERE id = 20; DELETE FROM part WHERE id = 700`)
    await isCopied
    const [row] = await query('SELECT pg_current_wal_insert_lsn()::text AS lsn')
    await live.waitFor((row as { lsn: string }).lsn, { timeoutMs: 60_000 })
    expect((await live.verify()).isSame).toBe(true)
    const total = (name: string) =>
      heard
        .filter(([each]) => each === name)
        .reduce((sum, [, ...counts]) => sum.map((n, i) => n + counts[i]!), [0, 0, 0])
    expect([total('item'), total('part')]).toEqual([
      [1, 3, 1],
      [1, 2, 2],
    ])
    expect([item.v, part.v]).toEqual([1, 0]) // read from the heap as it is now
    expect([db.get(Item, 1)!.v, db.get(Part, 5)!.v]).toEqual([1, 2])
  })
}
