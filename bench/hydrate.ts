import { Column, Entity, Id, open } from '../src/index'
import { type Operation, type Race, randomIntegers } from './harness'

@Entity({ name: 'parcel' })
class Parcel {
  @Id({ type: 'integer' }) declare id: number
  @Column({ type: 'number', index: false }) declare weight: number
  @Column({ type: 'number', index: false }) declare price: number
  @Column({ type: 'integer', index: false }) declare customer: number
  @Column({ type: 'integer', index: false }) declare pieces: number
}

type Numbers = { id: number; weight: number; price: number; customer: number; pieces: number }

const COUNT = 1000

/** 1,000 objects by random keys out of more than the caches hold: four properties of each. */
export const task: Race = {
  rows: 4_000_000,
  operationsToAgree: 16,
  runners(rows) {
    const ids = randomIntegers(1 << 20, rows)
    const mask = ids.length - 1
    const add =
      (get: (id: number) => Numbers): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i++) {
          const objects: Numbers[] = []
          for (let k = 0; k < COUNT; k++) objects.push(get(ids[(i * COUNT + k) & mask]))
          for (const { weight, price, customer, pieces } of objects) total += weight + price + customer + pieces
        }
        return total
      }
    return {
      /** A typed array for each property; nothing is made. */
      raw: {
        operations: 1 << 9,
        settings: 'a typed array for each property, no objects',
        prepare() {
          const [weights, prices] = [new Float64Array(rows), new Float64Array(rows)]
          const [customers, pieces] = [new Int32Array(rows), new Int32Array(rows)]
          for (const parcel of parcelsUpTo(rows)) {
            weights[parcel.id] = parcel.weight
            prices[parcel.id] = parcel.price
            customers[parcel.id] = parcel.customer
            pieces[parcel.id] = parcel.pieces
          }
          return (n) => {
            let total = 0
            for (let i = 0; i < n * COUNT; i++) {
              const id = ids[i & mask]
              total += weights[id] + prices[id] + customers[id] + pieces[id]
            }
            return total
          }
        },
      },
      snapheap: {
        operations: 1 << 9,
        async prepare() {
          const db = await open(undefined, { entities: [Parcel] })
          await db.bulkWrite(async (tx) => tx.insertMany('parcel', parcelsUpTo(rows)), { log: false })
          return add((id) => db.get(Parcel, id)!)
        },
      },
      map: {
        operations: 1 << 9,
        prepare() {
          const map = new Map<number, Numbers>()
          for (const parcel of parcelsUpTo(rows)) map.set(parcel.id, parcel)
          return add((id) => map.get(id)!)
        },
      },
    }
  },
}

function* parcelsUpTo(rows: number): Generator<Numbers> {
  for (let id = 0; id < rows; id++) {
    yield {
      id,
      weight: (id % 997) + 0.5,
      price: (id % 9973) + 0.25,
      customer: (id * 7919) % 50_000,
      pieces: (id % 100) + 1,
    }
  }
}
