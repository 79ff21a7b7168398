import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import type { SnapheapError } from '../../src/errors'
import { mirror } from '../../src/mirror/mirror'
import type { Finding } from '../../src/mirror/table-findings'
import { MirrorBench } from '../support/mirror'
import { type PostgresServer, startPostgres } from '../support/postgres'

let server: PostgresServer
let bench: MirrorBench | undefined
beforeAll(async () => {
  server = await startPostgres()
  await server.query('CREATE ROLE reader LOGIN REPLICATION; CREATE ROLE keeper LOGIN')
})
afterAll(() => server.close())
afterEach(async () => {
  await bench?.close()
  bench = undefined
})

const TABLES = `
  CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT i, 'v' || i FROM generate_series(1, 200) i;
  CREATE TABLE event (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
  CREATE TABLE event_0 PARTITION OF event FOR VALUES FROM (0) TO (100);
  CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (100) TO (200);
  INSERT INTO event SELECT i, i FROM generate_series(1, 150) i`
/** Everything belongs to `keeper`; `reader` may read two tables and replicate, and nothing else. */
const RIGHTS = `${TABLES};
  REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO reader;
  GRANT SELECT ON item, event TO reader;
  ALTER TABLE item OWNER TO keeper; ALTER TABLE event OWNER TO keeper;
  ALTER TABLE event_0 OWNER TO keeper; ALTER TABLE event_1 OWNER TO keeper`
const tables = ['item', 'event']

async function start(publication: string): Promise<MirrorBench> {
  bench = await MirrorBench.start(
    server,
    `${RIGHTS}; CREATE TABLE noise (id int PRIMARY KEY); CREATE PUBLICATION theirs ${publication}`,
    { tables, publication: 'theirs' },
    'reader',
  )
  return bench
}

test('the rights to read and to replicate, and a publication of the owner, are enough for everything', async () => {
  const { query, expectSame, expectSameSoon } = bound(await start('FOR TABLE item, event'))
  await expectSame()
  await query(`UPDATE item SET v = 'other' WHERE id < 10; DELETE FROM event WHERE id > 90; TRUNCATE event_1`)
  await expectSame()
  await query(`ALTER TABLE item ADD w int DEFAULT 7; ALTER TABLE event ADD w int`)
  await expectSameSoon()
  await query(`CREATE TABLE event_2 (LIKE event INCLUDING ALL); INSERT INTO event_2 VALUES (201, 1, 1);
    ALTER TABLE event ATTACH PARTITION event_2 FOR VALUES FROM (200) TO (300)`)
  await expectSameSoon()
  await query(`ALTER PUBLICATION theirs SET (publish = 'insert'); UPDATE item SET v = 'unsaid' WHERE id = 1;
    ALTER PUBLICATION theirs SET (publish = 'insert, update, delete, truncate')`)
  await expectSameSoon()
  expect(bench!.db.table('item').get(1)).toMatchObject({ v: 'unsaid', w: 7 })
  const { slot } = bench!.mirror
  await bench!.mirror.close({ dropSlot: true })
  expect((await server.query(`SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slot}'`)).rows).toEqual([])
  expect(await query(`SELECT obj_description(oid) AS mark FROM pg_publication WHERE pubname = 'theirs'`)).toEqual([
    { mark: null },
  ])
})

test('the SQL that a role without rights is given is for the owner to run, is the smallest, and is enough', async () => {
  const connection = { ...(await server.createDatabase('rights')), user: 'reader' }
  await server.query(
    `${RIGHTS}; REVOKE ALL ON item, event FROM reader; REVOKE ALL ON SCHEMA public FROM reader`,
    connection.database,
  )
  const db = Store.open()
  const attempt = () => mirror(db, { connection, tables: ['public.item', 'public.event'], publication: 'for_reader' })
  const remedies: string[] = []
  for (;;) {
    const started = await attempt().catch((error: SnapheapError) => error)
    if (!(started instanceof Error)) {
      await started.ready
      expect((await started.verify()).isSame).toBe(true)
      await started.close()
      break
    }
    expect(started.code).toBe('PREFLIGHT')
    expect(remedies.length).toBeLessThan(10)
    for (const { remedy } of started.details.findings as Finding[]) {
      remedies.push(remedy.replace(/ --.*/, ''))
      await server.query(remedy, connection.database)
    }
  }
  expect(db.check().problems).toEqual([])
  await db.close()
  expect(remedies).toEqual([
    'GRANT USAGE ON SCHEMA "public" TO "reader";',
    'CREATE PUBLICATION "for_reader" FOR TABLE ONLY "public"."item", "public"."event" WITH (publish_via_partition_root = false);',
    'GRANT SELECT ON "public"."item" TO "reader";',
    'GRANT SELECT ON "public"."event" TO "reader";',
  ])
})

test.each(['FOR ALL TABLES', 'FOR TABLES IN SCHEMA public', 'FOR TABLE item, event, noise'])(
  'a publication of the owner with further tables gives the same rows: %s',
  async (made) => {
    if (made.includes('SCHEMA') && (await version()) < 15) return
    const { query, expectSame, expectSameSoon } = bound(await start(made))
    await bench!.until(() => bench!.notices.some((notice) => /publishes .*other table.* too/.test(notice)))
    await query(
      `INSERT INTO noise SELECT generate_series(1, 500); UPDATE item SET v = 'x' WHERE id = 3; TRUNCATE noise, event`,
    )
    await expectSame()
    await query(`ALTER TABLE noise ADD v int; INSERT INTO noise VALUES (1, 1); INSERT INTO event VALUES (7, 7)`)
    await expectSame()
    // Out of the schema, and back, while the mirror is away: in between, nothing of it may have been published.
    await bench!.shut()
    await query(`CREATE SCHEMA far; ALTER TABLE item SET SCHEMA far; UPDATE far.item SET v = 'far' WHERE id = 5;
      ALTER TABLE far.item SET SCHEMA public`)
    await bench!.open()
    await expectSameSoon()
    expect(bench!.db.table('item').get(5)).toMatchObject({ v: 'far' })
    expect(bench!.notices.filter((notice) => notice.startsWith('All tables are copied again'))).toEqual([])
  },
)

test('a publication of the owner that is made unfit while it is used makes the tables stale, until it fits again', async () => {
  const { query, expectSameSoon } = bound(await start('FOR TABLE item, event'))
  await query('ALTER PUBLICATION theirs DROP TABLE item')
  await bench!.until(() => bench!.mirror.status === 'stale' && bench!.mirror.error?.code === 'PREFLIGHT')
  expect(bench!.mirror.error!.message).toMatch(
    /the publication "theirs" lacks "public"."item"\n +ALTER PUBLICATION "theirs" ADD TABLE/,
  )
  await query(`UPDATE item SET v = 'unsaid' WHERE id = 2`)
  await query('ALTER PUBLICATION theirs ADD TABLE item')
  await expectSameSoon()
  expect(bench!.db.table('item').get(2)).toMatchObject({ v: 'unsaid' })
})

test('a generated column that is added to a table whose publication would send it is told, not copied for ever', async () => {
  if ((await version()) < 18) return
  const { query, expectSameSoon } = bound(
    await start('FOR TABLE item, event WITH (publish_generated_columns = stored)'),
  )
  await query('ALTER TABLE item ADD g int GENERATED ALWAYS AS (id * 2) STORED; UPDATE item SET v = $$g$$ WHERE id = 4')
  await bench!.until(() => bench!.mirror.error?.code === 'PREFLIGHT')
  expect(bench!.mirror.error!.message).toContain('publishes generated columns')
  await query('ALTER PUBLICATION theirs SET (publish_generated_columns = none)')
  await expectSameSoon()
})

async function version(): Promise<number> {
  const { rows } = await server.query(`SELECT current_setting('server_version_num')::int / 10000 AS version`)
  return rows[0].version
}

function bound(of: MirrorBench) {
  return {
    query: (sql: string) => of.query(sql),
    expectSame: () => of.expectSame(),
    expectSameSoon: () => of.expectSameSoon(),
  }
}
