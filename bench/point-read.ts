import { join } from 'node:path'
import { Map as ImmutableMap } from 'immutable'
import { open as openLmdb } from 'lmdb'
import { amountAt, clientOf, type Order, ordersUpTo, POSTGRES_SETTINGS, serverWithOrders } from './data'
import { temporaryFolder } from './folders'
import { beyond, type Operation, type Race, randomIntegers } from './harness'
import { orderClass, snapheapOrders, sqliteOrders } from './orders'
import { onRedis, redisAt } from './redis'
import { onSqlite } from './sqlite'

/** Reads made by one call of the function measured, as by one request. */
const READS_A_CALL = 256

const CHAIN = 'each row is known only when the value before has been read, so that reads wait one for the other'

/**
 * One column of a random row by its id. The loops of the fastest are written out: a call would be most of what they
 * cost. They are functions that are called often, and so compiled as a program's own are: a loop entered once, while it
 * runs, is compiled by some versions of Node to one that makes an object of its sum at every turn. Many rows are read
 * at more places, so that those of one round do not all fit the caches.
 */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 1000,
  runners(rows) {
    const reads = rows > 1_000_000 ? 1 << 22 : 1 << 20
    const ids = randomIntegers(reads, rows)
    const mask = ids.length - 1
    const sumOf =
      (read: (id: number) => number): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i++) total += read(ids[i & mask])
        return total
      }
    const inCalls =
      (some: (from: number, to: number) => number): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i += READS_A_CALL) total += some(i, Math.min(n, i + READS_A_CALL))
        return total
      }
    return {
      raw: {
        operations: reads,
        prepare() {
          const raw = new Float64Array(rows)
          for (let id = 0; id < rows; id++) raw[id] = amountAt(id)
          return inCalls((from, to) => {
            let s = 0
            for (let i = from; i < to; i++) s += raw[ids[i & mask]]
            return s
          })
        },
      },
      'raw-chain': {
        operations: reads,
        settings: CHAIN,
        prepare() {
          const raw = new Float64Array(rows)
          for (let id = 0; id < rows; id++) raw[id] = amountAt(id)
          return inCalls((from, to) => {
            let s = 0
            for (let i = from, last = 0; i < to; i++) s += last = raw[ids[(i + ((last * 0) | 0)) & mask]]
            return s
          })
        },
      },
      'snapheap-column': {
        operations: reads,
        async prepare() {
          const amounts = (await snapheapOrders(rows)).table('orders').column('amount')
          return inCalls((from, to) => {
            let s = 0
            for (let i = from; i < to; i++) s += amounts.number(ids[i & mask])
            return s
          })
        },
      },
      'snapheap-column-chain': {
        operations: reads,
        settings: CHAIN,
        async prepare() {
          const amounts = (await snapheapOrders(rows)).table('orders').column('amount')
          return inCalls((from, to) => {
            let s = 0
            for (let i = from, last = 0; i < to; i++) s += last = amounts.number(ids[(i + ((last * 0) | 0)) & mask])
            return s
          })
        },
      },
      'snapheap-property': {
        operations: reads,
        async prepare() {
          const db = await snapheapOrders(rows)
          const Order = orderClass(rows)
          return inCalls((from, to) => {
            let s = 0
            for (let i = from; i < to; i++) s += db.get(Order, ids[i & mask])!.amount
            return s
          })
        },
      },
      'snapheap-object': {
        operations: reads,
        leftOut: beyond(rows, 10_000_000, "so many objects at hand are nobody's"),
        settings: 'a property of an object looked up before',
        async prepare() {
          const db = await snapheapOrders(rows)
          const Order = orderClass(rows)
          const orders = Array.from({ length: rows }, (_, id) => db.get(Order, id)!)
          return inCalls((from, to) => {
            let s = 0
            for (let i = from; i < to; i++) s += orders[ids[i & mask]].amount
            return s
          })
        },
      },
      map: {
        operations: reads,
        leftOut: beyond(rows, 2 ** 24, 'a Map is full'),
        prepare() {
          const map = new Map<number, Order>()
          for (const order of ordersUpTo(rows)) map.set(order.id, order)
          return inCalls((from, to) => {
            let s = 0
            for (let i = from; i < to; i++) s += map.get(ids[i & mask])!.amount
            return s
          })
        },
      },
      immutable: {
        operations: 1 << 18,
        settings: 'filled within one withMutations',
        prepare() {
          const map = ImmutableMap<number, Order>().withMutations((filled) => {
            for (const order of ordersUpTo(rows)) filled.set(order.id, order)
          })
          return sumOf((id) => map.get(id)!.amount)
        },
      },
      lmdb: {
        operations: 1 << 16,
        settings: 'rows as MessagePack by key',
        prepare() {
          const lmdb = openLmdb({ path: join(temporaryFolder(), 'lmdb'), noSync: true })
          lmdb.transactionSync(() => {
            for (const order of ordersUpTo(rows)) lmdb.put(order.id, order)
          })
          return sumOf((id) => lmdb.get(id).amount)
        },
      },
      ...onSqlite((name) => ({
        operations: 1 << 16,
        leftOut: beyond(rows, 10_000_000, 'loading takes minutes'),
        prepare() {
          const select = sqliteOrders(name, rows).values<[number], number>(
            'SELECT amount FROM orders WHERE id = ?',
            'amount',
          )
          return sumOf((id) => select.get(id)!)
        },
      })),
      redis: onRedis(rows, {
        operations: 1 << 12,
        async prepare(socket) {
          const redis = await redisAt(socket)
          return async (n) => {
            let total = 0
            for (let i = 0; i < n; i++) total += Number(await redis.hGet(`order:${ids[i & mask]}`, 'amount'))
            return total
          }
        },
      }),
      postgres: {
        operations: 1 << 10,
        settings: POSTGRES_SETTINGS,
        share: () => serverWithOrders(rows),
        async prepare(shared) {
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
