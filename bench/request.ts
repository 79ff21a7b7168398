import { agree, type Contender, race, randomIntegers } from './harness'
import type { Task } from './run'
import { CUSTOMERS, cityOf, lmdbShop, Orders, postgresShop, priceOf, snapheapShop, sqliteShop } from './shop'

/** What one request looks up: 100 orders by key, and of each its customer and its product. */
const ORDERS = 100

/** A request of 300 small look-ups, one after the other, as a service makes them. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const ids = randomIntegers(1 << 18, rows)
    const mask = ids.length - 1
    const db = await snapheapShop(rows)
    const sqlite = sqliteShop(rows)
    const lmdb = lmdbShop(rows)
    const client = await postgresShop(rows)
    const order = sqlite.prepare<[number], { customer: number; product: number; amount: number }>(
      'SELECT customer, product, amount FROM orders WHERE id = ?',
    )
    const city = sqlite.prepare<[number], string>('SELECT city FROM customer WHERE id = ?').pluck()
    const price = sqlite.prepare<[number], number>('SELECT price FROM product WHERE id = ?').pluck()
    const customers = new Map(Array.from({ length: CUSTOMERS }, (_, id) => [id, cityOf(id)]))
    const requests = (n: number, lookUp: (id: number) => number): number => {
      let total = 0
      for (let i = 0; i < n * ORDERS; i++) total += lookUp(ids[i & mask])
      return total
    }
    const contenders: Contender[] = [
      {
        name: 'snapheap',
        operations: 1 << 9,
        run: (n) =>
          requests(n, (id) => {
            const { amount, customer, product } = db.get(Orders, id)!
            return amount + customer.city.length + product.price
          }),
      },
      {
        name: 'better-sqlite3',
        operations: 1 << 5,
        run: (n) =>
          requests(n, (id) => {
            const found = order.get(id)!
            return found.amount + city.get(found.customer)!.length + price.get(found.product)!
          }),
      },
      {
        name: 'lmdb',
        operations: 1 << 5,
        run: (n) =>
          requests(n, (id) => {
            const found = lmdb.order(id)
            return found.amount + customers.get(found.customer)!.length + priceOf(found.product)
          }),
      },
      {
        name: 'postgres',
        operations: 4,
        run: async (n) => {
          let total = 0
          for (let i = 0; i < n * ORDERS; i++) {
            const one = async (name: string, text: string, id: number): Promise<Record<string, never>> =>
              (await client.query({ name, text, values: [id] })).rows[0]
            const found = await one(
              'order',
              'SELECT customer, product, amount FROM orders WHERE id = $1',
              ids[i & mask],
            )
            const buyer = await one('customer', 'SELECT city FROM customer WHERE id = $1', found.customer)
            const bought = await one('product', 'SELECT price FROM product WHERE id = $1', found.product)
            total += found.amount + (buyer.city as string).length + bought.price
          }
          return total
        },
      },
    ]
    await agree(contenders, 2)
    return race(contenders, 5)
  },
}
