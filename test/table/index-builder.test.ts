import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { Store } from '../../src/db/store'

const opened: Store[] = []

afterEach(async () => {
  for (const store of opened.splice(0)) {
    expect(store.check().problems).toEqual([])
    await store.close()
  }
})

/** A table whose column `value` has these values, by row, and no index yet. */
function tableOf(values: readonly (number | null)[]): Store {
  const store = Store.open()
  opened.push(store)
  store.write((tx) => {
    tx.createTable('t', {
      key: 'id',
      columns: { id: 'integer', value: { type: 'number', nullable: true, index: false } },
    })
    const writer = tx.writer('t')
    for (const [id, value] of values.entries()) writer.insert({ id, value })
  })
  return store
}

describe('an index built over existing rows', () => {
  test('finds exactly the rows of each value, however they are spread', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 0, max: 5000 }),
        fc.integer(),
        async (distinct, rows, seed) => {
          const store = tableOf(
            Array.from({ length: rows }, (_, i) => (i % 17 === 0 ? null : Math.imul(i ^ seed, 2654435761) % distinct)),
          )
          store.write((tx) => tx.addIndex('t', 'value'))
          expect(store.check().problems).toEqual([])
          await opened.pop()!.close()
        },
      ),
      { numRuns: 30 },
    )
  })

  test.each([1500, 1793, 2000, 2048, 2049, 3000, 3585, 4000, 4097])(
    'has %i different values, each where it is sought',
    (count) => {
      const store = tableOf(Array.from({ length: count }, (_, i) => i * 1.5))
      store.write((tx) => tx.addIndex('t', 'value'))
      expect(store.table('t').column('value').statistics().distinct).toBe(count)
    },
  )

  test('splits values beyond one segment and goes on growing by single rows', () => {
    const store = tableOf(Array.from({ length: 50_000 }, (_, i) => i * 1.5))
    store.write((tx) => tx.addIndex('t', 'value'))
    store.write((tx) => {
      for (let id = 50_000; id < 60_000; id++) tx.insert('t', { id, value: id % 9 })
    })
    expect(store.table('t').find({ value: 7.5 })).toEqual([5])
    expect(store.table('t').find({ value: 8 }).length).toBe(1111)
  })

  test('holds a value of more rows than a chunk, as array and as bitmap', () => {
    const store = tableOf(Array.from({ length: 150_000 }, (_, i) => (i % 3 === 0 ? 1 : i % 50 === 0 ? 2 : i + 10)))
    store.write((tx) => tx.addIndex('t', 'value'))
    expect(store.table('t').find({ value: 1 }).length).toBe(50_000)
    store.write((tx) => tx.delete('t', 3))
    expect(store.table('t').find({ value: 1 }).slice(0, 3)).toEqual([0, 6, 9])
  })

  test('refuses a value that two rows share where it must be unique, and leaves nothing behind', () => {
    const store = tableOf([1, 2, 3])
    const before = store.stats().usedBytes
    expect(() =>
      store.write((tx) => {
        tx.addColumn('t', 'code', { type: 'string', nullable: true, unique: true })
        tx.update('t', 0, { code: 'a' })
        tx.update('t', 1, { code: 'a' })
      }),
    ).toThrow(/code/)
    expect(store.stats().usedBytes).toBe(before)
  })
})
