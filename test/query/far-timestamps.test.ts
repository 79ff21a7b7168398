import { expect, test } from 'vitest'
import { type Database, Timestamp } from '../../src/index'
import { errorOf } from '../support/store'
import { opened } from './support/zoo'

const FAR = '+290000-01-01T00:00:00.500000Z'
const FARTHER = '+294276-12-31T23:59:59.999999Z'
/** As they sort; what no Date holds is its text. */
const INSTANTS = [
  Number.NEGATIVE_INFINITY,
  '-290000-01-01T00:00:00.000000Z',
  new Date(-8.64e15),
  new Date(0),
  new Timestamp(8.64e15, 1),
  FAR,
  FARTHER,
  Number.POSITIVE_INFINITY,
] as const
const NAMES = ['scanned', 'hashed', 'ordered'] as const

async function filled(): Promise<Database> {
  const db = await opened()
  db.write((tx) => {
    const scanned = { type: 'timestamp', nullable: true, index: false } as const
    const columns = {
      id: 'integer',
      scanned,
      hashed: { ...scanned, index: true },
      ordered: scanned,
      all: 'timestamp[]',
    } as const
    tx.createTable('t', { key: 'id', columns })
    tx.addIndex('t', { name: 'by_order', columns: ['ordered'], kind: 'ordered' })
    for (const [i, at] of INSTANTS.entries()) {
      // stored in another order than they sort
      tx.insert('t', { id: (i * 3) % INSTANTS.length, scanned: at, hashed: at, ordered: at, all: [at, null] })
    }
    tx.insert('t', { id: INSTANTS.length, all: [] })
  })
  return db
}

const places = (rows: readonly unknown[]): number[] => {
  const at = (row: unknown): number =>
    INSTANTS.findIndex((_, i) => (i * 3) % INSTANTS.length === (row as { id: number }).id)
  return rows.map(at).sort((a, b) => a - b)
}
const below = (limit: number, from = 0): number[] => Array.from({ length: limit - from }, (_, i) => from + i)

test.each(NAMES)(
  'instants that no Date holds compare with Dates and with each other, in every face (%s)',
  async (name) => {
    const db = await filled()
    const json = (value: unknown): unknown =>
      typeof value === 'number' ? String(value).toLowerCase() : value instanceof Date ? value.toISOString() : value
    for (const [i, at] of INSTANTS.entries()) {
      const found = (condition: object): number[] =>
        places(
          db
            .query('t')
            .where({ [name]: condition })
            .collect(),
        )
      const asked = (condition: object): number[] =>
        places(db.queryJson({ from: 't', where: { [name]: condition } }).collect())
      const inAll = (test: object): number[] =>
        places(db.queryJson({ from: 't', where: { all: { $elemMatch: test } } }).collect())
      expect([found({ lt: at }), asked({ $lt: json(at) }), inAll({ $lt: json(at) })]).toEqual([
        below(i),
        below(i),
        below(i),
      ])
      const from = below(INSTANTS.length, i)
      expect([found({ gte: at }), asked({ $gte: json(at) }), inAll({ $gte: json(at) })]).toEqual([from, from, from])
      expect([found({ eq: at }), asked({ $eq: json(at) }), inAll({ $eq: json(at) })]).toEqual([[i], [i], [i]])
      expect([found({ in: [at] }), asked({ $in: [json(at)] }), inAll({ $in: [json(at)] })]).toEqual([[i], [i], [i]])
    }
    expect(db.table('t').findRows({ [name]: FAR })).toHaveLength(1)
  },
)

test.each(NAMES)('they sort between the latest Date and infinity, in pages and in groups too (%s)', async (name) => {
  const db = await filled()
  const asked = db
    .query('t')
    .where({ [name]: { ne: null } })
    .orderBy(name)
  expect(asked.values(name).collect()).toEqual(INSTANTS)
  const paged: unknown[] = []
  for (let page = asked.page(1); ; page = asked.page(1, page.next)) {
    paged.push(...page.items.map((row) => row[name as 'id']))
    if (page.next === undefined) break
  }
  expect(paged).toEqual(INSTANTS)
  const groups = db
    .query('t')
    .where({ [name]: { ne: null } })
    .groupBy(name, (group) => ({ last: group.max(name) }))
    .orderBy('last')
  expect(groups.collect().map(({ last }) => last)).toEqual(INSTANTS)
  expect(groups.having({ last: { gt: new Date(0), lt: FARTHER } }).collect()).toHaveLength(2)
  expect(groups.having({ last: FAR }).collect()).toHaveLength(1)
  const extremes = db
    .query('t')
    .where({ [name]: { lt: Number.POSITIVE_INFINITY } })
    .groupBy([], (group) => ({ max: group.max(name) }))
  expect(extremes.collect()).toEqual([{ max: FARTHER }])
})

test('their text may have an offset and fewer digits, and is none where a Date holds the instant', async () => {
  const db = await filled()
  const count = (text: string): number => db.query('t').where({ hashed: text }).count()
  const shifted = ['+290000-01-01T02:00:00.5+02:00', '+289999-12-31T23:30:00.5-00:30', '+290000-01-01T00:00:00.500Z']
  for (const text of shifted) {
    expect(count(text)).toBe(1)
    expect(db.queryJson({ from: 't', where: { hashed: text } }).count()).toBe(1)
    expect(db.queryJson({ from: 't', where: { all: { $elemMatch: { $eq: text } } } }).count()).toBe(1)
  }
  for (const text of [
    '2024-02-29T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '+290000-02-30T00:00:00Z',
    '+290000-01-01',
    'soon',
  ]) {
    expect(errorOf(() => count(text)).code).toBe('TYPE')
  }
})
