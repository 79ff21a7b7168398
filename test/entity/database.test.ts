import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BINDING, ROW } from '../../src/entity/binding'
import {
  Column,
  type Database,
  Decimal,
  Entity,
  Id,
  List,
  open,
  Rational,
  Ref,
  type Reference,
  Timestamp,
} from '../../src/index'

@Entity()
class Quote {
  @Id() id!: number
  @Column() creationDate!: Date
  @Column({ type: 'string', nullable: true }) status!: string | null
  @Column() price!: number
  @Ref(() => Customer) customer!: Reference<Customer>
}

@Entity()
class Customer {
  @Id() id!: number
  @Column() name!: string
  @Ref(() => Quote, { nullable: true }) firstQuote!: Quote | null

  get greeting(): string {
    return `Dear ${this.name}`
  }
}

/** Its rows are not numbered by its key, so that their numbers are used again. */
@Entity()
class Token {
  @Id() key!: string
  @Column() value!: number
}

@Entity()
class Line {
  @Id() @Ref(() => Quote) quote!: Quote
  @Id() position!: number
  @Column() text!: string
}

const entities = [Quote, Customer, Token, Line]
const day = new Date('2024-02-29')
let db: Database

beforeEach(async () => {
  db = await open(undefined, { entities })
  db.write((tx) => {
    const ann = tx.insert(Customer, { id: 7, name: 'Ann' })
    const first = tx.insert(Quote, { id: 1, creationDate: day, price: 0, customer: ann })
    tx.insert(Quote, { id: 2, creationDate: day, price: -1.5, status: 'open', customer: 7 })
    ann.firstQuote = first
    tx.insert(Token, { key: 'a long key', value: 1 })
  })
})

afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

const quote = (): Quote => db.get(Quote, 1)!
const code = (expected: string) => expect.objectContaining({ name: 'SnapheapError', code: expected })

describe('reading', () => {
  test('an object holds no values: its only own properties are the hidden ones', () => {
    const own = Reflect.ownKeys(quote())
    expect(own.map((each) => typeof each)).toEqual(['string', 'symbol'])
    expect(quote()).toBeInstanceOf(Quote)
    expect(quote().constructor).toBe(Quote)
  })

  test('properties, references in both directions and getters of the class', () => {
    expect([quote().id, quote().price, quote().status, quote().creationDate]).toEqual([1, 0, null, day])
    expect(quote().customer.firstQuote?.customer.greeting).toBe('Dear Ann')
    expect(db.get(Quote, 3)).toBeUndefined()
  })

  test('a live object follows commits', () => {
    const held = quote()
    db.write((tx) => tx.update(db.get(Quote, 1)!, { price: 99 }))
    expect(held.price).toBe(99)
    db.write((tx) => {
      for (let i = 10; i < 5000; i++) tx.insert(Quote, { id: i, creationDate: day, price: i, customer: 7 })
    })
    expect(held.price).toBe(99)
  })

  test('find by values, by null, by an object and by its key', () => {
    const ids = (found: Quote[]): number[] => found.map((each) => each.id)
    expect(ids(db.find(Quote, { status: 'open' }))).toEqual([2])
    expect(ids(db.find(Quote, { status: null }))).toEqual([1])
    expect(ids(db.find(Quote, { customer: db.get(Customer, 7)! }))).toEqual([1, 2])
    expect(ids(db.find(Quote, { customer: 7, price: -1.5 }))).toEqual([2])
    expect(db.findOne(Quote, { customer: 7 })?.id).toBe(1)
    expect(db.findOne(Quote, { customer: 8 })).toBeUndefined()
    expect([...db.all(Quote)].map((each) => each.id)).toEqual([1, 2])
    expect(db.count(Quote)).toBe(2)
  })

  test('a key of several columns, references among them', () => {
    db.write((tx) => {
      tx.insert(Line, { quote: quote(), position: 1, text: 'a' })
      tx.insert(Line, { quote: 2, position: 1, text: 'b' })
    })
    expect(db.get(Line, [2, 1])?.text).toBe('b')
    expect(db.get(Line, [quote(), 1])?.text).toBe('a')
    expect(() => db.get(Line, 2)).toThrow(code('TYPE'))
  })

  test('JSON and the console show columns, references as keys', () => {
    expect(JSON.parse(JSON.stringify(quote()))).toEqual({
      id: 1,
      creationDate: day.toJSON(),
      status: null,
      price: 0,
      customer: 7,
    })
    expect(inspect(quote())).toMatch(/^Quote \{[\s\S]*customer: 7/)
  })

  test('JSON and the console show every kind of value, also deep inside', async () => {
    @Entity()
    class Sample {
      @Id() id!: bigint
      @Column() exact!: Decimal
      @Column() at!: Date
      @Column() ratio!: number
      @Column() bytes!: Uint8Array
      @Column({ type: 'bigint[]' }) many!: (bigint | null)[]
      @Column({ type: 'any', nullable: true }) anything!: unknown
      @Ref(() => Sample, { nullable: true }) next!: Reference<Sample> | null
    }
    const other = await open(undefined, { entities: [Sample] })
    const id = 2n ** 60n
    other.write((tx) =>
      tx.insert(Sample, {
        id,
        exact: Decimal.parse('1.50'),
        at: new Timestamp(day.getTime(), 7),
        ratio: Number.NaN,
        bytes: new Uint8Array([1, 2, 255]),
        many: [1n, null, id],
        anything: { deep: [{ big: 3n, below: new Rational(1n, 3n), list: new List([4n]) }] },
        next: id,
      }),
    )
    const sample = other.get(Sample, id)!
    const plain = {
      id: String(id),
      exact: '1.50',
      at: '2024-02-29T00:00:00.000007Z',
      ratio: 'NaN',
      bytes: 'AQL/',
      many: ['1', null, String(id)],
      anything: { deep: [{ big: '3', below: '1/3', list: ['4'] }] },
      next: String(id),
    }
    expect(JSON.parse(JSON.stringify(sample))).toEqual(plain)
    expect((sample as unknown as { toJSON(): unknown }).toJSON()).toEqual(plain)
    const shown = inspect(sample, { depth: 4, breakLength: 1000 })
    for (const part of ['exact: Decimal 1.50', `at: Timestamp ${plain.at}`, 'below: Rational 1/3', `next: ${id}n`])
      expect(shown).toContain(part)
    expect(inspect({ a: { b: sample } }, { depth: 1 })).toBe('{ a: { b: [Sample] } }')
    await other.close()
  })

  test('a reference to what does not exist says so', () => {
    db.write((tx) => tx.insert(Quote, { id: 3, creationDate: day, price: 1, customer: 555 }))
    expect(() => db.get(Quote, 3)!.customer).toThrow(
      /Quote\.customer refers to Customer 555, which does not exist\. Create/,
    )
  })
})

describe('deleted objects', () => {
  test('reading one throws, also after its row number went to another object', () => {
    const held = db.get(Token, 'a long key')!
    db.write((tx) => tx.delete(held))
    expect(() => held.value).toThrow(code('NOT_FOUND'))
    db.write((tx) => tx.insert(Token, { key: 'another key', value: 2 }))
    expect(() => held.value).toThrow(/This Token has been deleted.* Look it up again/)
    expect(() => held.key).toThrow(code('NOT_FOUND'))
    expect(inspect(held)).toBe('Token <NOT_FOUND>')
  })

  test('others in the table stay what they were', () => {
    const others = db.write((tx) => [1, 2, 3].map((value) => tx.insert(Token, { key: `key ${value}`, value })))
    db.write((tx) => tx.delete(others[1]))
    expect([others[0].value, others[2].value]).toEqual([1, 3])
    expect(() => others[1].value).toThrow(code('NOT_FOUND'))
  })

  test('within one transaction, and several at once', () => {
    const outer = db.get(Token, 'a long key')!
    db.write((tx) => {
      const a = tx.insert(Token, { key: 'a', value: 1 })
      tx.delete(a)
      const b = tx.insert(Token, { key: 'b', value: 2 })
      expect(() => a.value).toThrow(code('NOT_FOUND'))
      expect([b.value, outer.value]).toEqual([2, 1])
      tx.delete(outer)
      const c = tx.insert(Token, { key: 'c', value: 3 })
      expect(() => outer.value).toThrow(code('NOT_FOUND'))
      expect([b.value, c.value]).toEqual([2, 3])
    })
    expect(() => outer.value).toThrow(code('NOT_FOUND'))
  })

  test('a deletion that is rolled back has not happened', () => {
    const held = db.get(Token, 'a long key')!
    const fail = (): void =>
      db.write((tx) => {
        tx.delete(held)
        tx.insert(Token, { key: 'x', value: 2 })
        expect(() => held.value).toThrow(code('NOT_FOUND'))
        throw new Error('no')
      })
    expect(fail).toThrow('no')
    expect(held.value).toBe(1)
    db.write((tx) => tx.delete(held))
    db.write((tx) => tx.insert(Token, { key: 'y', value: 2 }))
    expect(() => held.value).toThrow(code('NOT_FOUND'))
  })

  test('truncated and replaced tables leave no object behind', () => {
    const token = db.get(Token, 'a long key')!
    db.write((tx) => {
      tx.truncate('token')
      tx.insert(Token, { key: 'z', value: 5 })
    })
    expect(() => token.value).toThrow(code('NOT_FOUND'))
    const z = db.get(Token, 'z')!
    db.write((tx) => {
      tx.dropTable('token')
      tx.createTable('token', { key: 'key', columns: { key: 'string', value: 'number' } })
      tx.insert('token', { key: 'w', value: 6 })
    })
    expect(() => z.value).toThrow(code('NOT_FOUND'))
    expect(db.get(Token, 'w')?.value).toBe(6)
  })

  test('deleting all while iterating over them', () => {
    db.write((tx) => {
      for (const each of tx.all(Quote)) tx.delete(each)
    })
    expect(db.count(Quote)).toBe(0)
  })
})

describe('changing', () => {
  test('objects made in a transaction live on when it is committed, and are void when it is not', () => {
    const made = db.write((tx) => tx.insert(Token, { key: 'kept', value: 4 }))
    expect(made.value).toBe(4)
    let lost: Token | undefined
    let found: Token | undefined
    expect(() =>
      db.write((tx) => {
        lost = tx.insert(Token, { key: 'lost', value: 5 })
        found = db.get(Token, 'lost')
        expect(found?.value).toBe(5)
        throw new Error('no')
      }),
    ).toThrow('no')
    db.write((tx) => tx.insert(Token, { key: 'in its place', value: 6 }))
    expect(() => lost!.value).toThrow(/transaction that was rolled back/)
    expect(() => found!.value).toThrow(code('NOT_FOUND'))
  })

  test('assignment does what set does, of live objects and of those of the transaction', () => {
    const held = quote()
    db.write((tx) => {
      held.price = 3
      tx.get(Quote, 2)!.status = null
      held.customer = tx.insert(Customer, { id: 8, name: 'Bob' })
    })
    expect([held.price, held.customer.name, db.get(Quote, 2)?.status]).toEqual([3, 'Bob', null])
  })

  test('a changed key moves the object along, unless it is taken back', () => {
    const held = quote()
    db.write((tx) => tx.update(held, { id: 100 }))
    expect([held.id, held.price, db.get(Quote, 1)]).toEqual([100, 0, undefined])
    const other = db.get(Quote, 2)!
    expect(() =>
      db.write((tx) => {
        tx.update(other, { id: 101 })
        throw new Error('no')
      }),
    ).toThrow('no')
    expect(() => other.id).toThrow(code('NOT_FOUND'))
    expect(db.get(Quote, 2)?.price).toBe(-1.5)
  })

  test('beside readers: the live objects change when it is whole', async () => {
    const held = quote()
    const made = await db.bulkWrite(async (tx) => {
      tx.update(held, { price: 50 })
      const inside = tx.get(Quote, 1)!
      inside.status = 'inside'
      await null
      expect([held.price, inside.price, inside.status]).toEqual([0, 50, 'inside'])
      expect(() => {
        held.price = 1
      }).toThrow(code('NO_TRANSACTION'))
      tx.delete(tx.get(Token, 'a long key')!)
      return tx.insert(Token, { key: 'made beside', value: 9 })
    })
    expect([held.price, held.status, made.value]).toEqual([50, 'inside', 9])
    expect(db.get(Token, 'a long key')).toBeUndefined()
  })

  test('is refused outside a transaction, and on what has ended', () => {
    const held = quote()
    expect(() => {
      held.price = 1
    }).toThrow(/Quote\.price can only be set inside a transaction\. .*db\.write/)
    const ended = db.write((tx) => tx)
    expect(() => ended.insert(Token, { key: 'k', value: 1 })).toThrow(code('NO_TRANSACTION'))
    expect(() => ended.get(Token, 'k')).toThrow(code('NO_TRANSACTION'))
  })

  test('names class, property and remedy of what is wrong', () => {
    const wrong = { id: 9, nam: 'x' } as unknown as { id: number; name: string }
    expect(() => db.write((tx) => tx.insert(Customer, wrong))).toThrow(
      /Class Customer has no column property "nam"\. It has id, name/,
    )
    expect(() => db.find(Customer, wrong)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => db.find(Customer, { name: undefined as unknown as string })).toThrow(
      /Customer\.name is undefined\. Pass null/,
    )
    for (const none of [undefined, null, 7] as unknown as { name: string }[]) {
      expect(() => db.find(Customer, none)).toThrow(/Properties of Customer are expected, not .*Pass an object/)
      expect(() => db.write((tx) => tx.update(db.get(Customer, 7)!, none))).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() =>
      db.write((tx) => {
        tx.get(Quote, 1)!.status = undefined as unknown as null
      }),
    ).toThrow(/Quote\.status cannot be set to undefined\. Set it to null/)
    const customer = db.get(Customer, 7)!
    expect(() => db.write((tx) => tx.update(quote(), { customer: quote() as unknown as Customer }))).toThrow(
      /Quote\.customer takes an object of class Customer/,
    )
    expect(() => db.write((tx) => tx.update({} as Customer, { name: 'x' }))).toThrow(
      /^Expected an object that was read from this database/,
    )
    const made = new Quote()
    expect(() => made.price).toThrow(/made with new\. Make it with tx\.insert\(Quote/)
    expect(() => {
      made.price = 1
    }).toThrow(/Quote\.price belongs to no row/)
    expect(() => db.write((tx) => tx.delete(made))).toThrow(code('INVALID_ARGUMENT'))
    expect(() => db.find(Quote, { customer: new Customer() })).toThrow(/made with new/)
    class Stranger {}
    expect(() => db.get(Stranger, 1)).toThrow(/Class Stranger is not registered .* Add it to entities/)
    expect(customer.name).toBe('Ann')
  })

  test('objects of another database are refused', async () => {
    const other = await open(undefined, { entities })
    expect(() => other.write((tx) => tx.update(quote(), { price: 1 }))).toThrow(/from another database/)
    await other.close()
  })
})

describe('a property that the class does not have', () => {
  const misspelt = (object: object): { nmae: string } => object as { nmae: string }
  const refusal = /^Class Customer has no column property "nmae"\. It has id, name, firstQuote; decorate others/

  test('is not taken by an assignment, wherever the object is from', () => {
    using snapshot = db.snapshot()
    const held = db.get(Customer, 7)!
    const assign = (object: object) => () => {
      misspelt(object).nmae = 'x'
    }
    expect(assign(held)).toThrow(refusal)
    expect(assign(snapshot.get(Customer, 7)!)).toThrow(refusal)
    db.write((tx) => {
      expect(assign(held)).toThrow(refusal)
      expect(assign(tx.insert(Customer, { id: 9, name: 'Cid' }))).toThrow(code('INVALID_ARGUMENT'))
      expect(() => Object.assign(held, { name: 'Eve', nmae: 'x' })).toThrow(refusal)
    })
    expect(Reflect.ownKeys(held)).toEqual([BINDING, ROW])
    expect([held.name, misspelt(held).nmae, 'nmae' in held]).toEqual(['Eve', undefined, false])
  })

  test('may be a setter of a base class, and any of an object made with new', async () => {
    class Plain {
      set shout(_value: string) {
        heard.push(this)
      }
    }
    class Named extends Plain {
      @Id() id!: number
    }
    @Entity()
    class Person extends Named {
      @Column() name!: string
    }
    @Entity()
    class Place extends Named {
      constructor(readonly memo = 'made') {
        super()
      }
    }
    const heard: unknown[] = []
    const other = await open(undefined, { entities: [Person, Place] })
    const person = other.write((tx) => tx.insert(Person, { id: 1, name: 'Ann' } as never))
    person.shout = 'hey'
    expect(heard).toEqual([person])
    expect([person instanceof Person, person instanceof Named, person instanceof Plain]).toEqual([true, true, true])
    expect(() => Object.assign(person, { memo: 1 })).toThrow(/^Class Person has no column property "memo"/)
    expect(() => Object.assign(person, { toString: 1 })).toThrow(/^Class Person has no column property "toString"/)
    expect(new Place().memo).toBe('made')
    expect(Object.assign(new Plain(), { memo: 1 })).toEqual({ memo: 1 })
    await other.close()
  })
})

describe('snapshots', () => {
  test('objects keep the values of their version, their references too', () => {
    using snapshot = db.snapshot()
    const held = snapshot.get(Quote, 1)!
    const token = snapshot.get(Token, 'a long key')!
    db.write((tx) => {
      tx.update(quote(), { price: 77 })
      tx.update(tx.get(Customer, 7)!, { name: 'Eve' })
      tx.truncate('token')
    })
    expect([held.price, held.customer.name, token.value, quote().price]).toEqual([0, 'Ann', 1, 77])
    expect([
      snapshot.count(Token),
      snapshot.find(Quote, { price: 77 }).length,
      [...snapshot.all(Token)].length,
    ]).toEqual([1, 0, 1])
    expect(() => {
      held.price = 1
    }).toThrow(/from a snapshot/)
    expect(() => db.write((tx) => tx.update(held, { price: 1 }))).toThrow(code('READ_ONLY'))
    expect(() => db.write((tx) => tx.delete(held))).toThrow(code('READ_ONLY'))
  })

  test('and throw once it is closed', () => {
    const snapshot = db.snapshot()
    const held = snapshot.get(Quote, 1)!
    snapshot.close()
    expect(() => held.price).toThrow(code('CLOSED'))
    expect(() => snapshot.get(Quote, 1)).toThrow(code('CLOSED'))
  })
})

test('after close every read throws', async () => {
  const other = await open(undefined, { entities: [Token] })
  const made = other.write((tx) => tx.insert(Token, { key: 'k', value: 1 }))
  await other.close()
  expect(() => made.value).toThrow(code('CLOSED'))
  expect(() => other.get(Token, 'k')).toThrow(code('CLOSED'))
})

describe('classes and stored tables', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'snapheap-entity-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('what is stored is read by another process run, and a new nullable column is added', async () => {
    const path = join(folder, 'a.heap')
    const first = await open(path, { entities: [Token] })
    first.write((tx) => tx.insert(Token, { key: 'k', value: 1 }))
    await first.checkpoint()
    await first.close()
    @Entity({ name: 'token' })
    class Grown {
      @Id() key!: string
      @Column() value!: number
      @Column({ type: 'string', nullable: true, index: true }) note!: string | null
    }
    await expect(open(path, { entities: [Grown], readOnly: true })).rejects.toThrow(
      /Grown\.note needs column token\.note/,
    )
    const second = await open(path, { entities: [Grown] })
    const { version } = second
    expect([second.get(Grown, 'k')?.value, second.get(Grown, 'k')?.note]).toEqual([1, null])
    await second.checkpoint()
    await second.close()
    const third = await open(path, { entities: [Grown] })
    expect(third.version).toBe(version)
    await third.close()
  })

  test('indexes over properties are made, those that are missing added, and another one of the same name is a difference', async () => {
    const path = join(folder, 'i.heap')
    @Entity({ name: 'post' })
    class Bare {
      @Id() id!: number
      @Column() authorName!: string
      @Column() day!: number
    }
    const first = await open(path, { entities: [Bare] })
    first.write((tx) => tx.insert(Bare, { id: 1, authorName: 'ada', day: 5 }))
    await first.checkpoint()
    await first.close()
    @Entity({
      name: 'post',
      indexes: [
        {
          name: 'once',
          columns: ['authorName', 'day'],
          kind: 'ordered',
          unique: true,
          where: { day: { isNull: false } },
        },
      ],
    })
    class Post {
      @Id() id!: number
      @Column() authorName!: string
      @Column({ index: 'ordered' }) day!: number
    }
    const reader = await open(path, { entities: [Post], readOnly: true })
    expect(reader.get(Post, 1)?.authorName).toBe('ada')
    await reader.close()
    const second = await open(path, { entities: [Post] })
    const { indexes } = second.table('post')
    expect(indexes.map((each) => [each.name, each.isUnique, each.columns.map((column) => column.name)])).toEqual([
      ['day_ordered', false, ['day']],
      ['once', true, ['author_name', 'day']],
    ])
    expect(() => second.write((tx) => tx.insert(Post, { id: 2, authorName: 'ada', day: 5 }))).toThrow(/index once/)
    expect(second.check().problems).toEqual([])
    const { version } = second
    await second.checkpoint()
    await second.close()
    const third = await open(path, { entities: [Post] })
    expect(third.version).toBe(version)
    await third.close()
    @Entity({
      name: 'post',
      indexes: [{ name: 'once', columns: ['day', 'authorName'], kind: 'ordered', unique: true }],
    })
    class Other {
      @Id() id!: number
      @Column() authorName!: string
      @Column() day!: number
    }
    await expect(open(path, { entities: [Other] })).rejects.toThrow(
      /Index once of table post is another than that of Other/,
    )
    @Entity({ name: 'post', indexes: [{ columns: ['nope'] }] })
    class Wrong {
      @Id() id!: number
    }
    await expect(open(path, { entities: [Wrong] })).rejects.toThrow(/Wrong\.nope is named by an index/)
  })

  test('every difference is listed, nothing is changed, and the file is free again', async () => {
    const path = join(folder, 'b.heap')
    const first = await open(path)
    first.write((tx) => {
      tx.createTable('token', { key: ['key', 'part'], columns: { key: 'string', part: 'integer', value: 'string' } })
      tx.createTable('customer', { key: 'id', columns: { id: 'uuid', name: { type: 'string', nullable: true } } })
      tx.insert('customer', { id: 'c0ffee00-0000-4000-8000-000000000000', name: 'x' })
    })
    await first.checkpoint()
    await first.close()
    @Entity({ name: 'customer' })
    class Client {
      @Id() id!: number
      @Column() name!: string
      @Column() city!: string
    }
    const error = await open(path, { entities: [Token, Client] }).catch((thrown: unknown) => thrown)
    expect(error).toEqual(code('SCHEMA'))
    expect((error as Error).message.split('\n')).toEqual([
      expect.stringMatching(/key of table token is \(key, part\), that of Token is \(key\)\. Put @Id/),
      expect.stringMatching(/^Token\.value is of type number, but column token\.value is of type string\. Say/),
      expect.stringMatching(/^Client\.id is of type integer, but column customer\.id is of type uuid\. Say/),
      expect.stringMatching(/^Client\.name cannot be null, but column customer\.name can\. Say nullable: true/),
      expect.stringMatching(/^Client\.city needs column customer\.city, which is missing\. Declare it nullable/),
    ])
    const again = await open(path)
    expect(again.tableNames).toEqual(['token', 'customer'])
    await again.close()
  })
})

describe('tables that somebody else manages', () => {
  @Entity()
  class City {
    @Id() id!: number
    @Column() population!: number
    @Column() big!: bigint
    @Column({ type: 'number' }) area!: number
    @Column() code!: string
  }

  async function managed(): Promise<Database> {
    const made = await open()
    made.write((tx) => {
      const columns = {
        id: 'bigint',
        population: 'bigint',
        big: 'integer',
        area: 'decimal',
        code: 'uuid',
        more: 'json',
      } as const
      tx.createTable('city', { key: 'id', columns: { ...columns, more: { type: 'json', nullable: true } } })
      const code = 'c0ffee00-0000-4000-8000-000000000000'
      tx.insert('city', { id: 5, population: 7, big: 3, area: Decimal.parse('12.50'), code })
      tx.insert('city', { id: 6n, population: 2n ** 60n, big: 0, area: 1, code })
      tx.setProperties('city', { readOnly: 'It follows a server. Change it there.' })
    })
    await made.saveAs(path)
    await made.close()
    return open(path, { entities: [City] })
  }

  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'snapheap-entity-'))
    path = join(folder, 'c.heap')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('are read exactly or not at all, where their types are near those of the class', async () => {
    const other = await managed()
    const city = other.get(City, 5)!
    expect([city.id, city.population, city.big, city.area, city.code.length]).toEqual([5, 7, 3n, 12.5, 36])
    expect(other.get(City, 6)!.big).toBe(0n)
    expect(() => other.get(City, 6)!.population).toThrow(
      /City\.population is 1152921504606846976, .* Declare it as bigint/,
    )
    expect(other.find(City, { big: 3n }).map((each) => each.id)).toEqual([5])
    expect(() => other.find(City, { area: 12.5 })).toThrow(/City\.area reads a column of exact decimals/)
    await other.close()
  })

  test('take no changes but from their manager', async () => {
    const other = await managed()
    const refused = /Table city cannot be changed here\. It follows a server\. Change it there\./
    const city = other.get(City, 5)!
    const refuse = (change: Parameters<typeof other.write>[0]): void =>
      expect(() => other.write(change)).toThrow(refused)
    refuse((tx) => tx.update(city, { population: 1 }))
    refuse(() => {
      city.population = 1
    })
    refuse((tx) => tx.delete(city))
    refuse((tx) => tx.insert('city', { id: 9 }))
    refuse((tx) => tx.truncate('city'))
    refuse((tx) => tx.dropTable('city'))
    refuse((tx) => tx.renameTable('city', 'town'))
    refuse((tx) => tx.addColumn('city', 'x', 'any'))
    refuse((tx) => tx.dropColumn('city', 'more'))
    refuse((tx) => tx.renameColumn('city', 'more', 'less'))
    refuse((tx) => tx.addIndex('city', 'more'))
    refuse((tx) => tx.dropIndex('city', 'more'))
    refuse((tx) => tx.setProperties('city', undefined))
    other.write((tx) => {
      tx.manage()
      tx.update(city, { population: 8 })
      tx.setProperties('city', undefined)
    })
    other.write((tx) => tx.update(city, { population: 9 }))
    expect(city.population).toBe(9)
    await other.close()
  })

  test('are checked again when they change their shape', async () => {
    const other = await managed()
    const city = other.get(City, 5)!
    other.write((tx) => {
      tx.manage()
      tx.addColumn('city', 'extra', { type: 'string', nullable: true })
    })
    expect(city.population).toBe(7)
    other.write((tx) => {
      tx.manage()
      tx.renameColumn('city', 'population', 'people')
    })
    expect(() => city.population).toThrow(/City\.population needs column city\.population, which is missing/)
    await other.close()
  })
})
