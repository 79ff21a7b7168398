import { clientOf, customersOf, type Order, ordersUpTo, POSTGRES_SETTINGS, serverWithOrders } from './data'
import { type Operation, type Race, randomIntegers } from './harness'
import { snapheapOrders, sqliteOrders } from './orders'
import { onRedis, redisAt } from './redis'
import { onSqlite } from './sqlite'

/** All rows with a random value, 20 of them: their ids added up. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 200,
  runners(rows) {
    const customers = randomIntegers(1 << 18, customersOf(rows))
    const mask = customers.length - 1
    const sumOf =
      (idsOf: (customer: number) => readonly number[]): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i++) for (const id of idsOf(customers[i & mask])) total += id
        return total
      }
    return {
      snapheap: {
        operations: 1 << 16,
        async prepare() {
          const table = (await snapheapOrders(rows)).table('orders')
          return sumOf((customer) => table.findRows({ customer }))
        },
      },
      map: {
        operations: 1 << 16,
        prepare() {
          const map = new Map<number, Order[]>()
          for (const order of ordersUpTo(rows)) {
            const same = map.get(order.customer)
            if (same === undefined) map.set(order.customer, [order])
            else same.push(order)
          }
          return (n) => {
            let total = 0
            for (let i = 0; i < n; i++) for (const order of map.get(customers[i & mask]) ?? []) total += order.id
            return total
          }
        },
      },
      ...onSqlite((name) => ({
        operations: 1 << 13,
        prepare() {
          const sqlite = sqliteOrders(name, rows)
          const select = sqlite.values<[number], number>('SELECT id FROM orders WHERE customer = ?', 'id')
          return sumOf((customer) => select.all(customer))
        },
      })),
      redis: onRedis(rows, {
        operations: 1 << 11,
        settings:
          'over a unix socket, nothing persisted, SMEMBERS of a set of ids for each value, one awaited after the other',
        async prepare(socket) {
          const redis = await redisAt(socket)
          return async (n) => {
            let total = 0
            for (let i = 0; i < n; i++) {
              for (const id of await redis.sMembers(`customer:${customers[i & mask]}:orders`)) total += Number(id)
            }
            return total
          }
        },
      }),
      postgres: {
        operations: 1 << 9,
        settings: POSTGRES_SETTINGS,
        share: () => serverWithOrders(rows),
        async prepare(shared) {
          const client = await clientOf(shared)
          const query = { name: 'ids', text: 'SELECT id FROM orders WHERE customer = $1' }
          return async (n) => {
            let total = 0
            for (let i = 0; i < n; i++) {
              const { rows: found } = await client.query({ ...query, values: [customers[i & mask]] })
              for (const row of found) total += row.id
            }
            return total
          }
        },
      },
    }
  },
}
