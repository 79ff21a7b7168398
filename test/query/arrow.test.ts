import { type Table as Arrow, tableFromIPC, tableToIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { constant, query } from '../../src/functions'
import { type Database, Decimal, open, SnapheapError, Timestamp } from '../../src/index'
import { loadArrow } from '../../src/query/arrow'
import { Animal, zoo } from './support/zoo'

const rows = [
  {
    id: 1,
    number: 1.5,
    large: 2n ** 62n,
    flag: true,
    text: 'a',
    at: new Timestamp(1000, 5),
    day: '2024-02-29',
    time: '00:00:01.000002',
    price: Decimal.parse('1.10'),
    bytes: new Uint8Array([1, 2]),
    extra: { a: [1] },
  },
  { id: 2 },
  { id: 3, number: Number.NaN, large: -1n, flag: false, text: 'é', at: new Date(-1), day: '1969-12-31', text2: null },
].map(({ text2: _, ...row }: Record<string, unknown>) => row)

let db: Database
beforeAll(async () => {
  db = await open()
  db.write((tx) => {
    const nullable = (type: string) => ({ type, nullable: true })
    const columns = {
      id: 'integer',
      number: nullable('number'),
      large: nullable('bigint'),
      flag: nullable('boolean'),
      text: nullable('string'),
      at: nullable('timestamp'),
      day: nullable('day'),
      time: nullable('time'),
      price: nullable('decimal'),
      bytes: nullable('bytes'),
      extra: nullable('json'),
    }
    tx.createTable('thing', { key: 'id', columns: columns as never })
    for (const row of rows) tx.insert('thing', row)
  })
})
afterAll(() => db.close())

/** What somebody reads who gets the table as a file. */
const sent = (table: unknown): Arrow => tableFromIPC(tableToIPC(table as Arrow))
const typesOf = (table: Arrow): string[] => table.schema.fields.map((field) => `${field.name} ${field.type}`)

describe('results as Arrow', () => {
  test('have the types of their columns, and their values', async () => {
    const table = sent(await db.query('thing').toArrow())
    expect(typesOf(table)).toEqual([
      'id Float64',
      'number Float64',
      'large Int64',
      'flag Bool',
      'text Dictionary<Int32, Utf8>',
      'at Timestamp<MICROSECOND, UTC>',
      'day Date32<DAY>',
      'time Time64<MICROSECOND>',
      'price Dictionary<Int32, Utf8>',
      'bytes Binary',
      'extra Dictionary<Int32, Utf8>',
    ])
    const values = (name: string): unknown[] => Array.from({ length: 3 }, (_, i) => table.getChild(name)?.get(i))
    expect(values('number')).toEqual([1.5, null, Number.NaN])
    expect(values('large')).toEqual([2n ** 62n, null, -1n])
    expect(values('flag')).toEqual([true, null, false])
    expect(values('text')).toEqual(['a', null, 'é'])
    expect(values('at').map((ms) => (ms === null ? null : Number(ms)))).toEqual([1000.005, null, -1])
    expect(
      values('day').map((day) => (day === null ? null : new Date(day as number).toISOString().slice(0, 10))),
    ).toEqual(['2024-02-29', null, '1969-12-31'])
    expect(values('time')).toEqual([1000002n, null, null])
    expect(values('price')).toEqual(['1.10', null, null])
    expect(values('bytes')).toEqual([new Uint8Array([1, 2]), null, null])
    expect(values('extra')).toEqual(['{"a":[1]}', null, null])
  })

  test('keep these types where there are no rows, and where every value is missing', async () => {
    const none = await db.query('thing').where({ id: 9 }).select('id', 'at').toArrow()
    expect([none.numRows, typesOf(sent(none))]).toEqual([0, ['id Float64', 'at Timestamp<MICROSECOND, UTC>']])
    const missing = await db.query('thing').where({ id: 2 }).select('large').toArrow()
    expect([missing.getChild('large')?.get(0), typesOf(sent(missing))]).toEqual([null, ['large Int64']])
    expect(typesOf(sent(await query(db, constant(null)).toArrow()))).toEqual(['value Null'])
  })

  test('are groups, plain values and objects of classes by their properties', async () => {
    const groups = await db
      .query('thing')
      .groupBy('flag', (group) => ({ rows: group.count(), sum: group.sum('large'), mean: group.avg('number') }))
      .toArrow()
    expect(typesOf(sent(groups))).toEqual(['flag Bool', 'rows Float64', 'sum Int64', 'mean Float64'])
    expect(groups.getChild('sum')?.get(1)).toBe(0n)
    expect(
      Array.from((await db.query('thing').values('id').toArrow()).getChild('value')!.toArray() as Float64Array),
    ).toEqual([1, 2, 3])
    const animals = await zoo(300)
    const table = await animals.query(Animal).orderBy('id', 'desc').limit(200).toArrow()
    expect([table.numRows, table.getChild('name')?.get(0), table.getChild('keeper')?.get(0)]).toEqual([
      200,
      'animal 299',
      animals.get(Animal, 299)?.keeper?.id ?? null,
    ])
  })

  test('of different types under one name, or beyond 64 bits, are an error that names them', async () => {
    const mixed = query(db, constant(1, 'a')).toArrow()
    await expect(mixed).rejects.toMatchObject({
      code: 'TYPE',
      message: expect.stringMatching(/"a" does not fit the column value/),
    })
    await expect(query(db, constant(2n ** 64n)).toArrow()).rejects.toMatchObject({ code: 'TYPE' })
    const animals = await zoo(3)
    const found = animals.query(Animal).query().toArrow()
    await expect(found).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/Select/) })
    const objects = db.query('thing').query().withoutLast()
    expect((await objects.toArrow()).numCols).toBe(1)
  })

  test('need the package, and say how to get it', async () => {
    const error = await loadArrow('apache-arrow-is-not-installed').catch((each: unknown) => each)
    expect(error).toBeInstanceOf(SnapheapError)
    expect(error).toMatchObject({ code: 'NOT_FOUND', message: expect.stringMatching(/npm install apache-arrow$/) })
  })
})
