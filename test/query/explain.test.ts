import { describe, expect, test } from 'vitest'
import {
  columnEqual,
  compose,
  constant,
  getColumn,
  indexLookup,
  inSub,
  product,
  query,
  rows,
  union,
} from '../../src/functions'
import { Animal, zoo } from './support/zoo'

describe('explain', () => {
  test('says what rows are found by and about how many there are, and runs nothing', async () => {
    const db = await zoo(1000)
    let tested = 0
    const { steps, results, elapsedMs } = db
      .query(Animal)
      .where({ legs: 3, name: { matches: { test: () => ++tested > 0, source: 'counted' } as unknown as RegExp } })
      .orderBy('born', 'desc')
      .explain()
    expect(steps.map(({ code, ...step }) => step)).toEqual([
      { step: 'rows of animal', access: 'index animal.legs', estimatedRows: 143, orderedBy: ['born desc'] },
      { step: 'object' },
    ])
    expect([tested, results, elapsedMs]).toEqual([0, undefined, undefined])
  })

  test('with run also says what was examined, given and taken of time, step by step', async () => {
    const db = await zoo(1000)
    const { steps, results, elapsedMs } = db.query(Animal).where({ legs: 3, type: 'bird' }).explain({ run: true })
    expect(steps.map(({ step, chosen, examinedRows, givenRows }) => [step, chosen, examinedRows, givenRows])).toEqual([
      ['rows of animal', 'index animal.type', 100, 15],
      ['object', undefined, undefined, 15],
    ])
    expect(results).toBe(15)
    expect([...steps, { elapsedMs }].every((each) => each.elapsedMs! >= 0)).toBe(true)
  })

  test('reads as a tree', async () => {
    const db = await zoo(1000)
    const asked = db.query(Animal).where({ legs: 3, type: 'bird' }).orderBy('name').select('name')
    expect(String(asked.explain())).toBe(
      'rows of animal · by index animal.legs or index animal.type · about 100 rows · ordered by name\n  └ project',
    )
    expect(String(asked.explain({ run: true })).replaceAll(/\d+\.\d{3} ms/g, '# ms')).toBe(
      [
        'rows of animal · by index animal.type · about 100 rows · 100 examined · 15 given · ordered by name · # ms',
        '  └ project · 15 given · # ms',
        '15 results in # ms',
      ].join('\n'),
    )
  })

  test('shows the steps of plans within a plan, with what was found in all of their runs', async () => {
    const db = await zoo(1000)
    const legs = compose(indexLookup('animal', 'legs'), getColumn('animal', 'id'))
    const birds = compose(rows('animal'), columnEqual('animal', 'type', 'bird'), getColumn('animal', 'id'))
    const both = query(db, constant(3, 4), union(legs, legs), inSub(birds))
    const told = both.explain()
    expect(told.steps.map(({ step }) => step)).toEqual(['constant', 'union', 'among'])
    expect(told.steps[1].parts?.map((part) => part.map(({ step, access }) => [step, access]))).toEqual([
      [
        ['rows of animal', 'index animal.legs'],
        ['get', undefined],
      ],
      [
        ['rows of animal', 'index animal.legs'],
        ['get', undefined],
      ],
    ])
    const ran = both.explain({ run: true })
    const figures = ran.steps.flatMap(({ parts = [] }) =>
      parts.map((part) => part.map(({ examinedRows, givenRows }) => [examinedRows, givenRows])),
    )
    const found = [3, 4].map((wanted) => db.query(Animal).where({ legs: wanted }).count())
    const rowsFound = found[0] + found[1]
    expect(figures).toEqual([
      [
        [rowsFound, rowsFound],
        [undefined, rowsFound],
      ],
      [
        [rowsFound, rowsFound],
        [undefined, rowsFound],
      ],
      [
        [100, 100],
        [undefined, 100],
      ],
    ])
    expect(
      String(ran)
        .replaceAll(/\d+\.\d{3} ms/g, '# ms')
        .split('\n')
        .slice(1, 4),
    ).toEqual([
      `  └ union · ${rowsFound * 2} given · # ms`,
      `      1: rows of animal · by index animal.legs · about ${found[1]} rows · ${rowsFound} examined · ${rowsFound} given · # ms`,
      `        └ get · ${rowsFound} given · # ms`,
    ])
    const pairs = query(db, constant(3), product(legs, constant('x', 'y'))).explain({ run: true })
    expect(pairs.steps[1].parts?.map((part) => part.at(-1)?.givenRows)).toEqual([found[0], found[0] * 2])
  })

  test('shows the code that checks rows', async () => {
    const db = await zoo(10)
    const [{ code }] = db
      .query(Animal)
      .where({ legs: { gt: 3 } })
      .explain().steps
    expect(code).toContain('function scan(')
    expect(db.query(Animal).explain().steps[0].code).toBeUndefined()
  })
})
