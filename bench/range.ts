import { Parameter } from '../src/index'
import { amountAt } from './data'
import { type Operation, type Race, randomIntegers } from './harness'
import { Orders, snapheapShop, sqliteShop } from './shop'
import { onSqlite } from './sqlite'

const COUNT = 1000

type Some = { id: number; amount: number }

/** 1,000 rows in the order of an amount, from a random one on: amount and key of each. */
export const task: Race = {
  rows: 1_000_000,
  operationsToAgree: 16,
  runners(rows) {
    const starts = randomIntegers(1 << 12, 9_000)
    const mask = starts.length - 1
    const add =
      (ordersFrom: (amount: number) => readonly Some[]): Operation =>
      (n) => {
        let total = 0
        for (let i = 0; i < n; i++) for (const { id, amount } of ordersFrom(starts[i & mask])) total += id + amount
        return total
      }
    return {
      snapheap: {
        operations: 1 << 8,
        async prepare() {
          const db = await snapheapShop(rows)
          const query = db
            .query(Orders)
            .where({ amount: { gte: new Parameter('from') } })
            .orderBy('amount')
            .limit(COUNT)
            .select('id', 'amount')
          return add((from) => query.with({ from }).collect())
        },
      },
      map: {
        operations: 1 << 10,
        settings: 'a sorted array of objects',
        prepare() {
          const sorted = sortedOrders(rows)
          return add((from) => {
            const first = firstAt(sorted, from)
            return sorted.slice(first, first + COUNT)
          })
        },
      },
      ...onSqlite((name) => ({
        operations: 1 << 6,
        prepare() {
          const select = sqliteShop(name, rows).prepare<[number], Some>(
            `SELECT id, amount FROM orders WHERE amount >= ? ORDER BY amount, id LIMIT ${COUNT}`,
          )
          return add((from) => select.all(from))
        },
      })),
    }
  },
}

/** All orders as an array in the order of their amounts: what a program without a database would keep. */
function sortedOrders(rows: number): Some[] {
  const sorted = Array.from({ length: rows }, (_, id) => ({ id, amount: amountAt(id) }))
  return sorted.sort((a, b) => a.amount - b.amount || a.id - b.id)
}

function firstAt(sorted: readonly Some[], amount: number): number {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (sorted[middle].amount < amount) from = middle + 1
    else to = middle
  }
  return from
}
