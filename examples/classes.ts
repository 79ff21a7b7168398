// Classes as tables: entities, references, look-ups by index, and a transaction that fails and leaves nothing behind.
import { Column, Entity, Id, open, Ref, type SnapheapError } from 'snapheap'

@Entity() // table "author"
class Author {
  @Id() id!: number
  @Column() name!: string
}

@Entity() // table "book"
class Book {
  @Id() isbn!: string
  @Column({ type: 'integer' }) firstPublished!: number // column "first_published"
  @Ref(() => Author) author!: Author
}

const db = await open(undefined, { entities: [Author, Book] }) // in memory; a path keeps it in a file
db.write((tx) => {
  const author = tx.insert(Author, { id: 7, name: 'Ursula Le Guin' })
  tx.insert(Book, { isbn: '0441478123', firstPublished: 1969, author })
  tx.insert(Book, { isbn: '0060125632', firstPublished: 1974, author: 7 }) // the key does as well
})
console.log(db.get(Book, '0441478123')?.author.name)
console.log(db.find(Book, { author: 7, firstPublished: 1974 }).map((book) => book.isbn))

try {
  db.write((tx) => {
    tx.update(tx.get(Author, 7)!, { name: 'Somebody Else' })
    tx.insert(Book, { isbn: '0441478123', firstPublished: 2000, author: 7 })
  })
} catch (error) {
  console.log((error as SnapheapError).code, db.get(Author, 7)?.name, db.count(Book))
}
await db.close()

// Prints:
// Ursula Le Guin
// [ '0060125632' ]
// UNIQUE Ursula Le Guin 2
