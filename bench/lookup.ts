import { orderAt } from './data'
import { agree, type Contender, race, randomIntegers } from './harness'
import type { Task } from './run'
import { CUSTOMERS, lmdbShop, Orders, postgresShop, snapheapShop, sqliteShop } from './shop'

/** All orders of a random customer, about 20: two properties of each. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const customers = randomIntegers(1 << 16, Math.min(CUSTOMERS, rows))
    const mask = customers.length - 1
    const db = await snapheapShop(rows)
    const map = new Map<number, { amount: number; status: string }[]>()
    for (let id = 0; id < rows; id++) {
      const { customer, amount, status } = orderAt(id)
      const list = map.get(customer)
      if (list === undefined) map.set(customer, [{ amount, status }])
      else list.push({ amount, status })
    }
    const sqlite = sqliteShop(rows)
    const lmdb = lmdbShop(rows)
    const client = await postgresShop(rows)
    const select = sqlite.prepare<[number], { amount: number; status: string }>(
      'SELECT amount, status FROM orders WHERE customer = ?',
    )
    const sum = (found: Iterable<{ amount: number; status: string }>): number => {
      let total = 0
      for (const { amount, status } of found) total += amount + status.length
      return total
    }
    const add = (n: number, one: (customer: number) => number): number => {
      let total = 0
      for (let i = 0; i < n; i++) total += one(customers[i & mask])
      return total
    }
    const contenders: Contender[] = [
      { name: 'snapheap', operations: 1 << 14, run: (n) => add(n, (customer) => sum(db.find(Orders, { customer }))) },
      { name: 'map', operations: 1 << 14, run: (n) => add(n, (customer) => sum(map.get(customer) ?? [])) },
      { name: 'better-sqlite3', operations: 1 << 11, run: (n) => add(n, (customer) => sum(select.all(customer))) },
      {
        name: 'lmdb',
        operations: 1 << 10,
        run: (n) => add(n, (customer) => sum(lmdb.ordersOf(customer).map(lmdb.order))),
      },
      {
        name: 'postgres',
        operations: 1 << 8,
        run: async (n) => {
          let total = 0
          for (let i = 0; i < n; i++) {
            const query = { name: 'orders', text: 'SELECT amount, status FROM orders WHERE customer = $1' }
            total += sum((await client.query({ ...query, values: [customers[i & mask]] })).rows)
          }
          return total
        },
      },
    ]
    await agree(contenders, 100)
    return race(contenders)
  },
}
