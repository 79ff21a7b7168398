import { describe, expect, test } from 'vitest'
import { apply, collect, columnSatisfies, constant, getColumn, indexLookup, query, rows } from '../../src/functions'
import { type Database, open } from '../../src/index'
import { errorOf } from '../support/store'
import { numbers, opened, zoo } from './support/zoo'

async function numbered(count: number): Promise<Database> {
  const db = await opened()
  db.write((tx) => {
    tx.createTable('thing', { key: 'id', columns: { id: 'integer', a: 'integer' } })
    for (let id = 0; id < count; id++) tx.insert('thing', { id, a: id % 3 })
  })
  return db
}

describe('a query that is kept', () => {
  test('sees each commit, and an index that was dropped, added and dropped again', async () => {
    const db = await numbered(30)
    const asked = db.query('thing').where({ a: 1 }).values('id')
    const way = (): unknown => asked.explain().steps[0].access
    expect([asked.collect(), way()]).toEqual([numbers(30, (id) => id % 3 === 1), 'index thing.a'])
    db.write((tx) => tx.delete('thing', 1))
    const left = numbers(30, (id) => id % 3 === 1 && id > 1)
    expect(asked.collect()).toEqual(left)
    for (const index of [false, true, false]) {
      db.write((tx) => (index ? tx.addIndex('thing', 'a') : tx.dropIndex('thing', 'a')))
      expect([asked.collect(), way()]).toEqual([left, index ? 'index thing.a' : 'scan thing'])
    }
  })

  test('sees a column that was made anew with another type, and says which was dropped', async () => {
    const db = await numbered(3)
    const asked = db.query('thing').where({ a: 1 }).values('id')
    expect(asked.collect()).toEqual([1])
    db.write((tx) => tx.dropColumn('thing', 'a'))
    expect(errorOf(() => asked.collect())).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('"a"') })
    db.write((tx) => tx.addColumn('thing', 'a', 'string', 'x'))
    expect(errorOf(() => asked.collect()).code).toBe('TYPE')
    db.write((tx) => tx.dropColumn('thing', 'a'))
    db.write((tx) => tx.addColumn('thing', 'a', 'bigint', 1n))
    expect(asked.collect()).toEqual([0, 1, 2])
  })

  test('sees a table that was dropped, and made anew', async () => {
    const db = await numbered(3)
    const asked = db.query('thing').where({ a: 1 }).values('id')
    expect(asked.collect()).toEqual([1])
    db.write((tx) => tx.dropTable('thing'))
    expect(errorOf(() => asked.collect()).code).toBe('NOT_FOUND')
    db.write((tx) => {
      tx.createTable('thing', { key: 'id', columns: { a: 'integer', id: 'integer' } })
      tx.insert('thing', { id: 7, a: 1 })
    })
    expect(asked.collect()).toEqual([7])
  })

  test('shows a snapshot its own version while the newest is altered', async () => {
    const db = await numbered(3)
    using before = db.snapshot()
    const asked = db.query('thing').where({ a: 1 }).values('id')
    db.write((tx) => {
      tx.update('thing', 2, { a: 1 })
      tx.dropIndex('thing', 'a')
    })
    expect([asked.collect(), asked.on(before).collect(), asked.collect()]).toEqual([[1, 2], [1], [1, 2]])
  })

  test('is an error once its reader is closed or has ended', async () => {
    const db = await open()
    db.write((tx) => tx.createTable('thing', { key: 'id', columns: { id: 'integer' } }))
    const asked = db.query('thing').query()
    const snapshot = db.snapshot()
    const ofSnapshot = asked.on(snapshot)
    const ofTransaction = db.write((tx) => {
      const mine = asked.on(tx)
      expect(mine.collect()).toEqual([])
      return mine
    })
    expect([asked.collect(), ofSnapshot.collect()]).toEqual([[], []])
    snapshot.close()
    await db.close()
    expect(errorOf(() => asked.collect()).code).toBe('CLOSED')
    expect(errorOf(() => ofSnapshot.collect()).code).toBe('CLOSED')
    expect(errorOf(() => ofTransaction.collect()).code).toBe('NO_TRANSACTION')
    expect(errorOf(() => db.queryJson({ from: 'thing' })).code).toBe('CLOSED')
  })
})

describe('a query asked by a function within one of the same shape', () => {
  test('gives its own results, and leaves the outer one as it was', async () => {
    const db = await zoo(70)
    const ids = (legs: number): unknown[] =>
      query(db, indexLookup('animal', 'legs'), getColumn('animal', 'id'), collect(legs))
    const nested = query(
      db,
      indexLookup('animal', 'legs'),
      getColumn('animal', 'id'),
      apply((id: number) => [id, ids(1).length, ids(5)[0]]),
      collect(4, 2),
    )
    expect(nested).toEqual([
      [4, 10, 5],
      [11, 10, 5],
    ])
  })

  test('to any depth, also while rows are being checked, and after an error within', async () => {
    const db = await zoo(20)
    const deep = (depth: number): number[] =>
      query(
        db,
        rows('animal'),
        columnSatisfies('animal', 'id', (id) => (id as number) < 3 && (depth === 0 || deep(depth - 1).length === 3)),
        collect(),
      ) as number[]
    expect(deep(3)).toEqual([0, 1, 2])
    const failing = (): unknown =>
      query(
        db,
        rows('animal'),
        columnSatisfies('animal', 'id', () => {
          throw new Error('mine')
        }),
        collect(),
      )
    expect(failing).toThrow('mine')
    expect(deep(1)).toEqual([0, 1, 2])
    expect(query(db, constant(1), collect())).toEqual([1])
  })
})
