import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { mirror } from '../../src/mirror/mirror'
import { MirrorBench } from '../support/mirror'
import { Network } from '../support/network'
import { type PostgresServer, startPostgres } from '../support/postgres'
import { memoryStore } from '../support/store'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres()
})
afterEach(() => bench?.close())
afterAll(() => server?.close())

const SQL = 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)'

test('a server that does not answer is told within 10 s, and the mirror is live when it answers again', async () => {
  bench = await MirrorBench.start(server, SQL, { tables: ['t'] })
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

test('a server that does not answer when the stream is to begin is told, too', async () => {
  await using network = await Network.to(server.tcpConnection.port)
  network.onRequest = (bytes) => (bytes.includes('START_REPLICATION') ? undefined : bytes)
  const { database } = await server.createDatabase('silence')
  await server.query(SQL, database)
  const db = memoryStore()
  const connection = { ...server.tcpConnection, port: network.port, database }
  const silent = await mirror(db, { connection, tables: ['t'] })
  await silent.ready
  const until = async (status: string): Promise<void> => {
    while (silent.status !== status) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await until('stale')
  expect(silent.error).toMatchObject({ code: 'POSTGRES', message: expect.stringContaining('does not answer') })
  network.onRequest = (bytes) => bytes
  network.reset()
  await until('live')
  await silent.close()
})
