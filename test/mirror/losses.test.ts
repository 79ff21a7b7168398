import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
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
  expect(bench.db.table('t').find({ doc: null })).toEqual([2])
})
