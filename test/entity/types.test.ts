import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  Column,
  type Conditions,
  type Database,
  Decimal,
  Entity,
  Id,
  type InsertValues,
  type Key,
  open,
  Ref,
} from '../../src/index'

@Entity()
class Customer {
  @Id() readonly id!: number
  @Column() name!: string
}

@Entity()
class Quote {
  @Id() id!: number
  @Column() creationDate!: Date
  @Column({ type: 'string', nullable: true }) status!: 'open' | 'closed' | null
  @Column() price!: Decimal
  @Column({ type: 'string[]' }) tags!: (string | null)[]
  @Ref(() => Customer, { nullable: true }) customer!: Customer | null

  describe(): string {
    return `${this.id}`
  }
}

/** Not run: the compiler proves what is said here when it checks the types of the tests. */
function typesOf(db: Database): void {
  expectTypeOf(db.get(Quote, 1)).toEqualTypeOf<Quote | undefined>()
  expectTypeOf(db.get(Quote, 1)?.customer?.name).toEqualTypeOf<string | undefined>()
  expectTypeOf(db.find(Quote, { status: 'open' })).toEqualTypeOf<Quote[]>()
  expectTypeOf(db.all(Quote)).toEqualTypeOf<Generator<Quote>>()
  expectTypeOf(db.write((tx) => tx.insert(Customer, { id: 1, name: 'x' }))).toEqualTypeOf<Customer>()
  expectTypeOf(db.snapshot().findOne(Quote, {})).toEqualTypeOf<Quote | undefined>()
  expectTypeOf(db.write((tx) => tx.get(Quote, 1))).toEqualTypeOf<Quote | undefined>()
  expectTypeOf(db.write((tx) => tx.get('quote', 1))).toEqualTypeOf<Record<string, unknown> | undefined>()
  expectTypeOf(db.write((tx) => tx.delete('quote', 1))).toEqualTypeOf<boolean>()
  expectTypeOf<NonNullable<Conditions<Quote>['customer']>>().toEqualTypeOf<Customer | Key>()
  expectTypeOf<InsertValues<Quote>['tags']>().toEqualTypeOf<(string | null)[]>()
  expectTypeOf<keyof Conditions<Quote>>().toEqualTypeOf<
    'id' | 'creationDate' | 'status' | 'price' | 'tags' | 'customer'
  >()
  // @ts-expect-error: no such property
  db.find(Quote, { nam: 1 })
  // @ts-expect-error: a method is no column
  db.find(Quote, { describe: 1 })
  // @ts-expect-error: not one of the values
  db.find(Quote, { status: 'gone' })
  // @ts-expect-error: null where there is always a value
  db.find(Quote, { price: null })
  // @ts-expect-error: creationDate and others are missing
  db.write((tx) => tx.insert(Quote, { id: 1 }))
  // @ts-expect-error: of another type
  db.write((tx) => tx.update(db.get(Quote, 1)!, { creationDate: 'today' }))
  // @ts-expect-error: neither a class nor the name of a table
  db.get(5, 1)
  // @ts-expect-error: an object of another class
  db.find(Quote, { customer: db.get(Quote, 1)! })
}

describe('the types', () => {
  test('let through what works', async () => {
    const db = await open(undefined, { entities: [Quote, Customer] })
    const quote = db.write((tx) => {
      const customer = tx.insert(Customer, { id: 1, name: 'Ann' })
      return tx.insert(Quote, {
        id: 1,
        creationDate: new Date(0),
        price: Decimal.parse('1.10'),
        tags: ['a', null],
        customer,
      })
    })
    expect([quote.status, String(quote.price), quote.tags, quote.customer?.name]).toEqual([
      null,
      '1.10',
      ['a', null],
      'Ann',
    ])
    expect(db.check().problems).toEqual([])
    await db.close()
    expectTypeOf(typesOf).returns.toBeVoid()
  })
})
