import { describe, expect, test } from 'vitest'
import { Decimal } from '../../src/value/decimal'
import { Timestamp } from '../../src/value/timestamp'
import { memoryStore, rowsOf } from '../support/store'

const UUID = 'c0ffee00-0000-4000-8000-000000000000'

describe('values', () => {
  test('null is not absent is not false is not zero', () => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', {
        key: 'id',
        columns: { id: 'integer', any: 'any', flag: { type: 'boolean', nullable: true } },
      })
      const values = [{ any: null, flag: null }, { flag: false }, { any: false, flag: true }, { any: 0 }, { any: '' }]
      for (const [id, each] of values.entries()) tx.insert('t', { id, ...each })
    })
    const table = store.table('t')
    expect(table.column('any').get(0)).toBeNull()
    expect(table.column('any').get(1)).toBeUndefined()
    expect([0, 1, 2, 3].map((row) => table.column('flag').get(row))).toEqual([null, false, true, null])
    expect(table.findRows({ any: null })).toEqual([0])
    expect(table.findRows({ any: undefined })).toEqual([1])
    expect(table.findRows({ any: false })).toEqual([2])
    expect(table.findRows({ any: 0 })).toEqual([3])
    expect(table.findRows({ any: '' })).toEqual([4])
    expect(table.findRows({ flag: null })).toEqual([0, 3, 4])
    expect(table.findRows({ flag: false })).toEqual([1])
    expect(table.column('any').statistics().values).toBe(4)
    expect(table.column('flag').statistics()).toMatchObject({ values: 2, distinct: undefined })
  })

  test('each type takes the spellings it names and gives back one', () => {
    const store = memoryStore()
    const spellings: [string, unknown, unknown][] = [
      ['integer', -0, 0],
      ['bigint', 7, 7n],
      ['bigint', 2n ** 80n, 2n ** 80n],
      ['number', -0, -0],
      ['decimal', '12.50', new Decimal(1250n, 2)],
      ['decimal', 12, new Decimal(12n, 0)],
      ['decimal', 12n, new Decimal(12n, 0)],
      ['decimal', Infinity, Infinity],
      ['uuid', UUID.toUpperCase(), UUID],
      ['timestamp', new Timestamp(5, 6), new Timestamp(5, 6)],
      ['timestamp', -Infinity, -Infinity],
      ['day', '12345-06-07', '+012345-06-07'],
      ['day', new Date(0), '1970-01-01'],
      ['day', Infinity, Infinity],
      ['time', '12:30', '12:30:00'],
      ['bigint[]', [1, 2n, null, [3]], [1n, 2n, null, [3n]]],
      ['decimal[]', ['1.0', null], [new Decimal(10n, 1), null]],
      ['json', [{ a: undefined }], [{}]],
    ]
    for (const [i, [type, given, expected]] of spellings.entries()) {
      store.write((tx) => {
        tx.createTable(`t${i}`, { key: 'id', columns: { id: 'integer', value: type as never } })
        tx.insert(`t${i}`, { id: 1, value: given })
      })
      expect(store.table(`t${i}`).get(1)!.value).toEqual(expected)
      expect(store.table(`t${i}`).findRows({ value: given })).toEqual([1])
    }
  })

  test('a part of an array or document is read by its path', () => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', data: { type: 'json', nullable: true } } })
      tx.insert('t', { id: 1, data: { items: [{ price: 5 }, { price: 7 }] } })
      tx.insert('t', { id: 2 })
    })
    const column = store.table('t').column('data')
    expect([column.path(1, ['items', -1, 'price']), column.length(1, ['items']), column.length(1)]).toEqual([7, 2, 1])
    for (const row of [2, 3, 999_999])
      expect([column.path(row, ['items']), column.length(row)]).toEqual([undefined, undefined])
  })

  test('the infinities are the ends of timestamps and days, NaN is above all decimals', () => {
    const store = memoryStore()
    store.write((tx) => {
      const columns = { id: 'integer', at: 'timestamp', on: 'day', amount: 'decimal' } as const
      tx.createTable('t', { key: 'id', columns })
      tx.insert('t', { id: 1, at: new Date(-8.64e15), on: '-004000-01-01', amount: '-1e100' })
      tx.insert('t', { id: 2, at: -Infinity, on: -Infinity, amount: -Infinity })
      tx.insert('t', { id: 3, at: new Date(8.64e15), on: '+200000-01-01', amount: '1e100' })
      tx.insert('t', { id: 4, at: Infinity, on: Infinity, amount: Number.NaN })
      tx.insert('t', { id: 5, at: new Date(0), on: '1970-01-01', amount: Infinity })
    })
    const ends = (name: string) => {
      const { min, max } = store.table('t').column(name).statistics()
      return [min, max]
    }
    expect(ends('at')).toEqual([-Infinity, Infinity])
    expect(ends('on')).toEqual([-Infinity, Infinity])
    expect(ends('amount')).toEqual([-Infinity, Number.NaN])
  })

  test('columns may have the names that objects inherit', () => {
    const store = memoryStore()
    store.write((tx) => {
      const nullable = { type: 'string', nullable: true } as const
      tx.createTable('toString', { key: 'id', columns: { id: 'integer', constructor: nullable, valueOf: nullable } })
      tx.insert('toString', { id: 1 })
      tx.upsert('toString', { id: 2, constructor: 'a' })
    })
    expect(rowsOf(store.table('toString'))).toEqual([
      { id: 1, constructor: null, valueOf: null },
      { id: 2, constructor: 'a', valueOf: null },
    ])
  })
})

describe('keys', () => {
  test('a dense integer key is the row number; the first sparse one makes the table look keys up', () => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', n: 'integer' } })
      for (let id = 0; id < 100; id++) tx.insert('t', { id, n: id % 10 })
    })
    const table = store.table('t')
    expect([table.isDirect, table.rowOf(42)]).toEqual([true, 42])
    const snapshot = store.snapshot()
    store.write((tx) => tx.insert('t', { id: 2 ** 40, n: 3 }))
    expect([table.isDirect, table.get(2 ** 40), table.get(42)]).toEqual([
      false,
      { id: 2 ** 40, n: 3 },
      { id: 42, n: 2 },
    ])
    expect(table.findRows({ n: 3 })).toHaveLength(11)
    expect([snapshot.table('t').isDirect, snapshot.table('t').rowOf(2 ** 40)]).toEqual([true, -1])
    snapshot.close()
  })

  test.each([-1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER])(
    'updating a key to %d, which is no row number, keeps the row',
    (key) => {
      const store = memoryStore()
      store.write((tx) => {
        tx.createTable('t', { key: 'id', columns: { id: 'integer', text: 'string' } })
        tx.insert('t', { id: 1, text: 'the only text there is' })
        tx.insert('t', { id: 2, text: 'another' })
        tx.addIndex('t', 'id')
        tx.update('t', 1, { id: key })
      })
      expect([store.table('t').get(1), store.table('t').get(key)]).toEqual([
        undefined,
        { id: key, text: 'the only text there is' },
      ])
    },
  )

  test('a key of a type that holds arrays is found whole', () => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'json', n: 'integer' } })
      tx.upsert('t', { id: [1], n: 1 })
      tx.upsert('t', { id: 1, n: 2 })
      tx.upsert('t', { id: [1], n: 3 })
    })
    expect([store.table('t').get([1]), store.table('t').get(1)]).toEqual([
      { id: [1], n: 3 },
      { id: 1, n: 2 },
    ])
  })

  test('exchanging keys of a composite key leaves each row findable', () => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', { key: ['b', 'a'], columns: { a: 'string', b: 'integer', n: 'integer' } })
      tx.insert('t', { a: 'first', b: 1, n: 1 })
      tx.insert('t', { a: 'second', b: 2, n: 2 })
      tx.update('t', [1, 'first'], { b: 3 })
      tx.update('t', [2, 'second'], { a: 'first', b: 1 })
      tx.update('t', [3, 'first'], { a: 'second', b: 2 })
    })
    expect([store.table('t').get([1, 'first'])?.n, store.table('t').get([2, 'second'])?.n]).toEqual([2, 1])
    expect(store.table('t').rowCount).toBe(2)
  })
})

describe('handles', () => {
  test('a handle follows later commits and says when its table was altered, renamed or dropped', () => {
    const store = memoryStore()
    const create = (n: number) =>
      store.write((tx) => {
        tx.createTable('t', { key: 'id', columns: { id: 'integer', [`column${n}`]: 'integer' } })
        tx.insert('t', { id: 1, [`column${n}`]: n })
      })
    create(1)
    const table = store.table('t')
    store.write((tx) => tx.insert('t', { id: 2, column1: 5 }))
    expect(table.rowCount).toBe(2)
    store.write((tx) => tx.addColumn('t', 'extra', { type: 'string', nullable: true }))
    expect(() => table.rowCount).toThrow('db.table("t")')
    expect(() => table.get(1)).toThrow('altered')
    const second = store.table('t')
    store.write((tx) => tx.dropTable('t'))
    create(2)
    expect(() => second.get(1)).toThrow('dropped')
    expect(store.table('t').get(1)).toEqual({ id: 1, column2: 2 })
  })

  test('a handle made in a transaction that is rolled back never reads what comes after', () => {
    const store = memoryStore()
    let leaked: ReturnType<typeof store.table> | undefined
    expect(() =>
      store.write((tx) => {
        tx.createTable('t', { key: 'id', columns: { id: 'integer', a: 'integer' } })
        tx.insert('t', { id: 1, a: 1 })
        leaked = tx.table('t')
        throw new Error('on purpose')
      }),
    ).toThrow('on purpose')
    expect(() => leaked!.get(1)).toThrow('altered')
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer', b: 'string' } })
      tx.insert('t', { id: 1, b: 'text' })
    })
    expect(() => leaked!.get(1)).toThrow('altered')
    expect(store.table('t').get(1)).toEqual({ id: 1, b: 'text' })
  })

  test('whether a row was removed since is known when its number is in use again', () => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'string' } })
      for (const id of ['a', 'b', 'c']) tx.insert('t', { id })
    })
    const table = store.table('t')
    const [a, b] = [table.rowOf('a'), table.rowOf('b')]
    const before = table.removals
    expect([a, b].map((row) => table.wasRemovedSince(row, before))).toEqual([false, false])
    store.write((tx) => {
      tx.delete('t', 'a')
      tx.insert('t', { id: 'd' })
      tx.insert('t', { id: 'e' })
    })
    expect([a, b].map((row) => table.wasRemovedSince(row, before))).toEqual([true, false])
    expect(table.wasRemovedSince(a, table.removals)).toBe(false)
    const later = table.removals
    store.write((tx) => tx.truncate('t'))
    expect([a, b].map((row) => table.wasRemovedSince(row, later))).toEqual([true, true])
  })

  test('a table keeps what the layer above keeps with it', () => {
    const store = memoryStore()
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    expect(store.table('t').properties).toBeUndefined()
    store.write((tx) => tx.setProperties('t', { owner: 'somebody with a long name', since: 2n ** 70n }))
    expect(store.table('t').properties).toEqual({ owner: 'somebody with a long name', since: 2n ** 70n })
    store.write((tx) => tx.setProperties('t', undefined))
    expect(store.table('t').properties).toBeUndefined()
  })
})
