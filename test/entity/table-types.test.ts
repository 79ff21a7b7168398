import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  any,
  type Conditions,
  type Database,
  type Decimal,
  decimal,
  type EntityClass,
  type InsertValues,
  integer,
  json,
  type Key,
  type Many,
  many,
  open,
  type RowOf,
  ref,
  table,
  text,
  timestamp,
  type UpdateValues,
} from '../../src/index'

// a reference in one direction needs no getter, even to what stands further down
const quote = table(
  'quote',
  {
    id: integer().key(),
    creationDate: timestamp(),
    status: text().enum(['open', 'closed']).nullable(),
    customer: ref(() => customer),
  },
  { indexes: [{ columns: ['status', 'creationDate'] }], schema: z.object({ id: z.number() }) },
)
const customer = table('customer', { id: integer().key(), name: text() })
type Quote = RowOf<typeof quote>

// where tables refer to each other, or to themselves, getters break the circle
const user = table('user', {
  id: integer().key(),
  name: text(),
  get boss() {
    return ref(() => user).nullable()
  },
  get posts() {
    return many(
      () => post,
      (each) => each.author,
    )
  },
})
const post = table('post', {
  id: integer().key(),
  get author() {
    return ref(() => user, { onDelete: 'cascade' })
  },
  get tags() {
    return many(() => tag, { through: () => postTag, from: (link) => link.post, to: (link) => link.tag })
  },
})
const tag = table('tag', {
  name: text().key(),
  get posts() {
    return many(() => post, { through: () => postTag, from: (link) => link.tag, to: (link) => link.post })
  },
})
const postTag = table('post_tag', { post: ref(() => post).key(), tag: ref(() => tag).key() })

// one getter is enough
const lamp = table('lamp', { id: integer().key(), room: ref(() => room) })
const room = table('room', {
  id: integer().key(),
  get lamps() {
    return many(
      () => lamp,
      (each) => each.room,
    )
  },
})

class Person extends table('person', {
  id: integer().key(),
  first: text(),
  get friend() {
    return ref(() => Person).nullable()
  },
  get pets() {
    return many(
      () => Pet,
      (pet) => pet.owner,
    )
  },
}) {
  get full(): string {
    return `${this.first}, friend of ${this.friend?.full}, with ${this.pets.at(0)?.owner.first}`
  }
}
class Pet extends table('pet', { id: integer().key(), owner: ref(() => Person) }) {
  isOf(person: Person): boolean {
    return this.owner.full === person.full
  }
}

enum Status {
  Draft = 'draft',
  Public = 'public',
}
enum Level {
  Low,
  High,
}
class Money {
  constructor(readonly cents: number) {}
}
const item = table('item', {
  id: integer().key(),
  status: text().enum(Status),
  level: integer().enum(Level).default(Level.Low),
  letter: text().enum(['a', 'b']).nullable().default('a'),
  price: integer()
    .codec({ encode: (money: Money) => money.cents, decode: (cents: number) => new Money(cents) })
    .default(() => new Money(0)),
  what: any(),
  size: decimal(),
  tags: text().enum(['x', 'y']).array(),
  place: json<{ city: string }>(),
})
type Item = RowOf<typeof item>
const special = table('special', { note: text() }, { extends: item })

/** Not run: the compiler proves what is said here when it checks the types of the tests. */
function typesOf(db: Database): void {
  expectTypeOf<Quote>().toEqualTypeOf<{
    id: number
    creationDate: Date
    status: 'open' | 'closed' | null
    customer: RowOf<typeof customer>
  }>()
  expectTypeOf(quote).toExtend<EntityClass<Quote>>()
  expectTypeOf(db.get(quote, 1)).toEqualTypeOf<Quote | undefined>()
  expectTypeOf(db.get(quote, 1)?.customer.name).toEqualTypeOf<string | undefined>()
  expectTypeOf(db.find(quote, { status: 'open', customer: 7 })).toEqualTypeOf<Quote[]>()
  expectTypeOf(db.write((tx) => tx.insert(customer, { id: 1, name: 'x' }))).toEqualTypeOf<RowOf<typeof customer>>()
  expectTypeOf<NonNullable<Conditions<Quote>['customer']>>().toEqualTypeOf<RowOf<typeof customer> | Key>()
  expectTypeOf<keyof UpdateValues<RowOf<typeof post>>>().toEqualTypeOf<'id' | 'author'>()
  expectTypeOf<InsertValues<Quote>>().toEqualTypeOf<
    { id: number; creationDate: Date; customer: RowOf<typeof customer> | Key } & {
      status?: 'open' | 'closed' | null | undefined
    }
  >()
  const names = db
    .query(quote)
    .where({ customer: { name: 'x' } })
    .select('status', 'customer.name')
  expectTypeOf(names.collect()[0]['customer.name']).toEqualTypeOf<string>()
  // circles
  expectTypeOf(db.get(user, 1)!.posts).toEqualTypeOf<Many<RowOf<typeof post>>>()
  expectTypeOf(db.get(post, 1)!.author.posts.at(0)?.author.boss?.name).toEqualTypeOf<string | undefined>()
  expectTypeOf(db.get(tag, 'x')!.posts.at(0)!.tags.at(0)!.name).toEqualTypeOf<string>()
  expectTypeOf(db.get(room, 1)!.lamps.at(0)!.room.id).toEqualTypeOf<number>()
  expectTypeOf(db.get(Person, 1)!.friend!.full).toEqualTypeOf<string>()
  expectTypeOf(db.get(Pet, 1)!.isOf(db.get(Person, 1)!)).toEqualTypeOf<boolean>()
  // values
  const { status, level, letter, price, what, size, tags, place } = db.get(item, 1)!
  expectTypeOf(status).toEqualTypeOf<Status>()
  expectTypeOf(level).toExtend<Level>()
  expectTypeOf(letter).toExtend<'a' | 'b' | null>()
  expectTypeOf(price.cents).toEqualTypeOf<number>()
  expectTypeOf(what).toEqualTypeOf<unknown>()
  expectTypeOf(size).toEqualTypeOf<Decimal>()
  expectTypeOf(tags).toEqualTypeOf<('x' | 'y' | null)[]>()
  expectTypeOf(place.city).toEqualTypeOf<string>()
  expectTypeOf(db.get(special, 1)!.note).toEqualTypeOf<string>()
  expectTypeOf(db.get(special, 1)!.status).toEqualTypeOf<Status>()
  const made: InsertValues<Item> = { id: 1, status: Status.Draft, size, tags: ['x'], place: { city: 'x' } }
  db.write((tx) => tx.insert(item, { ...made, level: Level.High, letter: null, price: new Money(1) }))
  db.write((tx) => tx.insert(postTag, { post: db.get(post, 1)!, tag: 'x' }))
  // @ts-expect-error: no such property
  db.find(quote, { nam: 1 })
  // @ts-expect-error: not one of the values
  db.find(quote, { status: 'gone' })
  // @ts-expect-error: no such property of what is referred to
  db.query(post).where({ author: { nam: 'x' } })
  // @ts-expect-error: creationDate is missing
  db.write((tx) => tx.insert(quote, { id: 1, customer: 1 }))
  // @ts-expect-error: a collection is no column
  db.write((tx) => tx.insert(user, { id: 1, name: 'x', posts: [] }))
  // @ts-expect-error: of another type
  db.write((tx) => tx.update(db.get(quote, 1)!, { creationDate: 'today' }))
  // @ts-expect-error: an object of another table
  db.find(post, { author: db.get(quote, 1)! })
  // @ts-expect-error: objects are made by create
  new quote()
  // @ts-expect-error: not a value of the enum
  text().enum(['a', 'b']).default('c')
  // @ts-expect-error: an integer has no such values
  integer().enum(['a'])
  // @ts-expect-error: no such property to be indexed
  table('x', { id: integer().key() }, { indexes: [{ columns: ['name'] }] })
  // @ts-expect-error: the table itself, not a function that returns it
  ref(customer)
}

describe('the types of tables', () => {
  test('let through what works', async () => {
    const db = await open(undefined, { entities: [quote, customer, user, post, tag, postTag, Person, Pet] })
    const person = db.write((tx) => {
      const friend = tx.insert(Person, { id: 1, first: 'Ann' })
      tx.insert(Pet, { id: 1, owner: 2 })
      return tx.insert(Person, { id: 2, first: 'Bob', friend })
    })
    expect(person.full).toBe('Bob, friend of Ann, friend of undefined, with undefined, with Bob')
    expect(db.get(Pet, 1)!.isOf(person)).toBe(true)
    expect(db.check().problems).toEqual([])
    await db.close()
    expectTypeOf(typesOf).returns.toBeVoid()
  })
})
