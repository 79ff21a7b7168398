import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Database, type EntityReader, integer, open, table, text } from '../../src/index'

const animal = table('animal', { id: integer().key(), name: text(), legs: integer() })
const ROWS = [
  { id: 1, name: 'octopus', legs: 8 },
  { id: 2, name: 'spider', legs: 8 },
  { id: 3, name: 'ant', legs: 6 },
]

async function zoo(): Promise<Database> {
  const db = await open({ entities: [animal] })
  db.write((tx) => void tx.insertMany('animal', ROWS))
  return db
}

/** By the name of the table, and by its definition, as plain rows. */
function expectRows(reader: EntityReader): void {
  const plain = (each: object | undefined): unknown =>
    each && { ...ROWS.find(({ id }) => id === (each as { id: number }).id) }
  for (const of of ['animal', animal] as const) {
    const by = of as typeof animal
    expect(plain(reader.get(by, 2))).toEqual(ROWS[1])
    expect(reader.get(by, 9)).toBeUndefined()
    expect(reader.getMany(by, [3, 9, 1]).map(plain)).toEqual([ROWS[2], undefined, ROWS[0]])
    expect(reader.find(by, { legs: 8 }).map(plain)).toEqual([ROWS[0], ROWS[1]])
    expect(plain(reader.findOne(by, { legs: 6 }))).toEqual(ROWS[2])
    expect(reader.findOne(by, { legs: 7 })).toBeUndefined()
    expect([...reader.all(by)].map(plain)).toEqual(ROWS)
    expect(reader.count(by)).toBe(3)
  }
  expect(reader.get('animal', 2)).toEqual(ROWS[1])
  expect(reader.getMany('animal', [3])).toEqual([ROWS[2]])
  expect(() => reader.get('animals', 2)).toThrow(/There is no table "animals"/)
  expect(() => reader.getMany(animal, 5 as never)).toThrow('getMany() expects an array of keys, got 5.')
}

test('rows are read by the name of a table as by its definition, in every reader', async () => {
  const db = await zoo()
  expectRows(db)
  using snapshot = db.snapshot()
  db.write((tx) => {
    expectRows(tx)
    tx.delete('animal', 3)
    expect([tx.get('animal', 3), db.get('animal', 3), db.count('animal')]).toEqual([undefined, undefined, 2])
    tx.insert('animal', ROWS[2]!)
  })
  expectRows(snapshot)
  await db.transaction((tx) => expectRows(tx))
  expect(db.check().problems).toEqual([])
  await db.close()
})

test('a row that a transaction has read by the name of a table makes it run again when it has changed', async () => {
  const db = await zoo()
  let runs = 0
  await db.transaction((tx) => {
    const legs = tx.get('animal', 1)!.legs as number
    if (runs++ === 0) db.write((live) => live.update('animal', 1, { legs: 7 }))
    tx.insert(animal, { id: 10 + runs, name: 'made of it', legs })
  })
  expect([runs, db.get('animal', 12)?.legs, db.get('animal', 11)]).toEqual([2, 7, undefined])
  await db.close()
})

test('a database in memory is opened without a path, with options alone, and as :memory:', async () => {
  for (const opening of [open(), open({}), open(undefined), open(':memory:'), open(':memory:', {})]) {
    const db = await opening
    expect(db.path).toBeUndefined()
    await db.close()
  }
  expect(existsSync(':memory:')).toBe(false)
  await expect(open(5 as never)).rejects.toThrow('open() expects the name of a file, got 5.')
  await expect(open({ entities: [], follows: true } as never)).rejects.toThrow('open() has no option "follows"')
})
