import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Database, open } from '../../src/index'

type Row = { id: number; a: number | null; b: string | null; c: number }

const row = (id: number): fc.Arbitrary<Row> =>
  fc.record({
    id: fc.constant(id),
    a: fc.option(
      fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(0.5, Number.NaN, Number.POSITIVE_INFINITY, -0)),
    ),
    b: fc.option(fc.constantFrom('', 'a', 'ab', 'abc', 'b', 'a long text', 'a long tail', '\u{10000}', '\uffff')),
    c: fc.integer({ min: 0, max: 2 }),
  })

const operators = {
  lt: (order: number) => order < 0,
  lte: (order: number) => order <= 0,
  gt: (order: number) => order > 0,
  gte: (order: number) => order >= 0,
}

const condition = fc.oneof(
  fc.tuple(fc.constantFrom('lt', 'lte', 'gt', 'gte'), fc.constant('a'), fc.integer({ min: -3, max: 3 })),
  fc.tuple(fc.constantFrom('lt', 'lte', 'gt', 'gte'), fc.constant('b'), fc.constantFrom('', 'a', 'ab', 'b', '\uffff')),
  fc.tuple(fc.constantFrom('eq'), fc.constant('c'), fc.integer({ min: 0, max: 3 })),
  fc.tuple(fc.constantFrom('eq'), fc.constant('a'), fc.option(fc.integer({ min: -1, max: 1 }))),
  fc.tuple(fc.constantFrom('eq'), fc.constant('b'), fc.constantFrom(null, 'a')),
  fc.tuple(fc.constantFrom('startsWith'), fc.constant('b'), fc.constantFrom('', 'a', 'a long', 'x')),
)
const order = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'id'), fc.constantFrom('asc', 'desc')), { maxLength: 3 })

function compare(x: unknown, y: unknown): number {
  if (typeof x === 'number' && typeof y === 'number')
    return x < y ? -1 : x > y ? 1 : Number(Number.isNaN(x)) - Number(Number.isNaN(y))
  return Buffer.compare(Buffer.from(x as string), Buffer.from(y as string))
}

function fits(each: Row, [operator, name, value]: readonly unknown[]): boolean {
  const held = each[name as keyof Row]
  if (operator === 'eq') return Object.is(held, value)
  if (held === null) return false
  if (operator === 'startsWith') return (held as string).startsWith(value as string)
  return operators[operator as keyof typeof operators](compare(held, value))
}

async function filled(rows: readonly Row[], indexes: boolean): Promise<Database> {
  const db = await open()
  db.write((tx) => {
    const none = (type: 'number' | 'string' | 'integer') => ({ type, nullable: true, index: false as const })
    tx.createTable('t', {
      key: 'id',
      columns: { id: 'integer', a: none('number'), b: none('string'), c: none('integer') },
      indexes: indexes
        ? [
            { columns: ['a'], kind: 'ordered' },
            { columns: ['b', 'a'], kind: 'ordered' },
            { columns: ['c', 'b'], kind: 'ordered' },
            { columns: ['a', 'c'] },
            { name: 'ones', columns: ['b'], kind: 'ordered', where: { c: 1 } },
            { name: 'named', columns: ['c', 'a'], kind: 'ordered', where: { b: { isNull: false } } },
            { name: 'nameless', columns: ['c', 'a'], where: { b: null } },
          ]
        : [],
    })
    for (const each of rows) tx.insert('t', each)
  })
  return db
}

test('queries by ordered indexes find what a comparison of all rows finds, in its order', async () => {
  const rows = fc
    .integer({ min: 0, max: 60 })
    .chain((count) => fc.tuple(...Array.from({ length: count }, (_, id) => row(id))))
  await fc.assert(
    fc.asyncProperty(
      rows,
      fc.array(condition, { maxLength: 3 }),
      order,
      fc.option(fc.nat(20)),
      async (all, where, by, limit) => {
        let expected = all.filter((each) => where.every((one) => fits(each, one)))
        expected.sort((x, y) => {
          for (const [name, direction] of by) {
            const [v, w] = [x[name as keyof Row], y[name as keyof Row]]
            const result = v === null || w === null ? Number(v === null) - Number(w === null) : compare(v, w)
            if (result !== 0) return direction === 'desc' ? -result : result
          }
          return x.id - y.id
        })
        if (limit !== null) expected = expected.slice(0, limit)
        for (const indexes of [true, false]) {
          const db = await filled(all, indexes)
          let query = db.query('t')
          for (const [operator, name, value] of where)
            query = query.where({ [name as string]: { [operator as string]: value } })
          for (const [name, direction] of by) query = query.orderBy(name as string, direction as 'asc')
          if (limit !== null) query = query.limit(limit)
          expect(query.values('id').collect()).toEqual(expected.map(({ id }) => id))
          expect(query.count()).toBe(expected.length)
          await db.close()
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('an order that an index has is walked, not sorted, when few rows of it are wanted', async () => {
  const all = Array.from({ length: 5000 }, (_, id) => ({ id, a: (id * 7) % 2500, b: `text ${id % 100}`, c: id % 3 }))
  const db = await filled(all, true)
  const explained = db.query('t').orderBy('a', 'desc').limit(10).explain({ run: true }).steps[0]
  expect(explained.examinedRows).toBeLessThan(20)
  const within = db.query('t').where({ c: 1 }).orderBy('b').limit(5).explain({ run: true }).steps[0]
  expect([within.chosen, within.examinedRows! < 100]).toEqual([
    expect.stringMatching(/^ordered index t.(c_b_ordered|ones)$/),
    true,
  ])
  const range = db
    .query('t')
    .where({ a: { gte: 100, lt: 110 } })
    .explain({ run: true }).steps[0]
  expect([range.chosen, range.examinedRows]).toEqual(['ordered index t.a_ordered, gte and lt', 20])
  const chosen = (where: Record<string, unknown>) => db.query('t').where(where).explain({ run: true }).steps[0].chosen
  expect(chosen({ a: 7, c: 1 })).toBe('hash index t.a_c_hash')
  expect(chosen({ c: 1, b: { gte: 'text 99' } })).toMatch(/^ordered index t.(c_b_ordered|ones), gte$/)
  expect(chosen({ c: 2, b: { gte: 'text 99' } })).toBe('ordered index t.c_b_ordered, gte')
  await db.close()
})
