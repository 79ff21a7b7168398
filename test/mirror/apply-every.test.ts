import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

const TRANSACTIONS = 500

let server: PostgresServer
let bench: MirrorBench | undefined
beforeAll(async () => {
  server = await startPostgres()
})
afterEach(async () => {
  await bench?.close()
  bench = undefined
})
afterAll(() => server.close())

const SQL = `
  CREATE TABLE t (id int PRIMARY KEY, v int);
  CREATE PROCEDURE change_many() LANGUAGE plpgsql AS $$
  BEGIN
    FOR i IN 1..${TRANSACTIONS} LOOP
      INSERT INTO t VALUES (i, i) ON CONFLICT (id) DO UPDATE SET v = t.v + 1;
      COMMIT;
      PERFORM pg_sleep(0.002);
    END LOOP;
  END $$`

test('with applyIntervalMs, transactions that come within that time are one commit, and none is lost', async () => {
  bench = await MirrorBench.start(server, SQL, { tables: ['t'], applyIntervalMs: 50, syncIntervalMs: 3_600_000 })
  const before = bench.db.version
  await bench.query('CALL change_many()')
  await bench.query('CALL change_many()')
  await bench.inStep()
  expect(bench.db.table('t').rowCount).toBe(TRANSACTIONS)
  expect(bench.db.version - before).toBeLessThan(TRANSACTIONS / 4)
  await bench.expectSame()
})

test('with applyIntervalMs, a mirror ends and begins again as without', async () => {
  bench = await MirrorBench.start(server, SQL, { tables: ['t'], applyIntervalMs: 50 })
  await bench.query('INSERT INTO t VALUES (-1, 1)')
  await bench.shut()
  await bench.query('INSERT INTO t VALUES (-2, 1)')
  await bench.open()
  await bench.expectSame()
})
