import { afterEach, describe, expect, test } from 'vitest'
import { Column, type Database, Entity, type EntityClass, Id, open, Ref, SnapheapError } from '../../src/index'

let db: Database | undefined

afterEach(async () => {
  if (db !== undefined) expect(db.check().problems).toEqual([])
  await db?.close()
  db = undefined
})

/** What opening a database with these classes is refused for. */
async function refusal(entities: EntityClass[]): Promise<SnapheapError> {
  const error = await open(undefined, { entities }).then(
    (opened) => opened.close(),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(SnapheapError)
  return error as SnapheapError
}

describe('what decorators and metadata say', () => {
  test('names are snake case unless given, and types come from the metadata', async () => {
    @Entity()
    class HTTPRequestLog {
      @Id() id!: number
      @Column() sentAt!: Date
      @Column() sizeKB!: number
      @Column() isCached!: boolean
      @Column() path!: string
      @Column() serial!: bigint
      @Column() body!: Uint8Array
      @Column({ name: 'tags', type: 'string[]', nullable: true }) labels!: string[] | null
    }
    db = await open(undefined, { entities: [HTTPRequestLog] })
    const table = db.table('http_request_log')
    expect(table.columns.map((each) => [each.name, each.type, each.isNullable])).toEqual([
      ['id', 'integer', false],
      ['sent_at', 'timestamp', false],
      ['size_kb', 'number', false],
      ['is_cached', 'boolean', false],
      ['path', 'string', false],
      ['serial', 'bigint', false],
      ['body', 'bytes', false],
      ['tags', 'string[]', true],
    ])
    expect(table.keyColumns.map((each) => each.name)).toEqual(['id'])
  })

  test('a table name can be given, and properties are inherited', async () => {
    abstract class Named {
      @Id() id!: number
      @Column() name!: string
    }
    @Entity({ name: 'people' })
    class Person extends Named {
      @Column({ unique: true }) email!: string
    }
    db = await open(undefined, { entities: [Person] })
    expect(db.table('people').columnNames).toEqual(['id', 'name', 'email'])
    const ann = db.write((tx) => tx.insert(Person, { id: 1, name: 'Ann', email: 'a@x' }))
    expect([ann.name, ann.email, ann instanceof Named]).toEqual(['Ann', 'a@x', true])
    expect(() => db!.write((tx) => tx.insert(Person, { id: 2, name: 'Bob', email: 'a@x' }))).toThrow(
      /already has a row/,
    )
  })

  test('a reference has the type of the key it refers to, also through a chain of references', async () => {
    @Entity()
    class Country {
      @Id() code!: string
    }
    @Entity()
    class Capital {
      @Id() @Ref(() => Country) country!: Country
    }
    @Entity()
    class Mayor {
      @Id() id!: bigint
      @Ref(() => Capital) city!: Capital
    }
    db = await open(undefined, { entities: [Mayor, Capital, Country] })
    expect(db.table('mayor').column('city').type).toBe('string')
    db.write((tx) => {
      const country = tx.insert(Country, { code: 'FR' })
      tx.insert(Mayor, { id: 1n, city: tx.insert(Capital, { country }) })
    })
    expect(db.get(Mayor, 1)?.city.country.code).toBe('FR')
  })
})

describe('a class put together wrongly is refused, naming class, property and remedy', () => {
  test.each<[string, () => EntityClass[], RegExp]>([
    [
      'a type that arrives as Object',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Column() status!: string | null
        }
        return [Quote]
      },
      /Quote\.status .*@Column\(\{ type: … \}\)/,
    ],
    [
      'no metadata',
      () => {
        class Quote {}
        Id()(Quote.prototype, 'id')
        Entity()(Quote)
        return [Quote]
      },
      /Quote\.id has no type metadata.* @Id\(\{ type: 'integer' \}\).*table\(\).*emitDecoratorMetadata/,
    ],
    [
      'an array',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Column() tags!: string[]
        }
        return [Quote]
      },
      /Quote\.tags is an array .*'string\[\]'/,
    ],
    [
      'another class',
      () => {
        class Money {}
        @Entity()
        class Quote {
          @Id() id!: number
          @Column() price!: Money
        }
        return [Quote]
      },
      /Quote\.price has the type Money.*@Ref\(\(\) => Money\)/,
    ],
    [
      'an unknown type',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Column({ type: 'text' as 'string' }) name!: string
        }
        return [Quote]
      },
      /Quote\.name has the unknown type "text"\. Use/,
    ],
    [
      'no key',
      () => {
        @Entity()
        class Quote {
          @Column() name!: string
        }
        return [Quote]
      },
      /Class Quote has no key\. Put @Id\(\)/,
    ],
    [
      'no @Entity',
      () => {
        class Quote {
          @Id() id!: number
        }
        return [Quote]
      },
      /Class Quote is no entity\. Put @Entity\(\)/,
    ],
    [
      'two properties of one column',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Column({ name: 'id' }) other!: number
        }
        return [Quote]
      },
      /Quote\.other uses column id, and so does id\. Give/,
    ],
    [
      'a decorated method',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Column({ type: 'string' }) get name(): string {
            return ''
          }
        }
        return [Quote]
      },
      /Quote\.name is a method or accessor .* Decorate a plain field/,
    ],
    [
      'a property with an initial value',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Column({ type: 'string' }) name = 'new'
        }
        return [Quote]
      },
      /Quote\.name has the initial value "new".*@Column\(\{ default: … \}\)/,
    ],
    [
      'a method of a subclass called like a column',
      () => {
        class Named {
          @Id() id!: number
          @Column() name!: string
        }
        @Entity()
        class Quote extends Named {}
        Object.defineProperty(Quote.prototype, 'name', { get: () => 'all the same' })
        return [Quote]
      },
      /Quote\.name is a method or accessor/,
    ],
    [
      'a property called like a method of every object',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Column({ type: 'string' }) valueOf!: () => string
        }
        return [Quote]
      },
      /Quote\.valueOf has a name that every object.*another name/,
    ],
    [
      'a name as short as builds give',
      () => {
        @Entity()
        class Qu {
          @Id() id!: number
        }
        return [Qu]
      },
      /Class Qu has a name of fewer than three letters.*@Entity\(\{ name: … \}\)/,
    ],
    [
      'a reference to an unregistered class',
      () => {
        @Entity()
        class Customer {
          @Id() id!: number
        }
        @Entity()
        class Quote {
          @Id() id!: number
          @Ref(() => Customer) customer!: Customer
        }
        return [Quote]
      },
      /Quote\.customer refers to Customer, which is not registered\. Add it/,
    ],
    [
      'a reference to a key of several columns',
      () => {
        @Entity()
        class Line {
          @Id() order!: number
          @Id() position!: number
        }
        @Entity()
        class Quote {
          @Id() id!: number
          @Ref(() => Line) line!: Line
        }
        return [Quote, Line]
      },
      /Quote\.line refers to Line, whose key has 2 columns\. Keep/,
    ],
    [
      'a reference to nothing',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Ref(() => undefined as unknown as EntityClass) customer!: object
        }
        return [Quote]
      },
      /Quote\.customer refers to no class\. Write/,
    ],
    [
      'a key of true and false',
      () => {
        @Entity()
        class Quote {
          @Id() id!: boolean
        }
        return [Quote]
      },
      /Quote\.id is a key of type boolean.*Give/,
    ],
    [
      'a key of anything',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
          @Id({ type: 'any' }) kind!: unknown
        }
        return [Quote]
      },
      /Quote\.kind is a key of type any.*Give/,
    ],
    [
      'a class without a name',
      () => {
        const types = [class {}]
        Id({ type: 'integer' })(types[0].prototype, 'id')
        Entity()(types[0])
        return types
      },
      /class without a name .*@Entity\(\{ name: … \}\)/,
    ],
    [
      'a class that is not there yet',
      () => [undefined as unknown as EntityClass],
      /not all classes.*import each other/,
    ],
    ['a class instead of a list', () => class {} as unknown as EntityClass[], /not all classes\. Pass an array/],
    [
      'a key made of itself',
      () => {
        @Entity()
        class Quote {
          @Id() @Ref(() => Quote) id!: object
        }
        return [Quote]
      },
      /Quote\.id is a key made of itself .* Give/,
    ],
    [
      'two classes of one table',
      () => {
        @Entity()
        class Quote {
          @Id() id!: number
        }
        @Entity({ name: 'quote' })
        class Offer {
          @Id() id!: number
        }
        return [Quote, Offer]
      },
      /Classes Quote and Offer both use table quote\. Give/,
    ],
  ])('%s', async (_, make, message) => {
    const error = await refusal(make())
    expect([error.code, error.message]).toEqual(['SCHEMA', expect.stringMatching(message)])
  })

  test.each<[string, unknown[], RegExp]>([
    ['before a method', [undefined, { kind: 'method', name: 'status', metadata: {} }], /status stands before .*fields/],
    ['before a static field', [class {}, 'status'], /status stands before .*fields/],
    [
      'before a private field',
      [undefined, { kind: 'field', name: '#status', private: true, metadata: {} }],
      /#status stands before .*fields/,
    ],
    [
      'by a compiler that does not tell the class',
      [undefined, { kind: 'field', name: 'status' }],
      /status .*context\.metadata.*TypeScript 5\.2.*experimentalDecorators.*table\(\)/,
    ],
  ])('a decorator %s', (_, given, message) => {
    const decorator = Column() as (...given: unknown[]) => void
    expect(() => decorator(...given)).toThrow(
      expect.objectContaining({ code: 'SCHEMA', message: expect.stringMatching(message) }),
    )
  })
})
