import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { and, type Database, not, open, or, plainMemory, Timestamp } from '../../src/index'

const ROWS = 70_000
const NUMBERS = [-1.5, -0, 0, 0.5, 2, 1e300, Number.NaN, Number.POSITIVE_INFINITY, null]
const TIMES = [new Date(0), new Date(-5), new Date(1e12), null]
const DAYS = ['1969-12-31', '2024-02-29', '1970-01-01', null]
const TEXTS = ['', 'a', 'paid', 'a text that is too long for a word', null]

/**
 * Rows with all that words can be, holes among the rows, a column of few rows and one that nothing was ever put into.
 */
async function filled(memory: 'native' | 'plain'): Promise<Database> {
  const db = await open(undefined, memory === 'plain' ? { memory: plainMemory() } : {})
  db.write((tx) => {
    tx.createTable('thing', {
      key: 'id',
      columns: {
        id: 'integer',
        small: { type: 'integer', index: false },
        number: { type: 'number', index: false, nullable: true },
        time: { type: 'timestamp', index: false, nullable: true },
        day: { type: 'day', index: false, nullable: true },
        text: { type: 'string', index: false, nullable: true },
        flag: { type: 'boolean', nullable: true },
        few: { type: 'integer', index: false, nullable: true },
        none: { type: 'integer', index: false, nullable: true },
      },
    })
    const rows = Array.from({ length: ROWS }, (_, id) => ({
      id,
      small: (id * 7919) % 300,
      number: NUMBERS[(id * 31) % NUMBERS.length],
      time: id === 69_000 ? new Timestamp(1000, 5) : TIMES[(id * 17) % TIMES.length],
      day: DAYS[(id * 13) % DAYS.length],
      text: TEXTS[(id * 11) % TEXTS.length],
      flag: [true, false, null][id % 3],
      few: id < 900 && id % 2 === 0 ? id % 7 : null,
    }))
    tx.insertMany('thing', rows)
    for (let id = 5; id < ROWS; id += 61) tx.delete('thing', id)
    for (let id = 8192; id < 12_400; id++) if (id % 61 !== 5) tx.delete('thing', id)
  })
  return db
}

let native: Database
let plain: Database
beforeAll(async () => {
  native = await filled('native')
  plain = await filled('plain')
})
afterAll(async () => {
  await Promise.all([native.close(), plain.close()])
})

const operator = fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte')
const compared = (column: string, values: readonly unknown[], operators = operator): fc.Arbitrary<object> =>
  fc.tuple(operators, fc.constantFrom(...values)).map(([sign, value]) => ({ [column]: { [sign]: value } }))
const among = (column: string, values: readonly unknown[]): fc.Arbitrary<object> =>
  fc.subarray([...values]).map((some) => ({ [column]: { in: some } }))

const simple = fc.oneof(
  compared('small', [0, 1, 150, 299, 1e6, -1, 0.5].filter(Number.isInteger)),
  compared('id', [0, 4096, 65_536, 69_999]),
  compared('number', NUMBERS),
  compared('time', [...TIMES, new Timestamp(1000, 5), new Date(8.64e15)]),
  compared('day', DAYS),
  compared('text', TEXTS, fc.constantFrom('eq', 'ne')),
  compared('flag', [true, false, null], fc.constantFrom('eq', 'ne')),
  compared('few', [0, 3, null]),
  compared('none', [0, null]),
  among('small', [0, 1, 2, 3, 298, 299, 5000]),
  among('text', TEXTS),
  among('number', NUMBERS),
  among('few', [1, 2, null]),
  fc.constant({ text: { startsWith: 'a' } }),
)
const { where } = fc.letrec((tie) => ({
  where: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    simple,
    fc.array(tie('where'), { minLength: 1, maxLength: 3 }).map((parts) => and(...(parts as object[]))),
    fc.array(tie('where'), { minLength: 1, maxLength: 3 }).map((parts) => or(...(parts as object[]))),
    tie('where').map((part) => not(part as object)),
  ),
}))

describe('a scan of a table', () => {
  test('finds and counts the same rows by native code as without it', () => {
    let byNativeCode = 0
    const property = fc.property(where, (condition) => {
      const [asked, expected] = [native, plain].map((db) => db.query('thing').where(condition as object))
      const rows = expected.values('id').collect()
      const found = asked.values('id').collect()
      expect(found.findIndex((id, i) => id !== rows[i])).toBe(-1)
      expect([found.length, asked.count()]).toEqual([rows.length, rows.length])
      if (asked.explain({ run: true }).steps[0].chosen?.endsWith('native')) byNativeCode++
    })
    fc.assert(property, { seed: 20240229, numRuns: 45 })
    expect(byNativeCode).toBeGreaterThan(30)
  })

  test('goes on without native code where a word is of another kind than those compared', () => {
    const late = native.query('thing').where({ time: { gte: new Date(1000) }, id: { gte: 65_536 } })
    expect(
      late
        .where({ time: { lt: new Date(1001) } })
        .values('id')
        .collect(),
    ).toEqual([69_000])
  })

  test('leaves conditions that are nested very deeply to JavaScript', () => {
    let condition: object = { small: { lt: 3 } }
    for (let i = 0; i < 190; i++)
      condition = i % 2 === 0 ? or({ small: i }, condition) : and({ id: { gte: i } }, condition)
    const asked = native.query('thing').where({ number: 2 }).where(condition)
    const expected = plain.query('thing').where({ number: 2 }).where(condition)
    expect(asked.values('id').collect()).toEqual(expected.values('id').collect())
  })

  test('checks the rest of a condition in the rows that native code finds', () => {
    const asked = native.query('thing').where({ small: { lt: 3 }, text: { startsWith: 'a text' } })
    const expected = Array.from({ length: ROWS }, (_, id) => id).filter(
      (id) => (id * 7919) % 300 < 3 && (id * 11) % 5 === 3 && id % 61 !== 5 && !(id >= 8192 && id < 12_400),
    )
    expect(asked.values('id').collect()).toEqual(expected)
    expect(asked.count()).toBe(expected.length)
    expect(asked.explain({ run: true }).steps[0].chosen).toBe('scan thing, native')
  })
})

describe('groups', () => {
  const keys = fc.subarray(['small', 'number', 'text', 'flag', 'few', 'none', 'day'], { maxLength: 3 })
  const adding = fc.constantFrom('count', 'sum', 'avg', 'min', 'max')

  test('are the same by native code as without it', () => {
    const property = fc.property(
      keys,
      adding,
      fc.constantFrom('number', 'few', 'id', 'none'),
      fc.boolean(),
      (by, how, of, all) => {
        const results = [native, plain].map((db) => {
          const asked = all ? db.query('thing') : db.query('thing').where({ small: { gte: 100 } })
          return asked
            .groupBy(by, (group) => ({ rows: group.count(), added: group[how](of), last: group.max('id') }))
            .collect()
        })
        expect(results[0]).toEqual(results[1])
      },
    )
    fc.assert(property, { seed: 20240229, numRuns: 30 })
  })

  test('may be many: numbers that hash alike, and those too large for a table of small integers', () => {
    const bySize = native.query('thing').groupBy('id', (group) => ({ rows: group.count() }))
    expect(bySize.collect()).toHaveLength(native.query('thing').count())
    expect(bySize.collect().every(({ rows }) => rows === 1)).toBe(true)
  })
})
