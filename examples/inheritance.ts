// An inheritance tree: subclasses with tables of their own, found through their parents as what they are.
import { Column, type Default, Entity, Id, Many, open, Ref, type Reference } from 'snapheap'

@Entity()
class Keeper {
  @Id() name!: string
  @Many(
    () => Animal,
    (animal) => animal.keeper,
  )
  animals!: Many<Animal>
}

@Entity()
class Animal {
  @Id() id!: number
  @Column() name!: string
  @Column({ type: 'integer', default: 4 }) legs!: Default<number>
  @Ref(() => Keeper, { nullable: true, onDelete: 'setNull' }) keeper!: Reference<Keeper> | null

  describe(): string {
    return `${this.name} has ${this.legs} legs`
  }
}

@Entity() // table "bird": id and wingspan
class Bird extends Animal {
  @Column() wingspan!: number

  override describe(): string {
    return `${super.describe()} and wings of ${this.wingspan} m`
  }
}

@Entity() // table "parrot": id and words
class Parrot extends Bird {
  @Column({ type: 'string[]' }) words!: string[]
}

const db = await open(undefined, { entities: [Keeper, Animal, Bird, Parrot] })
db.write((tx) => {
  tx.insert(Keeper, { name: 'Ann' })
  tx.insert(Animal, { id: 1, name: 'Rex', keeper: 'Ann' })
  tx.insert(Bird, { id: 2, name: 'Tux', legs: 2, wingspan: 0.8 })
  tx.insert(Parrot, { id: 3, name: 'Polly', legs: 2, wingspan: 0.3, words: ['hello'], keeper: 'Ann' })
})
for (const animal of db.query(Animal).orderBy('name')) console.log(animal.constructor.name, animal.describe())
const small = db.query(Bird).where({ legs: 2, wingspan: { lt: 0.5 } })
console.log(small.values('name').collect())
db.write((tx) => tx.delete(tx.get(Keeper, 'Ann')!)) // her animals stay
db.write((tx) => tx.delete(tx.get(Animal, 3)!)) // all of its three rows
console.log(db.get(Animal, 1)?.keeper, db.count(Animal), db.count(Bird), db.count(Parrot))
await db.close()

// Prints:
// Parrot Polly has 2 legs and wings of 0.3 m
// Animal Rex has 4 legs
// Bird Tux has 2 legs and wings of 0.8 m
// [ 'Polly' ]
// null 2 1 0
