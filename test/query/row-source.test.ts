import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { collect, columnEqual, getColumn, indexLookup, query, rows } from '../../src/functions'
import { or } from '../../src/index'
import { Animal, numbers, opened, zoo } from './support/zoo'

/** What rows were found by and how many were looked at. */
function cost(asked: { explain(options: { run: true }): { steps: readonly object[] } }): unknown {
  const { chosen, examinedRows } = asked.explain({ run: true }).steps[0] as Record<string, unknown>
  return { chosen, examinedRows }
}

describe('the rows that are looked at', () => {
  test('are the same whatever the order of the conditions', async () => {
    const db = await zoo(1000)
    const conditions = [{ type: 'bird' }, { legs: 3 }, { name: 'animal 10' }, { born: { gte: new Date(0) } }]
    await fc.assert(
      fc.property(fc.shuffledSubarray(conditions, { minLength: 4 }), (shuffled) => {
        const asked = shuffled.reduce((each, condition) => each.where(condition), db.query(Animal))
        expect(asked.values('id').collect()).toEqual([10])
        expect(cost(asked)).toEqual({ chosen: 'index animal.name', examinedRows: 1 })
      }),
      { seed: 20240229, numRuns: 24 },
    )
  })

  test('are the same whether a condition stands before or after the look-up', async () => {
    const db = await zoo(1000)
    const byType = query(db, indexLookup('animal', 'type'), columnEqual('animal', 'legs', 3)).of('mammal')
    const byLegs = query(db, indexLookup('animal', 'legs'), columnEqual('animal', 'type', 'mammal')).of(3)
    expect(byType.collect()).toEqual(byLegs.collect())
    expect(cost(byType)).toEqual({ chosen: 'index animal.legs', examinedRows: 143 })
    expect(cost(byLegs)).toEqual({ chosen: 'index animal.legs', examinedRows: 143 })
  })

  test('are those of the index that has the fewest, chosen anew for each value', async () => {
    const db = await zoo(1000)
    const asked = query(db, indexLookup('animal', 'type'), columnEqual('animal', 'legs', 3))
    expect(cost(asked.of('bird'))).toEqual({ chosen: 'index animal.type', examinedRows: 100 })
    expect(cost(asked.of('mammal'))).toEqual({ chosen: 'index animal.legs', examinedRows: 143 })
    expect(cost(asked.of('fish'))).toEqual({ chosen: 'index animal.type', examinedRows: 0 })
  })

  test('are in both of two indexes where that pays', async () => {
    const db = await opened()
    db.write((tx) => {
      tx.createTable('thing', { key: 'id', columns: { id: 'integer', a: 'integer', b: 'integer' } })
      for (let id = 0; id < 2000; id++) tx.insert('thing', { id, a: id % 3, b: id % 5 })
    })
    const asked = db.query('thing').where({ a: 1, b: 2 })
    expect(cost(asked)).toEqual({ chosen: 'index thing.b and index thing.a', examinedRows: 133 })
    expect(asked.values('id').collect()).toEqual(numbers(2000, (id) => id % 3 === 1 && id % 5 === 2))
  })

  test('are those that a key names, one or several', async () => {
    const db = await zoo(1000)
    expect(cost(db.query(Animal).where({ type: 'mammal', id: 7 }))).toEqual({
      chosen: 'key animal.id',
      examinedRows: 1,
    })
    expect(cost(db.query(Animal).where({ id: { in: [7, 5, 7, 5000] } }))).toEqual({
      chosen: 'key animal.id, several values',
      examinedRows: 2,
    })
  })

  test('are found through references, and by each part of an or', async () => {
    const db = await zoo(1000)
    const ofKeeper = db.query(Animal).where({ keeper: { name: 'keeper 3' } })
    expect(cost(ofKeeper)).toEqual({
      chosen: 'index animal.keeper for each of (index keeper.name)',
      examinedRows: numbers(1000, (id) => id % 11 === 3).length,
    })
    const either = db.query(Animal).where(or({ id: 3 }, { name: 'animal 9' }, { id: { in: [3, 4] } }))
    expect(either.values('id').collect()).toEqual([3, 4, 9])
    expect(cost(either)).toMatchObject({ examinedRows: 3 })
  })

  test('are all where no index helps, and no more than a limit asks for where one answers all', async () => {
    const db = await zoo(1000)
    db.write((tx) => tx.dropIndex('animal', 'legs'))
    expect(cost(db.query(Animal).where({ legs: 3 }))).toEqual({ chosen: 'scan animal', examinedRows: 1000 })
    expect(cost(db.query(Animal).where({ legs: null }))).toEqual({ chosen: 'scan animal', examinedRows: 1000 })
    expect(cost(db.query(Animal).where({ type: 'mammal' }).limit(5))).toEqual({
      chosen: 'index animal.type',
      examinedRows: 5,
    })
  })

  test('of a look-up are counted for all of its inputs', async () => {
    const db = await zoo(110)
    const animals = query(db, rows('keeper'), getColumn('keeper', 'id'), indexLookup('animal', 'keeper'))
    const { steps, results } = animals.explain({ run: true })
    expect([steps.at(-1)!.examinedRows, results]).toEqual([100, 100])
  })
})

test('a scan of many blocks gives the rows that a look at each would', async () => {
  const db = await opened()
  db.write((tx) => {
    const columns = {
      id: 'integer',
      n: { type: 'number', index: false },
      at: { type: 'timestamp', index: false },
    } as const
    tx.createTable('thing', { key: 'id', columns })
    for (let id = 0; id < 20_000; id += 1 + (id % 3)) tx.insert('thing', { id, n: (id % 7) - 3, at: new Date(id) })
  })
  const ids = [...db.table('thing').rows()]
  const found = (condition: object): unknown => db.query('thing').where(condition).values('id').collect()
  expect(found({ n: { gte: 0 } })).toEqual(ids.filter((id) => id % 7 >= 3))
  expect(found({ n: { lt: 0.5 } })).toEqual(ids.filter((id) => id % 7 <= 3))
  expect(found({ n: 0 })).toEqual(ids.filter((id) => id % 7 === 3))
  expect(found({ at: { gt: new Date(19_000) }, n: { ne: 1 } })).toEqual(ids.filter((id) => id > 19_000 && id % 7 !== 4))
  expect(query(db, rows('thing'), collect(undefined, 3))).toEqual(ids.slice(0, 3))
})
