import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { connect, queryRows } from '../../src/mirror/connection'
import { ensureConnectionString } from '../../src/mirror/connection-string'
import { mirror } from '../../src/mirror/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())

const PROBE = `SELECT '1 year -2 days 3:04:05.6'::interval::text AS i, '\\xdead'::bytea::text AS b, 0.1::float8::text AS f,
  '2024-02-01 00:00+03'::timestamptz::text AS t, 12.5::numeric::money::text AS m`

async function printed(client: pg.Client): Promise<unknown> {
  const [row] = await queryRows(client, 'probing failed', PROBE)
  return row
}

test('both kinds of connection print values alike, whatever the database is configured to', async () => {
  const connection = await server.createDatabase('styles')
  for (const setting of [
    `DateStyle = 'German'`,
    `IntervalStyle = 'sql_standard'`,
    `TimeZone = 'Asia/Tokyo'`,
    `bytea_output = 'escape'`,
    'extra_float_digits = -10',
    'statement_timeout = 20',
  ]) {
    await server.query(`ALTER DATABASE ${connection.database} SET ${setting}`)
  }
  for (const purpose of ['query', 'replication'] as const) {
    const client = await connect(connection, purpose)
    expect(await printed(client)).toEqual({
      i: 'P1Y-2DT3H4M5.6S',
      b: '\\xdead',
      f: '0.1',
      t: '2024-01-31 21:00:00+00',
      m: '$12.50',
    })
    await queryRows(client, 'sleeping failed', 'SELECT pg_sleep(0.05)::text')
    await client.end()
  }
})

test('arrays of texts and numbers are read with what they quote and escape', async () => {
  const client = await connect(server.connection, 'query')
  const texts = ['', 'a,b', '{c}', '"d"', '\\', 'NULL', ' e ', 'é']
  const elements = texts.map((text) => `'${text}'`).join(', ')
  expect(
    await queryRows(
      client,
      'asking failed',
      `SELECT ARRAY[${elements}] AS texts, ARRAY[1.5, -2e300]::float8[] AS numbers`,
    ),
  ).toEqual([{ texts, numbers: [1.5, -2e300] }])
  await client.end()
})

test('a URL connects like a configuration object', async () => {
  const { host, port, user, database } = server.tcpConnection
  const client = await connect(`postgres://${user}@${host}:${port}/${database}`, 'query')
  expect(await queryRows(client, 'asking failed', 'SELECT current_user::text AS "user"')).toEqual([{ user }])
  await client.end()
})

test('an error carries the words of the server, the SQLSTATE, a remedy and whether trying again can help', async () => {
  const attempts: [Partial<typeof server.connection>, RegExp, object][] = [
    [
      { database: 'nowhere' },
      /"nowhere" does not exist.*3D000.*Check the database name/,
      { isTransient: false, sqlState: '3D000' },
    ],
    [{ user: 'nobody-at-all' }, /nobody-at-all.*28000.*pg_hba/, { isTransient: false, sqlState: '28000' }],
    [{ host: '127.0.0.1', port: 1 }, /ECONNREFUSED.*Check host and port/, { isTransient: true }],
    [{ host: '/nowhere' }, /ENOENT.*socket folder/, { isTransient: true }],
  ]
  for (const [changed, message, details] of attempts) {
    await expect(connect({ ...server.connection, ...changed }, 'query')).rejects.toMatchObject({
      code: 'POSTGRES',
      message: expect.stringMatching(message),
      details: expect.objectContaining(details),
    })
  }
})

test('the loss of an idle connection is told, and does not end the process', async () => {
  let told: (error: unknown) => void = () => undefined
  const lost = new Promise((resolve) => {
    told = resolve
  })
  const client = await connect(server.connection, 'query', (error) => told(error))
  const [{ pid }] = await queryRows<{ pid: number }>(client, 'asking failed', 'SELECT pg_backend_pid() AS pid')
  await server.query(`SELECT pg_terminate_backend(${pid})`)
  expect(await lost).toMatchObject({ code: 'POSTGRES', details: { isTransient: true } })
})

test('a connection string that would be misread is refused, with what is wrong with it and nothing of the password', async () => {
  const wrong: [url: string, reason: RegExp][] = [
    ['postgres://me:se#cret@127.0.0.1:5432/shop', /is no URL.*encodeURIComponent/],
    ['postgres://me:12#secret@127.0.0.1:5432/shop', /"#" that ends it.*encodeURIComponent/],
    ['postgres://me:12/secret@127.0.0.1:5432/shop', /"\/" or "\?" before its host/],
    ['postgres://me:12?secret@127.0.0.1:5432/shop', /"\/" or "\?" before its host/],
    ['postgres://me:sec%ret@127.0.0.1:5432/shop', /"%" that begins no code/],
    ['postgres://me:secret@10.0.0.1:5432,10.0.0.2:5432/shop', /names several hosts\. Name one/],
    ['host=localhost port=5432 password=secret', /keywords and values.*Pass a URL like postgres:/],
    ['localhost/shop', /does not begin with postgres:/],
  ]
  for (const [url, reason] of wrong) {
    const db = Store.open()
    const error = await mirror(db, { connection: url, tables: ['t'] }).catch((each) => each)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(reason) })
    expect(error.message).not.toMatch(/se#?c|sec%ret/)
    await db.close()
  }
  const { host, port, user, database } = server.connection
  const socket = encodeURIComponent(host)
  const right = [
    `postgres://${user}:a%23b@localhost:${port}/${database}`,
    `postgresql://${user}@/${database}?host=${host}&port=${port}`,
    `postgres://${user}@${socket}:${port}/${database}`,
    `socket://${user}@${host}?db=${database}`,
    `${host} ${database}`,
  ]
  for (const url of right) expect(() => ensureConnectionString(url), url).not.toThrow()
})
