import { afterAll, beforeAll, expect, test } from 'vitest'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'
import { rejectionOf } from '../support/store'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())

const SQL =
  'CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL CHECK (balance >= 0)); INSERT INTO account VALUES (1, 100), (2, 0)'

const balances = (bench: MirrorBench): unknown[] => {
  const table = bench.db.table('account')
  return [...table.rows()].map((row) => table.column('balance').get(row))
}

test('what is written through the mirror can be read once it resolves, each transaction as a whole', async () => {
  const bench = await MirrorBench.start(server, SQL, { tables: ['account'] })
  const transfer = (amount: number): Promise<number> =>
    bench.mirror.write(async (client) => {
      await client.query('UPDATE account SET balance = balance - $1 WHERE id = 1', [amount])
      await client.query('UPDATE account SET balance = balance + $1 WHERE id = 2', [amount])
      return amount
    })
  expect(await transfer(30)).toBe(30)
  expect(balances(bench)).toEqual([70, 30])
  await Promise.all([transfer(10), transfer(20), transfer(5)])
  expect(balances(bench)).toEqual([35, 65])
  await bench.close()
})

test('what throws is rolled back and thrown again, and the next transaction works', async () => {
  const bench = await MirrorBench.start(server, SQL, { tables: ['account'] })
  const tooMuch = bench.mirror.write((client) =>
    client.query('UPDATE account SET balance = balance - 1000 WHERE id = 1'),
  )
  await expect(tooMuch).rejects.toThrow('account_balance_check')
  const swallowed = bench.mirror.write(async (client) => {
    await client.query('UPDATE account SET balance = 7 WHERE id = 2')
    await client.query('SELECT 1 / 0').catch(() => undefined)
  })
  expect(await rejectionOf(swallowed)).toMatchObject({
    code: 'POSTGRES',
    message: expect.stringContaining('rolled back'),
  })
  await bench.mirror.write((client) => client.query('UPDATE account SET balance = 1 WHERE id = 2'))
  expect(balances(bench)).toEqual([100, 1])
  await bench.close()
})

test('a connection that was lost is made anew', async () => {
  const bench = await MirrorBench.start(server, SQL, { tables: ['account'] })
  const pid = await bench.mirror.write(async (client) => {
    const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
    return rows[0].pid as number
  })
  await bench.query(`SELECT pg_terminate_backend(${pid})`)
  let written = false
  for (let attempt = 0; attempt < 3 && !written; attempt++) {
    written = await bench.mirror
      .write((client) => client.query('UPDATE account SET balance = 50 WHERE id = 2'))
      .then(
        () => true,
        () => false,
      )
  }
  expect([written, balances(bench)]).toEqual([true, [100, 50]])
  await bench.close()
  expect(await rejectionOf(bench.mirror.write(async () => 1))).toMatchObject({ code: 'CLOSED' })
})
