import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Column, Entity, Id, open } from '../../src/index'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
afterEach(() => bench.close())

const nested = (levels: number): string => `${'['.repeat(levels)}"a long enough string"${']'.repeat(levels)}`
const deep = nested(1500)

async function told(text: RegExp): Promise<void> {
  await bench.until(() => bench.notices.some((notice) => text.test(notice)))
}

test('documents that a heap cannot hold are kept as their text, with a notice, copied and streamed', async () => {
  bench = await MirrorBench.start(
    server,
    `CREATE TABLE t (id int PRIMARY KEY, doc json, docs jsonb[]);
     INSERT INTO t VALUES (1, '${deep}', NULL), (2, '${nested(900)}', NULL), (3, '["before", 1e999999]', NULL)`,
    { tables: ['t'] },
  )
  const table = () => bench.db.table('t')
  await told(/^"public"\."t"\."doc" has a document that nests too deep, .* its text is kept, as a string\.$/)
  expect(table().get(1)!.doc).toBe(deep)
  expect(JSON.stringify(table().get(2)!.doc)).toBe(nested(900))
  expect(table().get(3)!.doc).toBe('["before", 1e999999]')
  await bench.query(`UPDATE t SET doc = '{"fits": true}' WHERE id = 1; UPDATE t SET doc = '${deep}' WHERE id = 2;
    INSERT INTO t VALUES (4, NULL, ARRAY['1', '${deep}', '{"a": 2}']::jsonb[])`)
  await bench.expectSame()
  expect(table().get(1)!.doc).toEqual({ fits: true })
  expect(table().get(2)!.doc).toBe(deep)
  expect(table().get(4)!.docs).toEqual([1, deep, { a: 2 }])
  await told(/"docs" has a document/)
  await bench.query('DELETE FROM t')
  await bench.expectSame() // nothing of what was given up is left behind
  expect(bench.notices.filter((notice) => notice.includes('"doc"'))).toHaveLength(1)
})

test('array bounds that are not kept are told of, once for a column', async () => {
  bench = await MirrorBench.start(
    server,
    `CREATE TABLE t (id int PRIMARY KEY, a int[], b int[], c text[]);
     INSERT INTO t VALUES (1, '{1,2}', '{1,2}', '{x}'), (2, '[0:1]={3,4}', '{}', NULL), (3, '[5:5]={6}', NULL, NULL)`,
    { tables: ['t'] },
  )
  await told(/^"public"\."t"\."a" has an array that does not begin at 1: its bounds are not kept\.$/)
  await bench.query(`UPDATE t SET b = '[2:2]={7}' WHERE id = 1`)
  await bench.expectSame()
  await told(/"b" has an array/)
  expect(bench.db.table('t').get(1)).toEqual({ id: 1, a: [1, 2], b: [7], c: ['x'] })
  expect(bench.notices.filter((notice) => notice.includes('bounds'))).toHaveLength(2)
})

test('a JSON null is told from no value by the column', async () => {
  bench = await MirrorBench.start(
    server,
    `CREATE TABLE t (id int PRIMARY KEY, doc jsonb); INSERT INTO t VALUES (1, 'null'), (2, NULL), (3, '0')`,
    { tables: ['t'] },
  )
  const column = bench.db.table('t').column('doc')
  const seen = [1, 2, 3].map((id) => [column.get(id), column.isAbsent(id)])
  expect(seen).toEqual([
    [null, false],
    [null, true],
    [0, false],
  ])
  expect(bench.db.table('t').findRows({ doc: null })).toEqual([1, 2]) // what reads as null
})

test('a number of a column numeric(p, s) is found however it is written, also after its scale has changed', async () => {
  @Entity()
  class Item {
    @Id() id!: number
    @Column({ type: 'number', nullable: true }) price!: number | null
  }
  bench = await MirrorBench.start(
    server,
    `CREATE TABLE item (id int PRIMARY KEY, price numeric(10, 2), rough numeric(10, 0), free numeric);
     INSERT INTO item VALUES (1, 1.5, 7, 1.5), (2, 1.5, 8, 1.50), (3, -2, 7, 2), (4, NULL, NULL, NULL)`,
    { tables: ['item'] },
  )
  const find = (conditions: object) => bench.db.table('item').findRows(conditions as never)
  for (const form of [1.5, '1.5', '1.50', '1.5000']) expect(find({ price: form })).toEqual([1, 2])
  expect([find({ price: -2 }), find({ rough: 7 }), find({ free: '1.5' })]).toEqual([[3], [1, 3], [1]])
  await bench.query('UPDATE item SET price = 1.5 WHERE id = 3; ALTER TABLE item ALTER price TYPE numeric')
  await bench.query(`UPDATE item SET price = 1.555 WHERE id = 1; ALTER TABLE item ADD more numeric(4, 1)`)
  await bench.query(`UPDATE item SET more = 2 WHERE id = 1`)
  await bench.until(() => bench.db.table('item').hasColumn('more'))
  await bench.expectSame()
  expect([find({ price: '1.555' }), find({ price: '1.50' }), find({ more: 2 })]).toEqual([[1], [2, 3], [1]])
  await bench.query('ALTER TABLE item ALTER price TYPE numeric(12, 1)')
  await bench.until(() => bench.db.table('item').column('price').scale === 1)
  await bench.expectSame()
  await bench.shut()
  const db = await open(bench.path, { entities: [Item], readOnly: true })
  expect(db.find(Item, { price: 1.5 }).map(({ id }) => id)).toEqual([2, 3])
  await db.close()
})
