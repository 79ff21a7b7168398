import { join } from 'node:path'
import Database from 'better-sqlite3'
import { open as openLmdb } from 'lmdb'
import { Column, Entity, Id, open } from '../src/index'
import { orderAt, postgresWithOrders, temporaryFolder } from './data'
import { agree, type Contender, race, randomIntegers } from './harness'
import type { Task } from './run'

@Entity({ name: 'orders' })
class Order {
  @Id({ type: 'integer' }) id!: number
  @Column({ type: 'integer' }) customer!: number
  @Column({ type: 'number' }) amount!: number
  @Column({ type: 'string' }) status!: string
  @Column({ type: 'string' }) note!: string
}

/** One column of a random row by its id. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const folder = temporaryFolder()
    const ids = randomIntegers(1 << 20, rows)
    const mask = ids.length - 1

    const db = await open(undefined, { entities: [Order] })
    const raw = new Float64Array(rows)
    const map = new Map<number, ReturnType<typeof orderAt>>()
    const lmdb = openLmdb({ path: join(folder, 'lmdb') })
    const sqlite = new Database(join(folder, 'sqlite'))
    sqlite.pragma('journal_mode = WAL')
    sqlite.pragma('cache_size = -1000000')
    sqlite.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT, note TEXT)')
    const insert = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)')
    db.write((tx) => {
      const writer = tx.writer('orders')
      for (let id = 0; id < rows; id++) writer.insert({ ...orderAt(id) })
    })
    sqlite.transaction(() => {
      for (let id = 0; id < rows; id++) {
        const order = orderAt(id)
        raw[id] = order.amount
        map.set(id, order)
        insert.run(order.id, order.customer, order.amount, order.status, order.note)
      }
    })()
    await lmdb.transaction(() => {
      for (let id = 0; id < rows; id++) lmdb.put(id, orderAt(id))
    })
    const { client } = await postgresWithOrders(rows)

    const table = db.table('orders')
    const amounts = table.column('amount')
    const select = sqlite.prepare<[number], number>('SELECT amount FROM orders WHERE id = ?').pluck()
    const query = { name: 'amount', text: 'SELECT amount FROM orders WHERE id = $1' }
    const sum = (operations: number, read: (id: number) => number): number => {
      let total = 0
      for (let i = 0; i < operations; i++) total += read(ids[i & mask])
      return total
    }
    const contenders: Contender[] = [
      {
        name: 'raw',
        operations: 1 << 20,
        run: (n) => {
          let s = 0
          for (let i = 0; i < n; i++) s += raw[ids[i & mask]]
          return s
        },
      },
      {
        name: 'snapheap-column',
        operations: 1 << 20,
        run: (n) => {
          let s = 0
          for (let i = 0; i < n; i++) s += amounts.number(ids[i & mask])
          return s
        },
      },
      {
        name: 'snapheap-property',
        operations: 1 << 20,
        run: (n) => {
          let s = 0
          for (let i = 0; i < n; i++) s += db.get(Order, ids[i & mask])!.amount
          return s
        },
      },
      {
        name: 'map',
        operations: 1 << 20,
        run: (n) => {
          let s = 0
          for (let i = 0; i < n; i++) s += map.get(ids[i & mask])!.amount
          return s
        },
      },
      { name: 'lmdb', operations: 1 << 16, run: (n) => sum(n, (id) => lmdb.get(id).amount) },
      { name: 'better-sqlite3', operations: 1 << 16, run: (n) => sum(n, (id) => select.get(id)!) },
      {
        name: 'postgres',
        operations: 1 << 10,
        run: async (n) => {
          let total = 0
          for (let i = 0; i < n; i++)
            total += (await client.query({ ...query, values: [ids[i & mask]] })).rows[0].amount
          return total
        },
      },
    ]
    await agree(contenders, 1000)
    return race(contenders)
  },
}
