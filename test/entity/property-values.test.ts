import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import {
  Column,
  type Database,
  type Default,
  Entity,
  type EntityClass,
  Id,
  type InsertValues,
  open,
  Parameter,
} from '../../src/index'

enum Status {
  Open = 'open',
  Closed = 'closed',
}
enum Level {
  Low = 1,
  High = 5,
}
const SIZES = ['S', 'M', 'L'] as const

class Money {
  constructor(
    readonly currency: string,
    readonly cents: number,
  ) {}
}
const money = {
  encode: ({ currency, cents }: Money) => `${currency} ${String(cents).padStart(9, '0')}`,
  decode: (text: string) => new Money(text.slice(0, 3), Number(text.slice(4))),
}

interface Address {
  city: string
  street?: { name: string; number: number }
}

let made = 0

@Entity()
class Ticket {
  @Id() id!: number
  @Column({ enum: Status }) status!: Status
  @Column({ enum: Level, nullable: true }) level!: Level | null
  @Column({ enum: SIZES, type: 'string[]', default: ['S'] }) sizes!: Default<(typeof SIZES)[number][]>
  @Column({ type: 'integer', default: 0 }) likes!: Default<number>
  @Column({ type: 'string', default: () => `ticket ${++made}` }) title!: Default<string>
  @Column({ type: 'string', codec: money, default: new Money('EUR', 0) }) price!: Default<Money>
  @Column({ type: 'string', codec: money, nullable: true, unique: true }) refund!: Money | null
  @Column({ type: 'json', nullable: true }) address!: Address | null

  get isFree(): boolean {
    return this.price.cents === 0
  }

  shout(text: string): void {
    this.title = text.toUpperCase()
  }
}

let db: Database
beforeEach(async () => {
  made = 0
  db = await open(undefined, { entities: [Ticket] })
})
afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

const code = (expected: string) => expect.objectContaining({ name: 'SnapheapError', code: expected })
const ids = (found: Iterable<Ticket>): number[] => [...found].map((each) => each.id)
const eur = (cents: number): Money => new Money('EUR', cents)

describe('defaults', () => {
  test('are what an object gets that is made without a value, functions once for each', () => {
    const [first, second, third] = db.write((tx) => [
      tx.insert(Ticket, { id: 1, status: Status.Open }),
      tx.insert(Ticket, { id: 2, status: Status.Open, likes: 7, title: undefined }),
      tx.insert(Ticket, { id: 3, status: Status.Open, title: 'mine', price: eur(5) }),
    ])
    expect([first.likes, first.title, first.sizes, first.price, first.level]).toEqual([
      0,
      'ticket 1',
      ['S'],
      eur(0),
      null,
    ])
    expect([second.likes, second.title, third.title, third.price]).toEqual([7, 'ticket 2', 'mine', eur(5)])
  })

  test('make properties optional in types, where they say so', () => {
    expectTypeOf<{ id: number; status: Status }>().toExtend<Omit<InsertValues<Ticket>, 'isFree'>>()
    expectTypeOf<Pick<InsertValues<Ticket>, 'id'>>().toEqualTypeOf<{ id: number }>()
    const typesOf = () => {
      // @ts-expect-error: of another type
      db.write((tx) => tx.insert(Ticket, { id: 1, status: Status.Open, likes: 'many' }))
      // @ts-expect-error: of another type
      db.find(Ticket, { likes: 'many' })
      // @ts-expect-error: of another type
      db.query(Ticket).where({ likes: { gt: 'many' } })
      // @ts-expect-error: nothing is behind it
      db.query(Ticket).orderBy('likes.toFixed')
      db.query(Ticket).where({ likes: { gt: 5, in: [1, 2] }, title: { startsWith: 't' } })
    }
    expectTypeOf(typesOf).returns.toBeVoid()
    const likes: number = db.write((tx) => tx.insert(Ticket, { id: 1, status: Status.Open })).likes
    expect(likes).toBe(0)
  })

  test('are what rows get that were there before the column', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'snapheap-defaults-'))
    try {
      const path = join(folder, 'x.heap')
      {
        @Entity({ name: 'item' })
        class Item {
          @Id() id!: number
        }
        await using first = await open(path, { entities: [Item] })
        first.write((tx) => tx.insert(Item, { id: 1 }))
      }
      @Entity({ name: 'item' })
      class Item {
        @Id() id!: number
        @Column({ default: 3 }) stars!: number
        @Column({ type: 'string', codec: money, default: () => eur(1) }) price!: Money
      }
      await using second = await open(path, { entities: [Item] })
      expect([second.get(Item, 1)!.stars, second.get(Item, 1)!.price]).toEqual([3, eur(1)])
      expect(second.check().problems).toEqual([])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('an enum', () => {
  test('has the column type of its values, and refuses others wherever they are given', () => {
    expect(['status', 'level', 'sizes'].map((name) => db.table('ticket').column(name).type)).toEqual([
      'string',
      'integer',
      'string[]',
    ])
    const ticket = db.write((tx) =>
      tx.insert(Ticket, { id: 1, status: Status.Open, level: Level.High, sizes: ['S', 'L'] }),
    )
    expect([ticket.status, ticket.level, ticket.sizes]).toEqual(['open', 5, ['S', 'L']])
    const wrong = (status: string) => () => db.write((tx) => tx.insert(Ticket, { id: 2, status: status as Status }))
    expect(wrong('opne')).toThrow(/Ticket\.status is one of "open", "closed", not "opne"\. Did you mean "open"\?/)
    expect(wrong('Open')).toThrow(code('TYPE'))
    expect(() => db.write((tx) => tx.update(ticket, { level: 2 as Level }))).toThrow(/one of 1, 5, not 2/)
    expect(() => db.write(() => void (ticket.sizes = ['XL' as 'L']))).toThrow(/one of "S", "M", "L", not "XL"/)
    expect(() => db.find(Ticket, { status: 'shut' as Status })).toThrow(code('TYPE'))
    expect(() => db.query(Ticket).where({ status: { in: ['shut' as Status] } })).toThrow(code('TYPE'))
    expect([db.count(Ticket), ticket.status]).toEqual([1, 'open'])
  })

  test('is asked for by text operators as the text it is', () => {
    db.write((tx) => tx.insert(Ticket, { id: 1, status: Status.Open }))
    expect(ids(db.query(Ticket).where({ status: { startsWith: 'o', contains: 'pe' } }))).toEqual([1])
    expect(ids(db.query(Ticket).where({ level: { isNull: true } }))).toEqual([1])
  })
})

describe('a codec', () => {
  beforeEach(() => {
    db.write((tx) => {
      for (let id = 0; id < 6; id++) {
        tx.insert(Ticket, { id, status: Status.Open, price: eur(id * 100), refund: id === 0 ? null : eur(id) })
      }
    })
  })

  test('converts where values are read, written, assigned and looked up', () => {
    const ticket = db.get(Ticket, 2)!
    expect(ticket.price).toEqual(eur(200))
    expect(ticket.price).toBeInstanceOf(Money)
    expect(db.table('ticket').get(2)?.price).toBe('EUR 000000200')
    db.write(() => void (ticket.price = new Money('USD', 5)))
    expect([ticket.price, db.get(Ticket, 0)!.refund]).toEqual([new Money('USD', 5), null])
    expect(ids(db.find(Ticket, { price: eur(300) }))).toEqual([3])
    expect(ids(db.find(Ticket, { refund: null }))).toEqual([0])
    expect(() => db.write((tx) => tx.insert(Ticket, { id: 9, status: Status.Open, refund: eur(5) }))).toThrow(
      code('UNIQUE'),
    )
    expect(JSON.parse(JSON.stringify(ticket)).price).toEqual({ currency: 'USD', cents: 5 })
  })

  test('converts the values of conditions, parameters included, and results', () => {
    const query = db.query(Ticket)
    expect(ids(query.where({ price: { gt: eur(100), lte: eur(400) } as never }))).toEqual([2, 3, 4])
    expect(ids(query.where({ price: { in: [eur(100), eur(500)] } }))).toEqual([1, 5])
    expect(ids(query.where({ price: { eq: new Parameter('price') } }).with({ price: eur(400) }))).toEqual([4])
    expect(ids(query.where({ price: { in: new Parameter('all') } }).with({ all: [eur(0), eur(400)] }))).toEqual([0, 4])
    expect(query.where({ id: 1 }).values('price').collect()).toEqual([eur(100)])
    expect(query.where({ refund: null }).select('id', 'refund', 'price').collect()).toEqual([
      { id: 0, refund: null, price: eur(0) },
    ])
    expect(query.orderBy('price', 'desc').select({ cost: 'price' }).first()).toEqual({ cost: eur(500) })
  })

  test('is left out by JSON queries, which say values as they are stored', () => {
    const ask = (where: object) => db.queryJson({ from: 'Ticket', where, select: ['id', 'price'] }).collect()
    expect(ask({ price: 'EUR 000000300' })).toEqual([{ id: 3, price: 'EUR 000000300' }])
    expect(ask({ price: { $in: ['EUR 000000000', 'EUR 000000500'] } }).map((each) => each.id)).toEqual([0, 5])
  })

  test('converts the keys and extremes of groups, and what is asked of those', () => {
    const groups = db.query(Ticket).groupBy('price', (group) => ({ count: group.count(), top: group.max('price') }))
    expect(groups.having({ top: { gte: eur(500) } }).collect()).toEqual([{ price: eur(500), count: 1, top: eur(500) }])
    expect(groups.orderBy('price', 'desc').first()?.price).toEqual(eur(500))
    expect(() => db.query(Ticket).groupBy('id', (group) => ({ sum: group.sum('price') }))).toThrow(
      /stored otherwise than it reads/,
    )
  })

  test('that fails says whose it is, and leaves nothing behind', async () => {
    const broken = {
      encode: (value: unknown) => (value === 'bad' ? fail('unwritable') : 'x'),
      decode: () => fail('unreadable'),
    }
    function fail(message: string): never {
      throw new RangeError(message)
    }
    @Entity()
    class Broken {
      @Id() id!: number
      @Column({ type: 'string', codec: broken }) value!: unknown
    }
    await using other = await open(undefined, { entities: [Broken] })
    const object = other.write((tx) => tx.insert(Broken, { id: 1, value: 1 }))
    expect(() => object.value).toThrow(/The codec of Broken\.value cannot decode "x": unreadable\. Pass/)
    expect(() => other.write((tx) => tx.insert(Broken, { id: 2, value: 'bad' }))).toThrow(code('TYPE'))
    expect(() => other.find(Broken, { value: 'bad' })).toThrow(/cannot encode "bad": unwritable/)
    expect([other.count(Broken), other.check().problems]).toEqual([1, []])
  })
})

describe('embedded documents', () => {
  test('are asked for by typed paths, in conditions, order and results', () => {
    db.write((tx) => {
      tx.insert(Ticket, { id: 1, status: Status.Open, address: { city: 'Rome', street: { name: 'Corso', number: 7 } } })
      tx.insert(Ticket, { id: 2, status: Status.Open, address: { city: 'Oslo' } })
      tx.insert(Ticket, { id: 3, status: Status.Open, address: null })
    })
    const query = db.query(Ticket)
    expect(ids(query.where({ address: { city: 'Rome' } }))).toEqual([1])
    expect(ids(query.where({ address: { street: { number: { gt: 5 } } } }))).toEqual([1])
    expect(ids(query.where({ address: { city: { in: ['Oslo', 'Bern'] } } }))).toEqual([2])
    expect(query.orderBy('address.city').values('address.city').collect()).toEqual(['Oslo', 'Rome', null])
    // @ts-expect-error: no such member
    query.where({ address: { town: 'Rome' } })
    // @ts-expect-error: of another type
    query.where({ address: { city: 5 } })
  })
})

describe('computed properties', () => {
  test('getters and methods of the class work as anywhere, on top of columns', () => {
    const ticket = db.write((tx) => tx.insert(Ticket, { id: 1, status: Status.Open }))
    expect(ticket.isFree).toBe(true)
    db.write(() => {
      ticket.price = eur(1)
      ticket.shout('loud')
    })
    expect([ticket.isFree, ticket.title]).toEqual([false, 'LOUD'])
    expect('isFree' in JSON.parse(JSON.stringify(ticket))).toBe(false)
  })
})

describe('a property put together wrongly is refused', () => {
  const property = (decorate: (prototype: object) => void): EntityClass => {
    @Entity()
    class Thing {
      @Id() id!: number
    }
    decorate(Thing.prototype)
    return Thing
  }
  test.each<[string, EntityClass, RegExp]>([
    [
      'a codec without a type',
      property((it) => Column({ codec: money })(it, 'x')),
      /Thing\.x has a codec, but not the type/,
    ],
    [
      'an enum of mixed values',
      property((it) => Column({ enum: ['a', 1] })(it, 'x')),
      /Thing\.x has an enum that is neither/,
    ],
    [
      'both',
      property((it) => Column({ type: 'string', enum: ['a'], codec: money })(it, 'x')),
      /both an enum and a codec/,
    ],
    ['of a key', property((it) => Column({ enum: [1, 2] })(it, 'id')), /Thing\.id is part of the key/],
  ])('%s', async (_, type, message) => {
    await expect(open(undefined, { entities: [type] })).rejects.toThrow(message)
  })
})
