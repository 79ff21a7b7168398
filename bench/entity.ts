import { type Operation, type Race, randomIntegers } from './harness'
import { Orders, shopOrders, snapheapShop, sqliteShop } from './shop'
import { onSqlite } from './sqlite'

const COUNT = 1000

type Plain = { id: number; customer: number; product: number; amount: number; status: string }
type Some = { id: number; amount: number; status: string }

/** 1,000 objects by random keys, made and read: three properties of each. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 16,
  runners(rows) {
    const ids = randomIntegers(1 << 18, rows)
    const mask = ids.length - 1
    const add =
      (get: (id: number) => Some): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i++) {
          const objects: Some[] = []
          for (let k = 0; k < COUNT; k++) objects.push(get(ids[(i * COUNT + k) & mask]))
          for (const { id, amount, status } of objects) total += id + amount + status.length
        }
        return total
      }
    return {
      snapheap: {
        operations: 1 << 7,
        async prepare() {
          const db = await snapheapShop(rows)
          return add((id) => db.get(Orders, id)!)
        },
      },
      map: {
        operations: 1 << 7,
        prepare() {
          const map = new Map<number, Plain>()
          for (const order of shopOrders(rows)) map.set(order.id, order)
          return add((id) => map.get(id)!)
        },
      },
      ...onSqlite((name) => ({
        operations: 1 << 4,
        prepare() {
          const select = sqliteShop(name, rows).prepare<[number], Plain>('SELECT * FROM orders WHERE id = ?')
          return add((id) => select.get(id)!)
        },
      })),
    }
  },
}
