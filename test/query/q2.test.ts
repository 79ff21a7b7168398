import 'reflect-metadata'
import { expect, test } from 'vitest'
import { Column, Entity, Id, open, or, Ref } from '../../src/index'

@Entity()
class User {
  @Id() declare id: number
  @Column() declare name: string
  @Column() declare age: number
}
@Entity()
class Post {
  @Id() declare id: number
  @Column() declare title: string
  @Column() declare writtenAt: Date
  @Ref(() => User, { nullable: true }) declare author: User | null
  @Column() declare likes: number
}

test('builder', async () => {
  const db = await open(undefined, { entities: [User, Post] })
  db.write((tx) => {
    for (let i = 0; i < 10; i++) tx.create(User, { id: i, name: i % 2 ? 'Ada' : 'Bob', age: 20 + i })
    for (let i = 0; i < 500; i++)
      tx.create(Post, {
        id: i,
        title: `t${i % 50}`,
        writtenAt: new Date(i * 1000),
        author: i % 11 === 10 ? null : i % 11,
        likes: i % 13,
      })
  })
  const q = db
    .query(Post)
    .where({ author: { name: 'Ada' }, writtenAt: { gte: new Date(100_000) } })
    .orderBy('writtenAt', 'desc')
    .limit(5)
  expect(q.collect().map((p) => p.id)).toEqual(
    [...Array(500).keys()]
      .reverse()
      .filter((i) => i % 11 !== 10 && (i % 11) % 2 === 1 && i >= 100)
      .slice(0, 5),
  )
  console.log(String(q.explain({ run: true })))
  const names = q.select('title', 'author.name').collect()
  console.log(names)
  const g = db
    .query(Post)
    .where(or({ likes: 3 }, { likes: 5 }))
    .groupBy('author.name', (g) => ({ n: g.count(), top: g.max('likes'), sum: g.sum('likes') }))
    .having({ n: { gt: 1 } })
    .orderBy('n', 'desc')
  console.log(g.collect(), String(g.explain({ run: true })))
  let seen: number[] = []
  let next: string | undefined
  do {
    const page = db
      .query(Post)
      .where({ likes: { lt: 4 } })
      .orderBy('title')
      .page(37, next)
    seen = seen.concat(page.items.map((p) => p.id))
    next = page.next
  } while (next !== undefined)
  const naive = [...db.all(Post)]
    .filter((p) => p.likes < 4)
    .sort((a, b) => (a.title < b.title ? -1 : a.title > b.title ? 1 : a.id - b.id))
    .map((p) => p.id)
  expect(seen).toEqual(naive)
  console.log(
    db
      .query('post')
      .join('writer', 'user', { from: 'author' })
      .where({ writer: { age: { gt: 28 } } })
      .select({ t: 'title', w: 'writer.name' })
      .collect().length,
  )
  expect(() => db.query(Post).where({ likez: 3 } as never)).toThrow('Did you mean "likes"?')
  expect(() => db.query(Post).where({ likes: { gtt: 3 } } as never)).toThrow('Did you mean "gt"?')
  expect(() =>
    db
      .query(Post)
      .where({ likes: 'x' } as never)
      .collect(),
  ).toThrow(/cannot hold/)
  await db.close()
})
