import { expect, test } from 'vitest'
import { allValues, collect, compose, count, indexLookup, query } from '../../src/functions'
import { type Database, Decimal, plainMemory } from '../../src/index'
import { opened } from './support/zoo'

const decimals = (...texts: string[]): Decimal[] => texts.map((text) => Decimal.parse(text))
/** Values of which a condition on a column finds each alone, though some say the same number. */
const VALUES = {
  number: [0, -0, 1.5, Number.NaN],
  decimal: decimals('1.1', '1.10', '0', '0.0'),
  any: [0, -0, 1, 1n, Decimal.parse('1'), '1', null],
  string: ['a', 'b'],
} as const

/** Enough rows for native code to group. */
const ROWS = 9000

async function filled(memory: ReturnType<typeof plainMemory> | undefined): Promise<Database> {
  const db = await opened(memory === undefined ? {} : { memory })
  db.write((tx) => {
    const columns = Object.fromEntries(Object.keys(VALUES).map((type) => [type, { type, nullable: true }])) as never
    tx.createTable('far', {
      key: 'id',
      columns: Object.assign({ id: 'integer', name: { type: 'string', unique: true } } as const, columns),
    })
    tx.createTable('t', {
      key: 'id',
      columns: Object.assign(
        { id: 'integer', far: { type: 'integer', nullable: true }, by: 'string' } as const,
        columns,
      ),
    })
    const most = Math.max(...Object.values(VALUES).map(({ length }) => length))
    for (let id = 0; id <= most; id++) tx.insert('far', { id, name: `far ${id}`, ...values(id) })
    tx.insertMany(
      't',
      Array.from({ length: ROWS }, (_, id) => {
        const far = id % (most + 2)
        return { id, far: far > most ? null : far, by: `far ${far}`, ...values(far) }
      }),
    )
  })
  return db
}

/** Beyond the last value of a type there is none. */
function values(at: number): Record<string, unknown> {
  return Object.fromEntries(Object.entries(VALUES).flatMap(([type, all]) => (at < all.length ? [[type, all[at]]] : [])))
}

test.each([
  ['native', undefined],
  ['plain', plainMemory()],
])(
  'groups by a column, behind a reference and behind a join are what conditions find, on %s memory',
  async (_name, memory) => {
    const db = await filled(memory)
    const joined = db.query('t').join('via', 'far', { from: 'by', to: 'name' })
    for (const [type, all] of Object.entries(VALUES)) {
      const own = db
        .query('t')
        .groupBy(type, (group) => ({ rows: group.count() }))
        .collect()
      const expected = own.map((group) => [group[type], group.rows])
      // each different word once, and those that read null together
      expect(own).toHaveLength(all.filter((each) => each !== null).length + 1)
      expect(own.reduce((sum, { rows }) => sum + (rows as number), 0)).toBe(ROWS)
      for (const [value, rows] of expected)
        expect([
          value,
          db
            .query('t')
            .where({ [type]: value })
            .count(),
        ]).toEqual([value, rows])
      expect(query(db, allValues('t', type), collect())).toEqual(
        expected.map(([value]) => value).filter((value) => value !== null),
      )
      const everyRow = compose(allValues('t', type), indexLookup('t', type))
      expect(query(db, everyRow, count())).toBe(ROWS - (own.find((group) => group[type] === null)!.rows as number))
    }
    const viaKey = db.query('t').join('via', 'far', { from: 'far' })
    for (const type of Object.keys(VALUES)) {
      for (const asked of [joined, viaKey]) {
        const groups = asked.groupBy(`via.${type}`, (group) => ({ rows: group.count() })).collect()
        for (const group of groups) {
          const value = group[`via.${type}`]
          expect([type, value, asked.where({ [`via.${type}`]: value }).count()]).toEqual([type, value, group.rows])
        }
        expect(groups.reduce((sum, { rows }) => sum + (rows as number), 0)).toBe(asked.count())
        const two = asked.groupBy([`via.${type}`, type], (group) => ({ rows: group.count() })).collect()
        expect(two).toHaveLength(groups.length)
      }
    }
  },
)

test('groups by a part of documents are what conditions on it find', async () => {
  const db = await opened()
  db.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', doc: 'any' } })
    for (const [id, n] of [0, -0, 1, 1n, Decimal.parse('1.0'), null].entries()) tx.insert('t', { id, doc: { n } })
  })
  const groups = db
    .query('t')
    .groupBy('doc.n', (group) => ({ rows: group.count() }))
    .collect()
  expect(groups).toEqual([
    { 'doc.n': 0, rows: 2 },
    { 'doc.n': 1, rows: 3 },
    { 'doc.n': null, rows: 1 },
  ])
  for (const group of groups) expect(db.query('t').where({ 'doc.n': group['doc.n'] }).count()).toBe(group.rows)
})
