import { describe, expect, test } from 'vitest'
import { type Database, Decimal, JSON_LIMITS, Timestamp } from '../../src/index'
import { valueFromJson } from '../../src/query/json-values'
import { errorOf } from '../support/store'
import { numbers, opened, zoo } from './support/zoo'

/** The ids of what fits a condition, as it comes out of JSON text. */
function idsOf(db: Pick<Database, 'queryJson'>, where: unknown, from = 'Animal'): unknown {
  return db
    .queryJson(JSON.parse(JSON.stringify({ from, where, select: ['id'] })))
    .collect()
    .map(({ id }) => id)
}

async function things(): Promise<Database> {
  const db = await opened()
  db.write((tx) => {
    const columns = { id: 'integer', tags: 'string[]', times: 'timestamp[]', data: 'json' } as const
    tx.createTable('thing', { key: 'id', columns })
    for (let id = 0; id < 6; id++) {
      const parts = [{ name: 'bolt', size: id }, { name: 'nut', size: 5 - id }, id]
      const data = id === 5 ? 'text' : { size: id, parts, ...(id === 4 ? { list: null } : {}) }
      tx.insert('thing', { id, tags: id % 2 ? ['odd', `n${id}`] : ['even'], times: [new Date(id * 1000)], data })
    }
  })
  return db
}

describe('conditions', () => {
  const cases: [object, (id: number) => boolean][] = [
    [{}, () => true],
    [{ legs: 3, type: 'bird' }, (id) => id % 7 === 3 && id % 10 === 0],
    [{ legs: null }, (id) => id % 7 === 6],
    [{ legs: { $eq: 3 } }, (id) => id % 7 === 3],
    [{ legs: { $ne: 3 } }, (id) => id % 7 !== 3],
    [{ legs: { $in: [1, 2, null] } }, (id) => [1, 2, 6].includes(id % 7)],
    [{ legs: { $nin: [1, 2, null] } }, (id) => ![1, 2, 6].includes(id % 7)],
    [{ legs: { $gt: 1, $lte: 4 } }, (id) => id % 7 > 1 && id % 7 <= 4],
    [{ legs: { $gte: 2, $lt: 4 } }, (id) => id % 7 >= 2 && id % 7 < 4],
    [{ legs: { $exists: true } }, (id) => id % 7 !== 6],
    [{ legs: { $exists: false } }, (id) => id % 7 === 6],
    [{ legs: { $not: { $gt: 2 } } }, (id) => id % 7 <= 2 || id % 7 === 6],
    [{ $and: [{ legs: 3 }, { id: { $lt: 30 } }] }, (id) => id % 7 === 3 && id < 30],
    [{ $or: [{ legs: 3 }, { type: 'bird' }], id: { $lt: 50 } }, (id) => (id % 7 === 3 || id % 10 === 0) && id < 50],
    [{ $nor: [{ legs: { $gt: 0 } }, { type: 'bird' }] }, (id) => [0, 6].includes(id % 7) && id % 10 !== 0],
    [{ $not: { legs: 3, type: 'mammal' } }, (id) => id % 7 !== 3 || id % 10 === 0],
    [{ name: { $regex: 'l [12]?5$' } }, (id) => [5, 15, 25].includes(id)],
    [{ name: { $regex: 'ANIMAL 1', $options: 'i' } }, (id) => String(id).startsWith('1')],
    [{ name: { $regex: 'ANIMAL 1', $options: '' } }, () => false],
    [{ born: { $gte: '1970-01-01T00:01:30Z' } }, (id) => id >= 90],
    [{ keeper: 3 }, (id) => id % 11 === 3],
    [{ keeper: { $in: [1, 2] } }, (id) => [1, 2].includes(id % 11)],
    [{ 'keeper.name': 'Ada' }, (id) => (id % 11) % 2 === 0 && id % 11 < 10],
    [{ keeper: { name: 'Ada', age: { $gt: 25 } } }, (id) => id % 11 === 8],
    [{ keeper: { $or: [{ age: 21 }, { age: 28 }] } }, (id) => [1, 8].includes(id % 11)],
  ]

  test.each(cases)('%j finds what fits, by class and by table', async (where, fits) => {
    const db = await zoo(110)
    expect(idsOf(db, where)).toEqual(numbers(110, fits))
    if (!JSON.stringify(where).includes('keeper')) expect(idsOf(db, where, 'animal')).toEqual(numbers(110, fits))
  })

  test.each<[object, number[]]>([
    [{ data: { size: { $gte: 3 } } }, [3, 4]],
    [{ 'data.parts.0.size': 2 }, [2]],
    [{ data: 'text' }, [5]],
    [{ data: { $exists: true } }, [0, 1, 2, 3, 4, 5]],
    [{ data: { list: { $exists: true } } }, []],
    [{ data: { $not: { size: { $lt: 4 } } } }, [4, 5]],
    [{ data: { parts: { $elemMatch: { name: 'bolt', size: { $gt: 2 } } } } }, [3, 4]],
    [{ data: { parts: { $elemMatch: { $or: [{ size: 0 }, { name: 'nail' }] } } } }, [0]],
    [{ data: { parts: { $elemMatch: { $eq: 2 } } } }, [2]],
    [
      { data: { parts: { $elemMatch: { $not: { name: { $exists: true } }, $and: [{ size: null }] } } } },
      [0, 1, 2, 3, 4],
    ],
    [{ tags: { $elemMatch: { $regex: '^n[35]' } } }, [3, 5]],
    [{ tags: { $elemMatch: { $not: { $eq: 'odd' } } } }, [0, 1, 2, 3, 4, 5]],
    [{ tags: ['even'] }, [0, 2, 4]],
    [{ times: { $elemMatch: { $gte: '1970-01-01T00:00:04Z' } } }, [4, 5]],
    [{ 'times.0': '1970-01-01T00:00:04Z' }, [4]],
  ])('%j looks into arrays and documents', async (where, ids) => {
    expect(idsOf(await things(), where, 'thing')).toEqual(ids)
  })
})

describe('the rest of a query', () => {
  test('selects, orders and cuts', async () => {
    const db = await zoo(30)
    const query = {
      from: 'Animal',
      where: { id: { $gte: 9 } },
      select: { who: 'keeper.name', id: 'id' },
      limit: 2,
      skip: 1,
    }
    expect(
      db
        .queryJson({
          ...query,
          sort: [
            ['legs', 'asc'],
            ['id', 'desc'],
          ],
        })
        .collect(),
    ).toEqual([
      { who: null, id: 21 },
      { who: 'keeper 3', id: 14 },
    ])
    expect(db.queryJson({ ...query, sort: { legs: 1, id: -1 } }).collect()).toEqual([
      { who: null, id: 21 },
      { who: 'keeper 3', id: 14 },
    ])
  })

  test('gives objects of a class or all columns of a table without select', async () => {
    const db = await zoo(3)
    const [animal] = db.queryJson({ from: 'Animal', limit: 1 }).collect()
    expect([animal.constructor.name, animal.name]).toEqual(['Animal', 'animal 0'])
    expect(Object.keys(db.queryJson({ from: 'animal' }).first()!)).toEqual([
      'id',
      'name',
      'legs',
      'type',
      'born',
      'keeper',
    ])
  })

  test('is asked of a snapshot and of an open transaction alike', async () => {
    const db = await zoo(3)
    using before = db.snapshot()
    db.write((tx) => {
      tx.delete('animal', 1)
      expect(idsOf(tx, {})).toEqual([0, 2])
    })
    expect([idsOf(before, {}), idsOf(db, {})]).toEqual([
      [0, 1, 2],
      [0, 2],
    ])
  })
})

describe('what is wrong', () => {
  test.each<[unknown, string, string]>([
    [5, 'its beginning', 'is no object'],
    [[], 'its beginning', 'is no object'],
    [{}, 'from', 'the name of a table or class'],
    [{ from: 'Animl' }, 'from', 'Did you mean "Animal"?'],
    [{ from: 'Animal', were: {} }, 'were', 'Did you mean "where"?'],
    [{ from: 'Animal', limit: -1 }, 'limit', 'an integer from 0 on'],
    [{ from: 'Animal', skip: '1' }, 'skip', 'an integer from 0 on'],
    [
      {
        from: 'Animal',
        sort: [
          ['id', 'asc'],
          ['legs', 'down'],
        ],
      },
      'sort[1]',
      'pairs such as',
    ],
    [{ from: 'Animal', sort: { legs: 2 } }, 'sort.legs', 'pairs such as'],
    [{ from: 'Animal', sort: [['leggs', 'asc']] }, 'sort[0][0]', 'Did you mean "legs"?'],
    [{ from: 'Animal', select: [] }, 'select', 'names such as'],
    [{ from: 'Animal', select: {} }, 'select', 'names nothing'],
    [{ from: 'Animal', select: ['id', 5] }, 'select[1]', 'names such as'],
    [{ from: 'Animal', select: { n: 'nam' } }, 'select.n', 'Did you mean "name"?'],
    [{ from: 'Animal', where: [] }, 'where', 'an object of conditions'],
    [{ from: 'Animal', where: { born: new Date(0) } }, 'where.born', 'is no JSON'],
    [{ from: 'Animal', where: { legs: Number.NaN } }, 'where.legs', 'is no JSON'],
  ])('in %j is named with its position', async (query, position, hint) => {
    const db = await zoo(1)
    const error = errorOf(() => db.queryJson(query))
    expect([error.code, error.details.position === position || position === 'its beginning']).toEqual([
      'INVALID_ARGUMENT',
      true,
    ])
    expect(error.message).toContain(`The query is wrong at ${position}: `)
    expect(error.message).toContain(hint)
  })

  test.each<[string, string, string]>([
    ['{ "leggs": 1 }', 'where.leggs', 'Did you mean "legs"?'],
    ['{ "$and": [{ "legs": 1 }, { "leggs": 1 }] }', 'where.$and[1].leggs', 'Did you mean "legs"?'],
    ['{ "keeper": { "nam": 1 } }', 'where.keeper.nam', 'Did you mean "name"?'],
    ['{ "keeper.nam": 1 }', 'where["keeper.nam"]', 'Did you mean "name"?'],
    ['{ "legs": { "$gtt": 1 } }', 'where.legs.$gtt', 'Did you mean "$gt"?'],
    ['{ "legs": { "gt": 1 } }', 'where.legs.gt', 'Did you mean "$gt"?'],
    ['{ "$xor": [] }', 'where.$xor', 'Did you mean "$or"?'],
    ['{ "$or": [] }', 'where.$or', 'takes an array of conditions'],
    ['{ "$or": [{}, 5] }', 'where.$or[1]', 'is no condition'],
    ['{ "$not": 5 }', 'where.$not', 'takes an object of conditions'],
    ['{ "legs": {} }', 'where.legs', 'asks nothing'],
    ['{ "legs": { "$in": 5 } }', 'where.legs.$in', 'takes an array'],
    ['{ "legs": { "$in": [1, "x"] } }', 'where.legs.$in[1]', 'is no value of type integer'],
    ['{ "legs": { "$gt": null } }', 'where.legs.$gt', 'use $exists'],
    ['{ "legs": { "$exists": 1 } }', 'where.legs.$exists', 'takes true or false'],
    ['{ "legs": "3" }', 'where.legs', 'Write a safe integer'],
    ['{ "born": "yesterday" }', 'where.born', 'Write ISO text'],
    ['{ "legs": { "$regex": "3" } }', 'where.legs.$regex', 'of type integer, not text'],
    ['{ "name": { "$regex": "(" } }', 'where.name.$regex', 'missing closing )'],
    ['{ "name": { "$regex": "(a)\\\\1" } }', 'where.name.$regex', 'no regular expression that RE2 takes'],
    ['{ "name": { "$regex": "a", "$options": "g" } }', 'where.name.$options', 'takes "i"'],
    ['{ "name": { "$options": "i" } }', 'where.name.$options', 'no $regex beside it'],
    ['{ "legs": { "$elemMatch": { "$eq": 1 } } }', 'where.legs.$elemMatch', 'not an array'],
    ['{ "__proto__": { "legs": 1 } }', 'where.__proto__', 'Leave it out'],
    ['{ "constructor": 1 }', 'where.constructor', 'has no "constructor"'],
    ['{ "toString": { "$eq": 1 } }', 'where.toString', 'has no "toString"'],
    ['{ "legs": { "constructor": 1 } }', 'where.legs.constructor', 'no member "constructor"'],
  ])('in the condition %s is named with its position', async (text, position, hint) => {
    const db = await zoo(1)
    const error = errorOf(() => db.queryJson({ from: 'Animal', where: JSON.parse(text) }))
    expect([error.code, error.details.position]).toEqual(['INVALID_ARGUMENT', position])
    expect(error.message).toContain(hint)
  })

  test('in the conditions on elements is named with its position', async () => {
    const db = await things()
    const wrong = (where: object): unknown => errorOf(() => db.queryJson({ from: 'thing', where })).details.position
    expect(wrong({ tags: { $elemMatch: { name: 'x' } } })).toBe('where.tags.$elemMatch.name')
    expect(wrong({ tags: { $elemMatch: { $gtt: 'x' } } })).toBe('where.tags.$elemMatch.$gtt')
    expect(wrong({ tags: { $elemMatch: {} } })).toBe('where.tags.$elemMatch')
    expect(wrong({ data: { parts: { $elemMatch: { size: { $gtt: 1 } } } } })).toBe(
      'where.data.parts.$elemMatch.size.$gtt',
    )
  })

  test('a result can have no member that would be its prototype', async () => {
    const db = await zoo(1)
    const error = errorOf(() => db.queryJson({ from: 'Animal', select: JSON.parse('{ "__proto__": "name" }') }))
    expect(error.details.position).toBe('select.__proto__')
    expect(({} as Record<string, unknown>).name).toBeUndefined()
  })
})

describe('the limits', () => {
  test('on depth, nodes, values, texts and names', async () => {
    const db = await zoo(1)
    const nested = (depth: number): unknown => (depth === 0 ? { legs: 1 } : { $not: nested(depth - 1) })
    const ask = (where: unknown) => () => db.queryJson({ from: 'Animal', where }).collect()
    const listed = (count: number): unknown => ({ legs: { $in: Array.from({ length: count }, (_, i) => i) } })
    expect(ask(nested(JSON_LIMITS.depth - 2))()).toEqual([])
    expect(errorOf(ask(nested(JSON_LIMITS.depth - 1))).message).toMatch(/more than 24 objects and arrays within/)
    const cyclic: { $and: unknown[] } = { $and: [] }
    cyclic.$and.push(cyclic)
    expect(errorOf(ask(cyclic)).code).toBe('INVALID_ARGUMENT')
    expect(ask(listed(JSON_LIMITS.listedValues))()).toHaveLength(1)
    expect(errorOf(ask(listed(JSON_LIMITS.listedValues + 1))).message).toMatch(/at most 1000 values/)
    expect(errorOf(ask({ $or: Array(5).fill(listed(900)) })).message).toMatch(/more than 4000 values/)
    expect(ask({ name: 'x'.repeat(JSON_LIMITS.textLength) })()).toEqual([])
    expect(errorOf(ask({ name: 'x'.repeat(JSON_LIMITS.textLength + 1) })).message).toMatch(/a text of more than/)
    expect(errorOf(ask({ ['x'.repeat(JSON_LIMITS.nameLength + 1)]: 1 })).message).toMatch(/a name of more than/)
  })

  test('on regular expressions, none of which takes long', async () => {
    const db = await zoo(1)
    db.write((tx) => tx.update('animal', 0, { name: `${'a'.repeat(100_000)}!` }))
    const ask = ($regex: string) => () => db.queryJson({ from: 'Animal', where: { name: { $regex } } }).count()
    // a backtracking engine would not come back
    expect([ask('^(a+)+$')(), ask('^(a|aa)+$')(), ask('^(a|aa)+!$')()]).toEqual([0, 0, 1])
    expect(errorOf(ask('a'.repeat(JSON_LIMITS.patternLength + 1))).message).toMatch(/at most 200 characters/)
    expect(errorOf(ask('a{999}b{999}c{999}')).message).toMatch(/repeats too much/)
    const many = Array(JSON_LIMITS.patterns + 1).fill({ name: { $regex: 'a' } })
    const where = (patterns: unknown[]) => () => db.queryJson({ from: 'Animal', where: { $or: patterns } }).count()
    expect(where(many.slice(1))()).toBe(1)
    expect(errorOf(where(many)).message).toMatch(/more than 10 regular expressions/)
  })
})

describe('values of columns', () => {
  test.each<[Parameters<typeof valueFromJson>[0], unknown, unknown]>([
    ['timestamp', '2024-02-29T12:00:00Z', new Date('2024-02-29T12:00:00Z')],
    ['timestamp', '2024-02-29T12:00:00.25+02:00', new Date('2024-02-29T10:00:00.250Z')],
    ['timestamp', '2024-02-29 12:00-00:30', new Date('2024-02-29T12:30:00Z')],
    ['timestamp', '2024-02-29T12:00:00.000005Z', new Timestamp(Date.parse('2024-02-29T12:00:00Z'), 5)],
    ['timestamp', '1969-12-31T23:59:59.999999Z', new Timestamp(-1, 999)],
    ['timestamp', '2024-02-29', new Date('2024-02-29T00:00:00Z')],
    ['timestamp', '-000044-03-15T00:00:00Z', new Date('-000044-03-15T00:00:00Z')],
    ['timestamp', '-infinity', Number.NEGATIVE_INFINITY],
    ['day', '2024-02-29', '2024-02-29'],
    ['day', 'infinity', Number.POSITIVE_INFINITY],
    ['time', '12:30', '12:30'],
    ['bigint', '9007199254740993', 9007199254740993n],
    ['bigint', '+5', 5n],
    ['bigint', 5, 5],
    ['decimal', '12.50', new Decimal(1250n, 2)],
    ['decimal', 12.5, new Decimal(125n, 1)],
    ['bytes', 'AAEC/w==', Buffer.from([0, 1, 2, 255])],
    ['bytes', '', Buffer.from([])],
    ['uuid', 'C0FFEE00-0000-4000-8000-000000000000', 'C0FFEE00-0000-4000-8000-000000000000'],
    ['bigint[]', ['1', null, ['2']], [1n, null, [2n]]],
    ['json', { any: ['thing'] }, { any: ['thing'] }],
    ['timestamp', null, null],
  ])('of type %s: %j', (type, json, value) => {
    expect(valueFromJson(type, json, 'where.x')).toEqual(value)
  })

  test.each<[Parameters<typeof valueFromJson>[0], unknown]>([
    ['timestamp', '2023-02-29'],
    ['timestamp', '2024-02-29T12:00:00'],
    ['timestamp', '2024-02-29T25:00:00Z'],
    ['timestamp', '2024-02-29T12:00:00+25:00'],
    ['timestamp', 1709208000000],
    ['day', '2024-02-30'],
    ['day', '2024-02-29T12:00:00Z'],
    ['time', '12'],
    ['bigint', '5n'],
    ['bigint', '1.5'],
    ['bigint', 2 ** 60],
    ['integer', 1.5],
    ['integer', '1'],
    ['number', '1'],
    ['decimal', '1,5'],
    ['decimal', true],
    ['bytes', 'AAE'],
    ['bytes', 'A*=='],
    ['uuid', 'c0ffee'],
    ['boolean', 1],
    ['string', 1],
    ['string[]', 'a'],
    ['string[]', [1]],
  ])('none of type %s: %j', (type, json) => {
    const error = errorOf(() => valueFromJson(type, json, 'where.x'))
    expect([error.code, error.details.position]).toEqual(['INVALID_ARGUMENT', 'where.x'])
  })
})
