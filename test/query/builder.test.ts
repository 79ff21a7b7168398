import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { and, Decimal, not, open, or, Parameter, Timestamp } from '../../src/index'
import { errorOf } from '../support/store'
import { Animal, Keeper, numbers, opened, zoo } from './support/zoo'

describe('where', () => {
  const cases: [object, (id: number) => boolean][] = [
    [{ legs: 3 }, (id) => id % 7 === 3],
    [{ legs: null }, (id) => id % 7 === 6],
    [{ legs: { eq: 3 } }, (id) => id % 7 === 3],
    [{ legs: { ne: 3 } }, (id) => id % 7 !== 3],
    [{ legs: { in: [1, 2, null] } }, (id) => [1, 2, 6].includes(id % 7)],
    [{ legs: { in: [] } }, () => false],
    [{ legs: { lt: 2 } }, (id) => id % 7 < 2],
    [{ legs: { lte: 2 } }, (id) => id % 7 <= 2],
    [{ legs: { gt: 2 } }, (id) => id % 7 > 2 && id % 7 < 6],
    [{ legs: { gte: 2, ne: 4 } }, (id) => id % 7 >= 2 && id % 7 < 6 && id % 7 !== 4],
    [{ legs: { between: [2, 4] } }, (id) => id % 7 >= 2 && id % 7 <= 4],
    [{ legs: { isNull: true } }, (id) => id % 7 === 6],
    [{ legs: { isNull: false } }, (id) => id % 7 !== 6],
    [{ name: { startsWith: 'animal 1' } }, (id) => String(id).startsWith('1')],
    [{ name: { contains: '3' } }, (id) => String(id).includes('3')],
    [{ name: { matches: /l [12]?5$/g } }, (id) => [5, 15, 25].includes(id)],
    [{ born: { gte: new Date(90_000) } }, (id) => id >= 90],
    [{ legs: 3, type: 'bird' }, (id) => id % 7 === 3 && id % 10 === 0],
    [{ keeper: 3 }, (id) => id % 11 === 3],
    [{ keeper: null }, (id) => id % 11 === 10],
    [{ keeper: { in: [1, 2] } }, (id) => [1, 2].includes(id % 11)],
    [{ keeper: { isNull: true } }, (id) => id % 11 === 10],
    [{ keeper: { name: 'Ada' } }, (id) => (id % 11) % 2 === 0 && id % 11 < 10],
    [{ keeper: { name: { ne: 'Ada' } } }, (id) => (id % 11) % 2 === 1 || id % 11 === 10],
    [{ 'keeper.age': { gt: 26 } }, (id) => [7, 8].includes(id % 11)],
    [{ keeper: { age: null } }, (id) => (id % 11) % 3 === 0 || id % 11 === 10],
    [{}, () => true],
    [or({ legs: 1 }, { keeper: { name: 'Ada' } }), (id) => id % 7 === 1 || ((id % 11) % 2 === 0 && id % 11 < 10)],
    [or(), () => false],
    [and({ legs: 1 }, not({ type: 'bird' })), (id) => id % 7 === 1 && id % 10 !== 0],
    [not(or({ legs: 1 }, { legs: null })), (id) => id % 7 !== 1 && id % 7 !== 6],
  ]

  test.each(cases)('%j finds what fits', async (condition, fits) => {
    const db = await zoo(110)
    const found = db.query(Animal).where(condition as never)
    expect(found.collect().map(({ id }) => id)).toEqual(numbers(110, fits))
    expect([found.count(), found.exists()]).toEqual([numbers(110, fits).length, numbers(110, fits).length > 0])
  })

  test('takes an object for a reference, and adds up over several calls', async () => {
    const db = await zoo(110)
    const found = db
      .query(Animal)
      .where({ keeper: db.get(Keeper, 4)! })
      .where({ legs: 1 })
    expect(found.collect().map(({ id }) => id)).toEqual(numbers(110, (id) => id % 11 === 4 && id % 7 === 1))
  })

  test.each([
    [{ leggs: 3 }, 'Class Animal has no "leggs". Did you mean "legs"?'],
    [{ legs: { gtt: 3 } }, 'There is no operator "gtt" for Class Animal.legs. Did you mean "gt"?'],
    [
      { legs: {} },
      'The condition on legs is empty. Pass a value or an operator such as { ne: null }, or leave it out.',
    ],
    [{ legs: undefined }, 'The condition on legs is undefined. Pass null to look for no value, or leave it out.'],
    [{ keeper: { nam: 'Ada' } }, 'Class Keeper has no "nam". Did you mean "name"?'],
    [{ 'name.first': 'Ada' }, 'Class Animal has nothing within "name", which is of type string. Name name alone.'],
    [{ legs: { in: 3 } }, 'The condition in on legs takes an array, not 3. Pass an array.'],
    [{ legs: { between: [1] } }, 'The condition between on legs takes two values, not [1]. Pass two values.'],
    [
      { name: { matches: 'a' } },
      'The condition matches on name takes a regular expression, not "a". Pass a regular expression.',
    ],
    [{ legs: { startsWith: 'a' } }, 'legs is of type integer, not text. Compare it with values of that type.'],
    ['legs', '"legs" is no condition on Class Animal. Pass an object such as { id: … }.'],
  ])('%j is an error that names what is wrong and the nearest right name', async (condition, message) => {
    const db = await zoo(1)
    const error = errorOf(() =>
      db
        .query(Animal)
        .where(condition as never)
        .collect(),
    )
    expect([error.code, error.message]).toEqual(['INVALID_ARGUMENT', message])
  })

  test('a value that the column cannot hold is an error that names both', async () => {
    const db = await zoo(1)
    expect(
      errorOf(() =>
        db
          .query(Animal)
          .where({ legs: 'x' } as never)
          .collect(),
      ),
    ).toMatchObject({ code: 'TYPE' })
  })
})

describe('values that may be written in several ways', () => {
  test('are compared by order as they are by equality', async () => {
    const db = await opened()
    db.write((tx) => {
      tx.createTable('thing', {
        key: 'id',
        columns: { id: 'integer', price: 'decimal', day: 'day', tag: 'uuid', time: 'time' },
      })
      for (let id = 0; id < 10; id++) {
        const tag = `c0ffee00-0000-4000-8000-00000000000${id}`
        tx.insert('thing', { id, price: `${id}.50`, day: `2024-02-1${id}`, tag, time: `1${id}:00:00` })
      }
    })
    const ids = (condition: object): unknown => db.query('thing').where(condition).values('id').collect()
    expect(ids({ price: { gte: '8.5' } })).toEqual([8, 9])
    expect(ids({ price: { lt: Decimal.parse('1.50') } })).toEqual([0])
    expect(ids({ day: { gt: new Date('2024-02-17T15:00Z') } })).toEqual([8, 9])
    expect(ids({ tag: { gte: 'C0FFEE00-0000-4000-8000-000000000008' } })).toEqual([8, 9])
    expect(ids({ time: { lte: '11:00' } })).toEqual([0, 1])
  })

  test('a null in a dynamic column is a missing value', async () => {
    const db = await opened()
    db.write((tx) => {
      tx.createTable('thing', { key: 'id', columns: { id: 'integer', any: 'any' } })
      for (const [id, any] of [null, undefined, 1].entries()) tx.insert('thing', { id, any })
    })
    const ids = (condition: object): unknown => db.query('thing').where(condition).values('id').collect()
    expect([ids({ any: null }), ids({ any: { ne: null } })]).toEqual([[0, 1], [2]])
    expect(
      db
        .query('thing')
        .groupBy('any', (group) => ({ rows: group.count() }))
        .collect(),
    ).toEqual([
      { any: null, rows: 2 },
      { any: 1, rows: 1 },
    ])
  })

  test('a missing key is not that of the first row', async () => {
    const db = await zoo(3)
    expect(
      db
        .query(Animal)
        .where({ id: { in: [null as never, 2] } })
        .collect()
        .map(({ id }) => id),
    ).toEqual([2])
  })
})

describe('order and cuts', () => {
  test('several keys, missing values last ascending and first descending, ties by row', async () => {
    const db = await zoo(20)
    const legs = (id: number): number => (id % 7 === 6 ? Number.POSITIVE_INFINITY : id % 7)
    const by = (order: (a: number, b: number) => number): number[] => numbers(20, () => true).sort(order)
    const ids = (direction: 'asc' | 'desc'): unknown =>
      db.query(Animal).orderBy('legs', direction).values('id').collect()
    expect(ids('asc')).toEqual(by((a, b) => legs(a) - legs(b) || a - b))
    expect(ids('desc')).toEqual(by((a, b) => legs(b) - legs(a) || a - b))
    const two = db.query(Animal).orderBy('keeper.name').orderBy('id', 'desc').skip(2).limit(3).values('id')
    const name = (id: number): string => (id % 11 === 10 ? '~' : (id % 11) % 2 === 0 ? 'Ada' : `keeper ${id % 11}`)
    expect(two.collect()).toEqual(by((a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : b - a)).slice(2, 5))
  })

  test.each([-1, 1.5, Number.NaN, '3'])('%s is no limit', async (limit) => {
    const db = await zoo(1)
    expect(errorOf(() => db.query(Animal).limit(limit as number)).code).toBe('INVALID_ARGUMENT')
    expect(errorOf(() => db.query(Animal).skip(limit as number)).code).toBe('INVALID_ARGUMENT')
    expect(errorOf(() => db.query(Animal).orderBy('legs', limit as never)).code).toBe('INVALID_ARGUMENT')
  })
})

describe('select, join and group', () => {
  test('refuse two members of one name, of which a record could have but one', async () => {
    const db = await zoo(10)
    const animals = db.query(Animal)
    for (const select of [
      () => animals.select('id', { id: 'legs' } as never),
      () => animals.select({ id: 'legs' } as never, 'id'),
      () => animals.select(...([{ who: 'keeper.name' }, { who: 'keeper.age' }] as never[])),
    ]) {
      const { code, message, details } = errorOf(select)
      expect([code, message]).toEqual([
        'INVALID_ARGUMENT',
        expect.stringMatching(/^Two members of a result are named "(id|who)": .+ and .+. Take another name.$/),
      ])
      expect(['id', 'who']).toContain(details.name)
    }
    expect(
      animals
        .limit(1)
        .select('id', { legs: 'id' } as never)
        .collect(),
    ).toEqual([{ id: 0, legs: 0 }])
    expect(animals.limit(1).select('id', 'id').collect()).toEqual([{ id: 0 }])
  })

  test('projections follow references', async () => {
    const db = await zoo(12)
    expect(
      db
        .query(Animal)
        .where({ id: { gte: 9 } })
        .select('id', 'keeper.name')
        .collect(),
    ).toEqual([
      { id: 9, 'keeper.name': 'keeper 9' },
      { id: 10, 'keeper.name': null },
      { id: 11, 'keeper.name': 'Ada' },
    ])
    expect(db.query(Animal).limit(1).select({ who: 'keeper.name', of: 'keeper' }).collect()).toEqual([
      { who: 'Ada', of: 0 },
    ])
  })

  test('no member of a result can be its prototype', async () => {
    const db = await zoo(1)
    const fields = JSON.parse('{ "__proto__": "name" }') as never
    expect(errorOf(() => db.query(Animal).select(fields)).code).toBe('INVALID_ARGUMENT')
  })

  test('a join leaves out what it finds nothing for, and is asked by its alias', async () => {
    const db = await zoo(110)
    const joined = db.query('animal').join('who', 'keeper', { from: 'keeper' })
    expect(joined.count()).toBe(100)
    expect(
      joined
        .where({ who: { age: { gt: 26 } } })
        .select({ id: 'id', age: 'who.age' })
        .collect(),
    ).toEqual(numbers(110, (id) => [7, 8].includes(id % 11)).map((id) => ({ id, age: 20 + (id % 11) })))
    expect(errorOf(() => joined.join('who', 'keeper', { from: 'keeper' })).code).toBe('EXISTS')
    expect(
      errorOf(() => db.query('animal').join('who', 'keeper', { from: 'keeper', to: 'name' }).collect()).message,
    ).toMatch(/keeper\.name, which is not unique/)
  })

  test('a join by text finds no row whose key is a number', async () => {
    const db = await opened()
    db.write((tx) => {
      tx.createTable('user', { key: 'id', columns: { id: 'integer' } })
      tx.createTable('post', { key: 'id', columns: { id: 'integer', author: 'string' } })
      for (let id = 0; id < 128; id++) {
        tx.insert('user', { id })
        tx.insert('post', { id, author: String.fromCharCode(id) })
      }
    })
    expect(db.query('post').join('who', 'user', { from: 'author' }).collect()).toEqual([])
  })

  test('a join finds rows by another unique column', async () => {
    const db = await opened()
    db.write((tx) => {
      tx.createTable('user', { key: 'id', columns: { id: 'integer', mail: { type: 'string', unique: true } } })
      tx.createTable('post', { key: 'id', columns: { id: 'integer', by: { type: 'string', nullable: true } } })
      for (let id = 0; id < 3; id++) tx.insert('user', { id, mail: `m${id}` })
      for (let id = 0; id < 9; id++) tx.insert('post', { id, by: id % 5 === 4 ? null : `m${id % 5}` })
    })
    const joined = db.query('post').join('who', 'user', { from: 'by', to: 'mail' })
    expect(joined.select({ id: 'id', who: 'who.id' }).collect()).toEqual(
      numbers(9, (id) => id % 5 < 3).map((id) => ({ id, who: id % 5 })),
    )
    expect(
      joined
        .where({ who: { id: 2 } })
        .values('id')
        .collect(),
    ).toEqual([2, 7])
  })

  test('a join by what is inside of a value is refused', async () => {
    const db = await opened()
    db.write((tx) => {
      tx.createTable('user', { key: 'id', columns: { id: 'integer' } })
      tx.createTable('post', { key: 'id', columns: { id: 'integer', data: 'json' } })
    })
    const error = errorOf(() => db.query('post').join('who', 'user', { from: 'data.user' }))
    expect([error.code, error.message]).toEqual(['INVALID_ARGUMENT', expect.stringContaining('inside of a value')])
  })

  test('groups add up, and are asked further by having, order and limit', async () => {
    const db = await zoo(110)
    const groups = db
      .query(Animal)
      .where({ id: { lt: 100 } })
      .groupBy('keeper.name', (group) => ({
        animals: group.count(),
        known: group.count('legs'),
        legs: group.sum('legs'),
        mean: group.avg('legs'),
        least: group.min('legs'),
        last: group.max('born'),
      }))
    const ada = numbers(100, (id) => (id % 11) % 2 === 0 && id % 11 < 10)
    const legs = ada.map((id) => id % 7).filter((each) => each < 6)
    const sum = legs.reduce((a, b) => a + b)
    expect(groups.first()).toEqual({
      'keeper.name': 'Ada',
      animals: ada.length,
      known: legs.length,
      legs: sum,
      mean: sum / legs.length,
      least: 0,
      last: new Date(99_000),
    })
    const few = groups
      .having({ animals: { lt: 10 } })
      .orderBy('keeper.name', 'desc')
      .limit(2)
    expect(few.collect().map((each) => [each['keeper.name'], each.animals])).toEqual([
      [null, 9],
      ['keeper 9', 9],
    ])
    expect(errorOf(() => groups.having({ animal: 1 })).message).toBe(
      'The result has no "animal". Did you mean "animals"?',
    )
  })

  test('without names there is one group, even of no rows', async () => {
    const db = await zoo(10)
    const total = db
      .query(Animal)
      .where({ id: { lt: 0 } })
      .groupBy([], (group) => ({
        rows: group.count(),
        sum: group.sum('legs'),
        mean: group.avg('legs'),
      }))
    expect(total.collect()).toEqual([{ rows: 0, sum: 0, mean: null }])
  })
})

describe('page', () => {
  /** Every page to its end, with what happens between two of them. */
  function paged(
    next: (cursor: string | undefined) => { items: { id?: unknown }[]; next: string | undefined },
  ): unknown[] {
    const ids: unknown[] = []
    let cursor: string | undefined
    do {
      const page = next(cursor)
      ids.push(...page.items.map(({ id }) => id))
      cursor = page.next
    } while (cursor !== undefined)
    return ids
  }

  test('inserts and deletes between pages neither repeat nor skip what was there all the time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom('asc', 'desc'),
        fc.infiniteStream(fc.integer({ min: 0, max: 60 })),
        async (legs, size, direction, changes) => {
          const db = await open(undefined, { entities: [Keeper, Animal] })
          const rest = { name: 'x', type: 'x', born: new Date(0), keeper: null }
          db.write((tx) => {
            for (const [id, each] of legs.entries()) tx.insert(Animal, { id, legs: each, ...rest })
          })
          const untouched = new Set(legs.keys())
          const ids = paged((cursor) => {
            const { items, next } = db.query(Animal).orderBy('legs', direction).page(size, cursor)
            const seen = items.map(({ id }) => ({ id })) // before one of them is deleted
            db.write((tx) => {
              const id = changes.next().value
              if (tx.delete('animal', id)) untouched.delete(id)
              else if (id >= legs.length) tx.insert(Animal, { id, legs: id % 4, ...rest })
            })
            return { items: seen, next }
          })
          expect(new Set(ids).size).toBe(ids.length)
          const expected = [...untouched].toSorted((a, b) => {
            const [x, y] = [legs[a] ?? 9, legs[b] ?? 9]
            return (direction === 'asc' ? x - y : y - x) || a - b
          })
          expect(ids.filter((id) => untouched.has(id as number))).toEqual(expected)
          expect(db.check().problems).toEqual([])
          await db.close()
        },
      ),
      { seed: 20240229, numRuns: 40 },
    )
  })

  test('loses no rows whose values sort alike without being equal, or are of several kinds', async () => {
    const db = await opened()
    const anything = [
      1,
      'a',
      true,
      null,
      undefined,
      new Date(5),
      { x: 1 },
      { bigint: 'x' },
      [1],
      'b',
      -0,
      0,
      new Timestamp(5, 1),
    ]
    db.write((tx) => {
      const columns = { id: 'integer', price: 'decimal', any: 'any', n: 'number' } as const
      tx.createTable('thing', { key: 'id', columns })
      for (let id = 0; id < 26; id++) {
        tx.insert('thing', { id, price: id % 2 ? '1.1' : '1.10', any: anything[id % 13], n: id % 2 ? 0 : -0 })
      }
    })
    for (const name of ['price', 'any', 'n']) {
      for (const direction of ['asc', 'desc'] as const) {
        const sorted = db.query('thing').orderBy(name, direction).values('id').collect()
        expect(paged((cursor) => db.query('thing').orderBy(name, direction).page(3, cursor))).toEqual(sorted)
      }
    }
  })

  test('refuses skip and limit, sizes below 1, and cursors of other queries', async () => {
    const db = await zoo(10)
    const { next } = db.query(Animal).orderBy('legs').page(3)
    for (const wrong of [
      () => db.query(Animal).skip(1).page(3),
      () => db.query(Animal).limit(1).page(3),
      () => db.query(Animal).page(0),
      () => db.query(Animal).orderBy('name').page(3, next),
      () => db.query(Animal).orderBy('legs').page(3, 'nonsense'),
      () => db.query(Animal).orderBy('legs').page(3, Buffer.from('["legs asc,id asc"]').toString('base64url')),
    ]) {
      expect(errorOf(wrong).code).toBe('INVALID_ARGUMENT')
    }
  })
})

describe('parameters', () => {
  test('are given when it runs, of the reader it is run on', async () => {
    const db = await zoo(70)
    const some = db.query(Animal).where({ legs: { in: new Parameter('legs') }, id: { gte: new Parameter('least') } })
    const ids = (parameters: Record<string, unknown>): unknown =>
      some
        .with(parameters)
        .collect()
        .map(({ id }) => id)
    expect(ids({ legs: [1, 2], least: 30 })).toEqual(numbers(70, (id) => id >= 30 && [1, 2].includes(id % 7)))
    expect(ids({ legs: [], least: 0 })).toEqual([])
    expect(errorOf(() => ids({ legs: [1] })).message).toMatch(/parameter "least" that was given no value/)
    expect(errorOf(() => ids({ legs: 1, least: 0 })).message).toMatch(/values for legs are not an array/)
  })

  test('of the wrong type are errors of this library, in rows and in groups', async () => {
    const db = await zoo(10)
    const starting = db.query(Animal).where({ name: { startsWith: new Parameter('start') } })
    expect(errorOf(() => starting.with({ start: 5 }).collect()).message).toBe(
      'The condition startsWith on name takes a text, not 5. Pass a text.',
    )
    const groups = db.query(Animal).groupBy('type', (group) => ({ rows: group.count() }))
    const having = groups.having({ rows: { in: new Parameter('rows') } })
    expect(errorOf(() => having.with({ rows: 5 }).collect()).code).toBe('INVALID_ARGUMENT')
    expect(having.with({ rows: [9] }).collect()).toEqual([{ type: 'mammal', rows: 9 }])
  })
})

test('objects found after rows were deleted, whose numbers theirs got, are not taken for those', async () => {
  const db = await opened({ entities: [Keeper, Animal] })
  const rest = { name: 'x', legs: 1, type: 'x', born: new Date(0), keeper: null }
  db.write((tx) => tx.insert(Animal, { id: 1, ...rest }))
  expect(db.query(Animal).first()?.id).toBe(1)
  db.write((tx) => tx.delete('animal', 1))
  db.write((tx) => tx.insert(Animal, { id: 1, ...rest }))
  expect(
    db
      .query(Animal)
      .collect()
      .map(({ id }) => id),
  ).toEqual([1])
})
