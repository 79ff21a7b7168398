import { Parameter } from '../src/index'
import { clientOf, POSTGRES_SETTINGS } from './data'
import type { Operation, Race } from './harness'
import { Orders, shopServer, snapheapShop, sqliteShop } from './shop'
import { CITIES } from './shop-data'
import { onSqlite } from './sqlite'

/** The prices of all products ordered by the customers of a city, about 1,000, over three classes. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 16,
  runners(rows) {
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
      ...onSqlite((name) => ({
        operations: 1 << 6,
        prepare() {
          const select = sqliteShop(name, rows).values<[string], number>(sql('?'), 'price')
          return add((name) => select.all(name))
        },
      })),
      postgres: {
        operations: 1 << 5,
        settings: POSTGRES_SETTINGS,
        share: () => shopServer(rows),
        async prepare(shared) {
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
