import { join } from 'node:path'
import Database from 'better-sqlite3'
import { open } from '../src/index'
import { type Order, orderAt, postgresWithOrders, temporaryFolder } from './data'
import { agree, type Contender, race, randomIntegers } from './harness'
import type { Task } from './run'

/** All rows with a random value, about 20 of them: their ids added up. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const folder = temporaryFolder()
    const customers = randomIntegers(1 << 18, Math.min(50_000, rows))
    const mask = customers.length - 1

    const db = await open()
    db.write((tx) => {
      tx.createTable('orders', {
        key: 'id',
        columns: { id: 'integer', customer: 'integer', amount: 'number', status: 'string', note: 'string' },
      })
      const writer = tx.writer('orders')
      for (let id = 0; id < rows; id++) writer.insert({ ...orderAt(id) })
    })
    const map = new Map<number, Order[]>()
    const sqlite = new Database(join(folder, 'sqlite'))
    sqlite.pragma('journal_mode = WAL')
    sqlite.pragma('cache_size = -1000000')
    sqlite.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT, note TEXT)')
    const insert = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)')
    sqlite.transaction(() => {
      for (let id = 0; id < rows; id++) {
        const order = orderAt(id)
        const same = map.get(order.customer)
        if (same === undefined) map.set(order.customer, [order])
        else same.push(order)
        insert.run(order.id, order.customer, order.amount, order.status, order.note)
      }
    })()
    sqlite.exec('CREATE INDEX orders_customer ON orders (customer)')
    const { client } = await postgresWithOrders(rows)

    const table = db.table('orders')
    const select = sqlite.prepare<[number], number>('SELECT id FROM orders WHERE customer = ?').pluck()
    const query = { name: 'ids', text: 'SELECT id FROM orders WHERE customer = $1' }
    const sum = (operations: number, idsOf: (customer: number) => Iterable<number>): number => {
      let total = 0
      for (let i = 0; i < operations; i++) for (const id of idsOf(customers[i & mask])) total += id
      return total
    }
    const contenders: Contender[] = [
      { name: 'snapheap', operations: 1 << 16, run: (n) => sum(n, (customer) => table.find({ customer })) },
      {
        name: 'map',
        operations: 1 << 16,
        run: (n) => {
          let total = 0
          for (let i = 0; i < n; i++) for (const order of map.get(customers[i & mask]) ?? []) total += order.id
          return total
        },
      },
      { name: 'better-sqlite3', operations: 1 << 13, run: (n) => sum(n, (customer) => select.all(customer)) },
      {
        name: 'postgres',
        operations: 1 << 9,
        run: async (n) => {
          let total = 0
          for (let i = 0; i < n; i++) {
            const { rows: found } = await client.query({ ...query, values: [customers[i & mask]] })
            for (const row of found) total += row.id
          }
          return total
        },
      },
    ]
    await agree(contenders, 200)
    return race(contenders)
  },
}
