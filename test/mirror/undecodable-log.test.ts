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
  await bench?.close()
  bench = undefined
})

// Row filters are new in Postgres 15.
test('log that the server cannot decode does not hold the mirror up for good: it gives the slot up and copies', async (context) => {
  const [{ version }] = (await server.query('SHOW server_version_num')).rows.map(
    (row: { server_version_num: string }) => ({
      version: Number(row.server_version_num),
    }),
  )
  if (version < 150_000) context.skip('Postgres 14 has no row filters, which make it fail here.')
  const sql = 'CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL); INSERT INTO t VALUES (1, 1), (2, 2)'
  bench = await MirrorBench.start(server, sql, { tables: ['t'], checkIntervalMs: 3_600_000 })
  const { mirror } = bench
  const errors: string[] = []
  mirror.on('status', (_, error) => error !== undefined && errors.push(error.message))
  await bench.query(
    `ALTER TABLE t REPLICA IDENTITY FULL; ALTER PUBLICATION ${mirror.slot} SET TABLE t WHERE (1 / v > 5)`,
  )
  await bench.query('UPDATE t SET v = 0 WHERE id = 2')
  await bench.query(`ALTER PUBLICATION ${mirror.slot} SET TABLE t`)
  await bench.query('INSERT INTO t VALUES (3, 3)')
  await bench.until(() => errors.some((error) => error.includes('The mirror has given the slot up')))
  expect(errors[0]).toMatch(/division by zero/)
  await bench.until(() => mirror.status === 'live' && bench!.db.table('t').rowCount === 3)
  await bench.expectSame()
})
