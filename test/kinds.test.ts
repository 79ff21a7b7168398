import { createContext, runInContext, runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { query } from '../src/functions'
import { type Database, Decimal, type List, open, Rational, SnapheapError, Timestamp } from '../src/index'
import { brand, isBytes, isDate, isError, isPlainObject, isPromise, isRegExp } from '../src/kinds'

let db: Database
beforeEach(async () => {
  db = await open()
  db.write((tx) =>
    tx.createTable('t', {
      key: 'id',
      columns: {
        id: 'integer',
        at: { type: 'timestamp', nullable: true },
        day: { type: 'day', nullable: true },
        raw: { type: 'bytes', nullable: true },
        doc: { type: 'json', nullable: true },
        any: { type: 'any', nullable: true },
        price: { type: 'decimal', nullable: true },
        days: { type: 'timestamp[]', nullable: true },
      },
    }),
  )
})
afterEach(() => db.close())

const insert = (values: Record<string, unknown>): void => db.write((tx) => void tx.insert('t', values))
const ids = (where: Record<string, unknown>): unknown[] => [...db.query('t').where(where).select('id')].map(idOf)
const idOf = (row: unknown): unknown => (row as { id: unknown }).id

describe('values of another realm', () => {
  test('are stored as what they are', () => {
    insert(
      runInNewContext(
        '({ id: 1, at: new Date(5), day: new Date(86400000), raw: new Uint8Array([1, 2]), days: [new Date(7)],' +
          ' doc: { a: [1, { b: null }] }, any: new Date(9) })',
      ),
    )
    const { at, day, raw, doc, any, days } = db.table('t').get(1) as Record<string, unknown>
    expect([at, day, Uint8Array.from(raw as Uint8Array), doc, any, days]).toEqual([
      new Date(5),
      '1970-01-02',
      new Uint8Array([1, 2]),
      { a: [1, { b: null }] },
      new Date(9),
      [new Date(7)],
    ])
  })

  test('are compared as what they are, in every face of a query', () => {
    insert({ id: 1, at: new Date(5), raw: new Uint8Array([1, 2]), doc: { a: 'first' } })
    insert({ id: 2, at: new Date(6), raw: new Uint8Array([3]), doc: { a: 'second' } })
    const foreign = (code: string): never => runInNewContext(`(${code})`) as never
    expect(ids(foreign('{ at: new Date(5) }'))).toEqual([1])
    expect(ids(foreign('{ at: { gt: new Date(5) } }'))).toEqual([2])
    expect(ids(foreign('{ at: { in: [new Date(6)] } }'))).toEqual([2])
    expect(ids(foreign('{ raw: new Uint8Array([3]) }'))).toEqual([2])
    expect(ids(foreign('{ doc: { a: { matches: /^f/g } } }'))).toEqual([1])
    expect(db.queryJson(foreign('{ from: "t", where: { id: { $in: [1] } } }')).count()).toBe(1)
  })

  test('of a class are refused, naming the class', () => {
    const given = runInNewContext('class Own {}; ({ id: 1, doc: new Own() })') as Record<string, unknown>
    expect(() => insert(given)).toThrow(/An object of class Own cannot be stored/)
    expect(() => insert(runInNewContext('({ id: 1, doc: new Map() })'))).toThrow(/class Map cannot be stored/)
  })

  test('are told apart by their kind', () => {
    const context = createContext({})
    const made = (code: string): unknown => runInContext(`(${code})`, context)
    const cases: [(value: unknown) => boolean, string, string][] = [
      [isDate, 'new Date()', '{ getTime() {} }'],
      [isBytes, 'new Uint8Array(1)', 'new Uint16Array(1)'],
      [isError, 'new TypeError("x")', '{ message: "x" }'],
      [isPromise, 'Promise.resolve()', '{ then() {} }'],
      [isRegExp, '/a/', '{ source: "a" }'],
      [isPlainObject, '{}', 'new (class A {})()'],
      [isPlainObject, 'Object.create(null)', 'Object.create(Object.create(null))'],
      [isPlainObject, 'JSON.parse("{}")', '[]'],
    ]
    for (const [isKind, one, other] of cases) expect([isKind(made(one)), isKind(made(other))]).toEqual([true, false])
  })
})

describe('values made by another copy of the library', () => {
  test('are stored without loss, and compared', async () => {
    vi.resetModules()
    const other = await import('../src/index')
    expect(other.Timestamp).not.toBe(Timestamp)
    insert({ id: 1, at: new other.Timestamp(0, 5), price: new other.Decimal(125n, 2) })
    insert({ id: 2, any: new other.Rational(1n, 3n), doc: null })
    insert({ id: 3, any: new other.List([1, new other.Timestamp(7, 9)]) })
    const read = (id: number): Record<string, unknown> => db.table('t').get(id) as never
    expect((read(1).at as Timestamp).microseconds).toBe(5)
    expect([String(read(1).price), String(read(2).any)]).toEqual(['1.25', '1/3'])
    expect((read(3).any as List).items).toEqual([1, new Timestamp(7, 9)])
    expect(ids({ at: new other.Timestamp(0, 5) })).toEqual([1])
    expect(ids({ at: { gt: new other.Timestamp(0, 4) } })).toEqual([1])
    expect(ids({ price: new other.Decimal(125n, 2) })).toEqual([1])
    expect(
      db
        .query('t')
        .where(other.or({ id: 1 }, other.not({ id: { ne: 3 } })) as never)
        .count(),
    ).toBe(2)
    expect(query).not.toBe((await import('../src/functions')).query)
  })

  test('are instances of the classes of this one', async () => {
    vi.resetModules()
    const other = await import('../src/index')
    expect(new other.Decimal(1n, 0)).toBeInstanceOf(Decimal)
    expect(new other.Rational(1n, 2n)).toBeInstanceOf(Rational)
    expect(new other.SnapheapError('TYPE', 'x')).toBeInstanceOf(SnapheapError)
    expect(new Date()).not.toBeInstanceOf(other.Timestamp)
  })
})

test('a class that another copy of the library has defined is refused, saying so', async () => {
  vi.resetModules()
  const other = await import('../src/index')
  const note = other.table('note', { id: other.integer().key() })
  await expect(open(undefined, { entities: [note as never] })).rejects.toThrow(
    /defined through another copy of snapheap/,
  )
})

test('a subclass of a branded class has only its own instances', () => {
  class Base {}
  brand(Base, 'test')
  class Sub extends Base {}
  expect([new Sub() instanceof Base, new Sub() instanceof Sub, new Base() instanceof Sub]).toEqual([true, true, false])
  expect([null, undefined, 1, 'a', {}].some((each) => (each as unknown) instanceof Base)).toBe(false)
})
