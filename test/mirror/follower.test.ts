import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Follower } from '../../src/mirror/follower'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres()
  bench = await MirrorBench.start(server, 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)', {
    tables: ['t'],
    checkIntervalMs: 3_600_000,
  })
})
afterAll(async () => {
  await bench?.close()
  await server?.close()
})

const LSN = 0xff_0000_0000n

/** A transaction that describes the table with a column that it does not have, and truncates it. */
function foreignTransaction(oid: number): Buffer[] {
  const begin = Buffer.alloc(21)
  begin.write('B')
  begin.writeBigUInt64BE(LSN, 1)
  begin.writeUInt32BE(3, 17) // a transaction that everybody sees
  const name = (text: string): Buffer => Buffer.from(`${text}\0`)
  const head = Buffer.alloc(5)
  head.write('R')
  head.writeUInt32BE(oid, 1)
  const column = Buffer.alloc(8)
  column.writeUInt32BE(23, 0)
  column.writeInt32BE(-1, 4)
  const relation = [head, name('public'), name('t'), Buffer.from('d\0\x01\x00'), name('other'), column]
  const truncate = Buffer.alloc(10)
  truncate.write('T')
  truncate.writeUInt32BE(1, 1)
  truncate.writeUInt32BE(oid, 6)
  const commit = Buffer.alloc(26)
  commit.write('C')
  commit.writeBigUInt64BE(LSN, 2)
  commit.writeBigUInt64BE(LSN + 8n, 10)
  return [begin, Buffer.concat(relation), truncate, commit]
}

test('after a transaction that failed in its middle, its rest is not taken for all of it', async () => {
  const [{ oid }] = (await bench.query<{ oid: number }>("SELECT 't'::regclass::oid::int8::float8 AS oid")) as [
    { oid: number },
  ]
  const { follower } = (bench.mirror as unknown as { session: { follower: Follower } }).session
  const before = follower.appliedLsn
  for (const message of foreignTransaction(oid)) follower.onMessage(message, 0, message.length)
  await expect(Promise.resolve().then(() => follower.onChunk())).rejects.toMatchObject({ code: 'SCHEMA' })
  await follower.onChunk() // the next piece, which had come already
  expect(follower.appliedLsn).toBe(before)
  expect(bench.db.table('t').rowCount).toBe(1)
})
