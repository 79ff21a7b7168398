import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { connect } from '../../src/mirror/connection'
import { mirror } from '../../src/mirror/mirror'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
import { createSlot, dropSlot } from '../../src/mirror/slot'
import { guardMeanwhile, SlotGuard } from '../../src/mirror/slot-guard'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

const MIB = 1 << 20

let server: PostgresServer
let bench: MirrorBench | undefined
beforeAll(async () => {
  server = await startPostgres({ max_slot_wal_keep_size: '96MB' })
})
afterAll(() => server.close())
afterEach(async () => {
  await bench?.close()
  bench = undefined
})

async function start(options: Partial<MirrorOptions>): Promise<MirrorBench> {
  const sql = 'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i FROM generate_series(1, 100) i'
  bench = await MirrorBench.start(server, sql, { tables: ['t'], checkIntervalMs: 20, ...options })
  return bench
}

const slotOf = async ({ mirror }: MirrorBench) =>
  (
    await server.query(
      `SELECT confirmed_flush_lsn - '0/0'::pg_lsn AS confirmed, to_jsonb(s) ->> 'failover' AS failover, active, plugin
       FROM pg_replication_slots s WHERE slot_name = '${mirror.slot}'`,
    )
  ).rows[0]

/** Writes about so much log, in a table of its own in another database. */
const writeLog = (mib: number) =>
  server.query(`CREATE TABLE IF NOT EXISTS noise (v text); INSERT INTO noise SELECT repeat('x', 8000)
    FROM generate_series(1, ${mib * 128}); TRUNCATE noise; ALTER TABLE noise ALTER v SET STORAGE PLAIN`)
beforeAll(() => writeLog(1)) // from now on its values are stored as they are

test('a mirror that may not keep more log gives its slot up, tells it, and copies again by itself', async () => {
  const { mirror } = await start({ syncIntervalMs: 1e9, maxRetainedBytes: 32 * MIB })
  const before = Number((await slotOf(bench!)).confirmed)
  const warned = () => bench!.notices.filter((notice) => notice.includes('that maxRetainedBytes allows'))
  const errors: unknown[] = []
  mirror.on('status', (_, error) => error !== undefined && errors.push(error))
  while (warned().length === 0) {
    await writeLog(2)
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  expect(errors).toEqual([])
  await bench!.query(`UPDATE t SET v = 'between'`)
  await writeLog(16)
  await bench!.until(() => errors.length > 0)
  expect(errors[0]).toMatchObject({
    code: 'POSTGRES',
    message: expect.stringMatching(/more than the 33554432 of maxRetainedBytes\. The mirror has given the slot up/),
  })
  await bench!.query(`UPDATE t SET v = 'after' WHERE id < 50`)
  await bench!.expectSameSoon()
  expect(bench!.statuses).toContain('resyncing')
  expect(Number((await slotOf(bench!)).confirmed) - before).toBeGreaterThan(30 * MIB)
})

test('the limit of the server is told before it is reached', async () => {
  await start({ syncIntervalMs: 1e9 })
  const warned = () =>
    bench!.notices.filter((notice) => notice.includes('that max_slot_wal_keep_size of the server allows'))
  while (warned().length === 0) {
    await writeLog(6)
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  expect(bench!.mirror.status).toBe('live')
  await bench!.expectSame()
  expect(warned()).toHaveLength(1)
})

test('a limit holds during a copy, too', async () => {
  const client = await connect(server.connection, 'query')
  await (await createSlot(server.connection, 'copying', 10_000)).close()
  const guard = new SlotGuard('copying', 4 * MIB, () => undefined)
  const failure = new Promise<Error>((resolve) => {
    const stop = guardMeanwhile(client, 'copying', guard, 20, (error) => {
      stop()
      resolve(error)
    })
  })
  await writeLog(6)
  expect(await failure).toMatchObject({ details: { givesUpSlot: true, slot: 'copying' } })
  await dropSlot(client, 'copying')
  await client.end()
})

test('the slot of a quiet database advances while another database of the cluster is written to', async () => {
  await start({ syncIntervalMs: 20 })
  const before = Number((await slotOf(bench!)).confirmed)
  await writeLog(40)
  await bench!.until(async () => Number((await slotOf(bench!)).confirmed) - before > 20 * MIB)
  expect(bench!.statuses).not.toContain('resyncing')
  await bench!.expectSame()
})

test('a slot is kept on standbys, or not, as the mirror is told', async () => {
  const [{ version }] = (await server.query(`SELECT current_setting('server_version_num')::int / 10000 AS version`))
    .rows
  if (version < 17) {
    await expect(start({ failover: true })).rejects.toMatchObject({
      code: 'PREFLIGHT',
      message: expect.stringMatching(/slots have failover from version 17 on/),
    })
    return
  }
  await start({ failover: true })
  const seen: string[] = []
  for (const failover of [undefined, false, undefined, true]) {
    seen.push((await slotOf(bench!)).failover)
    await bench!.shut()
    await bench!.query(`UPDATE t SET v = '${seen.length}'`)
    await bench!.open(failover === undefined ? {} : { failover })
    await bench!.expectSame()
  }
  seen.push((await slotOf(bench!)).failover)
  expect(seen).toEqual(['true', 'true', 'false', 'true', 'true'])
  expect(bench!.statuses).not.toContain('resyncing')
  const db = Store.open()
  await expect(mirror(db, { connection: server.connection, tables: ['t'], failover: true })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
  await db.close()
})
