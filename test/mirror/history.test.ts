import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { isVisible } from '../../src/mirror/catalogue-watch'
import { HistoryProof } from '../../src/mirror/history-proof'
import { IS_LONG } from '../support/long'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'
import { errorOf } from '../support/store'

let server: PostgresServer
let bench: MirrorBench
afterEach(async () => {
  await bench?.close()
  await server?.close()
})

/** A mirror, and a copy of the server's folder from before rows came that both have. */
async function startAndGoOn(): Promise<void> {
  server = await startPostgres()
  bench = await MirrorBench.start(
    server,
    `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'before' FROM generate_series(1, 100) i`,
    { tables: ['t'], syncIntervalMs: 50 },
  )
  await bench.inStep()
  await server.stop()
  copyData('data', 'copy')
  await server.start()
  await bench.query(
    `UPDATE t SET v = 'lost' WHERE id < 50; INSERT INTO t SELECT i, 'lost' FROM generate_series(200, 299) i`,
  )
  await bench.inStep()
}

function copyData(from: string, to: string): void {
  const { host } = server.connection
  execFileSync('cp', ['-a', join(host, from), join(host, to)])
}

/**
 * The server goes on from the copy, on a way of its own, until its log is longer (or shorter) than what was mirrored.
 */
async function restoreAndGoOn(isLonger: boolean): Promise<void> {
  await server.stop()
  execFileSync('rm', ['-rf', join(server.connection.host, 'data')])
  copyData('copy', 'data')
  await server.start()
  const filler = isLonger ? 'CREATE TABLE filler AS SELECT i FROM generate_series(1, 50000) i' : ''
  await bench.query(
    `UPDATE t SET v = 'new' WHERE id > 90; INSERT INTO t SELECT i, 'new' FROM generate_series(500, 519) i; ${filler}`,
  )
}

for (const isLonger of [false, true]) {
  for (const isAway of IS_LONG ? [false, true] : [isLonger]) {
    test(`a server restored to an earlier state is noticed, whose log is ${isLonger ? 'longer' : 'shorter'} than before${isAway ? ', while the mirror is away' : ''}`, async () => {
      await startAndGoOn()
      if (isAway) await bench.shut()
      await restoreAndGoOn(isLonger)
      if (isAway) await bench.open()
      await bench.until(() =>
        bench.notices.some((notice) =>
          /copied again.*(restored to an earlier state|another history|beyond)/.test(notice),
        ),
      )
      await bench.expectSameSoon()
      await bench.query(`DELETE FROM t WHERE id < 10`)
      await bench.expectSame()
    })
  }
}

test('a server restored to an earlier state is noticed also where nothing was streamed since the copy', async () => {
  const elsewhere = 'CREATE TABLE filler AS SELECT i FROM generate_series(1, 50000) i'
  server = await startPostgres()
  const setup = `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'before' FROM generate_series(1, 100) i`
  bench = await MirrorBench.start(server, setup, { tables: ['t'], syncIntervalMs: 50 })
  await bench.shut()
  await server.stop()
  copyData('data', 'copy')
  await server.start()
  await bench.open()
  await bench.query(elsewhere)
  await bench.inStep()
  await bench.shut()
  await server.stop()
  execFileSync('rm', ['-rf', join(server.connection.host, 'data')])
  copyData('copy', 'data')
  await server.start()
  await bench.query(`UPDATE t SET v = 'new' WHERE id > 90`)
  await bench.query(`${elsewhere}; INSERT INTO filler SELECT i FROM generate_series(1, 50000) i`)
  await bench.open()
  await bench.expectSameSoon()
})

test('a server that crashed and goes on is not taken for another one', async () => {
  await startAndGoOn()
  for (let i = 0; i < 3; i++) {
    await server.crash()
    await server.start()
    await bench.query(`UPDATE t SET v = 'after ${i}' WHERE id < 20`)
    await bench.expectSameSoon()
  }
  expect(bench.statuses).not.toContain('resyncing')
})

test('the history is proven by the newest transaction, sent once more', () => {
  const proof = (confirmed: bigint): HistoryProof =>
    new HistoryProof('slot', { lsn: 120n, lastLsn: 100n, lastXid: 7 }, confirmed)
  const copied = () => new HistoryProof('slot', { lsn: 120n, lastLsn: null, lastXid: null }, 50n)
  const same = proof(50n)
  same.sent(60n, 5)
  same.sent(100n, 7)
  same.ensureGiven()
  proof(100n).ensureGiven() // the server knows that it is durable here
  for (const other of [
    () => proof(50n).ensureGiven(),
    () => proof(50n).sent(100n, 8),
    () => proof(50n).sent(110n, 7),
    () => proof(110n).sent(115n, 9),
    () => copied().sent(110n, 9),
  ])
    expect(errorOf(other)).toMatchObject({ code: 'POSTGRES', details: { isTransient: true, isOtherHistory: true } })
  copied().ensureGiven()
})

test('which transactions a snapshot saw, also over the end of their numbers', () => {
  expect(isVisible('', 5)).toBe(false)
  expect([4, 5, 6, 9, 10, 11].map((xid) => isVisible('5:10:5,9', xid))).toEqual([
    true,
    false,
    true,
    false,
    false,
    false,
  ])
  const wrapped = 2n ** 32n + 10n
  expect(isVisible(`${wrapped}:${wrapped}:`, 9)).toBe(true)
  expect(isVisible(`${wrapped}:${wrapped}:`, 10)).toBe(false)
  expect(isVisible(`${wrapped}:${wrapped}:`, 2 ** 32 - 1)).toBe(true)
  expect(isVisible(`${2n ** 32n - 1n}:${wrapped}:${2n ** 32n - 1n}`, 2 ** 32 - 1)).toBe(false)
})
