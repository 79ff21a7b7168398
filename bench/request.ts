import { clientOf } from './data'
import { type Operation, type Race, randomIntegers } from './harness'
import { lmdbShop, Orders, shopServer, snapheapShop, sqliteShop } from './shop'

/** What one request looks up: 100 orders by key, and of each its customer and its product. */
const ORDERS = 100

/** A request of 300 small look-ups, one after the other, as a service makes them. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 2,
  share: shopServer,
  runners(rows, shared) {
    const ids = randomIntegers(1 << 18, rows)
    const mask = ids.length - 1
    const requests =
      (lookUp: (id: number) => number): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n * ORDERS; i++) total += lookUp(ids[i & mask])
        return total
      }
    return {
      snapheap: {
        operations: 1 << 9,
        async prepare() {
          const db = await snapheapShop(rows)
          return requests((id) => {
            const { amount, customer, product } = db.get(Orders, id)!
            return amount + customer.city.length + product.price
          })
        },
      },
      'better-sqlite3': {
        operations: 1 << 5,
        prepare() {
          const sqlite = sqliteShop(rows)
          const order = sqlite.prepare<[number], { customer: number; product: number; amount: number }>(
            'SELECT customer, product, amount FROM orders WHERE id = ?',
          )
          const city = sqlite.prepare<[number], string>('SELECT city FROM customer WHERE id = ?').pluck()
          const price = sqlite.prepare<[number], number>('SELECT price FROM product WHERE id = ?').pluck()
          return requests((id) => {
            const found = order.get(id)!
            return found.amount + city.get(found.customer)!.length + price.get(found.product)!
          })
        },
      },
      lmdb: {
        operations: 1 << 5,
        prepare() {
          const lmdb = lmdbShop(rows)
          return requests((id) => {
            const found = lmdb.order(id)
            return found.amount + lmdb.city(found.customer).length + lmdb.price(found.product)
          })
        },
      },
      postgres: {
        operations: 4,
        async prepare() {
          const client = await clientOf(shared)
          const one = async (name: string, text: string, id: number): Promise<Record<string, never>> =>
            (await client.query({ name, text, values: [id] })).rows[0]
          return async (n) => {
            let total = 0
            for (let i = 0; i < n * ORDERS; i++) {
              const order = 'SELECT customer, product, amount FROM orders WHERE id = $1'
              const found = await one('order', order, ids[i & mask])
              const buyer = await one('customer', 'SELECT city FROM customer WHERE id = $1', found.customer)
              const bought = await one('product', 'SELECT price FROM product WHERE id = $1', found.product)
              total += found.amount + (buyer.city as string).length + bought.price
            }
            return total
          }
        },
      },
    }
  },
}
