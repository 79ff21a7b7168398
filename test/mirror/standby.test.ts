import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { type Mirror, mirror } from '../../src/mirror/mirror'
import { createSlot } from '../../src/mirror/slot'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

const TABLE = 'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i FROM generate_series(1, 100) i'

/** Has a stopped server begin as a standby. */
async function signalStandby(folder: string): Promise<void> {
  const path = join(folder, 'standby.signal')
  writeFileSync(path, '')
  const { uid, gid } = statSync(folder)
  if (process.getuid?.() === 0) chownSync(path, uid, gid)
}

const dataOf = async (server: PostgresServer): Promise<string> =>
  (await server.query('SHOW data_directory')).rows[0].data_directory

/** A standby of `primary`, which is stopped and started again meanwhile. */
async function startStandby(primary: PostgresServer): Promise<PostgresServer> {
  const standby = await startPostgres()
  const [from, to] = [await dataOf(primary), await dataOf(standby)]
  await standby.stop()
  await primary.stop()
  rmSync(to, { recursive: true })
  execFileSync('cp', ['-a', from, to])
  await signalStandby(to)
  await primary.start()
  const { host, port, user } = primary.tcpConnection
  await standby.start({ primary_conninfo: `host=${host} port=${port} user=${user}`, hot_standby_feedback: 'on' })
  return standby
}

const versionOf = async (server: PostgresServer): Promise<number> =>
  (await server.query(`SELECT current_setting('server_version_num')::int / 10000 AS version`)).rows[0].version

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Slots on a standby are made when its primary has logged what is under way. */
function logOnPrimary(primary: PostgresServer): Disposable {
  const timer = setInterval(() => primary.query('SELECT pg_log_standby_snapshot()').catch(() => undefined), 100)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

async function expectSame(of: Mirror, writer: PostgresServer): Promise<void> {
  const { rows } = await writer.query('SELECT pg_current_wal_insert_lsn()::text AS lsn')
  await of.waitFor(rows[0].lsn, { timeoutMs: 60_000 })
  await until(() => of.status === 'live')
  expect((await of.verify()).isSame).toBe(true)
}

test('a standby is mirrored with the publication of its primary, also when columns change, and after its promotion', async () => {
  await using primary = await startPostgres()
  if ((await versionOf(primary)) < 16) return
  await primary.query(`${TABLE}; CREATE PUBLICATION p FOR TABLE t`)
  await using standby = await startStandby(primary)
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-standby-'))
  const db = Store.open(join(folder, 'standby.heap'))
  const notices: string[] = []
  const of = await mirror(db, { connection: standby.connection, tables: ['t'], publication: 'p', checkIntervalMs: 50 })
  of.on('notice', (notice) => notices.push(notice))
  await until(() => notices.some((notice) => notice.includes('SELECT pg_log_standby_snapshot()')))
  {
    using _logging = logOnPrimary(primary)
    await of.ready
    await primary.query(`UPDATE t SET v = 'one' WHERE id < 20; DELETE FROM t WHERE id = 99`)
    await expectSame(of, primary)
    await primary.query(`ALTER TABLE t ADD w int DEFAULT 5; UPDATE t SET v = 'two' WHERE id > 70`)
    await until(() => db.table('t').columnNames.includes('w') && db.table('t').get(3)?.w === 5)
    await expectSame(of, primary)
  }
  await standby.query('SELECT pg_promote()')
  await standby.query(`UPDATE t SET v = 'promoted' WHERE id = 7; INSERT INTO t VALUES (1000)`)
  await expectSame(of, standby)
  expect(db.table('t').get(7)).toMatchObject({ v: 'promoted' })
  expect(notices.filter((notice) => notice.startsWith('All tables are copied again'))).toEqual([])
  await of.close({ dropSlot: true })
  expect(db.check().problems).toEqual([])
  await db.close()
  rmSync(folder, { recursive: true })
})

test('a standby is verified, in the background too, at any time: while its primary is busy, and logs no running transactions', async () => {
  await using primary = await startPostgres()
  if ((await versionOf(primary)) < 16) return
  await primary.query(`${TABLE}; CREATE TABLE u (id int PRIMARY KEY, v int); INSERT INTO u VALUES (1, 0);
    CREATE PUBLICATION p FOR TABLE t, u`)
  await using standby = await startStandby(primary)
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-standby-'))
  const db = Store.open(join(folder, 'standby.heap'))
  const options = { connection: standby.connection, tables: ['t', 'u'], publication: 'p', verifyIntervalMs: 0 }
  const begun = mirror(db, options)
  let of: Mirror
  {
    using _logging = logOnPrimary(primary)
    of = await begun
    await of.ready
  }
  const differences: unknown[] = []
  of.on('difference', (found) => differences.push(found))
  const quiet = of.stats().verifiedTables
  await until(() => of.stats().verifiedTables > quiet + 4)
  let isOver = false
  const clients = await Promise.all(
    [1, 2].map(async (number) => {
      const client = new pg.Client(primary.connection)
      await client.connect()
      if (number === 1) await client.query('SET synchronous_commit = off')
      const load = (async () => {
        for (let i = 1; !isOver; i++)
          await client.query(`BEGIN; UPDATE t SET v = '${i}' WHERE id % 10 = ${number}; COMMIT;
            UPDATE u SET v = v + 1; DELETE FROM t WHERE id = ${10 * number}; INSERT INTO t VALUES (${10 * number})`)
      })()
      return { load, client }
    }),
  )
  const busy = of.stats().verifiedTables
  await until(() => of.stats().verifiedTables > busy + 20 || differences.length > 0)
  for (let i = 0; i < 5; i++)
    expect((await of.verify()).tables.filter(({ examples }) => examples.length > 0)).toEqual([])
  expect(differences).toEqual([])
  isOver = true
  for (const { load, client } of clients) await load.then(() => client.end())
  expect(of.stats()).toMatchObject({ differentTables: 0, postponed: undefined })
  db.write((transaction) => {
    transaction.manage()
    transaction.update('t', 7, { v: 'wrong' })
  })
  await until(() => differences.length > 0)
  expect(differences).toMatchObject([{ table: 't', differentRows: 1, examples: [{ kind: 'different', key: 7 }] }])
  await of.close()
  await db.close()
  rmSync(folder, { recursive: true })
})

test('a slot on a standby whose primary logs nothing is given up in time, with what helps, and is not left behind', async () => {
  await using primary = await startPostgres()
  if ((await versionOf(primary)) < 16) return
  await using standby = await startStandby(primary)
  await expect(createSlot(standby.connection, 'late', 300)).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringMatching(/"late".*300 ms the primary.*SELECT pg_log_standby_snapshot\(\); on the primary/),
    details: { isTransient: true },
  })
  await until(async () => (await standby.query('SELECT 1 FROM pg_replication_slots')).rows.length === 0)
  using _logging = logOnPrimary(primary)
  await (await createSlot(standby.connection, 'late', 60_000)).close()
})

test('a server that is a standby for a while is waited for, and nothing is copied again', async () => {
  await using server = await startPostgres()
  await using bench = await MirrorBench.start(server, TABLE, { tables: ['t'], syncIntervalMs: 50 })
  const folder = await dataOf(server)
  await server.stop()
  await signalStandby(folder)
  await server.start()
  await until(async () => (await bench.query('SELECT pg_is_in_recovery() AS is'))[0]!.is === true)
  await new Promise((resolve) => setTimeout(resolve, 300)) // so that it is seen as a standby
  await bench.query('SELECT pg_promote()')
  await bench.query(`UPDATE t SET v = 'promoted'`)
  await bench.expectSame()
  expect(bench.statuses).not.toContain('failed')
  expect(bench.notices.filter((notice) => notice.startsWith('All tables are copied again'))).toEqual([])
})

test('a standby that is behind, without the slot, is waited for; promoted so, everything is copied again, with the reason', async () => {
  await using primary = await startPostgres()
  await primary.query(TABLE)
  await using standby = await startStandby(primary)
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-standby-'))
  const path = join(folder, 'behind.heap')
  const options = { tables: ['t'], checkIntervalMs: 50, syncIntervalMs: 50 }
  const db = Store.open(path)
  const first = await mirror(db, { connection: primary.connection, ...options })
  await first.ready
  // Its publication has come to the standby, what follows has not.
  await until(async () => (await standby.query('SELECT 1 FROM pg_publication')).rows.length === 1)
  await standby.stop()
  await primary.query(`UPDATE t SET v = 'lost'`)
  await expectSame(first, primary)
  await first.close()
  await primary.stop()
  await standby.start()
  const second = await mirror(db, { connection: standby.connection, ...options })
  const notices: string[] = []
  second.on('notice', (notice) => notices.push(notice))
  await until(() => second.error !== undefined)
  expect(db.table('t').get(1)).toEqual({ id: 1, v: 'lost' })
  if ((await versionOf(standby)) >= 16)
    expect(second.error!.message).toMatch(/is a standby that has no replication slot/)
  await standby.query('SELECT pg_promote()')
  await standby.query(`UPDATE t SET v = 'kept' WHERE id < 10`)
  const { rows } = await standby.query('SELECT pg_current_wal_insert_lsn()::text AS lsn')
  await second.waitFor(rows[0].lsn, { timeoutMs: 60_000 }) // the data is of a later place in the log of the old primary
  expect(db.table('t').get(1)).toEqual({ id: 1, v: 'kept' })
  await second.ready
  await expectSame(second, standby)
  expect(db.table('t').get(50)).toEqual({ id: 50, v: null })
  expect(notices.join()).toMatch(
    /All tables are copied again: (the log of the server ends|the replication slot .* was dropped|the server has)/,
  )
  await second.close({ dropSlot: true })
  expect(db.check().problems).toEqual([])
  await db.close()
  rmSync(folder, { recursive: true })
})
