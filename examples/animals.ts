// Animals and their legs: one question in both orders of its conditions, answered by one plan.
import { open } from 'snapheap'
import { collect, columnEqual, count, exists, getColumn, indexLookup, query } from 'snapheap/functions'

const db = await open()
db.write((tx) => {
  tx.createTable('animal', { key: 'id', columns: { id: 'integer', name: 'string', type: 'string', legs: 'integer' } })
  const kinds = [
    ['cat', 'mammal', 4],
    ['dog', 'mammal', 4],
    ['ant', 'insect', 6],
    ['man', 'mammal', 2],
    ['hen', 'bird', 2],
  ] as const
  for (let id = 0; id < 1000; id++) {
    const [name, type, legs] = kinds[id % 5]
    tx.insert('animal', { id, name: `${name} ${id}`, type, legs })
  }
  tx.insert('animal', { id: 1000, name: 'snake', type: 'reptile', legs: 0 })
})

// mammals with so many legs: "are there five?" looks at no more of them than it needs to know
const mammals = columnEqual('animal', 'type', 'mammal')
console.log(
  query(db, indexLookup('animal', 'legs'), mammals, exists(4)),
  query(db, indexLookup('animal', 'legs'), mammals, count(4)),
)
console.log(query(db, indexLookup('animal', 'legs'), mammals, getColumn('animal', 'name'), collect(2, 3)))

// both orders: the index that counts fewer rows comes first, and only what is also in the other is looked at
const legsFirst = query(db, indexLookup('animal', 'legs'), columnEqual('animal', 'type', 'mammal')).of(2)
const typeFirst = query(db, indexLookup('animal', 'type'), columnEqual('animal', 'legs', 2)).of('mammal')
for (const asked of [legsFirst, typeFirst]) {
  const [{ chosen, examinedRows, givenRows }] = asked.explain({ run: true }).steps
  console.log(chosen, examinedRows, givenRows)
}

// the same with the builder, and its plan
const twoLegged = db.query('animal').where({ type: 'mammal', legs: 2 }).orderBy('name').limit(2)
console.log(twoLegged.values('name').collect())
console.log(String(twoLegged.explain()))
await db.close()

// Prints:
// true 400
// [ 'man 3', 'man 8', 'man 13' ]
// index animal.legs and index animal.type 200 200
// index animal.legs and index animal.type 200 200
// [ 'man 103', 'man 108' ]
// rows of animal · by index animal.type or index animal.legs · about 400 rows · ordered by name
//   └ object
