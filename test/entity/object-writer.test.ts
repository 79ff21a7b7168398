import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { Column, type Database, type Default, Entity, Id, open, Ref } from '../../src/index'

@Entity()
class User {
  @Id() id!: number
  @Column() name!: string
  @Column({ type: 'integer', default: 0 }) posts!: Default<number>
}

@Entity({
  schema: z.object({
    title: z.string().trim().min(2),
    likes: z.number().max(100),
    author: z.number(),
    note: z.string().nullable(),
  }),
})
class Post {
  @Id() id!: number
  @Column() title!: string
  @Column({ type: 'integer', default: 0 }) likes!: Default<number>
  @Column({ type: 'string', nullable: true }) note!: string | null
  @Ref(() => User, { onDelete: 'cascade' }) author!: User
}

@Entity()
class Rating {
  @Id() @Ref(() => User) user!: User
  @Id() @Ref(() => Post) post!: Post
  @Column() stars!: number
}

let db: Database
beforeEach(async () => {
  db = await open(undefined, { entities: [User, Post, Rating] })
  db.write((tx) => {
    const author = tx.insert(User, { id: 1, name: 'Ann' })
    tx.insert(Post, { id: 1, title: 'One', author })
  })
})
afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

const code = (expected: string) => expect.objectContaining({ name: 'SnapheapError', code: expected })
const post = (id: number): Post => db.get(Post, id)!

describe('upsert', () => {
  test('makes an object, with defaults, or changes the one with its key, without them', () => {
    const made = db.write((tx) => tx.upsert(User, { id: 2, name: 'Bob' }))
    expectTypeOf(made).toEqualTypeOf<User>()
    db.write((tx) => tx.update(made, { posts: 5 }))
    const changed = db.write((tx) => tx.upsert(User, { id: 2, name: 'Bill' }))
    expect([made.name, changed.posts, changed.id, db.count(User)]).toEqual(['Bill', 5, 2, 2])
  })

  test('by a key of several columns, references among them as objects or keys', () => {
    db.write((tx) => {
      tx.upsert(Rating, { user: 1, post: post(1), stars: 1 })
      tx.upsert(Rating, { user: tx.get(User, 1)!, post: 1, stars: 4 })
    })
    expect([...db.all(Rating)].map((each) => each.stars)).toEqual([4])
  })

  test('without a key is refused, as is what is no object; rows of tables as before', () => {
    expect(() => db.write((tx) => tx.upsert(User, { name: 'x' } as never))).toThrow(code('NOT_NULL'))
    expect(() => db.write((tx) => tx.upsert(User, null as never))).toThrow(code('INVALID_ARGUMENT'))
    expect(() => db.write((tx) => tx.upsert(User, { id: 1, nam: 'x' } as never))).toThrow(/no column property "nam"/)
    db.write((tx) => tx.upsert('user', { id: 3, name: 'row', posts: 1 }))
    expect(db.get(User, 3)?.name).toBe('row')
  })
})

describe('a schema', () => {
  test('refuses objects that are made or changed, naming the properties, and leaves nothing behind', () => {
    expect(() => db.write((tx) => tx.insert(Post, { id: 2, title: 'x', likes: 200, author: 1 }))).toThrow(
      /^Post 2 is refused by its schema: title: .*; likes: .*\. Pass values that it accepts\.$/,
    )
    expect(() => db.write(() => void (post(1).likes = 101))).toThrow(code('VALIDATION'))
    expect(() => db.write((tx) => tx.upsert(Post, { id: 1, title: '', author: 1 }))).toThrow(code('VALIDATION'))
    expect([db.count(Post), post(1).likes, post(1).title]).toEqual([1, 0, 'One'])
  })

  test('sees references as keys, what has no value as null, and the values it makes are kept', () => {
    const made = db.write((tx) => tx.insert(Post, { id: 2, title: '  Two ', author: tx.get(User, 1)! }))
    expect([made.title, made.author.id, made.note]).toEqual(['Two', 1, null])
    db.write((tx) => tx.update(made, { title: ' Too ', note: 'n' }))
    expect([made.title, made.note, made.likes]).toEqual(['Too', 'n', 0])
  })

  test('that is async, or none, is refused', async () => {
    @Entity({ schema: z.object({ id: z.number().refine(async () => true) }) })
    class Slow {
      @Id() id!: number
    }
    await using other = await open(undefined, { entities: [Slow] })
    expect(() => other.write((tx) => tx.insert(Slow, { id: 1 }))).toThrow(/schema of Slow is async/)
    @Entity({ schema: {} as never })
    class None {
      @Id() id!: number
    }
    await expect(open(undefined, { entities: [None] })).rejects.toThrow(/schema of None does not follow/)
  })
})

describe('hooks', () => {
  test('are called within the transaction, after the change, with what was before', () => {
    const seen: unknown[] = []
    db.addHooks(Post, {
      created: (object, tx) => void seen.push('created', object.title, tx.count(Post)),
      updated: (object, before) => void seen.push('updated', before.title, object.title, before.author),
      deleted: (before, tx) => void seen.push('deleted', before.id, tx.count(Post)),
    })
    db.write((tx) => {
      const made = tx.insert(Post, { id: 2, title: 'Two', author: 1 })
      made.title = 'Three'
      tx.upsert(Post, { id: 2, title: 'Four', author: 1 })
      tx.delete(made)
    })
    expect(seen).toEqual([
      ...['created', 'Two', 2],
      ...['updated', 'Two', 'Three', 1],
      ...['updated', 'Three', 'Four', 1],
      ...['deleted', 2, 1],
    ])
  })

  test('may change other objects, and hear of what rules delete', () => {
    db.addHooks(Post, {
      created: ({ author }) => void author.posts++,
      deleted: (before, tx) => {
        const author = tx.get(User, before.author as number)
        if (author !== undefined) author.posts--
        else tx.insert(User, { id: 99, name: `was the author of ${before.title}` })
      },
    })
    db.write((tx) => tx.insert(Post, { id: 2, title: 'Two', author: 1 }))
    expect(db.get(User, 1)!.posts).toBe(1)
    db.write((tx) => tx.delete(post(2)))
    expect(db.get(User, 1)!.posts).toBe(0)
    db.write((tx) => tx.delete(db.get(User, 1)!))
    expect([db.count(Post), db.get(User, 99)?.name]).toEqual([0, 'was the author of One'])
  })

  test('abort by throwing, also when the code that made the change catches it', () => {
    const off = db.addHooks(User, {
      updated: () => {
        throw new Error('not that')
      },
    })
    expect(() => db.write((tx) => tx.update(tx.get(User, 1)!, { name: 'x' }))).toThrow('not that')
    expect(() =>
      db.write((tx) => {
        try {
          tx.update(tx.get(User, 1)!, { name: 'x' })
        } catch {}
      }),
    ).toThrow('not that')
    expect(db.get(User, 1)!.name).toBe('Ann')
    off()
    db.write((tx) => tx.update(tx.get(User, 1)!, { name: 'x' }))
    expect(db.get(User, 1)!.name).toBe('x')
  })

  test('that are async or go on for ever are refused, and those of others are not called', () => {
    const off = db.addHooks(User, { updated: async () => {} })
    expect(() => db.write((tx) => tx.update(tx.get(User, 1)!, { name: 'x' }))).toThrow(/hook updated of User is async/)
    off()
    const offAgain = db.addHooks(User, { updated: (user) => void user.posts++ })
    expect(() => db.write((tx) => tx.update(tx.get(User, 1)!, { name: 'x' }))).toThrow(/without end, 100 deep/)
    offAgain()
    db.addHooks(Rating, {
      created: () => {
        throw new Error('of another class')
      },
    })
    db.write((tx) => tx.update(tx.get(User, 1)!, { name: 'y' }))
    expect(db.get(User, 1)!.posts).toBe(0)
  })
})

describe('a copy of an object by spread, which has none of its values', () => {
  const refused = /Copy them by name, as in { id: object.id }/
  const copies = (object: object): object[] => [{ ...object }, Object.assign({}, object), object]

  test('is refused wherever values are expected', () => {
    const ann = db.get(User, 1)!
    for (const copy of copies(ann)) {
      const values = { ...copy, id: 2 } as never
      expect(() => db.write((tx) => tx.insert(User, copy as never))).toThrow(refused)
      expect(() => db.write((tx) => tx.insert(User, values))).toThrow(refused)
      expect(() => db.write((tx) => tx.upsert(User, values))).toThrow(refused)
      expect(() => db.write((tx) => tx.update(ann, values))).toThrow(refused)
      expect(() => db.find(User, values)).toThrow(refused)
      expect(() => db.write((tx) => tx.insert('user', values))).toThrow(/has no column "~snapheap"/)
    }
    expect(db.count(User)).toBe(1)
  })

  test('is refused by JSON.stringify, and structuredClone refuses objects', () => {
    const ann = db.get(User, 1)!
    expect(() => JSON.stringify({ ...ann, name: 'Eve' })).toThrow(refused)
    expect(() => structuredClone(ann)).toThrow(refused)
    expect(() => structuredClone([{ user: ann }])).toThrow(refused)
    expect(JSON.parse(JSON.stringify(ann))).toEqual({ id: 1, name: 'Ann', posts: 0 })
    expect(structuredClone({ id: ann.id, name: ann.name })).toEqual({ id: 1, name: 'Ann' })
  })

  test('may be what a reference is set to: it leads to the same row', () => {
    const ann = db.get(User, 1)!
    const post = db.write((tx) => tx.insert(Post, { id: 7, title: 'Seven', author: { ...ann } as User }))
    expect(post.author.name).toBe('Ann')
  })
})
