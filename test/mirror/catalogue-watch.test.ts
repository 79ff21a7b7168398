import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../../src/mirror/connection'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  // Autovacuum would end transactions of its own.
  server = await startPostgres({ log_statement: 'all', autovacuum: 'off' })
  bench = await MirrorBench.start(
    server,
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 9) i',
    { tables: ['t'], checkIntervalMs: 20 },
  )
})
afterAll(async () => {
  await bench?.close()
  await server?.close()
})

let marks = 0

/** The statements while `work` runs, and of two whole looks after it. */
async function statementsOf(work: () => Promise<unknown> = async () => undefined): Promise<string> {
  const [before, after] = [`mark ${++marks}`, `mark ${++marks}`]
  await bench.query(`SELECT '${before}'`)
  await work()
  await bench.query(`SELECT '${after}'`)
  for (;;) {
    const [, since = ''] = (await server.log()).split(`'${before}'`)
    const looks = since.split(`'${after}'`)[1]?.split('pg_replication_slots') ?? []
    if (looks.length > 3) return since
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('a look reads the catalogue where a transaction has ended since the one before, in any database, and only there', async () => {
  await statementsOf()
  expect(await statementsOf()).not.toContain('pg_attribute')
  expect(await statementsOf(() => server.query('CREATE TABLE other (id int)'))).toContain('pg_attribute')
  expect(await statementsOf()).not.toContain('pg_attribute')
})

test('a change that was under way during some looks is seen once it is committed, and one taken back is not', async () => {
  const client = await connect(bench.connection, 'query')
  try {
    for (const end of ['ROLLBACK', 'COMMIT']) {
      await client.query('BEGIN; SAVEPOINT s; ALTER TABLE t ADD w int DEFAULT 7')
      await server.query('SELECT pg_current_xact_id()') // a later transaction ends earlier
      await statementsOf()
      expect(bench.mirror.status).toBe('live')
      await client.query(end)
      await statementsOf()
      await bench.expectSameSoon()
      expect(bench.db.table('t').columnNames).toEqual(end === 'COMMIT' ? ['id', 'v', 'w'] : ['id', 'v'])
    }
  } finally {
    await client.end()
  }
})
