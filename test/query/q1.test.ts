import { expect, test } from 'vitest'
import { open } from '../../src/index'
import * as q from '../../src/query/functions'

test('smoke', async () => {
  const db = await open()
  db.write((tx) => {
    tx.createTable('animal', {
      key: 'id',
      columns: { id: 'integer', name: 'string', legs: { type: 'integer', nullable: true }, type: 'string' },
    })
    for (let i = 1; i < 10000; i++)
      tx.insert('animal', { id: i, name: `n${i}`, legs: i % 5 === 0 ? null : i % 7, type: i % 3 ? 'mammal' : 'insect' })
  })
  const a = q.query(
    db,
    q.indexLookup('animal', 'legs'),
    q.columnEqual('animal', 'type', 'mammal'),
    q.collect(5),
  ) as number[]
  const naive = [...db.table('animal').rows()].filter(
    (r) => db.table('animal').column('legs').get(r) === 5 && db.table('animal').column('type').get(r) === 'mammal',
  )
  expect(a).toEqual(naive)
  expect(q.query(db, q.indexLookup('animal', 'type'), q.columnEqual('animal', 'legs', 5), q.collect('mammal'))).toEqual(
    naive,
  )
  expect(
    q.query(
      db,
      q.rows('animal'),
      q.columnEqual('animal', 'legs', 0),
      q.getColumn('animal', 'name'),
      q.collect(undefined, 3),
    ),
  ).toEqual(['n7', 'n14', 'n21'])
  const plan = q.query(
    db,
    q.rows('animal'),
    q.columnEqual('animal', 'legs', 0),
    q.columnNotEqual('animal', 'type', 'mammal'),
    q.getColumn('animal', 'name'),
  )
  console.log(String(plan.explain({ run: true })), plan.explain().steps[0].code)
  console.log(
    q.query(
      db,
      q.rows('animal'),
      q.columnSatisfies('animal', 'legs', (v) => v === null),
      q.count(),
    ),
  )
  console.log(
    q.query(
      db,
      q.naturals(),
      q.satisfies((n: number) => n % 2 === 1),
      q.product(
        q.apply((n: number) => n),
        q.constant('a', 'b'),
      ),
      q.collect(null, 5),
    ),
  )
  await db.close()
})
