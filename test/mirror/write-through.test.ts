import pg, { type Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MirrorBench } from '../support/mirror'
import { Network } from '../support/network'
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
  await bench.mirror.write((client) => client.query('UPDATE account SET balance = 50 WHERE id = 2'))
  expect(balances(bench)).toEqual([100, 50])
  await bench.close()
  expect(await rejectionOf(bench.mirror.write(async () => 1))).toMatchObject({ code: 'CLOSED' })
})

test('write on a mirror that has failed is an error with the reason, and changes nothing', async () => {
  const bench = await MirrorBench.start(server, SQL, { tables: ['account'] })
  const unseen = bench.mirror.write(async (client) => {
    await client.query('UPDATE account SET balance = 1 WHERE id = 1')
    await bench.db.close()
    while (bench.mirror.status !== 'failed') await new Promise((resolve) => setTimeout(resolve, 2))
  })
  expect(await rejectionOf(unseen)).toMatchObject({ code: 'CLOSED', details: { isCommitted: true } })
  const refused = bench.mirror.write((client) => client.query('UPDATE account SET balance = 2 WHERE id = 1'))
  expect(await rejectionOf(refused)).toBe(bench.mirror.error)
  expect(await bench.query('SELECT balance FROM account WHERE id = 1')).toEqual([{ balance: 1 }])
  await bench.close()
})

const backends = async (bench: MirrorBench): Promise<unknown[]> =>
  bench.query(`SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)

test.each([
  ['that never ends', () => new Promise(() => undefined)],
  ['in an endless statement', (client: Client) => client.query('SELECT pg_sleep(3600)')],
  ['that waits for a lock', (client: Client) => client.query('LOCK TABLE held')],
])('a transaction %s is given up when its mirror is closed, and nothing of it stays', async (_name, endless) => {
  const bench = await MirrorBench.start(server, `${SQL}; CREATE TABLE held ()`, { tables: ['account'] })
  const holder = new pg.Client(bench.connection)
  await holder.connect()
  await holder.query('BEGIN; LOCK TABLE held')
  let isUnderWay = false
  const written = bench.mirror.write(async (client) => {
    await client.query('UPDATE account SET balance = 1 WHERE id = 1')
    isUnderWay = true
    await endless(client)
  })
  const next = bench.mirror.write(async () => 'never')
  const outcomes = Promise.all([rejectionOf(written), rejectionOf(next)])
  await bench.until(() => isUnderWay)
  await bench.mirror.close({ dropSlot: true })
  expect(await outcomes).toMatchObject([
    { code: 'CLOSED', message: expect.stringContaining('is rolled back') },
    { code: 'CLOSED', message: expect.stringContaining('before the transaction began') },
  ])
  // the holder's alone
  while ((await backends(bench)).length > 1) await new Promise((resolve) => setTimeout(resolve, 5))
  await holder.end()
  expect(await bench.query('SELECT balance FROM account WHERE id = 1')).toEqual([{ balance: 100 }])
  await bench.close()
})

test('a transaction under way may end while its mirror is closed, and says that it is committed', async () => {
  const bench = await MirrorBench.start(server, SQL, { tables: ['account'] })
  let closed: Promise<void> | undefined
  const written = bench.mirror.write(async (client) => {
    closed = bench.mirror.close({ dropSlot: true })
    await client.query('UPDATE account SET balance = 1 WHERE id = 1')
  })
  expect(await rejectionOf(written)).toMatchObject({
    code: 'CLOSED',
    message: expect.stringContaining('is committed in Postgres'),
  })
  await closed
  expect(await bench.query('SELECT balance FROM account WHERE id = 1')).toEqual([{ balance: 1 }])
  await bench.close()
})

test('a connection whose session cannot be reset is let go, and the next write makes another', async () => {
  const bench = await MirrorBench.start(server, SQL, { tables: ['account'] })
  let isSpoilt = false
  await using network = await Network.to(server.tcpConnection.port)
  network.onRequest = (bytes) => {
    const at = isSpoilt ? bytes.indexOf('DISCARD ALL') : -1
    if (at >= 0) bytes.write('DISCARD ALM', at)
    return bytes
  }
  await bench.mirror.close()
  await bench.db.close()
  await bench.open({ connection: { ...bench.connection, host: '127.0.0.1', port: network.port } })
  const before = (await backends(bench)).length
  isSpoilt = true
  const pids = new Set()
  for (let i = 0; i < 3; i++) {
    const { rows } = await bench.mirror.write((client) => client.query('SELECT pg_backend_pid() AS pid'))
    pids.add(rows[0].pid)
  }
  expect(pids.size).toBe(3)
  while ((await backends(bench)).length > before) await new Promise((resolve) => setTimeout(resolve, 5))
  isSpoilt = false
  await bench.mirror.write((client) => client.query('UPDATE account SET balance = 5 WHERE id = 1'))
  expect(balances(bench)).toEqual([5, 0])
  await bench.close()
})
