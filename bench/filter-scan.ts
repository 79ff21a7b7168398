import { Parameter } from '../src/index'
import { agree, type Contender, race } from './harness'
import type { Task } from './run'
import { duckdbUnindexed, snapheapUnindexed, sqliteUnindexed } from './scan-data'

/** How many of all rows fit two conditions that no index answers. */
export const task: Task = {
  rows: 10_000_000,
  async run(rows) {
    const db = await snapheapUnindexed(rows)
    const sqlite = sqliteUnindexed(rows)
    const duckdb = await duckdbUnindexed(rows)
    const query = db
      .query('orders')
      .where({ status: 'paid', amount: { gte: new Parameter('from'), lt: new Parameter('to') } })
      .query()
    const select = sqlite
      .prepare<[number, number], number>(
        "SELECT count(*) FROM orders WHERE status = 'paid' AND amount >= ? AND amount < ?",
      )
      .pluck()
    const bounds = (i: number): [number, number] => [(i * 811) % 5000, ((i * 811) % 5000) + 500]
    const contenders: Contender[] = [
      {
        name: 'snapheap',
        operations: 5,
        run: (n) => {
          let total = 0
          for (let i = 0; i < n; i++) {
            const [from, to] = bounds(i)
            total += query.with({ from, to }).count()
          }
          return total
        },
      },
      {
        name: 'better-sqlite3',
        operations: 1,
        run: (n) => {
          let total = 0
          for (let i = 0; i < n; i++) total += select.get(...bounds(i))!
          return total
        },
      },
      {
        name: 'duckdb',
        operations: 5,
        run: async (n) => {
          let total = 0
          for (let i = 0; i < n; i++) {
            const [from, to] = bounds(i)
            total += await duckdb(
              `SELECT count(*) FROM orders WHERE status = 'paid' AND amount >= ${from} AND amount < ${to}`,
            )
          }
          return total
        },
      },
    ]
    await agree(contenders, 3)
    return race(contenders, 5)
  },
}
