import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { mappingOf } from '../../src/entity/mapping'
import {
  any,
  bigint,
  boolean,
  bytes,
  Column,
  type ColumnOptions,
  type ColumnProperty,
  type Database,
  day,
  decimal,
  Entity,
  type EntityClass,
  Id,
  integer,
  json,
  many,
  number,
  open,
  Ref,
  ref,
  SnapheapError,
  table,
  text,
  time,
  timestamp,
  uuid,
} from '../../src/index'

let db: Database | undefined

afterEach(async () => {
  if (db !== undefined) expect(db.check().problems).toEqual([])
  await db?.close()
  db = undefined
})

const user = table('user', {
  id: integer().key(),
  name: text().unique(),
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
const post = table(
  'post',
  {
    id: integer().key(),
    title: text(),
    creationDate: timestamp().default(() => new Date(0)),
    status: text().enum(['draft', 'public']).default('draft'),
    words: integer().index('ordered').nullable(),
    get author() {
      return ref(() => user, { onDelete: 'cascade' })
    },
    get tags() {
      return many(() => tag, { through: () => postTag, from: (link) => link.post, to: (link) => link.tag })
    },
  },
  {
    indexes: [{ columns: ['author', 'creationDate'], kind: 'ordered' }],
    schema: z.object({ title: z.string().min(1) }),
  },
)
const tag = table('tag', { name: text().key() })
const postTag = table('post_tag', { post: ref(() => post).key(), tag: ref(() => tag).key() })
const ALL = [user, post, tag, postTag]

async function shop(): Promise<Database> {
  const opened = (db = await open(undefined, { entities: ALL }))
  opened.write((tx) => {
    const ada = tx.insert(user, { id: 1, name: 'Ada' })
    tx.insert(user, { id: 2, name: 'Bob', boss: ada })
    tx.insert(post, { id: 1, title: 'Notes', author: ada, words: 10 })
    tx.insert(post, { id: 2, title: 'Engines', author: 1, status: 'public' })
    tx.insert(tag, { name: 'maths' })
    tx.insert(postTag, { post: 1, tag: 'maths' })
  })
  return opened
}

describe('a table made by table()', () => {
  test('has columns in snake case, with the types and indexes that its properties say', async () => {
    const db = await shop()
    const { columns, keyColumns, indexes } = db.table('post')
    expect(columns.map((each) => [each.name, each.type, each.isNullable, each.isUnique])).toEqual([
      ['id', 'integer', false, false],
      ['title', 'string', false, false],
      ['creation_date', 'timestamp', false, false],
      ['status', 'string', false, false],
      ['words', 'integer', true, false],
      ['author', 'integer', false, false],
    ])
    expect(keyColumns.map((each) => each.name)).toEqual(['id'])
    expect(indexes.map((each) => [each.kind, each.columns.map(({ name }) => name)])).toEqual([
      ['ordered', ['words']],
      ['ordered', ['author', 'creation_date']],
    ])
  })

  test('makes, finds, queries, refers and collects as a class does', async () => {
    const db = await shop()
    const notes = db.get(post, 1)!
    expect(notes).toBeInstanceOf(post)
    expect([notes.author.name, notes.status, notes.creationDate, notes.words]).toEqual([
      'Ada',
      'draft',
      new Date(0),
      10,
    ])
    expect(db.find(post, { author: 1, status: 'public' }).map((each) => each.title)).toEqual(['Engines'])
    expect(
      db
        .query(post)
        .where({ author: { name: 'Ada' } })
        .orderBy('words')
        .values('title')
        .collect(),
    ).toEqual(['Notes', 'Engines'])
    expect(db.queryJson({ from: 'post', where: { words: { $gt: 3 } }, select: ['author.name'] }).collect()).toEqual([
      { 'author.name': 'Ada' },
    ])
    expect([...db.get(user, 1)!.posts].map((each) => each.title)).toEqual(['Notes', 'Engines'])
    expect([...notes.tags].map((each) => each.name)).toEqual(['maths'])
    expect(db.get(user, 2)?.boss?.name).toBe('Ada')
    expect(db.get(postTag, [1, 'maths'])?.post.title).toBe('Notes')
    expect(JSON.parse(JSON.stringify(notes))).toEqual({
      id: 1,
      title: 'Notes',
      creationDate: '1970-01-01T00:00:00.000Z',
      status: 'draft',
      words: 10,
      author: 1,
    })
    expect(() => db.write(() => void (notes.status = 'publik' as 'public'))).toThrow(
      'post.status is one of "draft", "public", not "publik". Did you mean "public"?',
    )
  })

  test('is watched, hooked, checked by its schema and kept to its rules as a class is', async () => {
    const db = await shop()
    const heard: unknown[] = []
    const stops = [
      db.watch(post, ({ updated }) => heard.push(updated[0].changed), { properties: ['title', 'author.name'] }),
      db.addHooks(post, { updated: (each, before) => void heard.push([before.title, each.title]) }),
    ]
    db.write((tx) => tx.update(tx.get(post, 1)!, { title: 'Marks' }))
    expect(heard).toEqual([['Notes', 'Marks'], ['title']])
    for (const stop of stops) stop()
    expect(() => db.write((tx) => tx.insert(post, { id: 3, title: '', author: 1 }))).toThrow(
      /^post 3 is refused by its schema: title/,
    )
    expect(() => db.write((tx) => tx.insert(post, { id: 3, title: 'x', author: 9 }))).toThrow(
      'post 3 refers by author to user 9, which does not exist',
    )
    using snapshot = db.snapshot()
    db.write((tx) => tx.delete(tx.get(user, 1)!))
    expect([db.count(post), snapshot.count(post), snapshot.get(post, 1)?.author.name]).toEqual([0, 2, 'Ada'])
  })

  test('is extended by a class, which stands for the same table', async () => {
    class Animal extends table('animal', {
      id: integer().key(),
      legs: integer().default(4),
      get mother() {
        return ref(() => Animal).nullable()
      },
    }) {
      get hasPair(): boolean {
        return this.legs === 2
      }
      describe(): string {
        return `${this.id} on ${this.legs}, of ${this.mother?.describe()}`
      }
    }
    db = await open(undefined, { entities: [Animal] })
    const hen = db.write((tx) => tx.insert(Animal, { id: 1, legs: 2 }))
    const cat = db.write((tx) => tx.insert(Animal, { id: 2, mother: hen }))
    expect([hen.hasPair, cat.hasPair, cat.describe()]).toEqual([true, false, '2 on 4, of 1 on 2, of undefined'])
    expect(db.get(Animal, 1)).toBeInstanceOf(Animal)
    expect(db.tableNames).toEqual(['animal'])
  })

  test('shares the key of the table that it extends', async () => {
    const animal = table('animal', { id: integer().key(), name: text() })
    const dog = table('dog', { breed: text().nullable() }, { extends: animal })
    db = await open(undefined, { entities: [animal, dog] })
    db.write((tx) => {
      tx.insert(animal, { id: 1, name: 'Kaa' })
      tx.insert(dog, { id: 2, name: 'Rex', breed: 'collie' })
    })
    expect(db.table('dog').columnNames).toEqual(['id', 'breed'])
    expect(db.find(dog, { name: 'Rex' }).map((each) => [each.name, each.breed])).toEqual([['Rex', 'collie']])
    expect([db.get(animal, 2) instanceof dog, db.get(animal, 1) instanceof dog]).toEqual([true, false])
  })

  test('stands in one database with classes that have decorators, in both directions', async () => {
    class Company extends table('company', { id: integer().key(), name: text() }) {}
    @Entity()
    class Employee {
      @Id() id!: number
      @Ref(() => Company) company!: Company
      @Column() name!: string
    }
    const badge = table('badge', { code: uuid().key(), owner: ref(() => Employee) })
    @Entity()
    class Guide extends Company {
      @Column() language!: string
    }
    db = await open(undefined, { entities: [Employee, badge, Company, Guide] })
    const code = '00000000-0000-4000-8000-000000000000'
    db.write((tx) => {
      const guide = tx.insert(Guide, { id: 1, name: 'Virgil', language: 'la' })
      tx.insert(badge, { code, owner: tx.insert(Employee, { id: 7, name: 'Dante', company: guide }) })
    })
    expect(db.get(badge, code)?.owner.company.name).toBe('Virgil')
    expect(
      db
        .query(badge)
        .where({ owner: { company: { name: 'Virgil' } } })
        .count(),
    ).toBe(1)
    expect(db.get(Company, 1)).toBeInstanceOf(Guide)
  })

  test('keeps properties that are shared between tables apart', async () => {
    const id = integer().key()
    const name = text()
    const one = table('one', { id, name: name.unique() })
    const two = table('two', { id, name: name.column('title').nullable() })
    db = await open(undefined, { entities: [one, two] })
    expect([db.table('one').column('name').isUnique, db.table('two').column('title').isUnique]).toEqual([true, false])
  })
})

describe('a table put together wrongly is refused, naming table, property and remedy', () => {
  const id = integer().key()
  const anything = (given: unknown): never => given as never
  test.each<[string, () => unknown, string, RegExp]>([
    ['no name', () => table(anything(5), { id }), 'INVALID_ARGUMENT', /^table\(\) expects .*, got 5\. Write table\(/],
    ['no properties', () => table('quote', anything('id')), 'INVALID_ARGUMENT', /^table\("quote"\) expects .*"id"\. W/],
    ['a property instead', () => table('quote', anything(id)), 'INVALID_ARGUMENT', /^table\("quote"\) expects an obj/],
    [
      'a type by its name',
      () => table('quote', { id, name: 'string' }),
      'SCHEMA',
      /^table\("quote"\) expects name to be made by text\(\).*"string"\. Call/,
    ],
    [
      'a function that was not called',
      () => table('quote', { id, name: ref }),
      'SCHEMA',
      /expects name to be made by .* the function ref\. Call/,
    ],
    [
      'a schema of another library',
      () => table('quote', { id, name: z.string() }),
      'SCHEMA',
      /expects name to be made/,
    ],
    ['a name with a dot', () => table('quote', { id, 'a.b': text() }), 'SCHEMA', /"a\.b".*another name/],
    ['a name that is a number', () => table('quote', { id, 7: text() }), 'SCHEMA', /"7".*another name/],
    ['a name that is a symbol', () => table('quote', { id, [Symbol('x')]: text() }), 'SCHEMA', /Symbol\(x\).*another/],
    [
      'an unknown option',
      () => table('quote', { id }, anything({ index: [] })),
      'INVALID_ARGUMENT',
      /no option "index"/,
    ],
    [
      'a parent without a table',
      () => table('quote', {}, { extends: class Plain {} }),
      'INVALID_ARGUMENT',
      /^table\("quote"\) extends Plain, which has no table\. Pass/,
    ],
    [
      'a table where a function belongs',
      () => ref(anything(table('quote', { id }))),
      'INVALID_ARGUMENT',
      /^ref\(\) expects .*\(\) => Customer/,
    ],
    [
      'an unknown rule',
      () => ref(() => user, anything({ onDelete: 'drop' })),
      'INVALID_ARGUMENT',
      /'cascade'.* as option "onDelete", got "drop"/,
    ],
    ['no codec', () => text().codec(anything({})), 'INVALID_ARGUMENT', /codec.*encode and decode/],
    ['an index of no kind', () => text().index(anything('hash')), 'INVALID_ARGUMENT', /index.*'ordered'/],
    [
      'an array of what may be null',
      () => text().nullable().array(),
      'INVALID_ARGUMENT',
      /text\(\)\.array\(\)\.nullable/,
    ],
  ])('%s', (_, make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
    expect(make).toThrow(SnapheapError)
  })

  test.each<[string, () => EntityClass[], RegExp]>([
    ['no key', () => [table('quote', { name: text() })], /^Table quote has no key\. Add \.key\(\)/],
    ['a method of Object', () => [table('quote', { id, toString: text() })], /^quote\.toString has a name .*another/],
    [
      'two properties of one column',
      () => [table('quote', { id, ID: text().column('id') })],
      /^quote\.ID uses column id/,
    ],
    ['a key with an enum', () => [table('quote', { id: text().enum(['a']).key() })], /^quote\.id is part of the key/],
    [
      'a reference to what is not registered',
      () => [table('quote', { id, customer: ref(() => user) })],
      /^quote\.customer refers to user, which is not registered/,
    ],
    [
      'a reference to nothing',
      () => [table('quote', { id, customer: ref(() => anything(undefined)) })],
      /^quote\.customer refers to no class\. Write ref\(\(\) => other\)/,
    ],
    [
      'a collection without a reference',
      () => [
        tag,
        table('quote', {
          id,
          tags: many(
            () => tag,
            (each) => each.name,
          ),
        }),
      ],
      /^quote\.tags is a collection by tag\.name.*ref\(\(\) => quote\)/,
    ],
    [
      'a rule that needs null',
      () => [tag, table('quote', { id, tag: ref(() => tag, { onDelete: 'setNull' }) })],
      /^quote\.tag is set to null .*Add \.nullable\(\)/,
    ],
    [
      'a table and a class that extends it',
      () => {
        const base = table('quote', { id })
        return [base, class Quote extends base {}]
      },
      /quote and Quote both use table quote.*register one of them only/,
    ],
    [
      'a getter of the class that extends it called like a column',
      () => {
        class Quote extends table('quote', { id, name: text() }) {
          override get name(): string {
            return 'always'
          }
        }
        return [Quote]
      },
      /^Quote\.name is a method or accessor/,
    ],
  ])('%s', async (_, make, message) => {
    const refused = open(undefined, { entities: make() })
    await expect(refused).rejects.toThrow(
      expect.objectContaining({ code: 'SCHEMA', message: expect.stringMatching(message) }),
    )
  })
})

const BUILDERS = {
  integer,
  number,
  string: text,
  boolean,
  bigint,
  decimal,
  timestamp,
  day,
  time,
  uuid,
  bytes,
  any,
  json,
} as const
type Scalar = keyof typeof BUILDERS

interface Given {
  type: Scalar
  isArray: boolean
  nullable: boolean
  unique: boolean
  index: boolean | 'ordered' | undefined
  name: string | undefined
  allowed: readonly string[] | undefined
  hasDefault: boolean
  hasCodec: boolean
}

const rarely = fc.nat(7).map((n) => n === 0)
const given: fc.Arbitrary<Given> = fc.record({
  type: fc.constantFrom(...(['string', 'string', 'any', ...Object.keys(BUILDERS)] as Scalar[])),
  isArray: rarely,
  nullable: fc.boolean(),
  unique: rarely,
  index: fc.constantFrom(undefined, undefined, undefined, true, false, 'ordered' as const),
  name: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, 'a', 'some_column'),
  allowed: fc.option(fc.constant(['x', 'y']), { nil: undefined, freq: 3 }),
  hasDefault: rarely,
  hasCodec: rarely,
})
const key = given.map((each): Given => ({ ...each, allowed: undefined, hasCodec: false, isArray: false }))
const CODEC = { encode: (value: string) => `<${value}>`, decode: (stored: string) => stored.slice(1, -1) }

function byDecorators(properties: Record<string, Given>, keys: readonly string[]): EntityClass {
  class Thing {}
  for (const [name, each] of Object.entries(properties)) {
    const options: Record<string, unknown> = { type: `${each.type}${each.isArray ? '[]' : ''}` }
    if (each.nullable) options.nullable = true
    if (each.unique) options.unique = true
    if (each.index !== undefined) options.index = each.index
    if (each.name !== undefined) options.name = each.name
    if (each.allowed !== undefined) options.enum = each.allowed
    if (each.hasDefault) options.default = 'x'
    if (each.hasCodec) options.codec = CODEC
    Column(options as ColumnOptions)(Thing.prototype, name)
    if (keys.includes(name)) Id()(Thing.prototype, name)
  }
  Entity({ name: 'thing' })(Thing)
  return Thing
}

function byTable(properties: Record<string, Given>, keys: readonly string[]): EntityClass {
  const shape = Object.entries(properties).map(([name, each]) => {
    let property = BUILDERS[each.type]() as ColumnProperty<unknown>
    if (each.isArray) property = property.array()
    if (each.nullable) property = property.nullable()
    if (each.unique) property = property.unique()
    if (each.index !== undefined) property = property.index(each.index)
    if (each.name !== undefined) property = property.column(each.name)
    if (each.allowed !== undefined) property = property.enum(each.allowed)
    if (each.hasDefault) property = property.default('x')
    if (each.hasCodec) property = property.codec(CODEC)
    return [name, keys.includes(name) ? property.key() : property]
  })
  return table('thing', Object.fromEntries(shape))
}

/** Everything that comes of a definition: its mapping, its table, and what happens to values; or the error. */
async function outcome(type: EntityClass): Promise<unknown> {
  const said = (error: unknown): string => {
    if (!(error instanceof SnapheapError)) throw error
    return `${error.code} ${error.message.replaceAll(/\b(Class|Table|Thing|thing)\b/g, '').split('. ')[0]}`
  }
  try {
    await using db = await open(undefined, { entities: [type] })
    const { properties, ids, indexes, all, className: _, ...rest } = mappingOf(type)
    const mapped = properties.map(({ values, ...each }) => [each, values?.isConverted])
    const { columns } = db.table('thing')
    const tried = ['x', 'z', 1, null, undefined].map((value) => {
      try {
        const values = Object.fromEntries(properties.map(({ name }) => [name, value]))
        return JSON.stringify(db.write((tx) => tx.insert(type, values as never)))
      } catch (error) {
        return said(error)
      }
    })
    const stored = db.query('thing').collect()
    expect(db.check().problems).toEqual([])
    return {
      mapped,
      ids: ids.map((each) => each.name),
      all: all.map((each) => each.name),
      indexes,
      names: [rest.tableName, rest.isNamed],
      columns: columns.map((each) => [each.name, each.type, each.isNullable, each.isUnique, each.isIndexed]),
      tried,
      stored,
    }
  } catch (error) {
    return said(error)
  }
}

test('a random definition comes to the same as table() and as a class with decorators', async () => {
  let opened = 0
  await fc.assert(
    fc.asyncProperty(
      fc.record({ id: key, fullName: given, HTTPStatus: given }, { requiredKeys: ['id'] }),
      fc.constantFrom(['id'], ['id'], ['id'], ['id', 'fullName'], ['fullName'], []),
      async (properties, keys) => {
        const [one, other] = await Promise.all([
          outcome(byDecorators(properties, keys)),
          outcome(byTable(properties, keys)),
        ])
        if (typeof one === 'object') opened++
        expect(other).toEqual(one)
      },
    ),
    { numRuns: 60 },
  )
  expect(opened).toBeGreaterThan(10)
})
