import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres()
})
afterEach(() => bench?.close())
afterAll(() => server?.close())

test('a server that does not answer is told within 10 s, and the mirror is live when it answers again', async () => {
  const sql = 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)'
  bench = await MirrorBench.start(server, sql, { tables: ['t'] })
  expect(bench.mirror.lag().ms).toBe(0)
  const [sender] = await bench.query<{ pid: number }>('SELECT pid FROM pg_stat_replication')
  const beginMs = Date.now()
  process.kill(sender!.pid, 'SIGSTOP')
  try {
    await bench.until(() => bench.mirror.status === 'stale')
    expect(Date.now() - beginMs).toBeLessThan(15_000) // within 10, on a machine at rest
    expect(bench.mirror.error).toMatchObject({ code: 'POSTGRES', details: { isTransient: true } })
    expect(bench.mirror.lag().ms).toBeGreaterThan(5_000)
    expect(bench.mirror.tables().get('t')?.status).toBe('stale')
  } finally {
    process.kill(sender!.pid, 'SIGCONT')
  }
  await bench.until(() => bench.mirror.status === 'live') // without a change of anything
  expect(bench.mirror.lag().ms).toBe(0)
  await bench.query('INSERT INTO t VALUES (11)')
  await bench.expectSame()
})
