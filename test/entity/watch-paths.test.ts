import 'reflect-metadata'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { Column, type Database, Entity, type EntityClass, type EntityTransaction, Id, open, Ref } from '../../src/index'

@Entity()
class Town {
  @Id({ type: 'string' }) declare code: string
  @Column() declare name: string
}

@Entity()
class Keeper {
  @Id() declare id: number
  @Column({ type: 'string', nullable: true }) declare name: string | null
  @Ref(() => Town, { nullable: true, index: false }) declare town: Town | null
}

@Entity()
class Animal {
  @Id() declare id: number
  @Column() declare name: string
  @Ref(() => Keeper, { nullable: true }) declare keeper: Keeper | null
}

@Entity()
class Dog extends Animal {
  @Column() declare breed: string
}

@Entity()
class Puppy extends Dog {
  @Column() declare weeks: number
  @Ref(() => Dog, { nullable: true }) declare mother: Dog | null
}

let db: Database
afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

async function opened(): Promise<void> {
  db = await open(undefined, { entities: [Town, Keeper, Animal, Dog, Puppy] })
  db.write((tx) => {
    tx.insert(Town, { code: 'a town of some length', name: 'Bath' })
    tx.insert(Keeper, { id: 1, name: 'Ada', town: 'a town of some length' })
    tx.insert(Animal, { id: 1, name: 'Kaa' })
    tx.insert(Dog, { id: 2, name: 'Rex', breed: 'collie', keeper: 1 })
    tx.insert(Puppy, { id: 3, name: 'Pip', breed: 'collie', weeks: 7, mother: 2, keeper: 1 })
  })
}

/** What watchers of all three classes heard, and of one object. */
function heardOf(change: () => void): Record<string, unknown> {
  const heard: Record<string, unknown> = {}
  const stops = [Animal, Dog, Puppy].map((type) =>
    db.watch<Animal>(type, ({ inserted, updated, deleted }) => {
      heard[type.name] = [
        inserted.map(({ id }) => id),
        updated.map((each) => [each.new.id, each.changed]),
        deleted.length,
      ]
    }),
  )
  stops.push(db.watchOne(Animal, 3, ({ changed }) => void (heard.one = changed)))
  stops.push(db.watch(db.query(Animal), ({ changed }) => void (heard.query = changed.map(({ id }) => id))))
  change()
  for (const stop of stops) stop()
  return heard
}

test('watchers of a class hear of all that its objects have, in whichever tables of their classes', async () => {
  await opened()
  expect(heardOf(() => db.write((tx) => void (tx.get(Puppy, 3)!.weeks = 8)))).toEqual({
    Animal: [[], [[3, ['weeks']]], 0],
    Dog: [[], [[3, ['weeks']]], 0],
    Puppy: [[], [[3, ['weeks']]], 0],
    one: ['weeks'],
    query: [3],
  })
  expect(heardOf(() => db.write((tx) => void (tx.get(Puppy, 3)!.name = 'Pop')))).toEqual({
    Animal: [[], [[3, ['name']]], 0],
    Dog: [[], [[3, ['name']]], 0],
    Puppy: [[], [[3, ['name']]], 0],
    one: ['name'],
    query: [3],
  })
  expect(heardOf(() => db.write((tx) => tx.update(tx.get(Dog, 2)!, { breed: 'poodle', name: 'Max' })))).toEqual({
    Animal: [[], [[2, ['name', 'breed']]], 0],
    Dog: [[], [[2, ['name', 'breed']]], 0],
    query: [2],
  })
  expect(heardOf(() => db.write((tx) => tx.delete(tx.get(Puppy, 3)!)))).toEqual({
    Animal: [[], [], 1],
    Dog: [[], [], 1],
    Puppy: [[], [], 1],
    one: [],
    query: [],
  })
  expect(heardOf(() => db.write((tx) => tx.insert(Dog, { id: 4, name: 'Fay', breed: 'pug' })))).toEqual({
    Animal: [[4], [], 0],
    Dog: [[4], [], 0],
    query: [],
  })
})

test('what is told of a subclass column has its old and its new value', async () => {
  await opened()
  const heard: unknown[] = []
  const stop = db.watch(Animal, ({ updated }) => {
    for (const { old, new: now } of updated) heard.push([(old as Dog).breed, (now as Dog).breed, now.constructor.name])
  })
  db.write((tx) => void (tx.get(Dog, 2)!.breed = 'poodle'))
  stop()
  expect(heard).toEqual([['collie', 'poodle', 'Dog']])
})

test('a watcher of a path hears of objects whose references lead to what has changed', async () => {
  await opened()
  const heard: unknown[] = []
  const stop = db.watch(
    Puppy,
    ({ updated }) => heard.push(updated.map((each) => [each.old.keeper?.name, each.new.keeper?.name, each.changed])),
    { properties: ['keeper.name', 'mother.keeper.town.name'] },
  )
  db.write((tx) => void (tx.get(Keeper, 1)!.name = 'Eve'))
  db.write((tx) => void (tx.get(Town, 'a town of some length')!.name = 'Bristol'))
  db.write((tx) => void (tx.get(Puppy, 3)!.weeks = 9)) // not asked for
  db.write((tx) => {
    tx.insert(Keeper, { id: 2, name: 'Eve' })
    tx.get(Puppy, 3)!.keeper = tx.get(Keeper, 2)! // of the same name
  })
  db.write((tx) => void (tx.get(Animal, 2)!.keeper = null))
  stop()
  expect(heard).toEqual([
    [['Ada', 'Eve', ['keeper.name']]],
    [['Eve', 'Eve', ['mother.keeper.town.name']]],
    [['Eve', 'Eve', ['mother.keeper.town.name']]],
  ])
  expect(() => db.watch(Puppy, () => {}, { properties: ['keeper.nome'] as never })).toThrow(
    'Class Keeper has no "nome". Did you mean "name"?',
  )
})

const PATHS = ['name', 'weeks', 'keeper.name', 'keeper.town.name', 'mother.breed', 'mother.keeper.town'] as const

function valuesAt(path: string): Map<number, unknown> {
  const rows = db
    .query(Puppy)
    .select('id', path as 'name')
    .collect()
  return new Map(rows.map((row) => [row.id, row[path as 'name']]))
}

const operation = fc.record({
  kind: fc.constantFrom('town', 'keeper', 'animal', 'dog', 'puppy', 'delete town', 'delete keeper', 'delete animal'),
  id: fc.nat(4),
  to: fc.option(fc.nat(4)),
  text: fc.constantFrom('x', 'y', 'a text of some length'),
})

function change(
  tx: EntityTransaction,
  { kind, id, to, text }: typeof operation extends fc.Arbitrary<infer T> ? T : never,
): void {
  const code = (n: number): string => `town ${n} of some length`
  const [keeper, town] = [to, to === null ? null : code(to)]
  if (kind === 'town') tx.upsert(Town, { code: code(id), name: text })
  else if (kind === 'keeper') tx.upsert(Keeper, { id, name: text, town })
  else if (kind === 'animal' || kind === 'dog') {
    const animal = tx.get(Animal, id)
    if (animal !== undefined)
      tx.update(animal, kind === 'dog' && animal instanceof Dog ? ({ breed: text } as object) : { name: text, keeper })
    else if (kind === 'dog') tx.insert(Dog, { id, name: text, breed: text, keeper })
    else tx.insert(Animal, { id, name: text, keeper })
  } else if (kind === 'puppy') {
    const puppy = tx.get(Puppy, id)
    if (puppy !== undefined) tx.update(puppy, { weeks: text.length, mother: to })
    else if (tx.get(Animal, id) === undefined)
      tx.insert(Puppy, { id, name: text, breed: text, weeks: 1, mother: to, keeper })
  } else {
    const type: EntityClass = kind === 'delete town' ? Town : kind === 'delete keeper' ? Keeper : Animal
    const found = tx.get(type, type === Town ? code(id) : id)
    if (found !== undefined) tx.delete(found)
  }
}

test('what random commits are told to have changed behind paths is what a comparison of all values says', async () => {
  await opened()
  fc.assert(
    fc.property(fc.array(fc.array(operation, { maxLength: 6 }), { maxLength: 12 }), (commits) => {
      for (const commit of commits) {
        const before = PATHS.map(valuesAt)
        let told: unknown[] = []
        const stop = db.watch(
          Puppy,
          ({ updated }) => {
            told = updated.map((each) => [each.new.id, ...[...each.changed].sort()])
          },
          { properties: PATHS },
        )
        db.write((tx) => {
          for (const each of commit) change(tx, each)
        })
        stop()
        const after = PATHS.map(valuesAt)
        const ids = [...after[0].keys()].filter((id) => before[0].has(id))
        const expected = ids
          .map((id) => [id, ...PATHS.filter((_, i) => before[i].get(id) !== after[i].get(id)).sort()])
          .filter((each) => each.length > 1)
        expect(told.sort()).toEqual(expected.sort())
      }
    }),
    { numRuns: 60 },
  )
})
