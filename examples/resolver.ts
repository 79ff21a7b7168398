// A resolver like GraphQL's: nested fields by references, with neither a batch loader nor a query for each row ("N+1").
import { Column, Entity, Id, open, Parameter, Ref } from 'snapheap'

@Entity()
class User {
  @Id() id!: number
  @Column() name!: string
}

@Entity()
class Post {
  @Id() id!: number
  @Column() title!: string
  @Ref(() => User) author!: User
}

const db = await open(undefined, { entities: [User, Post] })
db.write((tx) => {
  for (const [id, name] of ['Ada', 'Bob'].entries()) tx.insert(User, { id, name })
  for (let id = 0; id < 5; id++) tx.insert(Post, { id, title: `post ${id}`, author: id % 2 })
})

type Selection = { readonly [field: string]: true | Selection }

// going the other way, from a user to the posts, is one look-up in an index: planned once, asked for each user
const postsOf = db.query(Post).where({ author: new Parameter('author') })
const reverse: Record<string, (object: object) => object[]> = {
  posts: (user) => postsOf.with({ author: (user as User).id }).collect(),
}

/** What a selection asks of an object. References are read where they stand: a reference is the object it leads to. */
function resolve(object: object, selection: Selection): unknown {
  return Object.fromEntries(
    Object.entries(selection).map(([field, inner]) => {
      const value = field in reverse ? reverse[field](object) : object[field as never]
      if (inner === true) return [field, value]
      return [field, Array.isArray(value) ? value.map((each) => resolve(each, inner)) : resolve(value, inner)]
    }),
  )
}

const selection = { title: true, author: { name: true, posts: { id: true } } } as const
for (const post of db.query(Post).where({ id: { lt: 2 } })) console.log(JSON.stringify(resolve(post, selection)))
console.log(String(postsOf.with({ author: 1 }).explain()))
await db.close()

// Prints:
// {"title":"post 0","author":{"name":"Ada","posts":[{"id":0},{"id":2},{"id":4}]}}
// {"title":"post 1","author":{"name":"Bob","posts":[{"id":1},{"id":3}]}}
// rows of post · by index post.author · about 2 rows
//   └ object
