import { join } from 'node:path'
import Database from 'better-sqlite3'
import { open } from '../src/index'
import { clientOf, type Order, orderAt, serverWithOrders, temporaryFolder } from './data'
import { type Operation, type Race, randomIntegers } from './harness'

/** All rows with a random value, about 20 of them: their ids added up. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 200,
  share: serverWithOrders,
  runners(rows, shared) {
    const customers = randomIntegers(1 << 18, Math.min(50_000, rows))
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
          const db = await open()
          db.write((tx) => {
            tx.createTable('orders', {
              key: 'id',
              columns: { id: 'integer', customer: 'integer', amount: 'number', status: 'string', note: 'string' },
            })
            const writer = tx.writer('orders')
            for (let id = 0; id < rows; id++) writer.insert({ ...orderAt(id) })
          })
          const table = db.table('orders')
          return sumOf((customer) => table.find({ customer }))
        },
      },
      map: {
        operations: 1 << 16,
        prepare() {
          const map = new Map<number, Order[]>()
          for (let id = 0; id < rows; id++) {
            const order = orderAt(id)
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
      'better-sqlite3': {
        operations: 1 << 13,
        prepare() {
          const sqlite = new Database(join(temporaryFolder(), 'sqlite'))
          sqlite.pragma('journal_mode = WAL')
          sqlite.pragma('cache_size = -1000000')
          sqlite.exec(
            'CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT, note TEXT)',
          )
          const insert = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)')
          sqlite.transaction(() => {
            for (let id = 0; id < rows; id++) {
              const order = orderAt(id)
              insert.run(order.id, order.customer, order.amount, order.status, order.note)
            }
          })()
          sqlite.exec('CREATE INDEX orders_customer ON orders (customer)')
          const select = sqlite.prepare<[number], number>('SELECT id FROM orders WHERE customer = ?').pluck()
          return sumOf((customer) => select.all(customer))
        },
      },
      postgres: {
        operations: 1 << 9,
        async prepare() {
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
