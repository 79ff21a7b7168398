import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Column, type Database, type Default, Entity, Id, Many, open, Ref, type Reference } from '../../src/index'

@Entity()
class Owner {
  @Id() name!: string
  @Many(
    () => Animal,
    (animal) => animal.owner,
  )
  animals!: Many<Animal>
  @Many(
    () => Dog,
    (dog) => dog.owner,
  )
  dogs!: Many<Dog>
}

@Entity({ schema: z.object({ legs: z.number().min(0) }) })
class Animal {
  @Id() id!: number
  @Column() name!: string
  @Column({ type: 'integer', default: 4 }) legs!: Default<number>
  @Ref(() => Owner, { nullable: true, onDelete: 'setNull' }) owner!: Reference<Owner> | null
  @Many(
    () => Animal,
    (animal) => animal.mother,
  )
  children!: Many<Animal>
  @Ref(() => Animal, { nullable: true }) mother!: Animal | null

  describe(): string {
    return `${this.name} has ${this.legs} legs`
  }
}

@Entity()
class Dog extends Animal {
  @Column() breed!: string
  @Ref(() => Animal, { nullable: true }) enemy!: Animal | null

  override describe(): string {
    return `${super.describe()} and is a ${this.breed}`
  }
}

@Entity({ schema: z.object({ medals: z.number().max(10) }) })
class RaceDog extends Dog {
  @Column({ type: 'integer', default: 0 }) medals!: Default<number>
}

@Entity()
class Bird extends Animal {
  @Column() wingspan!: number
}

const entities = [Owner, Animal, Dog, RaceDog, Bird]
let db: Database

beforeEach(async () => {
  db = await open(undefined, { entities })
  db.write((tx) => {
    const ann = tx.insert(Owner, { name: 'Ann' })
    tx.insert(Animal, { id: 1, name: 'Slug', legs: 0 })
    const rex = tx.insert(Dog, { id: 2, name: 'Rex', breed: 'collie', owner: ann })
    tx.insert(RaceDog, { id: 70_000_000, name: 'Bolt', breed: 'greyhound', owner: ann, mother: rex, enemy: 1 })
    tx.insert(Bird, { id: 3, name: 'Tweety', legs: 2, wingspan: 0.2, mother: 1 })
  })
})

afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

/** Rows are numbered in no order of keys. */
const sorted = (texts: string[]): string[] => [...texts].sort()
const names = (animals: Iterable<Animal>): string[] => [...animals].map((each) => each.name)
const classes = (animals: Iterable<Animal>): string[] => [...animals].map((each) => each.constructor.name)
const code = (expected: string) => expect.objectContaining({ name: 'SnapheapError', code: expected })
const counts = (): number[] => [Animal, Dog, RaceDog, Bird].map((each) => db.count(each))

describe('a subclass', () => {
  test('has a table of its own with its own columns, and a row in each of its parents', () => {
    expect(db.table('dog').columnNames).toEqual(['id', 'breed', 'enemy'])
    expect(db.table('race_dog').columnNames).toEqual(['id', 'medals'])
    expect(counts()).toEqual([4, 2, 1, 1])
    expect(db.table('animal').get(70_000_000)).toMatchObject({ name: 'Bolt', owner: 'Ann', legs: 4 })
  })

  test('is what is found by its key through every class above it, and through references', () => {
    for (const type of [Animal, Dog, RaceDog]) {
      const bolt = db.get(type, 70_000_000)!
      expect(bolt).toBeInstanceOf(RaceDog)
      expect([bolt.name, bolt.legs, (bolt as RaceDog).medals]).toEqual(['Bolt', 4, 0])
    }
    expect([db.get(Dog, 1), db.get(Bird, 2), db.get(Animal, 1)?.constructor]).toEqual([undefined, undefined, Animal])
    const bolt = db.get(RaceDog, 70_000_000)!
    expect([bolt.mother?.constructor, (bolt.mother as Dog).breed, bolt.enemy?.name]).toEqual([Dog, 'collie', 'Slug'])
    expect([bolt.owner?.name, bolt.describe()]).toEqual(['Ann', 'Bolt has 4 legs and is a greyhound'])
  })

  test('is among the objects of its parents, each as what it is', () => {
    expect(sorted(classes(db.all(Animal)))).toEqual(['Animal', 'Bird', 'Dog', 'RaceDog'])
    expect(
      classes(
        db
          .query(Animal)
          .where({ legs: { gte: 2 } })
          .orderBy('name'),
      ),
    ).toEqual(['RaceDog', 'Dog', 'Bird'])
    expect(sorted(classes(db.find(Animal, { owner: 'Ann' })))).toEqual(['Dog', 'RaceDog'])
    expect(sorted(classes(db.get(Owner, 'Ann')!.animals))).toEqual(['Dog', 'RaceDog'])
    expect(sorted(names(db.get(Owner, 'Ann')!.dogs))).toEqual(['Bolt', 'Rex'])
    expect([db.get(Owner, 'Ann')!.dogs.length, names(db.get(Animal, 2)!.children)]).toEqual([2, ['Bolt']])
    using snapshot = db.snapshot()
    db.write((tx) => tx.delete(db.get(Animal, 2)!))
    expect([sorted(classes(snapshot.all(Dog))), db.count(Animal)]).toEqual([['Dog', 'RaceDog'], 3])
  })

  test('is found by inherited properties and by its own together', () => {
    expect(names(db.find(Dog, { name: 'Rex' }))).toEqual(['Rex'])
    expect(names(db.find(Dog, { owner: 'Ann', breed: 'greyhound' }))).toEqual(['Bolt'])
    expect(names(db.find(RaceDog, { breed: 'greyhound', name: 'Rex' }))).toEqual([])
    expect(names(db.find(RaceDog, { id: 70_000_000, medals: 0, legs: 4 }))).toEqual(['Bolt'])
    expect(() => db.find(Dog, { nam: 1 } as never)).toThrow(/no column property "nam"/)
    const dogs = db.query(Dog).where({ owner: { name: 'Ann' }, legs: 4 })
    expect(names(dogs.orderBy('name'))).toEqual(['Bolt', 'Rex'])
    expect(String(db.query(Dog).where({ name: 'Rex' }).explain({ run: true }))).not.toContain('scan')
    expect(db.query(RaceDog).select('name', 'breed', 'medals', 'mother.name').collect()).toEqual([
      { name: 'Bolt', breed: 'greyhound', medals: 0, 'mother.name': 'Rex' },
    ])
  })

  test('shows all of its values in JSON and on the console', () => {
    expect(JSON.parse(JSON.stringify(db.get(Animal, 2)))).toEqual({
      ...{ id: 2, name: 'Rex', legs: 4, owner: 'Ann', mother: null },
      ...{ breed: 'collie', enemy: null },
    })
    expect(inspect(db.get(Animal, 3))).toMatch(/^Bird \{[\s\S]*wingspan: 0\.2/)
  })
})

describe('changes of a subclass', () => {
  test('go into the row of the class that has the property', () => {
    const bolt = db.get(RaceDog, 70_000_000)!
    db.write((tx) => {
      bolt.name = 'Zap'
      tx.update(bolt, { breed: 'whippet', medals: 3, legs: 3 })
      expect([bolt.name, tx.get(Animal, 70_000_000)!.legs]).toEqual(['Zap', 3])
    })
    expect([bolt.name, bolt.breed, bolt.medals, bolt.legs]).toEqual(['Zap', 'whippet', 3, 3])
    expect(db.table('animal').get(70_000_000)?.name).toBe('Zap')
    db.write((tx) => tx.upsert(RaceDog, { id: 70_000_000, name: 'Zip', breed: 'mutt' }))
    expect([bolt.name, bolt.breed, bolt.medals, db.count(RaceDog)]).toEqual(['Zip', 'mutt', 3, 1])
  })

  test('are rolled back in all of its rows', () => {
    const rex = db.get(Dog, 2)!
    expect(() => db.write((tx) => tx.insert(RaceDog, { id: 2, name: 'x', breed: 'y' }))).toThrow(code('UNIQUE'))
    expect(() => db.write((tx) => tx.insert(Dog, { id: 9, name: 'x' } as never))).toThrow(code('NOT_NULL'))
    expect(() =>
      db.write((tx) => {
        tx.update(rex, { name: 'x', breed: 'y' })
        throw new Error('no')
      }),
    ).toThrow('no')
    expect([rex.name, rex.breed, ...counts()]).toEqual(['Rex', 'collie', 4, 2, 1, 1])
  })

  test('are checked by the schemas of every class above it', () => {
    const bolt = db.get(RaceDog, 70_000_000)!
    expect(() => db.write((tx) => tx.update(bolt, { legs: -1 }))).toThrow(/^Animal 70000000 is refused .*legs/)
    expect(() => db.write((tx) => tx.update(bolt, { medals: 11 }))).toThrow(/^RaceDog 70000000 is refused .*medals/)
    expect(() => db.write((tx) => tx.insert(Bird, { id: 9, name: 'x', wingspan: 1, legs: -2 }))).toThrow(
      code('VALIDATION'),
    )
  })

  test('a key that changes does so in all of its rows', () => {
    const bolt = db.get(RaceDog, 70_000_000)!
    db.write((tx) => tx.update(bolt, { id: 8 }))
    expect([bolt.id, bolt.name, bolt.breed, bolt.medals, ...counts()]).toEqual([8, 'Bolt', 'greyhound', 0, 4, 2, 1, 1])
    expect(db.get(Animal, 8)?.constructor).toBe(RaceDog)
  })

  test('a deletion takes all of its rows, whichever class or table it is made through', () => {
    db.write((tx) => tx.delete(tx.get(Animal, 70_000_000)!))
    expect(counts()).toEqual([3, 1, 0, 1])
    db.write((tx) => tx.delete('animal', 2))
    expect(counts()).toEqual([2, 0, 0, 1])
    expect(() => db.write((tx) => tx.insert('dog', { id: 77, breed: 'x' }))).toThrow(/Dog 77 refers by id to Animal 77/)
  })

  test('hooks of every class above it hear of them, with all of its values', () => {
    const seen: unknown[] = []
    db.addHooks(Animal, {
      created: (object) => void seen.push('animal', object.name),
      updated: (object, before) => void seen.push('animal', before.name, object.name),
      deleted: (before) => void seen.push('animal', before.name, before.owner),
    })
    db.addHooks(Dog, {
      created: (dog) => void seen.push('dog', dog.breed),
      deleted: (before) => void seen.push('dog', before.breed),
    })
    db.write((tx) => {
      const made = tx.insert(RaceDog, { id: 9, name: 'A', breed: 'B', owner: 'Ann' })
      made.name = 'C'
      tx.delete(made)
      tx.insert(Animal, { id: 10, name: 'D' })
    })
    expect(seen).toEqual([
      'animal',
      'A',
      'dog',
      'B',
      'animal',
      'A',
      'C',
      'animal',
      'C',
      'Ann',
      'dog',
      'B',
      'animal',
      'D',
    ])
  })

  test('rules of inherited references hold for it', () => {
    db.write((tx) => tx.delete(tx.get(Owner, 'Ann')!))
    expect(db.get(RaceDog, 70_000_000)!.owner).toBeNull()
  })
})

test('a tree is the same when it is opened again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-inheritance-'))
  try {
    const path = join(folder, 'tree.heap')
    {
      await using first = await open(path, { entities: [Owner, Animal, Dog] })
      first.write((tx) => tx.insert(Dog, { id: 5, name: 'Rex', breed: 'collie' }))
    }
    await using again = await open(path, { entities })
    expect([again.get(Animal, 5)?.constructor, again.get(Animal, 5)?.describe()]).toEqual([
      Dog,
      'Rex has 4 legs and is a collie',
    ])
    expect(again.check().problems).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a tree put together wrongly is refused', async () => {
  await expect(open(undefined, { entities: [Dog] })).rejects.toThrow(
    /Dog\.id is the key of Animal, which is not registered/,
  )
  @Entity()
  class Cat extends Animal {
    @Id() tag!: string
  }
  await expect(open(undefined, { entities: [Cat, Animal, Owner] })).rejects.toThrow(
    /Cat\.tag is a key, but Animal has one/,
  )
  @Entity()
  class Cow extends Animal {
    @Column() declare name: string
  }
  await expect(open(undefined, { entities: [Cow, Animal, Owner] })).rejects.toThrow(
    /Cow\.name is a property of Animal already/,
  )
})
