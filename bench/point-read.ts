import { join } from 'node:path'
import Database from 'better-sqlite3'
import { open as openLmdb } from 'lmdb'
import { Column, Entity, Id, open, type Database as Snapheap } from '../src/index'
import { clientOf, orderAt, serverWithOrders, temporaryFolder } from './data'
import { type Operation, type Race, randomIntegers } from './harness'

@Entity({ name: 'orders' })
class Order {
  @Id({ type: 'integer' }) id!: number
  @Column({ type: 'integer' }) customer!: number
  @Column({ type: 'number' }) amount!: number
  @Column({ type: 'string' }) status!: string
  @Column({ type: 'string' }) note!: string
}

/** One column of a random row by its id. The loops of the fastest are written out: a call would be most of what they cost. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 1000,
  share: serverWithOrders,
  runners(rows, shared) {
    const ids = randomIntegers(1 << 20, rows)
    const mask = ids.length - 1
    const sumOf =
      (read: (id: number) => number): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i++) total += read(ids[i & mask])
        return total
      }
    return {
      raw: {
        operations: 1 << 20,
        prepare() {
          const raw = new Float64Array(rows)
          for (let id = 0; id < rows; id++) raw[id] = orderAt(id).amount
          return (n) => {
            let s = 0
            for (let i = 0; i < n; i++) s += raw[ids[i & mask]]
            return s
          }
        },
      },
      'snapheap-column': {
        operations: 1 << 20,
        async prepare() {
          const amounts = (await orders(rows)).table('orders').column('amount')
          return (n) => {
            let s = 0
            for (let i = 0; i < n; i++) s += amounts.number(ids[i & mask])
            return s
          }
        },
      },
      'snapheap-property': {
        operations: 1 << 20,
        async prepare() {
          const db = await orders(rows)
          return (n) => {
            let s = 0
            for (let i = 0; i < n; i++) s += db.get(Order, ids[i & mask])!.amount
            return s
          }
        },
      },
      map: {
        operations: 1 << 20,
        prepare() {
          const map = new Map<number, ReturnType<typeof orderAt>>()
          for (let id = 0; id < rows; id++) map.set(id, orderAt(id))
          return (n) => {
            let s = 0
            for (let i = 0; i < n; i++) s += map.get(ids[i & mask])!.amount
            return s
          }
        },
      },
      lmdb: {
        operations: 1 << 16,
        async prepare() {
          const lmdb = openLmdb({ path: join(temporaryFolder(), 'lmdb') })
          await lmdb.transaction(() => {
            for (let id = 0; id < rows; id++) lmdb.put(id, orderAt(id))
          })
          return sumOf((id) => lmdb.get(id).amount)
        },
      },
      'better-sqlite3': {
        operations: 1 << 16,
        prepare() {
          const select = sqliteWithOrders(rows)
            .prepare<[number], number>('SELECT amount FROM orders WHERE id = ?')
            .pluck()
          return sumOf((id) => select.get(id)!)
        },
      },
      postgres: {
        operations: 1 << 10,
        async prepare() {
          const client = await clientOf(shared)
          const query = { name: 'amount', text: 'SELECT amount FROM orders WHERE id = $1' }
          return async (n) => {
            let total = 0
            for (let i = 0; i < n; i++)
              total += (await client.query({ ...query, values: [ids[i & mask]] })).rows[0].amount
            return total
          }
        },
      },
    }
  },
}

async function orders(rows: number): Promise<Snapheap> {
  const db = await open(undefined, { entities: [Order] })
  db.write((tx) => {
    const writer = tx.writer('orders')
    for (let id = 0; id < rows; id++) writer.insert({ ...orderAt(id) })
  })
  return db
}

function sqliteWithOrders(rows: number): Database {
  const sqlite = new Database(join(temporaryFolder(), 'sqlite'))
  sqlite.pragma('journal_mode = WAL')
  sqlite.pragma('cache_size = -1000000')
  sqlite.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, status TEXT, note TEXT)')
  const insert = sqlite.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)')
  sqlite.transaction(() => {
    for (let id = 0; id < rows; id++) {
      const order = orderAt(id)
      insert.run(order.id, order.customer, order.amount, order.status, order.note)
    }
  })()
  return sqlite
}
