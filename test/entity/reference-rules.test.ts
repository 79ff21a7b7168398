import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Column, type Database, Entity, Id, open, Ref, type Reference, SnapheapError } from '../../src/index'

@Entity()
class User {
  @Id() id!: number
  @Ref(() => User, { nullable: true, onDelete: 'setNull' }) boss!: Reference<User> | null
}

@Entity()
class Post {
  @Id() slug!: string
  @Ref(() => User, { onDelete: 'cascade' }) author!: User
}

@Entity()
class Comment {
  @Id() id!: number
  @Ref(() => Post, { nullable: true, onDelete: 'cascade' }) post!: Post | null
  @Ref(() => User, { nullable: true, onDelete: 'restrict' }) author!: User | null
}

/** Says nothing of deletions: it has no rules. */
@Entity()
class Note {
  @Id() id!: number
  @Ref(() => User, { nullable: true }) user!: User | null
  @Column({ type: 'string', nullable: true }) text!: string | null
}

const entities = [User, Post, Comment, Note]
let db: Database

beforeEach(async () => {
  db = await open(undefined, { entities })
  db.write((tx) => {
    tx.insert(Post, { slug: 'a', author: 1 }) // before what it refers to
    tx.insert(User, { id: 1, boss: 2 })
    tx.insert(User, { id: 2, boss: null })
    tx.insert(Post, { slug: 'b', author: 1 })
    tx.insert(Post, { slug: 'c', author: 2 })
    tx.insert(Comment, { id: 10, post: 'a', author: 2 })
  })
})

afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

const broken = (message: RegExp) =>
  expect.objectContaining({ code: 'REFERENCE', message: expect.stringMatching(message) })
const user = (id: number): User => db.get(User, id)!
const counts = (): number[] => entities.map((type) => db.count(type))

describe('a dangling reference is refused at commit, naming the object', () => {
  test('when an object is made', () => {
    const { version } = db
    expect(() => db.write((tx) => tx.insert(Post, { slug: 'x', author: 9 }))).toThrow(
      broken(
        /^Post "x" refers by author to User 9, which does not exist\. Create it in the same transaction, or set Post\.author/,
      ),
    )
    expect([db.version, ...counts()]).toEqual([version, 2, 3, 1, 0])
  })

  test('when it is changed, by assignment or by the table', () => {
    expect(() => db.write((tx) => void (tx.get(Post, 'a')!.author = 9 as never))).toThrow(broken(/Post "a"/))
    expect(() => db.write((tx) => tx.update('post', 'a', { author: 9 }))).toThrow(broken(/Post "a"/))
    expect(() => db.write((tx) => tx.insert('comment', { id: 11, post: 'zz' }))).toThrow(
      broken(/Comment 11 .*Post "zz"/),
    )
    expect(db.get(Post, 'a')!.author.id).toBe(1)
  })

  test('not when what it refers to is there in the end', () => {
    db.write((tx) => {
      const post = tx.insert(Post, { slug: 'x', author: 9 })
      tx.insert(Comment, { id: 12, post: 'x', author: 8 })
      tx.insert(User, { id: 9, boss: 9 })
      post.author = user(1)
      tx.delete(tx.get(Comment, 12)!)
    })
    expect(db.get(Post, 'x')!.author.id).toBe(1)
  })

  test('also beside readers', async () => {
    await expect(db.bulkWrite(async (tx) => void tx.insert(Post, { slug: 'x', author: 9 }))).rejects.toThrow(
      broken(/Post "x"/),
    )
    await db.bulkWrite(async (tx) => {
      tx.insert(Post, { slug: 'y', author: 9 })
      tx.insert(User, { id: 9, boss: null })
    })
    expect(db.get(Post, 'y')!.author.id).toBe(9)
  })

  test('unless it has no rule, or the transaction manages its tables', () => {
    db.write((tx) => tx.insert(Note, { id: 1, user: 99 }))
    db.write((tx) => {
      tx.manage()
      tx.insert(Post, { slug: 'managed', author: 77 })
      tx.delete(user(2))
    })
    expect(counts()).toEqual([1, 4, 1, 1])
    expect(() => db.write((tx) => tx.insert(Post, { slug: 'x', author: 9 }))).toThrow(broken(/Post "x"/))
  })
})

describe('a deletion', () => {
  test('is refused where something refers to it, and leaves nothing behind', () => {
    expect(() => db.write((tx) => tx.delete(user(2)))).toThrow(
      broken(
        /^Comment 10 refers by author to User 2, which was deleted\. Delete Comment 10 first, or have it refer to another User\.$/,
      ),
    )
    db.write((tx) => tx.insert(Comment, { id: 11, author: 1 }))
    expect(() => db.write((tx) => tx.truncate('user'))).toThrow(broken(/Comment 11/))
    db.write((tx) => tx.delete(tx.get(Comment, 11)!))
    expect([...counts(), user(1).boss?.id]).toEqual([2, 3, 1, 0, 2])
  })

  test('is followed by what it cascades to, as deep as that goes, and by nulls', () => {
    db.write((tx) => {
      tx.update(tx.get(Comment, 10)!, { author: null })
      tx.delete(user(2))
    })
    expect([user(1).boss, ...counts()]).toEqual([null, 1, 2, 1, 0])
    db.write((tx) => tx.delete('user', 1))
    expect(counts()).toEqual([0, 0, 0, 0])
  })

  test('can come before or after that of what refers to it', () => {
    db.write((tx) => {
      tx.delete(user(2))
      tx.delete(tx.get(Comment, 10)!)
    })
    expect(counts()).toEqual([1, 2, 0, 0])
  })

  test('of every row at once', () => {
    db.write((tx) => {
      tx.truncate('comment')
      tx.truncate('user')
    })
    expect(counts()).toEqual([0, 0, 0, 0])
  })

  test('that is made good in the same transaction touches nothing', () => {
    db.write((tx) => {
      tx.delete(user(1))
      tx.insert(User, { id: 1, boss: 1 })
    })
    expect([...counts(), db.get(Post, 'a')!.author.boss?.id]).toEqual([2, 3, 1, 0, 1])
  })

  test('a change of key is one', () => {
    db.write((tx) => tx.update(user(1), { id: 5 }))
    expect([user(5).boss?.id, ...counts()]).toEqual([2, 2, 1, 0, 0])
    expect(() => db.write((tx) => tx.update(tx.get(Post, 'c')!, { slug: 'd' }))).not.toThrow()
  })
})

test('tables can be altered while classes do not fit them', () => {
  db.write((tx) => {
    tx.addColumn('user', 'extra', 'string', '')
    tx.update('post', 'a', { author: 2 })
    tx.renameColumn('post', 'author', 'writer')
    tx.insert('comment', { id: 11, post: 'a' })
    tx.delete('comment', 11)
    tx.renameColumn('post', 'writer', 'author')
    tx.dropColumn('user', 'boss')
  })
  expect(() => db.write((tx) => tx.insert('post', { slug: 'x', author: 9 }))).toThrow(broken(/Post "x"/))
  db.write((tx) => tx.addColumn('user', 'boss', { type: 'integer', nullable: true }))
})

test('a rule that cannot be kept is refused', async () => {
  @Entity()
  class Dog {
    @Id() id!: number
    @Ref(() => User, { onDelete: 'setNull' }) owner!: User
  }
  await expect(open(undefined, { entities: [Dog, User] })).rejects.toThrow(/Dog\.owner is set to null .*nullable: true/)
  @Entity()
  class Cat {
    @Id() id!: number
    @Ref(() => User, { index: false, onDelete: 'cascade' }) owner!: User
  }
  await expect(open(undefined, { entities: [Cat, User] })).rejects.toThrow(/Cat\.owner has a rule .*Leave index out/)
  expect(() => Ref(() => User, { onDelete: 'destroy' as never })).toThrow(
    /^@Ref\(\) expects 'restrict'.* as option "onDelete", got "destroy"/,
  )
})

type Model = {
  user: Map<number, number | null>
  post: Map<string, number>
  comment: Map<number, [string | null, number | null]>
}

/** What a plain program makes of the same rules, over whole maps; undefined where they refuse. */
function settled({ user, post, comment }: Model, had: Model): Model | undefined {
  // what pointed to nothing before any deletion is refused, so only what was there is followed
  const wasUser = (id: number | null): boolean => id !== null && had.user.has(id) && !user.has(id)
  for (let before = -1; before !== post.size + comment.size; ) {
    before = post.size + comment.size
    for (const [slug, author] of post) if (wasUser(author)) post.delete(slug)
    for (const [id, [on]] of comment) if (on !== null && had.post.has(on) && !post.has(on)) comment.delete(id)
  }
  for (const [id, boss] of user) if (wasUser(boss)) user.set(id, null)
  const isFine =
    [...user.values()].every((boss) => boss === null || user.has(boss)) &&
    [...post.values()].every((author) => user.has(author)) &&
    [...comment.values()].every(
      ([on, author]) => (on === null || post.has(on)) && (author === null || user.has(author)),
    )
  return isFine ? { user, post, comment } : undefined
}

test('random transactions end as a plain program says (seeded)', async () => {
  const id = fc.integer({ min: 0, max: 4 })
  const slug = fc.constantFrom('a', 'b', 'c')
  const step = fc.oneof(
    fc.record({ kind: fc.constant('user' as const), id, boss: fc.option(id) }),
    fc.record({ kind: fc.constant('post' as const), slug, author: id }),
    fc.record({ kind: fc.constant('comment' as const), id, post: fc.option(slug), author: fc.option(id) }),
    fc.record({ kind: fc.constant('delete' as const), table: fc.constantFrom('user', 'post', 'comment'), id, slug }),
  )
  let refused = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 12 }), async (transactions) => {
      await using database = await open(undefined, { entities })
      let model: Model = {
        user: new Map([0, 1, 2, 3, 4].map((each) => [each, null])),
        post: new Map(['a', 'b', 'c'].map((each, i) => [each, i])),
        comment: new Map(),
      }
      database.write((tx) => {
        for (const [each] of model.user) tx.insert('user', { id: each })
        for (const [each, author] of model.post) tx.insert('post', { slug: each, author })
      })
      for (const steps of transactions) {
        const had: Model = { user: new Map(model.user), post: new Map(model.post), comment: new Map(model.comment) }
        const next: Model = { user: new Map(model.user), post: new Map(model.post), comment: new Map(model.comment) }
        let isCommitted = true
        try {
          database.write((tx) => {
            for (const each of steps) {
              if (each.kind === 'user') {
                tx.upsert('user', { id: each.id, boss: each.boss })
                next.user.set(each.id, each.boss)
                had.user.set(each.id, null)
              } else if (each.kind === 'post') {
                tx.upsert('post', { slug: each.slug, author: each.author })
                next.post.set(each.slug, each.author)
                had.post.set(each.slug, 0)
              } else if (each.kind === 'comment') {
                tx.upsert('comment', { id: each.id, post: each.post, author: each.author })
                next.comment.set(each.id, [each.post, each.author])
              } else {
                const key = each.table === 'post' ? each.slug : each.id
                tx.delete(each.table, key)
                ;(next[each.table as keyof Model] as Map<unknown, unknown>).delete(key)
              }
            }
          })
        } catch (error) {
          if (!(error instanceof SnapheapError && error.code === 'REFERENCE')) throw error
          isCommitted = false
          refused++
        }
        const expected = settled(next, had)
        expect(isCommitted).toBe(expected !== undefined)
        model = expected ?? model
        expect(new Map([...database.all(User)].map((each) => [each.id, each.boss?.id ?? null]))).toEqual(model.user)
        expect(new Map([...database.all(Post)].map((each) => [each.slug, each.author.id]))).toEqual(model.post)
        expect([...database.all(Comment)].map((each) => each.id).sort()).toEqual([...model.comment.keys()].sort())
      }
      expect(database.check().problems).toEqual([])
    }),
    { numRuns: 60, seed: 7 },
  )
  expect(refused).toBeGreaterThan(10)
})
