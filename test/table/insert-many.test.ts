import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TableDefinition } from '../../src/table/definition'
import { nativeMemory } from '../heap/support/memories'
import { HEAP_MEMORIES } from '../support/heap'
import { errorOf, memoryStore, rowsOf, withStore } from '../support/store'

const COLUMNS = {
  id: 'integer',
  name: { type: 'string', nullable: true },
  size: { type: 'number', nullable: true },
  other: { type: 'any', nullable: true },
  toString: { type: 'string', nullable: true },
} as const
const DEFINITIONS: Record<string, TableDefinition> = {
  'a key that is the row number': { key: 'id', columns: COLUMNS },
  'a unique column': { key: 'id', columns: { ...COLUMNS, size: { type: 'number', nullable: true, unique: true } } },
  'a composite key': { key: ['id', 'other'], columns: { ...COLUMNS, other: 'integer' } },
}

const name = fc.oneof(
  fc.nat(50).map((i) => `name number ${i}`),
  fc.constantFrom('', 'short', 'ünïcödé', '\ud800 alone', 'x'.repeat(300), 'ü'.repeat(300)),
)
const size = fc.oneof(fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1.5), fc.double())
/** Of one shape, of several, and of a class. */
const row = fc.oneof(
  fc.record({ id: fc.nat(400), name, size, other: fc.nat(3) }),
  fc.record(
    {
      id: fc.nat(400),
      other: fc.constantFrom(1, 'two', true),
      name: fc.option(name),
      size: fc.option(size),
      toString: name,
    },
    { requiredKeys: ['id', 'other'] },
  ),
  fc.nat(400).map((id) => Object.assign(Object.create({ name: 'inherited' }), { id, other: 0 })),
)
/** What a row can be refused for. */
const bad = fc.constantFrom<object>(
  { id: 1.5, other: 1 },
  { other: 1 },
  { id: 1, other: 1, name: 5 },
  { id: 2, other: 1, size: 'large' },
  { id: 3, other: 1, unknown: 1 },
  { id: null, other: 1 },
)
type Rows = readonly Record<string, unknown>[]

describe.each(Object.entries(DEFINITIONS))('many rows into a table with %s', (_name, definition) => {
  test.each(HEAP_MEMORIES)(
    'are the same as one by one on %s memory, and all or none of them',
    async (_memory, make) => {
      const given = fc
        .tuple(fc.array(row, { maxLength: 40 }), fc.option(bad, { freq: 3 }))
        .map(([rows, last]): Rows => {
          const many =
            rows.length > 30
              ? Array.from({ length: 2500 }, (_, i) => ({ id: 500 + i, other: i, name: `row ${i}` }))
              : []
          return [...many, ...rows, ...(last === null ? [] : [last as Record<string, unknown>])]
        })
      await fc.assert(
        fc.asyncProperty(fc.array(given, { maxLength: 4 }), (batches) =>
          withStore(
            (store) =>
              withStore((oneByOne) => {
                for (const each of [store, oneByOne]) each.write((tx) => tx.createTable('t', definition))
                for (const rows of batches) {
                  const code = codeOf(() => {
                    oneByOne.write((tx) => {
                      for (const values of rows) tx.insert('t', values)
                    })
                  })
                  const outcome = store.write((tx) => codeOf(() => expect(tx.insertMany('t', rows)).toBe(rows.length)))
                  expect(outcome === undefined).toBe(code === undefined)
                  expect(contents(store.table('t'))).toEqual(contents(oneByOne.table('t')))
                  expect(store.check().problems).toEqual([])
                }
              }),
            { memory: make() },
          ),
        ),
        { numRuns: 15 },
      )
    },
  )
})

test('a row that is refused is named as insert names it', () => {
  const store = memoryStore({ memory: nativeMemory() })
  store.write((tx) => tx.createTable('t', DEFINITIONS['a key that is the row number']))
  for (const values of [{ id: 1, name: 5 }, { name: 'x' }, { id: 1, unknown: 2 }, { id: 'a' }, { id: 1, size: '1' }]) {
    const expected = errorOf(() => store.write((tx) => tx.insert('t', values)))
    const error = errorOf(() => store.write((tx) => tx.insertMany('t', [values])))
    expect([error.code, error.message]).toEqual([expected.code, expected.message])
  }
})

test('what the rows themselves throw passes through, and none of them stays', () => {
  const store = memoryStore()
  store.write((tx) => tx.createTable('t', DEFINITIONS['a key that is the row number']))
  function* rows() {
    for (let id = 0; id < 3000; id++) yield { id, name: `name number ${id}` }
    throw new RangeError('no more')
  }
  store.write((tx) => expect(() => tx.insertMany('t', rows())).toThrow(RangeError))
  expect(store.table('t').rowCount).toBe(0)
})

function codeOf(run: () => void): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if ((error as { code?: string }).code === undefined) throw error
    return (error as { code: string }).code
  }
}

function contents(table: Parameters<typeof rowsOf>[0]): string[] {
  return rowsOf(table)
    .map((each) =>
      Object.entries(each)
        .map(([key, value]) => `${key}=${typeof value}:${Object.is(value, -0) ? '-0' : String(value)}`)
        .sort()
        .join(),
    )
    .sort()
}
