import { Parameter } from '../src/index'
import { orderAt } from './data'
import { agree, type Contender, race, randomIntegers } from './harness'
import type { Task } from './run'
import { Orders, snapheapShop, sqliteShop } from './shop'

const COUNT = 1000

/** 1,000 rows in the order of an amount, from a random one on: amount and key of each. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const starts = randomIntegers(1 << 12, 9_000)
    const mask = starts.length - 1
    const db = await snapheapShop(rows)
    const sqlite = sqliteShop(rows)
    const sorted = Array.from({ length: rows }, (_, id) => ({ id, amount: orderAt(id).amount }))
    sorted.sort((a, b) => a.amount - b.amount || a.id - b.id)
    const firstAt = (amount: number): number => {
      let from = 0
      let to = sorted.length
      while (from < to) {
        const middle = (from + to) >>> 1
        if (sorted[middle].amount < amount) from = middle + 1
        else to = middle
      }
      return from
    }
    const query = db
      .query(Orders)
      .where({ amount: { gte: new Parameter('from') } })
      .orderBy('amount')
      .limit(COUNT)
      .select('id', 'amount')
    const select = sqlite.prepare<[number], { id: number; amount: number }>(
      `SELECT id, amount FROM orders WHERE amount >= ? ORDER BY amount, id LIMIT ${COUNT}`,
    )
    const add = (n: number, one: (from: number) => Iterable<{ id: number; amount: number }>): number => {
      let total = 0
      for (let i = 0; i < n; i++) for (const { id, amount } of one(starts[i & mask])) total += id + amount
      return total
    }
    const contenders: Contender[] = [
      { name: 'snapheap', operations: 1 << 8, run: (n) => add(n, (from) => query.with({ from }).collect()) },
      {
        name: 'map',
        operations: 1 << 10,
        run: (n) => add(n, (from) => sorted.slice(firstAt(from), firstAt(from) + COUNT)),
      },
      { name: 'better-sqlite3', operations: 1 << 6, run: (n) => add(n, (from) => select.all(from)) },
    ]
    await agree(contenders, 16)
    return race(contenders)
  },
}
