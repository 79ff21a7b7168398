import { clientOf, customersOf, ordersUpTo, POSTGRES_SETTINGS } from './data'
import { type Operation, type Race, randomIntegers } from './harness'
import { onRedis, redisAt } from './redis'
import { LMDB_SETTINGS, lmdbShop, Orders, shopServer, snapheapShop, sqliteShop } from './shop'
import { onSqlite } from './sqlite'

type Some = { amount: number; status: string }

/** All orders of a random customer, 20 of them: two properties of each. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 100,
  runners(rows) {
    const customers = randomIntegers(1 << 16, customersOf(rows))
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
          for (const { customer, amount, status } of ordersUpTo(rows)) {
            const list = map.get(customer)
            if (list === undefined) map.set(customer, [{ amount, status }])
            else list.push({ amount, status })
          }
          return add((customer) => map.get(customer) ?? [])
        },
      },
      ...onSqlite((name) => ({
        operations: 1 << 11,
        prepare() {
          const sqlite = sqliteShop(name, rows)
          const select = sqlite.prepare<[number], Some>('SELECT amount, status FROM orders WHERE customer = ?')
          return add((customer) => select.all(customer))
        },
      })),
      lmdb: {
        operations: 1 << 10,
        settings: LMDB_SETTINGS,
        prepare() {
          const lmdb = lmdbShop(rows)
          return add((customer) => lmdb.ordersOf(customer).map(lmdb.order))
        },
      },
      redis: onRedis(rows, {
        operations: 1 << 9,
        settings: 'over a unix socket, nothing persisted, SMEMBERS awaited, then an HMGET for each id in one pipeline',
        async prepare(socket) {
          const redis = await redisAt(socket)
          return async (n) => {
            let total = 0
            for (let i = 0; i < n; i++) {
              const ids = await redis.sMembers(`customer:${customers[i & mask]}:orders`)
              const found = await Promise.all(ids.map((id) => redis.hmGet(`order:${id}`, ['amount', 'status'])))
              for (const [amount, status] of found) total += Number(amount) + status!.length
            }
            return total
          }
        },
      }),
      postgres: {
        operations: 1 << 8,
        settings: POSTGRES_SETTINGS,
        share: () => shopServer(rows),
        async prepare(shared) {
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
