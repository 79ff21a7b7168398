import { describe, expect, expectTypeOf, test } from 'vitest'
import { type Database, or, Parameter, type Query } from '../../src/index'
import { Animal, Keeper, zoo } from './support/zoo'

/** Not run: the compiler proves what is said here when it checks the types of the tests. */
function typesOf(db: Database): void {
  const animals = db.query(Animal)
  expectTypeOf(animals.collect()).toEqualTypeOf<Animal[]>()
  expectTypeOf(animals.first()).toEqualTypeOf<Animal | undefined>()
  expectTypeOf(animals.where({ keeper: { name: 'Ada' } }).page(3).items).toEqualTypeOf<Animal[]>()
  expectTypeOf(animals.values('keeper.age')).toEqualTypeOf<Query<number | null>>()
  expectTypeOf(animals.select('name', 'keeper.name').collect()).toEqualTypeOf<
    { name: string; 'keeper.name': string | null }[]
  >()
  expectTypeOf(animals.select({ who: 'keeper.name' }).collect()).toEqualTypeOf<{ who: string | null }[]>()
  expectTypeOf(
    animals.groupBy('type', (group) => ({ rows: group.count(), last: group.max('born') })).collect(),
  ).toEqualTypeOf<({ type: string } & { rows: number; last: Date | null })[]>()
  expectTypeOf(db.query('animal').collect()).toEqualTypeOf<Record<string, unknown>[]>()
  expectTypeOf(db.snapshot().query(Keeper).collect()).toEqualTypeOf<Keeper[]>()
  expectTypeOf(db.write((tx) => tx.query(Keeper).first())).toEqualTypeOf<Keeper | undefined>()
  expectTypeOf(db.queryJson({}).collect()).toEqualTypeOf<Record<string, unknown>[]>()
  animals.where(or({ legs: 4 }, { legs: new Parameter('legs') }))
  animals.where({ keeper: { in: [1, 2] } })
  animals.where({ legs: null, keeper: null })
  // @ts-expect-error: no such property
  animals.where({ leggs: 4 })
  // @ts-expect-error: no such property behind a reference
  animals.where({ keeper: { nam: 'Ada' } })
  // @ts-expect-error: no such operator
  animals.where({ legs: { gtt: 4 } })
  // @ts-expect-error: a value of another type
  animals.where({ legs: 'four' })
  // @ts-expect-error: an operand of another type
  animals.where({ born: { gte: 5 } })
  // @ts-expect-error: text conditions are for text
  animals.where({ legs: { startsWith: '4' } })
  // @ts-expect-error: null where there is always a value
  animals.where({ name: null })
  // @ts-expect-error: no such name
  animals.orderBy('leggs')
  // @ts-expect-error: no such direction
  animals.orderBy('legs', 'down')
  // @ts-expect-error: no such name behind a reference
  animals.select('keeper.nam')
  // @ts-expect-error: no such name
  animals.values('keeper.legs')
  // @ts-expect-error: no such name to group by
  animals.groupBy('leggs')
  // @ts-expect-error: no such name to add up
  animals.groupBy('type', (group) => ({ sum: group.sum('leggs') }))
  // @ts-expect-error: a class that has no decorators is still a class, but a number is none
  db.query(5)
}

describe('the types of queries', () => {
  test('let through what works', async () => {
    const db = await zoo(3)
    expect(
      db
        .query(Animal)
        .where({ legs: { in: [1, 2] } })
        .select({ legs: 'legs' })
        .collect(),
    ).toEqual([{ legs: 1 }, { legs: 2 }])
    expectTypeOf(typesOf).returns.toBeVoid()
  })
})
