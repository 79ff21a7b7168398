import { clientOf, orderAt } from './data'
import { type Operation, type Race, randomIntegers } from './harness'
import { CUSTOMERS, lmdbShop, Orders, shopServer, snapheapShop, sqliteShop } from './shop'

type Some = { amount: number; status: string }

/** All orders of a random customer, about 20: two properties of each. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 100,
  share: shopServer,
  runners(rows, shared) {
    const customers = randomIntegers(1 << 16, Math.min(CUSTOMERS, rows))
    const mask = customers.length - 1
    const add =
      (ordersOf: (customer: number) => readonly Some[]): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i++) {
          for (const { amount, status } of ordersOf(customers[i & mask])) total += amount + status.length
        }
        return total
      }
    return {
      snapheap: {
        operations: 1 << 14,
        async prepare() {
          const db = await snapheapShop(rows)
          return add((customer) => db.find(Orders, { customer }))
        },
      },
      map: {
        operations: 1 << 14,
        prepare() {
          const map = new Map<number, Some[]>()
          for (let id = 0; id < rows; id++) {
            const { customer, amount, status } = orderAt(id)
            const list = map.get(customer)
            if (list === undefined) map.set(customer, [{ amount, status }])
            else list.push({ amount, status })
          }
          return add((customer) => map.get(customer) ?? [])
        },
      },
      'better-sqlite3': {
        operations: 1 << 11,
        prepare() {
          const select = sqliteShop(rows).prepare<[number], Some>(
            'SELECT amount, status FROM orders WHERE customer = ?',
          )
          return add((customer) => select.all(customer))
        },
      },
      lmdb: {
        operations: 1 << 10,
        prepare() {
          const lmdb = lmdbShop(rows)
          return add((customer) => lmdb.ordersOf(customer).map(lmdb.order))
        },
      },
      postgres: {
        operations: 1 << 8,
        async prepare() {
          const client = await clientOf(shared)
          const query = { name: 'orders', text: 'SELECT amount, status FROM orders WHERE customer = $1' }
          return async (n) => {
            let total = 0
            for (let i = 0; i < n; i++) {
              const { rows: found } = await client.query({ ...query, values: [customers[i & mask]] })
              for (const { amount, status } of found) total += amount + status.length
            }
            return total
          }
        },
      },
    }
  },
}
