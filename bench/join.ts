import { Parameter } from '../src/index'
import { clientOf } from './data'
import type { Operation, Race } from './harness'
import { CITIES, Orders, shopServer, snapheapShop, sqliteShop } from './shop'

/** The prices of all products ordered by the customers of a city, about 1,000, over three classes. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 16,
  share: shopServer,
  runners(rows, shared) {
    const sql = (parameter: string): string =>
      `SELECT p.price FROM customer c JOIN orders o ON o.customer = c.id JOIN product p ON p.id = o.product WHERE c.city = ${parameter}`
    const city = (i: number): string => `city ${(i * 337) % CITIES}`
    const add =
      (pricesIn: (city: string) => Iterable<unknown>): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i++) for (const price of pricesIn(city(i))) total += price as number
        return total
      }
    return {
      snapheap: {
        operations: 1 << 8,
        async prepare() {
          const db = await snapheapShop(rows)
          const query = db
            .query(Orders)
            .where({ customer: { city: new Parameter('city') } })
            .values('product.price')
          return add((name) => query.with({ city: name }))
        },
      },
      'better-sqlite3': {
        operations: 1 << 6,
        prepare() {
          const select = sqliteShop(rows).prepare<[string], number>(sql('?')).pluck()
          return add((name) => select.all(name))
        },
      },
      postgres: {
        operations: 1 << 5,
        async prepare() {
          const client = await clientOf(shared)
          return async (n) => {
            let total = 0
            for (let i = 0; i < n; i++) {
              const { rows: found } = await client.query({ name: 'prices', text: sql('$1'), values: [city(i)] })
              for (const { price } of found) total += price
            }
            return total
          }
        },
      },
    }
  },
}
