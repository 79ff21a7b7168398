// Posts and users: conditions through references, projections, groups, pages, and the same question as JSON.
import { integer, open, ref, table, text, timestamp } from 'snapheap'

const user = table('user', { id: integer().key(), name: text() })
const post = table('post', { id: integer().key(), title: text(), date: timestamp(), author: ref(() => user) })

const db = await open(undefined, { entities: [user, post] })
db.write((tx) => {
  for (const [id, name] of ['Ada', 'Bob'].entries()) tx.insert(user, { id, name })
  const titles = ['Engines', 'Notes', 'On tables', 'Heaps', 'Words', 'Logs']
  for (const [id, title] of titles.entries()) {
    tx.insert(post, { id, title, date: new Date(Date.UTC(2024, id)), author: id % 3 === 0 ? 1 : 0 })
  }
})

const since = new Date('2024-02-01')
const byAda = db
  .query(post)
  .where({ author: { name: 'Ada' }, date: { gte: since } })
  .orderBy('date', 'desc')
for (const { title, author } of byAda.limit(2)) console.log(title, 'by', author.name)
console.log(byAda.limit(1).select('title', 'author.name').collect()) // makes no objects of posts or users

const posts = db.query(post).groupBy('author.name', (group) => ({ posts: group.count(), last: group.max('date') }))
for (const { 'author.name': name, posts: count, last } of posts.orderBy('posts')) console.log(name, count, last)

let page = byAda.page(3)
console.log(page.items.map(({ id }) => id))
page = byAda.page(3, page.next) // the cursor is text: send it along, take it back
console.log(
  page.items.map(({ id }) => id),
  page.next,
)

const request = `{ "from": "post", "where": { "author": { "name": "Ada" }, "date": { "$gte": "2024-02-01" } },
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
