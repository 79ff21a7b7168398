import { expect, onTestFinished, test } from 'vitest'
import { columnEqual, columnNotEqual, query, rows } from '../../src/functions'
import { type Database, type Memory, not, open, plainMemory } from '../../src/index'
import { CONSTANT, CONSTANT_HIGH } from '../../src/value/word'

/** Enough for native code to scan. */
const ROWS = 4500
const NAMES = ['scanned', 'hashed', 'ordered', 'dynamic'] as const

/** What a row has: nothing, the null of a JSON document (as a mirror stores it), a document, or a text. */
type Kind = 'nothing' | 'null' | 'document' | 'text'
const kindOf = (id: number): Kind => (['nothing', 'null', 'document', 'text', 'document'] as const)[id % 5]!
const documentOf = (id: number): unknown =>
  ({ nothing: null, null: null, document: { a: id % 3 }, text: 'b' })[kindOf(id)]
const ids = (fits: (kind: Kind) => boolean, count = ROWS): number[] =>
  Array.from({ length: count }, (_, id) => id).filter((id) => fits(kindOf(id)))
const isNull = (kind: Kind): boolean => kind === 'nothing' || kind === 'null'

async function filled(memory: Memory | undefined, count = ROWS): Promise<Database> {
  const db = await open(undefined, memory === undefined ? {} : { memory })
  onTestFinished(async () => {
    expect(db.check().problems).toEqual([])
    await db.close()
  })
  db.write((tx) => {
    const json = { type: 'json', nullable: true } as const
    const dynamic = { type: 'any', nullable: true, index: false } as const
    const columns = {
      id: 'integer',
      scanned: { ...json, index: false },
      hashed: { ...json, index: true },
      ordered: { ...json, index: false },
      dynamic,
      one: 'integer',
    } as const
    tx.createTable('t', { key: 'id', columns })
    tx.addIndex('t', { name: 'by_order', columns: ['ordered'], kind: 'ordered' })
    tx.addIndex('t', { name: 'by_two', columns: ['one', 'scanned'] })
    tx.addIndex('t', { name: 'of_none', columns: ['one'], where: { scanned: null } })
    tx.addIndex('t', { name: 'of_none_ordered', columns: ['id'], kind: 'ordered', where: { hashed: null } })
    tx.createTable('u', { key: 'id', columns: { id: 'integer', t: 'integer' } })
    tx.insertMany(
      'u',
      Array.from({ length: 20 }, (_, id) => ({ id, t: id })),
    )
  })
  for (let id = 0; id < count; id++) insert(db, id)
  return db
}

function insert(db: Database, id: number): void {
  db.write((tx) => {
    const value = documentOf(id)
    if (kindOf(id) !== 'null') {
      tx.insert('t', { id, ...Object.fromEntries(NAMES.map((name) => [name, value ?? undefined])), one: 1 })
      return
    }
    const word = [CONSTANT.null, CONSTANT_HIGH]
    const [key, one] = [id, 1].map((number) => [...new Int32Array(Float64Array.of(number).buffer)])
    const first = id === 0 ? [CONSTANT.zero, CONSTANT_HIGH] : key!
    tx.writer('t').insertWords(Int32Array.from([first, word, word, word, word, one!].flat()))
  })
}

test.each([
  ['native', undefined],
  ['plain', plainMemory()],
])(
  'null finds no document and a document that is null alike, in every face, with every index and without, on %s memory',
  async (_name, memory) => {
    const db = await filled(memory)
    const found = (where: object): unknown[] => {
      const asked = db.query('t').where(where)
      const values = asked.values('id').collect()
      expect([asked.count(), db.query('t').where(not(where)).count()]).toEqual([values.length, ROWS - values.length])
      return values
    }
    for (const name of NAMES) {
      for (const condition of [null, { eq: null }, { isNull: true }, { in: [null] }]) {
        expect(found({ [name]: condition })).toEqual(ids(isNull))
        expect(found({ one: 1, [name]: condition })).toEqual(ids(isNull))
        expect(found({ id: { lt: 50 }, [name]: condition })).toEqual(ids(isNull, 50))
      }
      for (const condition of [{ ne: null }, { isNull: false }])
        expect(found({ [name]: condition })).toEqual(ids((kind) => !isNull(kind)))
      expect(found({ [name]: { in: [null, 'b'] } })).toEqual(ids((kind) => isNull(kind) || kind === 'text'))
      expect(found({ [name]: 'b' })).toEqual(ids((kind) => kind === 'text'))
      expect(found({ [name]: { gte: 'a' } })).toEqual(ids((kind) => kind === 'text'))
      const json = (operand: unknown): unknown[] =>
        db.queryJson({ from: 't', where: { [name]: operand }, select: ['id'] }).collect()
      const expected = ids(isNull).map((id) => ({ id }))
      for (const operand of [null, { $eq: null }, { $exists: false }, { $in: [null] }])
        expect(json(operand)).toEqual(expected)
      expect(json({ $ne: null })).toHaveLength(ROWS - expected.length)
      expect(query(db, rows('t'), columnEqual('t', name, null)).count()).toBe(expected.length)
      expect(query(db, rows('t'), columnNotEqual('t', name, null)).count()).toBe(ROWS - expected.length)
      const groups = db
        .query('t')
        .groupBy(name, (group) => ({ rows: group.count(), there: group.count(name) }))
        .collect()
      expect(groups.filter((group) => group[name] === null)).toEqual([
        { [name]: null, rows: expected.length, there: 0 },
      ])
      if (name !== 'dynamic') expect(db.table('t').findRows({ [name]: null })).toEqual(ids(isNull))
      if (name !== 'dynamic') expect(db.table('t').findRows({ [name]: null, one: 1 })).toEqual(ids(isNull))
    }
  },
)

test('rows that read null sort as equal, and a page goes on behind each', async () => {
  const db = await filled(undefined, 60)
  const rank = (id: number): number => (isNull(kindOf(id)) ? 2 : kindOf(id) === 'document' ? 1 : 0)
  const sorted = Array.from({ length: 60 }, (_, id) => id).sort((a, b) => rank(a) - rank(b) || a - b)
  for (const name of NAMES) {
    const asked = db.query('t').orderBy(name)
    expect([name, asked.values('id').collect()]).toEqual([name, sorted])
    expect(asked.limit(45).values('id').collect()).toEqual(sorted.slice(0, 45))
    const last = asked.page(40)
    expect(last.items.map(({ id }) => id)).toEqual(sorted.slice(0, 40))
    expect(asked.page(40, last.next).items.map(({ id }) => id)).toEqual(sorted.slice(40))
  }
})

test('null is asked of what a reference leads to in the same way', async () => {
  const db = await filled(undefined, 20)
  for (const name of NAMES) {
    const asked = db.query('u').join('of', 't', { from: 't' })
    expect(
      asked
        .where({ [`of.${name}`]: null })
        .values('id')
        .collect(),
    ).toEqual(ids(isNull, 20))
    expect(
      asked
        .where({ [`of.${name}`]: { in: [null] } })
        .values('id')
        .collect(),
    ).toEqual(ids(isNull, 20))
  }
})

test('a document that becomes null joins those without one, for whoever watches', async () => {
  const db = await filled(undefined, 0)
  const changes: unknown[] = []
  for (const name of NAMES) {
    db.watch(
      db
        .query('t')
        .where({ [name]: null })
        .values('id') as never,
      (({ added, removed }: Record<string, unknown>) => changes.push([name, added, removed])) as never,
    )
  }
  insert(db, 1)
  expect(changes).toEqual(NAMES.map((name) => [name, [1], []]))
  db.write((tx) => tx.update('t', 1, Object.fromEntries(NAMES.map((name) => [name, 'b']))))
  expect(changes.slice(4)).toEqual(NAMES.map((name) => [name, [], [1]]))
})
