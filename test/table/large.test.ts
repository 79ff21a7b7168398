import { statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { IS_LONG } from '../support/long'
import { fileStore, memoryStore, temporaryPath } from '../support/store'

/** A permutation of 0..count - 1 that is the same every time; `count` is no multiple of 7919. */
function shuffled(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919) % count)
}

/** Of columns and indexes that have grown over many blocks. */
const MANY = IS_LONG ? 200_000 : 50_000
/** Of one value: more than two chunks of 65,536 rows. */
const OF_ONE_VALUE = IS_LONG ? 300_000 : 150_000

describe('large tables', () => {
  test(`${MANY.toLocaleString('en')} rows: columns and indexes grow, and every row is found`, () => {
    const store = memoryStore()
    const count = MANY
    store.write((tx) => {
      tx.createTable('t', {
        key: 'id',
        columns: { id: 'string', n: 'integer', group: 'integer', note: { type: 'string', nullable: true } },
      })
      const writer = tx.writer('t')
      for (let i = 0; i < count; i++)
        writer.insert({ id: `key ${i}`, n: i, group: i % 100, note: i % 1000 === 0 ? `note ${i}` : null })
    })
    const table = store.table('t')
    expect(table.rowCount).toBe(count)
    for (let i = 0; i < count; i += 37) {
      const row = table.rowOf(`key ${i}`)
      expect(table.column('n').get(row)).toBe(i)
    }
    expect(table.findRows({ group: 7 })).toHaveLength(count / 100)
    expect(table.findRows({ group: 7, n: 107 })).toHaveLength(1)
    expect(table.findRows({ note: null })).toHaveLength(count - count / 1000)
    expect(table.column('n').statistics()).toEqual({ values: count, distinct: count, min: 0, max: count - 1 })
    expect(table.column('note').statistics()).toMatchObject({ values: count / 1000, distinct: count / 1000 })
  })

  test('a value of very many rows: rows are added and removed in any order', () => {
    const store = memoryStore()
    const count = OF_ONE_VALUE
    const order = shuffled(count)
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', kind: 'string' } })
      const writer = tx.writer('t')
      for (const id of order) writer.insert({ id, kind: 'the kind that all have' })
    })
    const table = store.table('t')
    const keys = (kind: string) =>
      table
        .findRows({ kind })
        .map((row) => table.keyOf(row) as number)
        .sort((a, b) => a - b)
    expect(table.column('kind').statistics()).toMatchObject({ values: count, distinct: 1 })
    store.write((tx) => {
      for (const [i, id] of order.entries()) if (i % 3 !== 0) tx.delete('t', id)
    })
    const left = order.filter((_, i) => i % 3 === 0).sort((a, b) => a - b)
    expect(keys('the kind that all have')).toEqual(left)
    const first = new Set(order.slice(0, 60))
    expect(store.check().problems).toEqual([])
    store.write((tx) => {
      for (const id of left) if (!first.has(id)) tx.update('t', id, { kind: 'another kind' })
    })
    expect(keys('the kind that all have')).toEqual(left.filter((id) => first.has(id)))
    expect(keys('another kind')).toEqual(left.filter((id) => !first.has(id)))
  })

  test('an index built later finds what one kept all along finds', () => {
    const store = memoryStore()
    const count = 50_000
    store.write((tx) => {
      const value = { type: 'integer', nullable: true } as const
      tx.createTable('t', { key: 'id', columns: { id: 'integer', kept: value, built: { ...value, index: false } } })
      for (let id = 0; id < count; id++) {
        const n = id % 11 === 0 ? null : (id * id) % 1024
        tx.insert('t', { id, kept: n, built: n })
      }
      tx.addIndex('t', 'built')
    })
    const table = store.table('t')
    expect(table.column('built').isIndexed).toBe(true)
    expect(table.column('built').statistics()).toEqual(table.column('kept').statistics())
    for (const n of [0, 1, 4, 9, 17, 1023, null])
      expect(table.findRows({ built: n })).toEqual(table.findRows({ kept: n }))
  })
})

describe('space is used again', () => {
  const fill = (store: ReturnType<typeof memoryStore>) =>
    store.write((tx) => {
      const writer = tx.writer('t')
      for (let i = 0; i < 3000; i++) {
        writer.insert({ id: `key number ${i}`, text: `text of ${i % 500}`, data: { i, words: [`word ${i}`] } })
      }
    })
  const create = (store: ReturnType<typeof memoryStore>) =>
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'string', text: 'string', data: 'any' } }))

  test.each([
    [
      'rows deleted one by one',
      (store: ReturnType<typeof memoryStore>) =>
        store.write((tx) => {
          for (const row of [...tx.table('t').rows()]) tx.writer('t').delete(row)
        }),
    ],
    ['a table truncated', (store: ReturnType<typeof memoryStore>) => store.write((tx) => tx.truncate('t'))],
    [
      'a table dropped and made again',
      (store: ReturnType<typeof memoryStore>) => {
        store.write((tx) => tx.dropTable('t'))
        create(store)
      },
    ],
  ])('%s: the heap does not grow with the tenth round of the same data', (_how, empty) => {
    const store = memoryStore()
    create(store)
    const sizes: number[] = []
    for (let round = 0; round < 10; round++) {
      fill(store)
      sizes.push(store.stats().heapBytes)
      empty(store)
    }
    expect(sizes[9]).toBe(sizes[1])
    expect(store.table('t').rowCount).toBe(0)
  })

  test('a saved file does not grow with the tenth round of the same data', async () => {
    const path = temporaryPath()
    const store = fileStore(path)
    create(store)
    const copies: number[] = []
    for (let round = 0; round < 10; round++) {
      fill(store)
      await store.checkpoint()
      await store.saveAs(`${path}.${round}`)
      copies.push(statSync(`${path}.${round}`).size)
      store.write((tx) => tx.truncate('t'))
      await store.checkpoint()
    }
    expect(Math.max(...copies.slice(1))).toBeLessThanOrEqual(copies[1] + 10 * 32_768)
    const { fileBytes } = store.stats()
    expect(fileBytes).toBe(statSync(path).size)
    expect(fileBytes).toBeLessThan(5 * copies[0] + 1100 * 32_768)
  })
})
