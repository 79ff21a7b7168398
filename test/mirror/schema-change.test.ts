import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { connect } from '../../src/mirror/connection'
import type { MirrorOptions } from '../../src/mirror/mirror-options'
import { mirrorProperties } from '../../src/mirror/state'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.close())
afterEach(() => bench.close())

const ITEMS = `
  CREATE TYPE mood AS ENUM ('sad', 'happy');
  CREATE TABLE item (id int PRIMARY KEY, name varchar(40) NOT NULL, price numeric(10, 2), feels mood);
  INSERT INTO item SELECT i, 'item ' || i, i * 1.25, 'happy' FROM generate_series(1, 2000) i;
  CREATE TABLE other (id int PRIMARY KEY, v int);
  INSERT INTO other SELECT i, i FROM generate_series(1, 500) i`

async function start(options: Partial<MirrorOptions> = {}): Promise<void> {
  bench = await MirrorBench.start(server, ITEMS, { tables: ['item', 'other'], ...options })
}

const columns = () =>
  bench.db
    .table('item')
    .columns.map(({ name, type }) => `${name} ${type}`)
    .join(', ')

/** The columns of the mirrored table once they are as expected. */
async function untilColumns(expected: string): Promise<void> {
  await bench.until(() => columns() === expected)
}

const CHANGES: [what: string, sql: string, columns: string, isCopied: boolean][] = [
  [
    'a new column without values',
    'ADD c int',
    'id integer, name string, price decimal, feels string, c integer',
    false,
  ],
  [
    'a new column with a default',
    'ADD c int DEFAULT 7',
    'id integer, name string, price decimal, feels string, c integer',
    true,
  ],
  [
    'a new column with a default that differs by row',
    'ADD c float8 DEFAULT random()',
    'id integer, name string, price decimal, feels string, c number',
    true,
  ],
  ['a dropped column', 'DROP price', 'id integer, name string, feels string', false],
  ['a renamed column', 'RENAME price TO cost', 'id integer, name string, cost decimal, feels string', false],
  ['a column of another type', 'ALTER price TYPE float8', 'id integer, name string, price number, feels string', true],
  ['a type of the same values', 'ALTER name TYPE text', 'id integer, name string, price decimal, feels string', false],
  ['fewer digits', 'ALTER price TYPE numeric(10, 1)', 'id integer, name string, price decimal, feels string', true],
  ['a key of another type', 'ALTER id TYPE text', 'id string, name string, price decimal, feels string', true],
  [
    'another key',
    'DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (name)',
    'id integer, name string, price decimal, feels string',
    true,
  ],
  ['all columns as identity', 'REPLICA IDENTITY FULL', 'id integer, name string, price decimal, feels string', false],
]

for (const [what, sql, expected, isCopied] of CHANGES) {
  test(`${what} is seen in the stream, and the rows are right`, async () => {
    await start()
    await bench.query(`UPDATE other SET v = v + 1; ALTER TABLE item ${sql}`)
    await bench.query(`UPDATE item SET name = name || '!' WHERE id::text LIKE '%7'; UPDATE other SET v = v + 1`)
    await bench.expectSame()
    expect(columns()).toBe(expected)
    expect(bench.statuses.includes('resyncing')).toBe(isCopied)
  })
}

test('a change is noticed without any change of rows after it', async () => {
  await start()
  await bench.query('ALTER TABLE item ADD c int DEFAULT 5, DROP price')
  await untilColumns('id integer, name string, feels string, c integer')
  await bench.expectSame()
  await bench.query('ALTER TABLE item RENAME c TO d')
  await untilColumns('id integer, name string, feels string, d integer')
  await bench.expectSame()
})

test('a column dropped and made anew is noticed, though the columns look the same', async () => {
  await start()
  await bench.query('ALTER TABLE item DROP feels, ADD feels mood')
  await bench.query('UPDATE item SET price = 0 WHERE id > 100')
  await bench.until(() => bench.db.table('item').get(1)?.feels === null)
  await bench.expectSame()
})

test('rows that an ALTER TABLE computes anew are noticed, though the columns look the same', async () => {
  await start()
  await bench.query('ALTER TABLE item ALTER price TYPE numeric(10, 2) USING price + 1')
  await bench.until(() => String(bench.db.table('item').get(1)?.price) === '2.25')
  await bench.expectSame()
})

test('neither VACUUM FULL nor a new default copies anything', async () => {
  await start()
  await bench.query('VACUUM FULL item')
  await bench.query('ALTER TABLE other ALTER v SET DEFAULT 3')
  await bench.query('UPDATE item SET price = 0; UPDATE other SET v = 0')
  await bench.expectSame()
  expect(bench.statuses).not.toContain('resyncing')
})

/** Until the mirror knows so many values of the enum. */
const untilValues = (count: number) =>
  bench.until(() => {
    const { columns: known } = mirrorProperties(bench.db, 'item')!.source!
    return known.some(({ labels }) => Object.keys(labels).length === count)
  })

test('a renamed enum value is noticed, a new one that no row has needs nothing', async () => {
  await start()
  await bench.query(`ALTER TYPE mood ADD VALUE 'content'`)
  await untilValues(3)
  await bench.query(`UPDATE item SET feels = 'content' WHERE id = 1`)
  await bench.expectSame()
  expect(bench.statuses).not.toContain('resyncing')
  await bench.query(`ALTER TYPE mood RENAME VALUE 'happy' TO 'glad'`)
  await bench.until(() => bench.db.table('item').get(2)?.feels === 'glad')
  await bench.expectSame()
})

test.each([true, false])(
  'an enum value that was new, used and renamed shows its newest name (after a look of the mirror: %s)',
  async (isSeen) => {
    await start({ checkIntervalMs: isSeen ? 50 : 60_000 })
    await bench.query(`ALTER TYPE mood ADD VALUE 'content'`)
    if (isSeen) await untilValues(3)
    await bench.query(`UPDATE item SET feels = 'content' WHERE id = 1`)
    await bench.until(() => bench.db.table('item').get(1)?.feels === 'content')
    await bench.query(`ALTER TYPE mood RENAME VALUE 'content' TO 'glad'`)
    if (!isSeen) {
      await bench.shut()
      await bench.open({ checkIntervalMs: 50 })
    }
    await bench.until(() => bench.db.table('item').get(1)?.feels === 'glad')
    await bench.expectSame()
  },
)

test('an enum value that was new, and renamed while the process is away, shows its newest name', async () => {
  await start()
  await bench.query(`ALTER TYPE mood ADD VALUE 'content'`)
  await untilValues(3)
  await bench.query(`UPDATE item SET feels = 'content' WHERE id = 1`)
  await bench.expectSame()
  await bench.shut()
  await bench.query(`ALTER TYPE mood RENAME VALUE 'content' TO 'glad'`)
  await bench.open()
  await bench.expectSame()
  expect(bench.db.table('item').get(1)).toMatchObject({ feels: 'glad' })
})

test('an enum value within a composite type that was new, used and renamed shows its newest name', async () => {
  await start()
  await bench.query(`CREATE TYPE pair AS (n int, feels mood); ALTER TABLE item ADD p pair`)
  await untilColumns('id integer, name string, price decimal, feels string, p string')
  await bench.query(`ALTER TYPE mood ADD VALUE 'content'`)
  await bench.query(`UPDATE item SET p = ROW(1, 'content') WHERE id = 1`)
  await bench.query(`ALTER TYPE mood RENAME VALUE 'content' TO 'glad'`)
  await bench.until(() => bench.db.table('item').get(1)?.p === '(1,glad)')
  await bench.expectSame()
})

test('a column that may be without values from now on copies nothing, also when it could before', async () => {
  await start()
  await bench.query('ALTER TABLE item ALTER name DROP NOT NULL, ALTER feels SET NOT NULL')
  await bench.query('UPDATE item SET name = NULL WHERE id < 10')
  await bench.expectSame()
  expect(bench.db.table('item').get(5)).toMatchObject({ name: null })
  await bench.query('ALTER TABLE item ALTER feels DROP NOT NULL; ALTER TABLE item RENAME feels TO felt')
  await bench.query('UPDATE item SET felt = NULL WHERE id = 10')
  await bench.expectSame()
  expect(bench.statuses).not.toContain('resyncing')
})

test('changes while the process is away', async () => {
  await start()
  await bench.shut()
  await bench.query(`UPDATE item SET price = 1 WHERE id = 3; ALTER TABLE item ADD c text, ADD d int DEFAULT 4;
    UPDATE item SET c = 'x' WHERE id < 10; ALTER TABLE item DROP c; ALTER TABLE item RENAME price TO cost`)
  await bench.query(`UPDATE item SET cost = 9 WHERE id = 4; ALTER TABLE other RENAME v TO w`)
  await bench.open()
  await bench.expectSame()
  expect(columns()).toBe('id integer, name string, cost decimal, feels string, d integer')
})

test('tables added to and left out of the list', async () => {
  await start({ tables: ['other'] })
  expect(bench.db.tableNames).not.toContain('item')
  await bench.shut()
  await bench.query('UPDATE item SET price = 77 WHERE id = 1; UPDATE other SET v = 5')
  await bench.open({ tables: ['item', 'other'] })
  await bench.query('UPDATE item SET price = 78 WHERE id = 2; UPDATE other SET v = 6')
  await bench.expectSame()
  await bench.shut()
  await bench.open({ tables: ['item'] })
  await bench.query('UPDATE item SET price = 79 WHERE id = 3; UPDATE other SET v = 7')
  await bench.expectSame()
  await bench.until(() => bench.db.tableNames.join() === 'snapheap.mirror,item')
})

test('a table replaced by another one of the same name, and a table that goes away', async () => {
  await start()
  await bench.query(`BEGIN; ALTER TABLE item RENAME TO item_old; CREATE TABLE item (id int PRIMARY KEY, fresh text);
    INSERT INTO item SELECT i, 'fresh ' || i FROM generate_series(1, 50) i; COMMIT`)
  await untilColumns('id integer, fresh string')
  await bench.query(`UPDATE item SET fresh = 'changed' WHERE id = 7`)
  await bench.expectSame()
  await bench.query('DROP TABLE other')
  await bench.until(() => bench.mirror.error?.code === 'PREFLIGHT')
  expect(bench.mirror.error?.message).toContain('other')
  expect(bench.mirror.tables().get('other')?.status).toBe('stale')
  expect(bench.db.table('other').rowCount).toBe(500) // served as it was
})

test('a renamed or moved table goes on under its name, also over a restart, until another takes that', async () => {
  await start()
  await bench.query(`ALTER TABLE item RENAME TO "Thing"`)
  await bench.query(`UPDATE "Thing" SET price = 5 WHERE id = 1; UPDATE other SET v = 9 WHERE id = 1`)
  await bench.expectSame()
  expect(bench.db.table('item').get(1)).toMatchObject({ name: 'item 1' })
  expect(String(bench.db.table('item').get(1)!.price)).toBe('5.00')
  expect(bench.notices).toContainEqual(
    expect.stringMatching(/^The table item is called "public"\."Thing" now: it is still mirrored as item\. Name it so/),
  )
  await bench.shut()
  await bench.query(
    `CREATE SCHEMA shop; ALTER TABLE "Thing" SET SCHEMA shop; UPDATE shop."Thing" SET price = 6 WHERE id = 2`,
  )
  await bench.open()
  await bench.query(`UPDATE shop."Thing" SET price = 7 WHERE id = 3; ALTER TABLE shop."Thing" ADD c int DEFAULT 4`)
  await bench.until(() => bench.db.table('item').columnNames.includes('c'))
  await bench.expectSame()
  expect(bench.db.tableNames.filter((name) => !name.includes('~'))).toHaveLength(3)
  await bench.query('CREATE TABLE item (id int PRIMARY KEY, fresh text); INSERT INTO item VALUES (1, $$new$$)')
  await untilColumns('id integer, fresh string')
  await bench.expectSame()
})

test('a change that the stream says nothing of is shown without a change of any row', async () => {
  await start({ checkIntervalMs: 1000 })
  await bench.query('ALTER TABLE item ADD c int DEFAULT 7')
  await bench.until(() => bench.db.table('item').get(2000)?.c === 7)
  await bench.expectSame()
})

test('under load: schema changes of all kinds between transactions lose nothing, and two tables agree whenever both are live', async () => {
  await start()
  const client = await connect(bench.connection, 'query')
  let isOver = false
  const torn: string[] = []
  const isLive = (name: string) => bench.mirror.tables().get(name)?.status === 'live'
  // Each transaction writes the same number into both tables. One that is copied says that it is behind the other.
  const look = () => {
    const areLive = isLive('item') && isLive('other')
    const [item, other] = [bench.db.table('item').get(1), bench.db.table('other').get(1)]
    if (areLive && item?.total !== undefined && item.total !== other!.v) torn.push(`${item.total} ${other!.v}`)
    if (!isOver) setTimeout(look, 1)
  }
  await bench.query(
    'ALTER TABLE item ADD total int; UPDATE other SET v = 0 WHERE id = 1; UPDATE item SET total = 0 WHERE id = 1',
  )
  await bench.expectSame()
  look()
  const load = (async () => {
    for (let i = 1; !isOver; i++) {
      await client.query(`BEGIN; UPDATE item SET total = ${i} WHERE id = 1; UPDATE other SET v = ${i} WHERE id = 1;
        INSERT INTO item (id, name) VALUES (${10_000 + i}, 'n${i}'); COMMIT`)
    }
  })()
  for (const sql of [
    'ADD a int',
    'ADD b int DEFAULT 3',
    'DROP a',
    'ALTER b TYPE text',
    'RENAME b TO a',
    'ADD b float8 DEFAULT random()',
    'DROP a',
  ]) {
    await bench.query(`ALTER TABLE item ${sql}`)
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  isOver = true
  await load
  await client.end()
  await bench.expectSame()
  expect(torn).toEqual([])
  expect(columns()).toBe('id integer, name string, price decimal, feels string, total integer, b number')
}, 120_000)
