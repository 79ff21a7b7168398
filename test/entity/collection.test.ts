import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import {
  Column,
  type Database,
  Entity,
  type EntityClass,
  Id,
  type InsertValues,
  Many,
  open,
  Ref,
  type Reference,
} from '../../src/index'

@Entity()
class User {
  @Id() id!: number
  @Column() name!: string
  @Many(
    () => Post,
    (post) => post.author,
  )
  posts!: Many<Post>
  @Many(
    () => User,
    (user) => user.manager,
  )
  team!: Many<User>
  @Ref(() => User, { nullable: true }) manager!: Reference<User> | null
}

@Entity()
class Post {
  @Id() slug!: string
  @Column() likes!: number
  @Ref(() => User, { nullable: true }) author!: User | null
  @Many(() => Tag, { through: () => PostTag, from: (link) => link.post, to: (link) => link.tag }) tags!: Many<Tag>
  @Many(() => User, { through: 'reader', from: 'post', to: 'user' }) readers!: Many<User>
}

@Entity()
class Tag {
  @Id() name!: string
  @Column() weight!: number
  @Many(() => Post, { through: () => PostTag, from: (link) => link.tag, to: (link) => link.post }) posts!: Many<Post>
}

@Entity()
class PostTag {
  @Id() id!: number
  @Ref(() => Post) post!: Post
  @Ref(() => Tag) tag!: Tag
}

let db: Database

beforeEach(async () => {
  db = await open(undefined, { entities: [User, Post, Tag, PostTag] })
  db.write((tx) => {
    tx.createTable('reader', {
      key: 'id',
      columns: { id: 'integer', post: 'string', user: { type: 'integer', nullable: true } },
    })
    for (let id = 0; id < 4; id++) tx.insert(User, { id, name: `user ${id}`, manager: id === 0 ? null : 0 })
    for (let i = 0; i < 12; i++) tx.insert(Post, { slug: `p${i}`, likes: i, author: i % 4 === 3 ? null : i % 4 })
    for (const [i, name] of ['red', 'green', 'blue'].entries()) tx.insert(Tag, { name, weight: i })
    for (const [id, [post, tag]] of [
      ['p0', 'blue'],
      ['p0', 'red'],
      ['p1', 'red'],
    ].entries()) {
      tx.insert(PostTag, { id, post, tag })
    }
    tx.insert('reader', { id: 1, post: 'p0', user: 2 })
    tx.insert('reader', { id: 2, post: 'p0', user: null })
  })
})

afterEach(async () => {
  expect(db.check().problems).toEqual([])
  await db.close()
})

const user = (id: number): User => db.get(User, id)!
const slugs = (posts: Iterable<Post>): string[] => [...posts].map((each) => each.slug)

describe('a collection', () => {
  test('gives the objects that refer to its owner, counts them, and picks one', () => {
    expect(slugs(user(0).posts)).toEqual(['p0', 'p4', 'p8'])
    expect([user(0).posts.length, user(3).posts.length, user(0).team.length]).toEqual([3, 0, 3])
    expect([user(1).posts.at(0)?.slug, user(1).posts.at(-1)?.slug, user(1).posts.at(3)]).toEqual([
      'p1',
      'p9',
      undefined,
    ])
    expect([...user(0).team].map((each) => each.id)).toEqual([1, 2, 3])
  })

  test('is found by the index of the reference', () => {
    const { posts } = user(2)
    expect(slugs(posts.where({ likes: { gt: 2 } }).orderBy('likes', 'desc'))).toEqual(['p10', 'p6'])
    expect(String(posts.where({ likes: { gt: 2 } }).explain({ run: true }))).not.toContain('scan')
    expect(
      String(
        db
          .query(Post)
          .where({ likes: { gt: 2 }, slug: { ne: 'x' } })
          .explain({ run: true }),
      ),
    ).toContain('scan')
    expect(posts.where({}).count()).toBe(3)
  })

  test('follows commits, and shows what an open transaction or a snapshot shows', () => {
    const { posts } = user(0)
    using snapshot = db.snapshot()
    db.write((tx) => {
      tx.insert(Post, { slug: 'new', likes: 1, author: 0 })
      expect([posts.length, tx.get(User, 0)!.posts.length, posts.where({ likes: 1 }).count()]).toEqual([4, 4, 1])
    })
    expect([posts.length, snapshot.get(User, 0)!.posts.length]).toEqual([4, 3])
    expect(slugs(snapshot.get(User, 0)!.posts.where({ likes: { lte: 4 } }))).toEqual(['p0', 'p4'])
  })

  test('of a deleted object throws', () => {
    const held = user(3)
    const { posts } = held
    db.write((tx) => tx.delete(held))
    expect(() => posts.length).toThrow(/has been deleted/)
    expect(() => held.posts).toThrow(/has been deleted/)
  })

  test('cannot be set, and is no column of JSON, create and find', () => {
    expect(() => Object.assign(user(0), { posts: [] })).toThrow(/User\.posts is the collection .* Set the references/)
    expect(JSON.parse(JSON.stringify(user(1)))).toEqual({ id: 1, name: 'user 1', manager: 0 })
    expect(() => db.find(User, { posts: [] } as never)).toThrow(/no column property "posts"/)
    expectTypeOf<keyof InsertValues<User>>().toEqualTypeOf<'id' | 'name' | 'manager'>()
    expectTypeOf(user(0).posts.at(0)).toEqualTypeOf<Post | undefined>()
  })
})

describe('a collection through links', () => {
  test('of a class, in both directions, in the order of the links', () => {
    const post = db.get(Post, 'p0')!
    expect([...post.tags].map((each) => each.name)).toEqual(['blue', 'red'])
    expect(slugs(db.get(Tag, 'red')!.posts)).toEqual(['p0', 'p1'])
    expect([post.tags.length, db.get(Tag, 'green')!.posts.length, post.tags.at(1)?.name]).toEqual([2, 0, 'red'])
    expect([...post.tags.where({ weight: { gte: 1 } })].map((each) => each.name)).toEqual(['blue'])
  })

  test('of a table: a link that leads nowhere yet counts for nothing', () => {
    expect([...db.get(Post, 'p0')!.readers].map((each) => each.name)).toEqual(['user 2'])
    expect(db.get(Post, 'p1')!.readers.length).toBe(0)
  })

  test('a link to what does not exist says so', () => {
    db.write((tx) => tx.insert(PostTag, { id: 9, post: 'p1', tag: 'pink' }))
    expect(() => [...db.get(Post, 'p1')!.tags]).toThrow(/Post\.tags has a link to Tag "pink", which does not exist/)
  })
})

describe('a collection put together wrongly is refused', () => {
  test.each<[string, () => EntityClass[], RegExp]>([
    [
      'by a property that is no reference to the class',
      () => {
        @Entity()
        class Shelf {
          @Id() id!: number
          @Many(
            () => Book,
            (book) => book.title,
          )
          books!: Many<Book>
        }
        @Entity()
        class Book {
          @Id() id!: number
          @Column() title!: string
        }
        return [Shelf, Book]
      },
      /Shelf\.books is a collection by Book\.title, which does not refer to Shelf\. Name a property/,
    ],
    [
      'of a class that is not registered',
      () => {
        @Entity()
        class Shelf {
          @Id() id!: number
          @Many(
            () => Scroll,
            (scroll) => scroll.shelf,
          )
          scrolls!: Many<Scroll>
        }
        @Entity()
        class Scroll {
          @Id() id!: number
          @Ref(() => Shelf) shelf!: Shelf
        }
        return [Shelf]
      },
      /Shelf\.scrolls collects by Scroll, which is not registered\. Add it/,
    ],
  ])('%s', async (_, entities, message) => {
    await expect(open(undefined, { entities: entities() })).rejects.toThrow(message)
  })
})
