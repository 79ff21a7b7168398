import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/db/store'
import type { Transaction } from '../../src/db/transaction'
import { columnTypeNamed } from '../../src/table/column-type'
import { errorOf, memoryStore, rowsOf } from '../support/store'

function shop(): Store {
  const store = memoryStore()
  store.write((tx) => {
    tx.createTable('item', {
      key: 'id',
      columns: {
        id: 'integer',
        name: { type: 'string', unique: true },
        price: { type: 'decimal', nullable: true },
        tags: { type: 'string[]', nullable: true },
        data: { type: 'any', nullable: true },
      },
    })
    tx.createTable('line', { key: ['order', 'position'], columns: { order: 'uuid', position: 'integer' } })
    tx.insert('item', { id: 1, name: 'a lamp with a long name', tags: ['lighting equipment'] })
    tx.insert('item', { id: 2, name: 'a chair with a long name', data: { note: 'keep this one' } })
  })
  return store
}

const LONG = 'some text that is longer than a word'
const ORDER = 'c0ffee00-0000-4000-8000-000000000000'

const FAILURES: [string, (tx: Transaction) => unknown, string, string[]][] = [
  ['a key twice', (tx) => tx.insert('item', { id: 1, name: LONG }), 'UNIQUE', ['item', 'id = 1', 'Update']],
  ['a unique value twice', (tx) => tx.insert('item', { id: 3, name: 'a lamp with a long name', data: [LONG] }), 'UNIQUE', ['item', 'name', 'lamp', 'choose another']],
  ['an update to a unique value', (tx) => tx.update('item', 2, { name: 'a lamp with a long name', data: LONG }), 'UNIQUE', ['item', 'name', 'number 1']],
  ['an update to an existing key', (tx) => tx.update('item', 2, { id: 1, tags: [LONG] }), 'UNIQUE', ['item', 'id = 1']],
  ['a missing value', (tx) => tx.insert('item', { id: 3, data: [LONG] }), 'NOT_NULL', ['item.name', 'nullable']],
  ['a missing key', (tx) => tx.insert('item', { name: LONG }), 'NOT_NULL', ['item.id']],
  ['null in a column that takes none', (tx) => tx.update('item', 1, { data: [LONG], name: null }), 'NOT_NULL', ['item.name']],
  ['null as a key', (tx) => tx.update('item', 1, { id: null }), 'NOT_NULL', ['item.id']],
  ['a value of another type', (tx) => tx.insert('item', { id: 3, name: LONG, price: true }), 'TYPE', ['item.price', 'decimal', 'true', '12.50']],
  ['an item of another type', (tx) => tx.insert('item', { id: 3, name: LONG, tags: [LONG, 5] }), 'TYPE', ['item.tags', 'array of']],
  ['something that is no data', (tx) => tx.insert('item', { id: 3, name: LONG, data: [LONG, { f: () => 1 }] }), 'TYPE', ['item.data', 'function']],
  ['an object of a class', (tx) => tx.update('item', 1, { data: { when: new Map() } }), 'TYPE', ['item.data', 'Map']],
  ['a key that is no integer', (tx) => tx.insert('item', { id: 0.5, name: LONG }), 'TYPE', ['item.id', '0.5', 'safe integer']],
  ['an unknown column', (tx) => tx.insert('item', { id: 3, name: LONG, colour: 'red' }), 'NOT_FOUND', ['item', 'colour', 'id, name, price']],
  ['an unknown column in an update', (tx) => tx.update('item', 1, { name: LONG, colour: 'red' }), 'NOT_FOUND', ['item', 'colour']],
  ['an unknown table', (tx) => tx.insert('itme', { id: 3 }), 'NOT_FOUND', ['itme', 'item, line']],
  ['a row that does not exist', (tx) => tx.update('item', 99, { name: LONG }), 'NOT_FOUND', ['item', '99', 'upsert']],
  ['a row number that does not exist', (tx) => tx.writer('item').update(99, { name: LONG }), 'NOT_FOUND', ['item', '99']],
  ['deleting a row number that does not exist', (tx) => tx.writer('item').delete(99), 'NOT_FOUND', ['item', '99']],
  ['half a composite key', (tx) => tx.get('line', [ORDER]), 'TYPE', ['line', 'order (uuid), position (integer)']],
  ['a composite key twice', (tx) => { tx.insert('line', { order: ORDER, position: 1 }); tx.insert('line', { order: ORDER, position: 1 }) }, 'UNIQUE', ['line', 'order, position', ORDER]],
  ['a wrong type of key', (tx) => tx.get('item', 'one'), 'TYPE', ['"one"', 'item', 'id (integer)']],
  ['a condition of another type', (tx) => tx.table('item').findRows({ name: 5 }), 'TYPE', ['item.name', '5', 'string']],
  ['a condition that is no data', (tx) => tx.table('item').findRows({ data: [Symbol('s')] }), 'TYPE', ['item.data', 'symbol']],
  ['a condition on an unknown column', (tx) => tx.table('item').findRows({ colour: 5 }), 'NOT_FOUND', ['item', 'colour']],
  ['a table twice', (tx) => tx.createTable('item', { key: 'id', columns: { id: 'integer' } }), 'EXISTS', ['item']],
  ['a table without a key', (tx) => tx.createTable('t', { key: [], columns: { id: 'integer' } }), 'INVALID_ARGUMENT', ['t', 'key']],
  ['a key that is no column', (tx) => tx.createTable('t', { key: 'x', columns: { id: 'integer' } }), 'INVALID_ARGUMENT', ['t', '"x"']],
  ['a key of one column twice', (tx) => tx.createTable('t', { key: ['id', 'id'], columns: { id: 'integer' } }), 'INVALID_ARGUMENT', ['t', 'twice']],
  ['a key of type any', (tx) => tx.createTable('t', { key: 'id', columns: { id: 'any' } }), 'INVALID_ARGUMENT', ['t.id', 'any']],
  ['an unknown type', (tx) => tx.createTable('t', { key: 'id', columns: { id: 'text' as never } }), 'INVALID_ARGUMENT', ['t.id', 'text', 'string']],
  ['a name of no length', (tx) => tx.createTable('', { key: 'id', columns: { id: 'integer' } }), 'INVALID_ARGUMENT', ['table name']],
  ['a name that objects reserve', (tx) => tx.addColumn('item', '__proto__', 'any'), 'INVALID_ARGUMENT', ['column name', '__proto__']],
  ['a unique column without index', (tx) => tx.addColumn('item', 'x', { type: 'integer', unique: true, index: false }), 'INVALID_ARGUMENT', ['item.x', 'index']],
  ['a column twice', (tx) => tx.addColumn('item', 'name', 'any'), 'EXISTS', ['item.name']],
  ['a column without values for its rows', (tx) => tx.addColumn('item', 'x', 'string'), 'NOT_NULL', ['item.x', 'value']],
  ['a column with a value of another type', (tx) => tx.addColumn('item', 'x', 'string', 5), 'TYPE', ['item.x', '5']],
  ['a unique column with one value for all', (tx) => tx.addColumn('item', 'x', { type: 'string', unique: true }, LONG), 'UNIQUE', ['item', 'x']],
  ['dropping a key', (tx) => tx.dropColumn('line', 'position'), 'INVALID_ARGUMENT', ['line.position', 'key']],
  ['dropping the index of a unique column', (tx) => tx.dropIndex('item', 'name'), 'INVALID_ARGUMENT', ['item.name', 'unique']],
  ['renaming to an existing column', (tx) => tx.renameColumn('item', 'name', 'data'), 'EXISTS', ['item.data']],
  ['renaming to an existing table', (tx) => tx.renameTable('item', 'line'), 'EXISTS', ['line']],
  ['properties that are no data', (tx) => tx.setProperties('item', { text: LONG, f: () => 1 }), 'TYPE', ['function']],
] // biome-ignore format: one line per failure

describe('a statement that fails names the thing and the remedy, and has done nothing', () => {
  test.each(FAILURES)('%s', (_what, fail, code, names) => {
    const store = shop()
    const before = ['item', 'line'].map((name) => rowsOf(store.table(name)))
    store.write((tx) => {
      const error = errorOf(() => fail(tx))
      expect(error.code).toBe(code)
      for (const name of names) expect(error.message).toContain(name)
      expect(error.message).toMatch(/[.!?]$/)
      if (code !== 'UNIQUE' || names[0] !== 'line')
        expect(['item', 'line'].map((name) => rowsOf(tx.table(name)))).toEqual(before)
      // and the next statement is not disturbed
      tx.insert('item', { id: 3, name: LONG, tags: ['a', LONG], data: [[LONG]] })
      expect(tx.get('item', 3)).toEqual({ id: 3, name: LONG, price: null, tags: ['a', LONG], data: [[LONG]] })
    })
  })

  test('a thousand failed look-ups do not tire the next one', () => {
    const table = shop().table('item')
    for (let i = 0; i < 1100; i++) errorOf(() => table.findRows({ data: [[() => 1]] }))
    expect(table.findRows({ data: { note: 'keep this one' } })).toEqual([2])
  })

  test('an error thrown by a value while it is read leaves nothing behind', () => {
    const store = shop()
    const trap = {
      text: LONG,
      get member() {
        throw new RangeError('from the getter')
      },
    }
    store.write((tx) => {
      expect(() => tx.insert('item', { id: 3, name: LONG, data: [trap] })).toThrow('from the getter')
      tx.insert('item', { id: 3, name: 'x', data: [LONG] })
    })
    expect(store.table('item').rowCount).toBe(3)
  })

  test.each([
    ['is the row number', [1, 2]],
    ['is looked up', [1, 1e9]],
  ])('a key with a fraction is refused where the key %s', (_mode, ids) => {
    const store = memoryStore()
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer' } })
      for (const id of ids) tx.insert('t', { id })
    })
    const table = store.table('t')
    expect(table.isDirect).toBe(ids[1] === 2)
    expect(ids.map((id) => table.get(id))).toEqual(ids.map((id) => ({ id })))
    for (const key of [1.5, -0.5, Number.NaN]) {
      const { code, message } = errorOf(() => table.rowOf(key))
      expect([code, message]).toEqual(['TYPE', expect.stringMatching(/\bt\b.*integer/)])
    }
  })

  test('a column of a type that only a newer version knows is refused', () => {
    expect(columnTypeNamed('integer[]')).toBe('integer[]')
    for (const unknown of ['tensor', 'integer[][]', '', null]) {
      const { code, message } = errorOf(() => columnTypeNamed(unknown))
      expect([code, message]).toEqual(['VERSION', expect.stringContaining(`type ${JSON.stringify(unknown)}`)])
    }
  })

  test('a table that somebody else manages is refused to others, with the reason', () => {
    const store = shop()
    store.write((tx) => tx.setProperties('item', { readOnly: 'It is mirrored from elsewhere. Change it there.' }))
    store.write((tx) => {
      const changes = [
        () => tx.insert('item', { id: 3, name: LONG }),
        () => tx.update('item', 1, { name: LONG }),
        () => tx.upsert('item', { id: 1, name: LONG }),
        () => tx.delete('item', 1),
        () => tx.truncate('item'),
        () => tx.dropTable('item'),
        () => tx.renameTable('item', 'x'),
        () => tx.addColumn('item', 'x', 'any'),
        () => tx.dropColumn('item', 'data'),
        () => tx.renameColumn('item', 'data', 'x'),
        () => tx.addIndex('item', 'data'),
        () => tx.dropIndex('item', 'data'),
        () => tx.setProperties('item', undefined),
      ]
      for (const change of changes) {
        const error = errorOf(change)
        expect([error.code, error.message]).toEqual(['READ_ONLY', expect.stringContaining('mirrored from elsewhere')])
      }
      tx.manage()
      tx.insert('item', { id: 3, name: LONG })
    })
    expect(store.table('item').rowCount).toBe(3)
  })
})

test('an unknown column is an error wherever it stands among the conditions', () => {
  const store = memoryStore()
  store.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', v: 'integer', w: 'integer' } })
    tx.insert('t', { id: 1, v: 1, w: 1 })
  })
  const table = store.table('t')
  for (const conditions of [
    { v: 99, nope: 1 },
    { nope: 1, v: 99 },
    { id: 99, nope: 1 },
    { v: 99, w: 99, nope: 1 },
  ]) {
    expect(errorOf(() => table.findRows(conditions)).message).toContain('no column "nope"')
  }
})
