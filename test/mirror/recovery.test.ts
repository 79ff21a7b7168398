import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { mirror } from '../../src/mirror/mirror'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres({ max_slot_wal_keep_size: '32MB', checkpoint_timeout: '1h' })
})
afterAll(() => server.close())
afterEach(() => bench.close())

const SETUP = `
  CREATE TABLE a (id int PRIMARY KEY, v int); INSERT INTO a SELECT i, 0 FROM generate_series(1, 1000) i;
  CREATE TABLE b (id int PRIMARY KEY, v int); INSERT INTO b SELECT i, 0 FROM generate_series(1, 1000) i`

async function start(options: Partial<MirrorOptions> = {}): Promise<void> {
  bench = await MirrorBench.start(server, SETUP, { tables: ['a', 'b'], ...options })
}

const slot = async () => {
  const [row] = (
    await server.query(`SELECT active_pid AS pid, (confirmed_flush_lsn - '0/0')::text AS confirmed
      FROM pg_replication_slots WHERE slot_name = '${bench.mirror.slot}'`)
  ).rows
  return row as { pid: number | null; confirmed: string } | undefined
}

/** Reads both tables in every turn; the same transaction changes both, so that they must never differ. */
function watchTogether(): { stop: () => void; torn: string[]; reads: () => number } {
  const torn: string[] = []
  let reads = 0
  const timer = setInterval(() => {
    const [a, b] = ['a', 'b'].map((name) => bench.db.table(name).get(1)?.v)
    reads++
    if (a !== b || a === undefined) torn.push(`${a} ${b}`)
  }, 1)
  return { torn, stop: () => clearInterval(timer), reads: () => reads }
}

const bump = (i: number) => bench.query(`BEGIN; UPDATE a SET v = ${i}; UPDATE b SET v = ${i}; COMMIT`)

test('after a restart the mirror continues where the file stands, without a new copy', async () => {
  await start()
  await bump(1)
  await bench.inStep()
  await bench.shut()
  await bump(2)
  await bench.query('DELETE FROM a WHERE id > 900; INSERT INTO b VALUES (5000, 5)')
  await bench.open()
  await bench.expectSame()
  expect(bench.statuses).not.toContain('copying')
  expect(bench.statuses).not.toContain('resyncing')
})

test('what was not saved is sent again: the slot is never ahead of the file', async () => {
  await start({ syncIntervalMs: 1e9 })
  await bump(1)
  await bench.inStep()
  const before = BigInt((await slot())!.confirmed)
  await bench.db.close() // without the mirror's last save: as when the process is killed
  await bench.mirror.close().catch(() => undefined)
  expect(BigInt((await slot())!.confirmed)).toBe(before)
  await bump(2)
  await bench.open({ syncIntervalMs: 20 })
  await bench.expectSame()
  // Once saved, the slot moves on.
  await bench.until(async () => BigInt((await slot())!.confirmed) > before)
})

test('the log of other tables does not hold the slot back for ever, and a restart after it loses nothing', async () => {
  await start({ syncIntervalMs: 20 })
  const before = BigInt((await slot())!.confirmed)
  await bench.query(`CREATE TABLE noise AS SELECT i, repeat('x', 100) AS v FROM generate_series(1, 150000) i`)
  await bench.until(async () => BigInt((await slot())!.confirmed) - before > 16_000_000n)
  await bump(3)
  await bench.expectSame()
  await bench.shut()
  await bump(4)
  await bench.open()
  await bench.expectSame()
  expect(bench.statuses).not.toContain('resyncing')
})

test('a restarted and a crashed server: reads go on, and the mirror comes back by itself', async () => {
  await start()
  const watch = watchTogether()
  for (const [round, end] of [server.stop, server.crash].entries()) {
    await bump(10 + round)
    await bench.inStep()
    await end()
    await bench.until(() => bench.mirror.status === 'stale')
    expect(bench.mirror.error).toMatchObject({ code: 'POSTGRES' })
    expect(bench.db.table('a').get(1)!.v).toBe(10 + round)
    await server.start()
    await bump(20 + round)
    await bench.expectSame()
  }
  watch.stop()
  expect(watch.torn).toEqual([])
  expect(watch.reads()).toBeGreaterThan(10)
})

test('a database closed while the server is away makes its mirror fail', async () => {
  await start()
  await server.stop()
  await bench.until(() => bench.mirror.status === 'stale')
  await bench.db.close()
  while (bench.mirror.status !== 'failed') await new Promise((resolve) => setTimeout(resolve, 2))
  expect(bench.mirror.error).toMatchObject({ code: 'CLOSED', message: expect.stringContaining('database is closed') })
  await server.start()
})

test.each([
  ['a host name that cannot be resolved', { host: 'db.nowhere.invalid' }],
  ['a role that is refused', { user: 'nobody-at-all' }],
])('%s for a while is waited for', async (_what, wrong) => {
  await start()
  await bench.shut()
  let changed = {}
  const current = () => ({ ...bench.connection, ...changed })
  // read anew with each attempt to connect
  const connection = Object.defineProperties(current(), {
    host: { get: () => current().host, enumerable: true },
    user: { get: () => current().user, enumerable: true },
  })
  await bench.open({ connection })
  changed = wrong
  await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'snapheap'`)
  await bench.until(() => bench.mirror.error?.message.includes('connecting failed') === true)
  changed = {}
  await bench.until(() => bench.mirror.status === 'live')
  await bump(1)
  await bench.expectSame()
  expect(bench.statuses).not.toContain('resyncing')
})

test('a file opened while the server is away is served, and follows when it is back', async () => {
  await start()
  await bump(5)
  await bench.inStep()
  await bench.shut()
  await server.stop()
  const db = Store.open(bench.path)
  const away = await mirror(db, { connection: bench.connection, tables: ['a', 'b'] })
  expect(away.status).toBe('stale')
  expect(db.table('b').get(7)).toEqual({ id: 7, v: 5 })
  await expect(away.waitFor('0/1', { timeoutMs: 20 })).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringContaining('does not follow the server'),
  })
  await server.start()
  await away.ready
  await bump(6)
  const [row] = await bench.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  await away.waitFor(row!.lsn)
  expect(db.table('b').get(7)).toEqual({ id: 7, v: 6 })
  await away.close()
  await db.close()
})

const LOSSES: [what: string, lose: () => Promise<unknown>, reason: string][] = [
  [
    'a dropped slot',
    async () => {
      const { pid } = (await slot())!
      await server.query(`SELECT pg_terminate_backend(${pid}, 5000)`)
      // The mirror may have taken it up again already.
      await server.query(`SELECT pg_drop_replication_slot('${bench.mirror.slot}')`).catch(() => LOSSES[0]![1]())
    },
    'was dropped',
  ],
  [
    'a dropped publication',
    async () => {
      await bench.query(`DROP PUBLICATION "${bench.mirror.slot}"`)
      await bench.query(`UPDATE a SET v = -1 WHERE id = 3`).catch(() => undefined)
    },
    'the publication was changed, or dropped',
  ],
  [
    'a slot that somebody else has moved on',
    async () => {
      await bench.shut()
      await bump(40)
      await bench.query(`SELECT pg_replication_slot_advance('${bench.mirror.slot}', pg_current_wal_lsn())`)
      await bench.open()
    },
    'beyond',
  ],
  [
    'a slot whose log the server has removed',
    async () => {
      await bench.shut()
      for (let i = 0; i < 3; i++) {
        await bench.query(
          `DROP TABLE IF EXISTS noise; CREATE TABLE noise AS SELECT i, repeat('x', 200) AS v FROM generate_series(1, 100000) i`,
        )
        await server.query('SELECT pg_switch_wal(); CHECKPOINT')
      }
      await bench.open()
    },
    'has removed log',
  ],
]

for (const [what, lose, reason] of LOSSES) {
  test(`${what} makes the mirror copy everything again beside what is served`, async () => {
    await start()
    await bump(30)
    await bench.inStep()
    const known = bench.db.table('a').get(1)
    expect(known!.v).toBe(30)
    await lose()
    const watch = watchTogether()
    await bump(50)
    await bench.until(() => bench.notices.some((notice) => notice.includes(reason)))
    await bench.until(() => bench.db.table('a').get(1)!.v === 50)
    await bench.expectSame()
    watch.stop()
    expect(watch.torn).toEqual([])
    expect(bench.statuses).toContain('resyncing')
    await bump(51)
    await bench.expectSame()
    await bench.until(() => bench.db.tableNames.sort().join() === 'a,b,snapheap.mirror')
  })
}

test('one table taken out of the publication and put back is copied again', async () => {
  await start({ checkIntervalMs: 1e9 })
  await bench.query(`ALTER PUBLICATION "${bench.mirror.slot}" DROP TABLE b`)
  await bench.query('UPDATE b SET v = 77 WHERE id = 5')
  await bench.shut()
  await bench.open()
  await bench.expectSame()
  expect(bench.db.table('b').get(5)).toEqual({ id: 5, v: 77 })
})

test('closed in the middle of the first copy, and of a later one: the next start ends it and clears up', async () => {
  await start({ syncIntervalMs: 5 })
  await bench.query(
    `CREATE TABLE c AS SELECT i AS id, md5(i::text) AS v FROM generate_series(1, 20000) i; ALTER TABLE c ADD PRIMARY KEY (id)`,
  )
  const path = `${bench.path}.other`
  const options = { connection: bench.connection, tables: ['a', 'c'], slot: 'in_the_middle', syncIntervalMs: 5 }
  for (let round = 0; round < 2; round++) {
    const db = Store.open(path)
    const half = await mirror(db, options)
    await new Promise<void>((resolve) =>
      half.on('progress', ({ table, share }) => table === 'c' && share < 1 && resolve()),
    )
    expect(db.tableNames.some((name) => name.includes('~copy'))).toBe(true)
    expect(db.tableNames.includes('c')).toBe(round === 1)
    await half.close()
    await expect(half.ready).rejects.toMatchObject({ code: 'CLOSED' })
    await db.close()
    const again = Store.open(path)
    const whole = await mirror(again, options)
    await whole.ready
    expect((await whole.verify()).isSame).toBe(true)
    while (again.tableNames.some((name) => name.includes('~'))) await new Promise(setImmediate)
    expect(again.tableNames.sort()).toEqual(['a', 'c', 'snapheap.mirror'])
    expect(again.check().problems).toEqual([])
    await whole.close({ dropSlot: round === 0 })
    await again.close()
  }
  await server.query(`SELECT pg_drop_replication_slot('in_the_middle')`)
})

test('a second mirror on the same slot is kept out and says why', async () => {
  await start()
  const db = Store.open()
  const second = mirror(db, { connection: bench.connection, tables: ['a', 'b'], slot: bench.mirror.slot })
  await expect(second.then(() => 'started')).rejects.toMatchObject({
    code: 'PREFLIGHT',
    message: expect.stringMatching(/in use by process \d+\), and this mirror has not made it/),
  })
  await db.close()
  await bench.expectSame()
})
