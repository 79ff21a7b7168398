import { Parameter } from '../src/index'
import { agree, type Contender, race } from './harness'
import type { Task } from './run'
import { CITIES, Orders, postgresShop, snapheapShop, sqliteShop } from './shop'

/** The prices of all products ordered by the customers of a city, about 1,000, over three classes. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const db = await snapheapShop(rows)
    const sqlite = sqliteShop(rows)
    const client = await postgresShop(rows)
    const query = db
      .query(Orders)
      .where({ customer: { city: new Parameter('city') } })
      .values('product.price')
    const sql = (parameter: string): string =>
      `SELECT p.price FROM customer c JOIN orders o ON o.customer = c.id JOIN product p ON p.id = o.product WHERE c.city = ${parameter}`
    const select = sqlite.prepare<[string], number>(sql('?')).pluck()
    const city = (i: number): string => `city ${(i * 337) % CITIES}`
    const contenders: Contender[] = [
      {
        name: 'snapheap',
        operations: 1 << 8,
        run: (n) => {
          let total = 0
          for (let i = 0; i < n; i++) for (const price of query.with({ city: city(i) })) total += price as number
          return total
        },
      },
      {
        name: 'better-sqlite3',
        operations: 1 << 6,
        run: (n) => {
          let total = 0
          for (let i = 0; i < n; i++) for (const price of select.all(city(i))) total += price
          return total
        },
      },
      {
        name: 'postgres',
        operations: 1 << 5,
        run: async (n) => {
          let total = 0
          for (let i = 0; i < n; i++) {
            const { rows: found } = await client.query({ name: 'prices', text: sql('$1'), values: [city(i)] })
            for (const { price } of found) total += price
          }
          return total
        },
      },
    ]
    await agree(contenders, 16)
    return race(contenders)
  },
}
