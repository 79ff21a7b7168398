import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
import { CopyNetwork } from '../support/copy-network'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'
import { seeded } from '../support/random'

let server: PostgresServer
let network: CopyNetwork
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres({ max_replication_slots: '3', max_prepared_transactions: '2' })
})
afterAll(() => server.close())
beforeEach(async () => {
  network = await CopyNetwork.to(server.tcpConnection.port)
})
afterEach(async () => {
  await bench.close()
  await network[Symbol.asyncDispose]()
})

const SETUP = `
  CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small SELECT i, 0 FROM generate_series(1, 100) i;
  CREATE TABLE large (id int PRIMARY KEY, v text NOT NULL, n int NOT NULL DEFAULT 0);
  INSERT INTO large SELECT i, repeat(md5(i::text), 20), 0 FROM generate_series(1, 4000) i;
  CREATE TABLE parted (part int, id int, v text, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
  INSERT INTO parted SELECT 1 + i % 2, i, repeat('x', 500) FROM generate_series(1, 4000) i`

async function start(options: Partial<MirrorOptions> = {}): Promise<void> {
  bench = await MirrorBench.start(server, SETUP, {
    tables: ['small', 'large'],
    ...options,
  })
  await bench.shut()
  await reopen(options)
}

/** Opens the file again, and mirrors through the network. */
async function reopen(options: Partial<MirrorOptions> = {}): Promise<void> {
  const { database } = bench.connection
  await bench.open({ connection: { ...server.tcpConnection, port: network.port, database }, ...options })
}

const statusOf = (name: string) => bench.mirror.tables().get(name)?.status
const small = (id: number) => bench.db.table('small').get(id)?.v

/** Alters the large table so that it is made anew, and stops in the middle of that. */
async function copyLarge(sql = 'ALTER TABLE large ALTER n TYPE smallint'): Promise<void> {
  const isWithin = network.stopAt('large', 1 << 18)
  await bench.query(sql)
  await isWithin
}

test('live tables advance, and say that they are live, while another is copied; what it missed meanwhile is there when it has joined', async () => {
  await start()
  await copyLarge()
  await bench.query('UPDATE small SET v = 1; INSERT INTO small VALUES (500, 7); DELETE FROM small WHERE id = 3')
  await bench.until(() => small(500) === 7)
  expect([small(1), small(3)]).toEqual([1, undefined])
  expect([statusOf('small'), statusOf('large'), bench.mirror.status]).toEqual(['live', 'resyncing', 'resyncing'])
  await bench.query(`UPDATE large SET n = 1 WHERE id % 3 = 0; DELETE FROM large WHERE id % 10 = 1;
    INSERT INTO large SELECT i, 'new', 2 FROM generate_series(20001, 20100) i; UPDATE large SET id = -id WHERE id % 50 = 2`)
  expect(bench.db.table('large').get(3)).toMatchObject({ n: 0 })
  await expect(bench.mirror.verify()).rejects.toMatchObject({ code: 'BUSY' })
  const [{ lsn }] = await bench.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn')
  await expect(bench.mirror.waitFor(lsn, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT' })
  network.goOn()
  await bench.expectSame()
  expect(bench.db.table('large').get(3)).toMatchObject({ n: 1 })
  expect(statusOf('large')).toBe('live')
  await bench.query('UPDATE large SET n = 5 WHERE id < 100; UPDATE small SET v = 5')
  await bench.expectSame()
  await bench.until(() => bench.db.tableNames.every((name) => !name.includes('~')))
})

const endOfLog = async () =>
  (await bench.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn'))[0]!.lsn

test('waitFor and write wait for the tables that are named alone: for live ones not until another is copied, for that one until it has joined', async () => {
  await start()
  await copyLarge()
  const isWritten = await bench.mirror.write(
    async (client) => {
      await client.query('UPDATE small SET v = 2; UPDATE large SET n = 2 WHERE id = 7')
      return true
    },
    { tables: ['small'] },
  )
  expect([isWritten, small(1), bench.db.table('large').get(7)?.n]).toEqual([true, 2, 0])
  await bench.query('UPDATE small SET v = 3')
  const lsn = await endOfLog()
  await bench.mirror.waitFor(lsn, { tables: ['small'] })
  expect([small(1), statusOf('large')]).toEqual([3, 'resyncing'])
  for (const options of [{}, { tables: ['large'] }, { tables: ['small', 'large'] }]) {
    await expect(bench.mirror.waitFor(lsn, { ...options, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('not in step: large.'),
    })
  }
  const unseen = bench.mirror.write((client) => client.query('UPDATE large SET n = 3 WHERE id = 8'), {
    tables: ['large'],
    timeoutMs: 500,
  })
  await expect(unseen).rejects.toMatchObject({ code: 'TIMEOUT', details: { isCommitted: true } })
  const joined = bench.mirror.waitFor(await endOfLog(), { tables: ['large'], timeoutMs: 60_000 })
  network.goOn()
  await joined
  expect([7, 8].map((id) => bench.db.table('large').get(id)?.n)).toEqual([2, 3])
  await bench.expectSame()
})

test('a table that an earlier session has left to be copied is not waited for in vain, nor taken to be in step', async () => {
  await start({ syncIntervalMs: 20 })
  await copyLarge()
  await bench.query('UPDATE large SET n = 4 WHERE id = 7')
  const lsn = await endOfLog()
  await bench.query('UPDATE small SET v = 4')
  await bench.mirror.waitFor(await endOfLog(), { tables: ['small'] })
  network.cut()
  await network.stopAt('large', 1 << 18)
  await bench.mirror.waitFor(lsn, { tables: ['small'] })
  await expect(bench.mirror.waitFor(lsn, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT' })
  expect(bench.db.table('large').get(7)?.n).toBe(0)
  network.goOn()
  await bench.mirror.waitFor(lsn, { tables: ['large'], timeoutMs: 60_000 })
  expect(bench.db.table('large').get(7)?.n).toBe(4)
})

test('waitFor and write refuse a table that is not mirrored, and what is no list of names, before anything is run', async () => {
  await start({ tables: ['small'] })
  let isRun = false
  const write = (tables: unknown) =>
    bench.mirror.write(
      async () => {
        isRun = true
      },
      { tables: tables as string[] },
    )
  const waitFor = (tables: unknown) => bench.mirror.waitFor('0/1', { tables: tables as string[] })
  for (const [name, call] of Object.entries({ write, waitFor })) {
    await expect(call(['small', 'large'])).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `mirror.${name}() expects names of mirrored tables, got "large". Mirrored are "small".`,
      details: { table: 'large' },
    })
    for (const tables of ['small', [], [1], {}, null])
      await expect(call(tables)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(new RegExp(`^mirror\\.${name}\\(\\) expects .* as option "tables", got `)),
      })
  }
  expect(isRun).toBe(false)
})

test('a table that is new to the mirror is `copying` while the others are live, and joins them', async () => {
  await start({ tables: ['small'] })
  await bench.shut()
  const isWithin = network.stopAt('large', 1 << 18)
  const opened = reopen({ tables: ['small', 'large'] })
  await isWithin
  await bench.query('UPDATE small SET v = 4')
  await bench.until(() => small(1) === 4)
  expect([statusOf('small'), statusOf('large')]).toEqual(['live', 'copying'])
  network.goOn()
  await opened
  await bench.expectSame()
})

test('one partition is copied while the others are followed', async () => {
  await start({ tables: ['small', 'parted'] })
  const isWithin = network.stopAt('parted_2', 1 << 17)
  await bench.query(`BEGIN; ALTER TABLE parted DETACH PARTITION parted_2; UPDATE parted_2 SET v = 'y' WHERE id < 1000;
    ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2); COMMIT`)
  await isWithin
  await bench.query(`UPDATE parted SET v = 'z' WHERE id > 3000; UPDATE parted SET part = 2 WHERE part = 1 AND id < 50;
    UPDATE parted SET part = 1, id = id + 10000 WHERE part = 2 AND id BETWEEN 100 AND 150`)
  await bench.until(() => bench.db.table('parted').findRows({ v: 'z' }).length >= 500)
  network.goOn()
  await bench.expectSame()
  expect(network.copied).not.toContain('parted_1')
})

test('tables of a copy that was broken off, by the network or a crash, are right afterwards, and the others were all along', async () => {
  await start({ syncIntervalMs: 20 })
  for (let round = 1; round <= 3; round++) {
    await copyLarge(
      round % 2 === 0 ? 'ALTER TABLE large ALTER n TYPE smallint' : 'ALTER TABLE large ALTER n TYPE bigint',
    )
    await bench.query(`UPDATE small SET v = ${round}; UPDATE large SET n = ${round} WHERE id % 7 = 0`)
    await bench.until(() => small(1) === round)
    if (round === 1) network.cut()
    else {
      if (round === 2) await bench.db.close() // as when the process is killed: nothing is told to the server
      await bench.mirror.close().catch(() => undefined)
      network.cut()
      await bench.shut().catch(() => undefined)
      await bench.query(`UPDATE large SET n = 0 WHERE id % 5 = 0`)
      await reopen({ syncIntervalMs: 20 })
    }
    await bench.expectSame()
    await bench.query('ALTER TABLE large ALTER n TYPE int')
    await bench.expectSameSoon()
  }
}, 120_000)

test('what has joined is not applied once more after a crash', async () => {
  await start({ syncIntervalMs: 1e9 })
  await copyLarge()
  await bench.query('UPDATE small SET v = 3')
  await bench.until(() => small(1) === 3)
  await bench.query(`INSERT INTO large VALUES (30000, 'new', 3); DELETE FROM large WHERE id = 9`)
  network.goOn()
  await bench.until(() => bench.mirror.status === 'live')
  await bench.db.close() // without a save: the server has been told nothing since the beginning
  await bench.mirror.close().catch(() => undefined)
  bench.statuses.length = 0
  await bench.open()
  await bench.expectSame()
  expect(bench.statuses).not.toContain('resyncing')
})

test('a slot that cannot be had for the copy: the others stay live, it is said why, and the copy is made when it can be', async () => {
  await start()
  const others = ['one', 'two']
  for (const name of others) await bench.query(`SELECT pg_create_physical_replication_slot('${name}')`)
  await bench.query('ALTER TABLE large ALTER n TYPE smallint')
  await bench.until(() => bench.notices.some((notice) => /wait to be copied.*max_replication_slots/s.test(notice)))
  await bench.query('UPDATE small SET v = 8')
  await bench.until(() => small(1) === 8)
  expect(statusOf('small')).toBe('live')
  for (const name of others) await server.query(`SELECT pg_drop_replication_slot('${name}')`)
  await bench.expectSame()
})

test('a copy begins again where the server has not noticed that the connection of its slot is lost', async () => {
  await start()
  await copyLarge()
  const owner = async () =>
    (await bench.query(`SELECT active_pid FROM pg_replication_slots WHERE slot_name LIKE '%\\_copy'`))[0]?.active_pid
  const lost = await owner()
  bench.statuses.length = 0
  network.loseSlotOwner()
  expect(await owner()).toBe(lost)
  network.goOn()
  await bench.until(() => bench.notices.some((notice) => notice.startsWith('Tables wait to be copied')))
  await bench.query('UPDATE small SET v = 6; UPDATE large SET n = 6 WHERE id = 9')
  await bench.expectSame()
  expect(bench.db.table('large').get(9)?.n).toBe(6)
  expect(await bench.query(`SELECT pid FROM pg_stat_activity WHERE pid = ${lost}`)).toEqual([])
  expect(bench.statuses).toEqual(['live']) // all in the same session
}, 60_000)

test('a slot of somebody else with the name for the copy is left alone, and the copy is made once it has gone', async () => {
  await start()
  const name = `${bench.mirror.slot}_copy`
  await bench.query(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`)
  await bench.query('ALTER TABLE large ALTER n TYPE smallint')
  await bench.until(() => bench.notices.some((notice) => /wait to be copied.*already exists/s.test(notice)))
  await bench.query(`SELECT pg_drop_replication_slot('${name}')`)
  await bench.expectSame()
})

test('close ends in time in the middle of it', async () => {
  await start()
  await copyLarge()
  await bench.query('UPDATE small SET v = 2')
  await bench.until(() => small(1) === 2)
  const startMs = performance.now()
  await bench.mirror.close()
  expect(performance.now() - startMs).toBeLessThan(5_000)
})

test('under load, tables that are copied again and again join the others with the very rows of Postgres', async () => {
  await start({ tables: ['small', 'large', 'parted'] })
  const random = seeded(7)
  const client = new pg.Client({ ...server.connection, database: bench.connection.database })
  await client.connect()
  let isOver = false
  const number = (below: number) => Math.floor(random() * below)
  const torn: string[] = []
  const load = (async () => {
    for (let i = 1; !isOver; i++) {
      const id = 1 + number(4000)
      await client.query(`BEGIN; UPDATE small SET v = ${i} WHERE id = 1; UPDATE large SET n = ${i} WHERE id = 1;
        UPDATE large SET n = ${i}, v = 'changed' WHERE id BETWEEN ${id} AND ${id + 20}; DELETE FROM large WHERE id = ${1 + id};
        INSERT INTO large VALUES (${100_000 + i}, 'new', 1); UPDATE large SET id = ${200_000 + i} WHERE id = ${2 + id};
        UPDATE parted SET part = 3 - part WHERE id = ${1 + number(4000)}; COMMIT`)
    }
  })()
  const look = () => {
    if (['small', 'large'].every((name) => statusOf(name) === 'live')) {
      const [one, two] = [small(1), Number(bench.db.table('large').get(1)?.n)]
      if (one !== two) torn.push(`${one} ${two}`)
    }
    if (!isOver) setTimeout(look, 1)
  }
  look()
  try {
    for (const sql of [
      'ALTER n TYPE numeric',
      'ADD w int DEFAULT 5',
      'ALTER n TYPE bigint',
      'DROP w, ADD w real DEFAULT 1',
    ]) {
      bench.statuses.length = 0
      await bench.query(`ALTER TABLE large ${sql}`)
      await bench.query(`BEGIN; ALTER TABLE parted DETACH PARTITION parted_1;
        ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES IN (1); COMMIT`)
      await bench.until(() => bench.statuses.includes('resyncing') && bench.mirror.status === 'live')
    }
  } finally {
    isOver = true
    await load
    await client.end()
  }
  await bench.expectSameSoon()
  expect(torn).toEqual([])
}, 120_000)
