import { describe, expect, test } from 'vitest'
import {
  allValues,
  apply,
  collect,
  columnEqual,
  columnNotEqual,
  columnSatisfies,
  compose,
  constant,
  count,
  exists,
  first,
  getColumn,
  indexLookup,
  inSub,
  naturals,
  notInSub,
  product,
  type QueryPart,
  query,
  reduce,
  rows,
  satisfies,
  union,
  unique,
} from '../../src/functions'
import { columnPath, frozen } from '../../src/query/plan'
import { errorOf } from '../support/store'
import { numbers, zoo } from './support/zoo'

const odd = satisfies((n: number) => n % 2 === 1)

describe('steps that give rows', () => {
  test('rows gives every row, indexLookup those that have the value, and none for a missing one', async () => {
    const db = await zoo(70)
    expect(query(db, rows('animal'), collect())).toEqual(numbers(70, () => true))
    expect(query(db, indexLookup('animal', 'legs'), collect(4))).toEqual(numbers(70, (id) => id % 7 === 4))
    expect(query(db, indexLookup('animal', 'legs'), collect(null))).toEqual([])
    expect(query(db, indexLookup('animal', 'legs'), collect())).toEqual([])
    expect(query(db, indexLookup('animal', 'id'), collect(3))).toEqual([3])
  })

  test('indexLookup works without an index, and takes every value that the step before gives', async () => {
    const db = await zoo(70)
    const plan = compose(constant(1, 2, null, 1), indexLookup('animal', 'keeper'), getColumn('animal', 'keeper'))
    const expected = [1, 2, 1].flatMap((keeper) => numbers(70, (id) => id % 11 === keeper).map(() => keeper))
    expect(query(db, plan, collect())).toEqual(expected)
    db.write((tx) => tx.dropIndex('animal', 'keeper'))
    expect(query(db, plan, collect())).toEqual(expected)
  })
})

describe('steps that let rows through', () => {
  test('by a value, by another value, by none, and by a function', async () => {
    const db = await zoo(70)
    const found = (part: QueryPart): unknown => query(db, rows('animal'), part, collect())
    expect(found(columnEqual('animal', 'legs', 3))).toEqual(numbers(70, (id) => id % 7 === 3))
    expect(found(columnNotEqual('animal', 'legs', 3))).toEqual(numbers(70, (id) => id % 7 !== 3))
    expect(found(columnEqual('animal', 'legs', null))).toEqual(numbers(70, (id) => id % 7 === 6))
    expect(found(columnNotEqual('animal', 'legs', null))).toEqual(numbers(70, (id) => id % 7 !== 6))
    const even = columnSatisfies('animal', 'legs', (legs) => legs === null || (legs as number) % 2 === 0)
    expect(found(even)).toEqual(numbers(70, (id) => (id % 7) % 2 === 0))
  })

  test('a function is asked about rows alone, not about row numbers that none has', async () => {
    const db = await zoo(100)
    db.write((tx) => {
      for (let id = 0; id < 100; id += 3) tx.delete('animal', id)
    })
    const names: unknown[] = []
    const long = columnSatisfies('animal', 'name', (name) => {
      names.push(name)
      return (name as string).length === 8
    })
    expect(query(db, rows('animal'), long, collect())).toEqual(numbers(10, (id) => id % 3 !== 0))
    expect(names).toEqual(numbers(100, (id) => id % 3 !== 0).map((id) => `animal ${id}`))
  })

  test('inSub and notInSub are complements, and run their query once', async () => {
    const db = await zoo(70)
    let asked = 0
    const ages = compose(
      rows('keeper'),
      columnEqual('keeper', 'name', 'Ada'),
      getColumn('keeper', 'id'),
      apply((id: number) => {
        asked++
        return id
      }),
    )
    const keepers = query(db, rows('animal'), getColumn('animal', 'keeper'), inSub(ages), collect()) as number[]
    expect(asked).toBe(5)
    expect(keepers).toEqual(numbers(70, (id) => (id % 11) % 2 === 0 && id % 11 < 10).map((id) => id % 11))
    const others = query(db, rows('animal'), getColumn('animal', 'keeper'), notInSub(ages), collect()) as number[]
    expect(others).toHaveLength(70 - keepers.length)
    expect(others).toContain(null)
  })
})

describe('steps that make values', () => {
  test('getColumn gives null where there is none, allValues each value once', async () => {
    const db = await zoo(8)
    expect(query(db, rows('animal'), getColumn('animal', 'legs'), collect())).toEqual([0, 1, 2, 3, 4, 5, null, 0])
    expect(query(db, allValues('animal', 'legs'), collect())).toEqual([0, 1, 2, 3, 4, 5])
    expect(query(db, allValues('animal', 'type'), collect())).toEqual(['bird', 'mammal'])
  })

  test('naturals never end, and no more of them are made than are wanted', async () => {
    const db = await zoo(1)
    let made = 0
    const counted = apply((n: number) => {
      made++
      return n
    })
    expect(query(db, naturals(), counted, odd, collect(undefined, 3))).toEqual([1, 3, 5])
    expect(made).toBe(6)
    expect(query(db, naturals(), odd, first())).toBe(1)
    expect(query(db, naturals(), exists())).toBe(true)
    expect(errorOf(() => query(db, naturals(), odd, unique())).code).toBe('UNIQUE')
  })

  test('product gives every combination, union one after the other, and both nest and stop early', async () => {
    const db = await zoo(1)
    const ab = constant('a', 'b')
    expect(query(db, product(ab, constant(1, 2)), collect())).toEqual([
      ['a', 1],
      ['a', 2],
      ['b', 1],
      ['b', 2],
    ])
    expect(query(db, product(), collect())).toEqual([[]])
    expect(query(db, product(ab, constant()), collect())).toEqual([])
    expect(query(db, union(ab, union(constant('c'), ab), naturals()), collect(undefined, 7))).toEqual(
      ['a', 'b', 'c', 'a', 'b', 0, 1], // the last is without end
    )
    expect(query(db, product(ab, union(constant(0), naturals())), collect(undefined, 3))).toEqual([
      ['a', 0],
      ['a', 0],
      ['a', 1],
    ])
    const input = compose(
      product(
        apply((n: number) => n),
        apply((n: number) => -n),
      ),
    )
    expect(query(db, constant(1, 2), input, collect())).toEqual([
      [1, -1],
      [2, -2],
    ])
  })

  test('union of rows of one table gives rows of it', async () => {
    const db = await zoo(30)
    const either = union(indexLookup('animal', 'legs'), indexLookup('animal', 'keeper'))
    expect(query(db, either, getColumn('animal', 'id'), collect(5))).toEqual([
      ...numbers(30, (id) => id % 7 === 5),
      ...numbers(30, (id) => id % 11 === 5),
    ])
  })
})

describe('terminals', () => {
  test('give all, some, the first, the only, whether there is one, how many, and what is added up', async () => {
    const db = await zoo(70)
    const five = [indexLookup('animal', 'legs'), getColumn('animal', 'id')] as const
    expect(query(db, ...five, collect(5, 2))).toEqual([5, 12])
    expect(query(db, ...five, collect(5, 0))).toEqual([])
    expect(query(db, ...five, first(5))).toBe(5)
    expect(query(db, ...five, first(99))).toBeUndefined()
    expect([query(db, ...five, exists(5)), query(db, ...five, exists(99))]).toEqual([true, false])
    expect([query(db, ...five, count(5)), query(db, ...five, count(99))]).toEqual([10, 0])
    expect(
      query(
        db,
        ...five,
        reduce((sum, id: number) => sum + id, 1000, 5),
      ),
    ).toBe(1365)
    expect(query(db, indexLookup('animal', 'id'), unique(3))).toBe(3)
    expect(query(db, indexLookup('animal', 'id'), unique(99))).toBeUndefined()
    expect(errorOf(() => query(db, ...five, unique(5))).code).toBe('UNIQUE')
  })

  test('two results that are undefined are two', async () => {
    const db = await zoo(2)
    const nothing = apply(() => undefined)
    expect(errorOf(() => query(db, rows('animal'), nothing, unique())).code).toBe('UNIQUE')
  })

  test.each([Number.NaN, -1, 1.5])('%s is no number of results', async (limit) => {
    const db = await zoo(2)
    expect(errorOf(() => query(db, rows('animal'), collect(undefined, limit))).message).toMatch(
      /no number of results for collect\. Pass an integer from 0 on/,
    )
  })

  test('without one it is a query, to be asked of any reader with any input', async () => {
    const db = await zoo(70)
    const prepared = query(db, indexLookup('animal', 'legs'))
    using before = db.snapshot()
    db.write((tx) => {
      tx.delete('animal', 5)
      expect(prepared.on(tx).of(5).count()).toBe(9)
    })
    expect([prepared.of(5).count(), prepared.of(4).count(), prepared.on(before).of(5).count()]).toEqual([9, 10, 10])
  })

  test('in the middle is an error', async () => {
    const db = await zoo(1)
    expect(errorOf(() => query(db, rows('animal'), collect() as never, exists())).message).toMatch(/Move it to the end/)
  })
})

describe('parts that do not fit together', () => {
  test('are an error that names the step and the remedy', async () => {
    const db = await zoo(1)
    expect(errorOf(() => query(db, constant(1), getColumn('animal', 'id'), collect())).message).toBe(
      'The step get takes rows of a table, but values reach it. Put a step before it that gives rows, such as rows(…) or indexLookup(…).',
    )
    expect(errorOf(() => query(db, rows('animals'), collect())).code).toBe('NOT_FOUND')
    expect(errorOf(() => query(db, rows('animal'), getColumn('animal', 'leg'), collect())).code).toBe('NOT_FOUND')
  })

  test('are an error even after the same steps about the right table were asked', async () => {
    const db = await zoo(2)
    expect(query(db, rows('animal'), columnEqual('animal', 'id', 1), getColumn('animal', 'name'), collect())).toEqual([
      'animal 1',
    ])
    const wrongFilter = [rows('animal'), columnEqual('keeper', 'id', 1), getColumn('animal', 'name')] as const
    expect(errorOf(() => query(db, ...wrongFilter, collect())).message).toMatch(
      /about rows of keeper, but rows of animal/,
    )
    const wrongGet = [rows('animal'), columnEqual('animal', 'id', 1), getColumn('keeper', 'name')] as const
    expect(errorOf(() => query(db, ...wrongGet, collect())).code).toBe('INVALID_ARGUMENT')
  })

  test('a condition on the results of a plan holds wherever it stands', async () => {
    const db = await zoo(30)
    const [all, ...ordered] = db.query('animal').orderBy('id', 'desc').query().plan.slice(0, 2)
    const ada = compose(rows('keeper'), columnEqual('keeper', 'name', 'Ada'), getColumn('keeper', 'id'))
    const among = frozen({ kind: 'filter', condition: { kind: 'among', path: columnPath('keeper'), plan: ada } })
    const expected = numbers(30, (id) => (id % 11) % 2 === 0 && id % 11 < 10)
    expect(query(db, all, among, collect())).toEqual(expected)
    expect(query(db, all, ordered, among, collect())).toEqual(expected.toReversed())
  })

  test('an order or a limit after look-ups is of all rows, not of those for each value', async () => {
    const db = await zoo(70)
    const two = db.query('animal').orderBy('id', 'desc').limit(2).query().plan.slice(1, 3)
    expect(query(db, constant(1, 2), indexLookup('animal', 'keeper'), two, collect())).toEqual([68, 67])
  })
})
