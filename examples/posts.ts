// Posts and users: conditions through references, projections, groups, pages, and the same question as JSON.
import { Column, Entity, Id, open, Ref } from 'snapheap'

@Entity()
class User {
  @Id() id!: number
  @Column() name!: string
}

@Entity()
class Post {
  @Id() id!: number
  @Column() title!: string
  @Column() date!: Date
  @Ref(() => User) author!: User
}

const db = await open(undefined, { entities: [User, Post] })
db.write((tx) => {
  for (const [id, name] of ['Ada', 'Bob'].entries()) tx.insert(User, { id, name })
  const titles = ['Engines', 'Notes', 'On tables', 'Heaps', 'Words', 'Logs']
  for (const [id, title] of titles.entries()) {
    tx.insert(Post, { id, title, date: new Date(Date.UTC(2024, id)), author: id % 3 === 0 ? 1 : 0 })
  }
})

const since = new Date('2024-02-01')
const byAda = db
  .query(Post)
  .where({ author: { name: 'Ada' }, date: { gte: since } })
  .orderBy('date', 'desc')
for (const post of byAda.limit(2)) console.log(post.title, 'by', post.author.name)
console.log(byAda.limit(1).select('title', 'author.name').collect()) // makes no objects of posts or users

const posts = db.query(Post).groupBy('author.name', (group) => ({ posts: group.count(), last: group.max('date') }))
for (const { 'author.name': name, posts: count, last } of posts.orderBy('posts')) console.log(name, count, last)

let page = byAda.page(3)
console.log(page.items.map((post) => post.id))
page = byAda.page(3, page.next) // the cursor is text: send it along, take it back
console.log(
  page.items.map((post) => post.id),
  page.next,
)

const request = `{ "from": "Post", "where": { "author": { "name": "Ada" }, "date": { "$gte": "2024-02-01" } },
                   "select": ["title"], "sort": { "date": -1 }, "limit": 2 }`
console.log(db.queryJson(JSON.parse(request)).collect())
await db.close()

// Prints:
// Logs by Ada
// Words by Ada
// [ { title: 'Logs', 'author.name': 'Ada' } ]
// Bob 2 2024-04-01T00:00:00.000Z
// Ada 4 2024-06-01T00:00:00.000Z
// [ 5, 4, 2 ]
// [ 1 ] undefined
// [ { title: 'Logs' }, { title: 'Words' } ]
