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
    { tables: ['t'], checkEveryMs: 20 },
  )
})
afterAll(async () => {
  await bench?.close()
  await server?.close()
})

let marks = 0

/** The statements of `looks` whole looks from now on. */
async function statementsOf(looks: number): Promise<string> {
  const mark = `mark ${++marks}`
  await bench.query(`SELECT '${mark}'`)
  for (;;) {
    const [, since = ''] = (await server.log()).split(`'${mark}'`)
    const found = since.split('pg_replication_slots')
    if (found.length > looks + 1) return found.slice(1, -1).join('')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('a look reads the catalogue where a transaction has ended since the one before, in any database, and only there', async () => {
  await statementsOf(1)
  expect(await statementsOf(3)).not.toContain('pg_attribute')
  await server.query('CREATE TABLE other (id int)')
  expect(await statementsOf(2)).toContain('pg_attribute')
  expect(await statementsOf(3)).not.toContain('pg_attribute')
})

test('a change that was under way during some looks is seen once it is committed, and one taken back is not', async () => {
  const client = await connect(bench.connection, 'query')
  try {
    for (const end of ['ROLLBACK', 'COMMIT']) {
      await client.query('BEGIN; SAVEPOINT s; ALTER TABLE t ADD w int DEFAULT 7')
      await statementsOf(3)
      expect(bench.mirror.status).toBe('live')
      await client.query(end)
      await statementsOf(3)
      await bench.expectSameSoon()
      expect(bench.db.table('t').columnNames).toEqual(end === 'COMMIT' ? ['id', 'v', 'w'] : ['id', 'v'])
    }
  } finally {
    await client.end()
  }
})
