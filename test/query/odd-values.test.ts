import { expect, test } from 'vitest'
import { type ColumnType, type Database, Decimal, open, plainMemory, Timestamp } from '../../src/index'

const [MIN, MAX] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
const decimals = (...texts: string[]): Decimal[] => texts.map((text) => Decimal.parse(text))

/** Odd values of each type as they sort: those of one array are equal in order, though different. */
const ASCENDING: Partial<Record<ColumnType, readonly (readonly unknown[])[]>> = {
  integer: [[1 - 2 ** 53], [-1], [0], [1], [2 ** 31], [2 ** 53 - 1]],
  number: [[MIN], [-1.5], [-0, 0], [5e-324], [1], [2 ** 53], [1e300], [MAX], [Number.NaN]],
  bigint: [[-(2n ** 70n)], [-1n], [0n], [1n], [2n ** 53n], [2n ** 53n + 1n], [2n ** 63n], [2n ** 63n + 1n]],
  decimal: [
    [MIN],
    decimals('-0.10'),
    decimals('0', '0.0', '0.00'),
    decimals('1e-30'),
    decimals('1.1', '1.10'),
    decimals('9007199254740992'),
    decimals('9007199254740993', '9007199254740993.0'),
    decimals('123456789012345678901234567890.5'),
    [MAX],
    [Number.NaN],
  ],
  string: [
    ...['', '\0', '\0a', 'a', 'ab', 'abcdef', 'abcdefg', 'é', '\uffee'],
    // lone surrogates sort as U+FFFD, and among themselves by code units
    ...['\ud800', '\udfff', '\ufffd', '\ud800a', '\u{1f600}', '\u{1f600}\ud800', '\u{1f601}'],
  ].map((each) => [each]),
  timestamp: [
    [MIN],
    ['-290000-01-01T00:00:00.000000Z'], // what no Date holds is its text
    ...[-8.64e15, -(2 ** 47) - 1, -(2 ** 47), 0].map((ms) => [new Date(ms)]),
    [new Timestamp(0, 1)],
    [new Timestamp(0, 999)],
    ...[1, 2 ** 47 - 1, 2 ** 47, 8.64e15].map((ms) => [new Date(ms)]),
    [new Timestamp(8.64e15, 1)],
    ...['+275760-09-13T00:00:00.001000Z', '+294276-12-31T23:59:59.998999Z', '+294276-12-31T23:59:59.999999Z'].map(
      (each) => [each],
    ),
    [MAX],
  ],
  day: [MIN, '-271821-04-20', '0000-01-01', '2024-01-01', '+275760-09-13', '+999999-01-01', MAX].map((each) => [each]),
  time: ['00:00:00', '10:00:00', '10:00:00.000001', '24:00:00'].map((each) => [each]),
  uuid: ['0', '7', 'c', 'f'].map((digit) => ['00000000-0000-4000-8000-000000000000'.replaceAll('0', digit)]),
  bytes: [[], [0], [0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9], [255]].map((bytes) => [new Uint8Array(bytes)]),
  boolean: [[false], [true]],
}
/** Enough for native code to scan. */
const ROWS = 4500
const COLUMNS = ['scanned', 'hashed', 'ordered'] as const

interface Filled {
  readonly native: Database
  readonly plain: Database
  /** Of each row that there is. */
  readonly values: ReadonlyMap<number, { readonly value: unknown; readonly rank: number }>
}

async function filled(type: ColumnType): Promise<Filled> {
  const all = [...ASCENDING[type]!.flatMap((equal, rank) => equal.map((value) => ({ value, rank }))), undefined]
  const values = new Map<number, { value: unknown; rank: number }>()
  for (let id = 0; id < ROWS; id++) {
    if (id % 61 !== 7) values.set(id, all[id % all.length] ?? { value: null, rank: all.length })
  }
  const column = { type, nullable: true }
  const [native, plain] = await Promise.all([open(), open(undefined, { memory: plainMemory() })])
  for (const db of [native, plain]) {
    db.write((tx) => {
      const unindexed = { ...column, index: false }
      const hashed = type === 'boolean' ? column : { ...column, index: true }
      tx.createTable('t', { key: 'id', columns: { id: 'integer', scanned: unindexed, hashed, ordered: unindexed } })
      tx.addIndex('t', { name: 'by_order', columns: ['ordered'], kind: 'ordered' })
      const rows = Array.from({ length: ROWS }, (_, id) => {
        const { value } = values.get(id) ?? { value: null }
        return { id, scanned: value, hashed: value, ordered: value }
      })
      tx.insertMany('t', rows as never)
      for (const { id } of rows) if (!values.has(id)) tx.delete('t', id)
    })
  }
  return { native, plain, values }
}

const HOLDS = {
  lt: (order: number) => order < 0,
  lte: (order: number) => order <= 0,
  gt: (order: number) => order > 0,
  gte: (order: number) => order >= 0,
}

test.each(Object.keys(ASCENDING) as ColumnType[])(
  'odd values of type %s compare, sort and group as their order says, with every index and without, natively and not',
  async (type) => {
    const { native, plain, values } = await filled(type)
    const asked = [...ASCENDING[type]!.flatMap((equal, rank) => equal.map((value) => ({ value, rank })))]
    const isSame = (a: unknown, b: unknown): boolean => Object.is(a, b)
    const countOf = (fits: (value: unknown) => boolean): number =>
      [...values.values()].filter(({ value }) => fits(value)).length
    const idsOf = (fits: (value: unknown, rank: number) => boolean): string => {
      const ids: number[] = []
      for (const [id, { value, rank }] of values) if (fits(value, rank)) ids.push(id)
      return ids.join()
    }
    const expected = asked.map(({ value, rank }) => ({
      eq: idsOf((each) => isSame(each, value)),
      ne: idsOf((each) => !isSame(each, value)),
      in: idsOf((each) => isSame(each, value) || isSame(each, asked[0].value)),
      ...Object.fromEntries(
        Object.entries(HOLDS).map(([operator, holds]) => [
          operator,
          idsOf((each, other) => each !== null && holds(other - rank)),
        ]),
      ),
    }))
    /** Indexes are the same whoever scans. */
    const askedOf = (column: string): Database[] => (column === 'scanned' ? [native, plain] : [native])
    const found = (column: string, condition: object): unknown[] =>
      askedOf(column).map((db) => {
        const query = db.query('t').where({ [column]: condition })
        const ids = query.values('id').collect()
        expect(query.count()).toBe(ids.length)
        return ids.join()
      })
    for (const column of COLUMNS) {
      for (const [i, { value }] of asked.entries()) {
        for (const [operator, ids] of Object.entries(expected[i]!)) {
          const operand = operator === 'in' ? [asked[0].value, value] : value
          const label = `${column} ${operator} ${String(value)}`
          expect([label, ...found(column, { [operator]: operand })]).toEqual([label, ...askedOf(column).map(() => ids)])
        }
      }
      const ascending = [...values].sort(([a, x], [b, y]) => x.rank - y.rank || a - b).map(([id]) => id)
      const descending = [...values].sort(([a, x], [b, y]) => y.rank - x.rank || a - b).map(([id]) => id)
      for (const db of askedOf(column)) {
        const query = db.query('t')
        expect(query.orderBy(column).values('id').collect()).toEqual(ascending)
        expect(query.orderBy(column, 'desc').values('id').collect()).toEqual(descending)
        expect(query.orderBy(column).limit(600).values('id').collect()).toEqual(ascending.slice(0, 600))
        const [extremes] = query
          .groupBy([], (group) => ({ min: group.min(column), max: group.max(column), there: group.count(column) }))
          .collect() as Record<string, unknown>[]
        expect(asked.find(({ value }) => isEqual(value, extremes.min))?.rank).toBe(0)
        expect(asked.find(({ value }) => isEqual(value, extremes.max))?.rank).toBe(ASCENDING[type]!.length - 1)
        expect(extremes.there).toBe(countOf((each) => each !== null))
        const groups = query.groupBy(column, (group) => ({ rows: group.count() })).collect() as Record<
          string,
          unknown
        >[]
        expect(groups).toHaveLength(asked.length + 1)
        for (const group of groups) {
          expect(group.rows).toBe(countOf((each) => isEqual(each, group[column])))
        }
      }
    }
    await Promise.all([native.close(), plain.close()])
  },
)

/** Whether a value that was read is one that was stored. */
function isEqual(stored: unknown, read: unknown): boolean {
  if (stored instanceof Uint8Array) return read instanceof Uint8Array && Buffer.compare(stored, read) === 0
  if (stored instanceof Decimal) return read instanceof Decimal && String(stored) === String(read)
  if (!(stored instanceof Date)) return Object.is(stored, read)
  return read instanceof Date && microsOf(stored) === microsOf(read)
}

function microsOf(date: Date): string {
  return `${date.getTime()} ${date instanceof Timestamp ? date.microseconds : 0}`
}

test('days of groups compare and sort as those of rows do', async () => {
  const db = await open()
  const days = [...ASCENDING.day!.flat(), null]
  db.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', day: { type: 'day', nullable: true } } })
    const rows = days.map((day, i) => ({ id: (i * 5) % days.length, day }))
    tx.insertMany('t', rows as never)
  })
  const groups = db.query('t').groupBy('day', (group) => ({ last: group.max('day') }))
  for (const member of ['day', 'last']) {
    const sorted = groups.orderBy(member).collect() as Record<string, unknown>[]
    expect(sorted.map((each) => each[member])).toEqual(days)
    for (const [i, day] of days.slice(0, -1).entries()) {
      const before = groups
        .having({ [member]: { lt: day } })
        .orderBy(member)
        .collect() as Record<string, unknown>[]
      expect(before.map((each) => each[member])).toEqual(days.slice(0, i))
    }
  }
  await db.close()
})

test('what the members of groups are compared with may be written as for columns', async () => {
  const db = await open()
  db.write((tx) => {
    const columns = {
      id: 'integer',
      price: { type: 'decimal', scale: 2 },
      day: 'day',
      time: 'time',
      code: 'uuid',
    } as const
    tx.createTable('t', { key: 'id', columns })
    const [day, time, code] = ['2024-02-29', '10:00:00', 'c0ffee00-0000-4000-8000-000000000000']
    for (const [id, price] of ['0.10', '0.30'].entries()) tx.insert('t', { id, price, day, time, code })
  })
  const groups = db.query('t').groupBy(['id', 'price', 'day', 'time', 'code'], (group) => ({ sum: group.sum('price') }))
  const ids = (condition: object): unknown[] =>
    groups
      .having(condition)
      .collect()
      .map(({ id }) => id)
  for (const member of ['price', 'sum']) {
    expect([ids({ [member]: 0.1 }), ids({ [member]: '0.1' }), ids({ [member]: { in: [0.1, '0.300'] } })]).toEqual([
      [0],
      [0],
      [0, 1],
    ])
    expect([ids({ [member]: { gte: 0.1 } }), ids({ [member]: { lte: 0.3 } })]).toEqual([
      [0, 1],
      [0, 1],
    ])
  }
  expect(ids({ day: new Date('2024-02-29T12:00:00Z'), time: '10:00' })).toEqual([0, 1])
  expect(ids({ code: 'C0FFEE00-0000-4000-8000-000000000000' })).toEqual([0, 1])
  await db.close()
})

test('a text that begins with half of a character is found with an ordered index as without', async () => {
  const db = await open()
  db.write((tx) => {
    const columns = { id: 'integer', text: { type: 'string', index: false } } as const
    tx.createTable('t', { key: 'id', columns })
    tx.addIndex('t', { name: 'by_text', columns: ['text'], kind: 'ordered' })
    const texts = ['\u{1f600}', '\ud83d', '\ud83da', 'a', '\ufffd', '\u{1f601}b']
    tx.insertMany(
      't',
      texts.map((text, id) => ({ id, text })),
    )
  })
  const asked = db.query('t').where({ text: { startsWith: '\ud83d' } })
  expect(asked.values('id').collect()).toEqual([0, 1, 2, 5])
  expect(asked.orderBy('text').limit(0).values('id').collect()).toEqual([])
  expect(asked.orderBy('text').limit(1).values('id').collect()).toEqual([1])
  await db.close()
})

test('a number that a column of decimals with a scale is compared with is the decimal that it is written as', async () => {
  const db = await open()
  db.write((tx) => {
    const columns = { id: 'integer', price: { type: 'decimal', scale: 2 } } as const
    tx.createTable('t', { key: 'id', columns })
    for (const [id, price] of ['0.10', '0.20', '0.30'].entries()) tx.insert('t', { id, price })
  })
  const ids = (price: object): unknown[] => db.query('t').where({ price }).values('id').collect()
  expect([ids({ eq: 0.1 }), ids({ gte: 0.1 }), ids({ gt: 0.1 })]).toEqual([[0], [0, 1, 2], [1, 2]])
  expect([ids({ lte: 0.3 }), ids({ lt: 0.3 }), ids({ between: [0.1, 0.3] })]).toEqual([
    [0, 1, 2],
    [0, 1],
    [0, 1, 2],
  ])
  expect([ids({ gt: 0.105 }), ids({ eq: 0.105 }), ids({ in: [0.1, 0.3] })]).toEqual([[1, 2], [], [0, 2]])
  await db.close()
})

test.each(['string', 'timestamp', 'day', 'boolean', 'uuid', 'bytes', 'time', 'number[]'] as const)(
  'values of type %s have no sum and no mean',
  async (type) => {
    const db = await open()
    db.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', v: { type, nullable: true } } }))
    for (const how of ['sum', 'avg'] as const) {
      const asked = db.query('t').groupBy([], (group) => ({ added: group[how]('v') }))
      expect(() => asked.collect()).toThrow(`which has no ${how}`)
    }
    await db.close()
  },
)

test('what is no number makes the sum of a column of any values NaN, be it one value or many', async () => {
  const db = await open()
  db.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', kind: 'string', v: 'any' } })
    const rows = [
      ['numbers', 1],
      ['numbers', Decimal.parse('0.5')],
      ['text', 'a'],
      ['date', new Date(5)],
      ['texts', 'a'],
      ['texts', 'b'],
      ['bigint', 2n ** 64n],
      ['null', null],
    ] as const
    tx.insertMany(
      't',
      rows.map(([kind, v], id) => ({ id, kind, v })),
    )
  })
  const sums = db.query('t').groupBy('kind', (group) => ({ sum: group.sum('v') }))
  expect(sums.collect().map(({ kind, sum }) => [kind, sum])).toEqual([
    ['numbers', 1.5],
    ['text', Number.NaN],
    ['date', Number.NaN],
    ['texts', Number.NaN],
    ['bigint', 2n ** 64n],
    ['null', 0],
  ])
  await db.close()
})

test.each([
  ['n', 'Two members of a result are named "n"'],
  ['__proto__', 'No member of a result can be named "__proto__"'],
])('an aggregate of the name %s, which its groups cannot have beside their key, is refused', async (name, message) => {
  const db = await open()
  db.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', n: 'integer' } }))
  const asked = db.query('t').groupBy('n', (group) => ({ [name]: group.count() }))
  expect(() => asked.collect()).toThrow(message)
  await db.close()
})
