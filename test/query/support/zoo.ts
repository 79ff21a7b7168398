import { expect, onTestFinished } from 'vitest'
import { Column, type Database, Entity, Id, type OpenOptions, open, Ref } from '../../../src/index'

@Entity()
export class Keeper {
  @Id() id!: number
  @Column() name!: string
  @Column({ type: 'integer', nullable: true }) age!: number | null
}

@Entity()
export class Animal {
  @Id() id!: number
  @Column() name!: string
  @Column({ type: 'integer', nullable: true }) legs!: number | null
  @Column() type!: string
  @Column() born!: Date
  @Ref(() => Keeper, { nullable: true }) keeper!: Keeper | null
}

/** A database in memory that is checked and closed after the test. */
export async function opened(options: OpenOptions = {}): Promise<Database> {
  const db = await open(undefined, options)
  onTestFinished(async () => {
    expect(db.check().problems).toEqual([])
    await db.close()
  })
  return db
}

/** Ten keepers, every third without an age, and `count` animals: of type "mammal" but for every tenth, a "bird". */
export async function zoo(count = 1000): Promise<Database> {
  const db = await opened({ entities: [Keeper, Animal] })
  db.write((tx) => {
    for (let id = 0; id < 10; id++) {
      tx.insert(Keeper, { id, name: id % 2 === 0 ? 'Ada' : `keeper ${id}`, age: id % 3 === 0 ? null : 20 + id })
    }
    for (let id = 0; id < count; id++) {
      tx.insert(Animal, {
        id,
        name: `animal ${id}`,
        legs: id % 7 === 6 ? null : id % 7,
        type: id % 10 === 0 ? 'bird' : 'mammal',
        born: new Date(id * 1000),
        keeper: id % 11 === 10 ? null : id % 11,
      })
    }
  })
  return db
}

/** The numbers below `limit` that fit. */
export function numbers(limit: number, fits: (id: number) => boolean): number[] {
  return Array.from({ length: limit }, (_, id) => id).filter(fits)
}
