import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench | undefined
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
afterEach(async () => {
  await waitForStandbys('')
  await bench?.close()
  bench = undefined
})

async function waitForStandbys(names: string): Promise<void> {
  await server.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
  await server.query('SELECT pg_reload_conf()')
  while ((await server.query('SHOW synchronous_standby_names')).rows[0].synchronous_standby_names !== names)
    await new Promise((resolve) => setTimeout(resolve, 5))
}

const SQL = 'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0); CREATE TABLE other (id int)'
/** Nothing is made durable by the clock. */
const OPTIONS = { tables: ['t'], syncIntervalMs: 1e8 }

const confirmed = async () => {
  const [row] = await bench!.query<{ lsn: string }>(
    `SELECT (confirmed_flush_lsn - '0/0')::text AS lsn FROM pg_replication_slots WHERE slot_name = '${bench!.mirror.slot}'`,
  )
  return BigInt(row!.lsn)
}

async function commitsAreQuick(): Promise<void> {
  const startMs = performance.now()
  for (let i = 1; i <= 5; i++) {
    await bench!.query(`UPDATE t SET v = ${i}`)
    await bench!.query(`INSERT INTO other VALUES (${i})`)
    await bench!.mirror.write((client) => client.query(`UPDATE t SET v = v + 10`))
    expect(bench!.db.table('t').get(1)).toEqual({ id: 1, v: i + 10 })
  }
  expect(performance.now() - startMs).toBeLessThan(5_000) // each waited for the next save by the clock
}

test('commits that wait for the mirror as synchronous standby go on as soon as they are durable there', async () => {
  bench = await MirrorBench.start(server, SQL, OPTIONS)
  await waitForStandbys('*')
  await commitsAreQuick()
  // what was acknowledged is in the file: a process that ends here goes on from there
  const before = await confirmed()
  await waitForStandbys('')
  await bench.db.close()
  await bench.mirror.close().catch(() => undefined)
  expect(await confirmed()).toBeGreaterThanOrEqual(before)
  await bench.open()
  await bench.expectSame()
  expect(bench.notices).toEqual([])
})

test('a mirror starts while commits wait for a standby that is not there yet, and is that one then', async () => {
  bench = await MirrorBench.start(server, SQL, OPTIONS)
  await bench.mirror.close({ dropSlot: true })
  await bench.db.close()
  await waitForStandbys('*')
  await bench.open()
  await commitsAreQuick()
})

test('a role that may not see the state of its own stream acknowledges at once, too', async () => {
  bench = await MirrorBench.start(
    server,
    `${SQL}; CREATE ROLE plain LOGIN REPLICATION; ALTER TABLE t OWNER TO plain; GRANT ALL ON other TO plain;
     GRANT CREATE ON SCHEMA public TO plain; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO plain', current_database()); END $$`,
    OPTIONS,
  )
  await bench.mirror.close({ dropSlot: true })
  await bench.db.close()
  await bench.open({ connection: { ...bench.connection, user: 'plain' } })
  await waitForStandbys('*')
  await commitsAreQuick()
})
