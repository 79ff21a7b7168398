import { clientOf, POSTGRES_SETTINGS } from './data'
import { type Operation, type Race, randomIntegers } from './harness'
import { onRedis, redisAt } from './redis'
import { LMDB_SETTINGS, lmdbShop, Orders, shopServer, snapheapShop, sqliteShop } from './shop'
import { onSqlite } from './sqlite'

/** What one request looks up: 100 orders by key, and of each its customer and its product. */
const ORDERS = 100
const FIELDS = ['customer', 'product', 'amount']

/** A request of 300 small look-ups, one after the other, as a service makes them. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 2,
  runners(rows) {
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
      ...onSqlite((name) => ({
        operations: 1 << 5,
        prepare() {
          const sqlite = sqliteShop(name, rows)
          const order = sqlite.prepare<[number], { customer: number; product: number; amount: number }>(
            'SELECT customer, product, amount FROM orders WHERE id = ?',
          )
          const city = sqlite.values<[number], string>('SELECT city FROM customer WHERE id = ?', 'city')
          const price = sqlite.values<[number], number>('SELECT price FROM product WHERE id = ?', 'price')
          return requests((id) => {
            const found = order.get(id)!
            return found.amount + city.get(found.customer)!.length + price.get(found.product)!
          })
        },
      })),
      lmdb: {
        operations: 1 << 5,
        settings: LMDB_SETTINGS,
        prepare() {
          const lmdb = lmdbShop(rows)
          return requests((id) => {
            const found = lmdb.order(id)
            return found.amount + lmdb.city(found.customer).length + lmdb.price(found.product)
          })
        },
      },
      redis: onRedis(rows, {
        operations: 16,
        async prepare(socket) {
          const redis = await redisAt(socket)
          return async (n) => {
            let total = 0
            for (let i = 0; i < n * ORDERS; i++) {
              const [customer, product, amount] = await redis.hmGet(`order:${ids[i & mask]}`, FIELDS)
              const city = await redis.hGet(`customer:${customer}`, 'city')
              total += Number(amount) + city!.length + Number(await redis.hGet(`product:${product}`, 'price'))
            }
            return total
          }
        },
      }),
      'redis-pipelined': onRedis(rows, {
        operations: 64,
        settings: 'the orders of a request in one pipeline, their customers and products in a second',
        async prepare(socket) {
          const redis = await redisAt(socket)
          const request = async (first: number): Promise<number> => {
            const keys = Array.from({ length: ORDERS }, (_, k) => `order:${ids[(first + k) & mask]}`)
            const orders = await Promise.all(keys.map((key) => redis.hmGet(key, FIELDS)))
            const found = await Promise.all([
              ...orders.map(([customer]) => redis.hGet(`customer:${customer}`, 'city')),
              ...orders.map(([, product]) => redis.hGet(`product:${product}`, 'price')),
            ])
            let total = 0
            for (const [i, [, , amount]] of orders.entries()) {
              total += Number(amount) + found[i]!.length + Number(found[ORDERS + i])
            }
            return total
          }
          return async (n) => {
            let total = 0
            for (let i = 0; i < n; i++) total += await request(i * ORDERS)
            return total
          }
        },
      }),
      postgres: {
        operations: 4,
        settings: POSTGRES_SETTINGS,
        share: () => shopServer(rows),
        async prepare(shared) {
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
