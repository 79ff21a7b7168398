import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { readTables, type SourceTable } from '../../src/mirror/catalogue'
import { connect, queryRows } from '../../src/mirror/connection'
import type { Lsn } from '../../src/mirror/lsn'
import { PgoutputDecoder } from '../../src/mirror/pgoutput'
import { ensurePublication } from '../../src/mirror/publication'
import { createSlot, slotStatus } from '../../src/mirror/slot'
import { ReplicationStream, type StreamHandlers, type StreamOptions } from '../../src/mirror/stream'
import { type PostgresServer, type ServerConnection, startPostgres } from '../support/postgres'

let server: PostgresServer
let connection: ServerConnection
let client: pg.Client
let start: Lsn
const open: Reader[] = []

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
beforeEach(async () => {
  connection = await server.createDatabase('stream')
  client = await connect(connection, 'query')
  await client.query('CREATE TABLE t (id int PRIMARY KEY, v text)')
  await ensurePublication(client, 'p', (await readTables(client, ['t'])) as SourceTable[], 'test')
  const slot = await createSlot(connection, connection.database, 10_000)
  await slot.close()
  start = slot.consistentLsn
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((reader) => reader.close()))
  await client.end()
})

/** Collects the ids of inserted rows by transaction. */
class Reader {
  transactions: { ids: number[]; endLsn: Lsn }[] = []
  keepalives: Lsn[] = []
  private current: number[] | undefined
  private waiting: { condition: () => boolean; resolve: () => void }[] = []
  private constructor(
    readonly client: pg.Client,
    options: Partial<StreamOptions>,
    onChunk?: StreamHandlers['onChunk'],
  ) {
    const decoder = new PgoutputDecoder({
      begin: () => {
        expect(this.current).toBeUndefined()
        this.current = []
      },
      insert: (_oid, bytes, row) => this.current!.push(Number(bytes.toString('utf8', row.starts[0], row.ends[0]))),
      commit: (_lsn, endLsn) => {
        this.transactions.push({ ids: this.current!, endLsn })
        this.current = undefined
      },
      relation: () => undefined,
      update: () => undefined,
      delete: () => undefined,
      truncate: () => undefined,
    })
    this.stream = new ReplicationStream(
      client,
      { slot: connection.database, publication: 'p', startLsn: start, ...options },
      {
        onMessage: (bytes, from, to) => {
          decoder.decode(bytes, from, to)
          this.check()
        },
        onKeepalive: (walEnd) => {
          this.keepalives.push(walEnd)
          this.check()
        },
        ...(onChunk === undefined ? {} : { onChunk }),
      },
    )
  }
  readonly stream: ReplicationStream

  static async open(options: Partial<StreamOptions> = {}, onChunk?: StreamHandlers['onChunk']): Promise<Reader> {
    const reader = new Reader(await connect(connection, 'replication'), options, onChunk)
    open.push(reader)
    return reader
  }

  get ids(): number[][] {
    return this.transactions.map(({ ids }) => ids)
  }

  until(condition: () => boolean): Promise<void> {
    const reached = new Promise<void>((resolve) => this.waiting.push({ condition, resolve }))
    this.check()
    return Promise.race([reached, this.stream.done])
  }

  async close(): Promise<void> {
    await this.stream.stop()
    await this.client.end()
  }

  private check(): void {
    this.waiting = this.waiting.filter(({ condition, resolve }) => {
      if (condition()) resolve()
      return !condition()
    })
  }
}

const query = (sql: string) => queryRows<Record<string, unknown>>(client, 'the test failed', sql)
const insert = (from: number, to = from) =>
  query(`INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(${from}, ${to}) i`)
const confirmed = async () => (await slotStatus(client, connection.database))!.confirmedLsn

test('transactions arrive whole and in the order of their commits', async () => {
  const reader = await Reader.open()
  await query('BEGIN; INSERT INTO t VALUES (1)')
  const other = await connect(connection, 'query')
  await other.query('INSERT INTO t VALUES (2), (3)')
  await query('INSERT INTO t VALUES (4); COMMIT')
  await other.end()
  await reader.until(() => reader.transactions.length === 2)
  expect(reader.ids).toEqual([
    [2, 3],
    [1, 4],
  ])
  expect(reader.stream.walEnd).toBeGreaterThanOrEqual(reader.transactions[1]!.endLsn - 100n)
})

test('continuing from the end of a transaction repeats nothing and loses nothing, whatever was acknowledged', async () => {
  for (let id = 1; id <= 5; id++) await insert(id)
  const first = await Reader.open()
  await first.until(() => first.transactions.length === 5)
  await first.close()
  const ends = first.transactions.map(({ endLsn }) => endLsn)
  for (let done = 5; done >= 0; done--) {
    const again = await Reader.open({ startLsn: done === 0 ? start : ends[done - 1]! })
    await again.until(() => again.transactions.length === 5 - done)
    await insert(100 + done)
    await again.until(() => again.ids.flat().includes(100 + done))
    expect(again.ids.flat().filter((id) => id <= 5)).toEqual([1, 2, 3, 4, 5].slice(done))
    await again.close()
  }
})

test('the slot moves only by what is acknowledged as durable', async () => {
  const reader = await Reader.open({ statusIntervalMs: 20 })
  for (let id = 1; id <= 3; id++) await insert(id)
  await reader.until(() => reader.transactions.length === 3 && reader.keepalives.length > 5)
  expect(await confirmed()).toBe(start)
  const [first, second] = reader.transactions.map(({ endLsn }) => endLsn)
  reader.stream.acknowledge(reader.transactions[2]!.endLsn, first!, true)
  await untilConfirmed(first!)
  reader.stream.acknowledge(second!, second!)
  await untilConfirmed(second!)
  reader.stream.acknowledge(first!, first!, true) // never back
  const count = reader.keepalives.length
  await reader.until(() => reader.keepalives.length > count + 2)
  expect(await confirmed()).toBe(second)
})

test('an idle stream follows the log of other tables through keepalives, if the owner says so', async () => {
  const reader = await Reader.open({ statusIntervalMs: 20 })
  await query('CREATE TABLE other (id int); INSERT INTO other SELECT generate_series(1, 1000)')
  const [row] = await query(`SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::text AS lsn`)
  const target = BigInt(row!.lsn as string)
  await reader.until(() => reader.keepalives.some((walEnd) => walEnd >= target))
  reader.stream.acknowledge(target, target, true)
  await untilConfirmed(target)
})

async function untilConfirmed(lsn: Lsn): Promise<void> {
  while ((await confirmed()) !== lsn) await new Promise(setImmediate)
}

test('a server that falls silent is noticed', async () => {
  const reader = await Reader.open({ statusIntervalMs: 30 })
  await insert(1)
  await reader.until(() => reader.transactions.length === 1)
  const { activePid } = (await slotStatus(client, connection.database))!
  process.kill(activePid!, 'SIGSTOP')
  try {
    await expect(reader.stream.done).rejects.toMatchObject({
      code: 'POSTGRES',
      message: expect.stringContaining('no answer'),
      details: { isTransient: true },
    })
  } finally {
    process.kill(activePid!, 'SIGCONT')
  }
})

test('a promise from the handler holds the stream back, statuses go on, and nothing is lost', async () => {
  let release: () => void = () => undefined
  let chunks = 0
  const reader = await Reader.open({ statusIntervalMs: 20 }, () => {
    if (++chunks > 3) return undefined
    return new Promise((resolve) => {
      release = resolve
    })
  })
  await insert(1, 50_000)
  for (let held = 1; held <= 3; held++) {
    while (chunks < held) await new Promise(setImmediate)
    const [seen, before] = [chunks, await lastReply()]
    while ((await lastReply()) === before) await new Promise(setImmediate)
    expect(chunks).toBe(seen)
    release()
  }
  await reader.until(() => reader.transactions.length === 1)
  expect(reader.ids[0]).toEqual(Array.from({ length: 50_000 }, (_, i) => i + 1))
})

async function lastReply(): Promise<string> {
  const [row] = await query(`SELECT reply_time::text AS at FROM pg_stat_replication
    WHERE pid = (SELECT active_pid FROM pg_replication_slots WHERE slot_name = '${connection.database}')`)
  return row!.at as string
}

test('what a handler throws ends the stream with it', async () => {
  const reader = await Reader.open({}, () => {
    throw new RangeError('from the handler')
  })
  await expect(reader.stream.done).rejects.toThrow(new RangeError('from the handler'))
})

test('stopping ends in order and frees the slot, also before the stream has begun', async () => {
  const reader = await Reader.open()
  await reader.stream.stop()
  await reader.stream.done
  expect(await queryRows(reader.client, 'the test failed', 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  const next = await Reader.open()
  await insert(7)
  await next.until(() => next.transactions.length === 1)
})

test('a missing slot, a terminated sender and a crashed server reject with POSTGRES', async () => {
  const missing = await Reader.open({ slot: 'nothing' })
  await expect(missing.stream.done).rejects.toMatchObject({
    code: 'POSTGRES',
    details: { sqlState: '42704', isTransient: true }, // connecting again finds out, and makes it anew
  })
  await insert(1)
  const terminated = await Reader.open()
  await terminated.until(() => terminated.transactions.length > 0)
  await query(`SELECT pg_terminate_backend(${(await slotStatus(client, connection.database))!.activePid})`)
  await expect(terminated.stream.done).rejects.toMatchObject({ code: 'POSTGRES', details: { isTransient: true } })
  const crashed = await Reader.open()
  await crashed.until(() => crashed.transactions.length > 0)
  await server.crash()
  await expect(crashed.stream.done).rejects.toMatchObject({ code: 'POSTGRES', details: { isTransient: true } })
  await server.start()
  await client.end()
  client = await connect(connection, 'query')
})
