import { Parameter } from '../src/index'
import type { Operation, Race } from './harness'
import { duckdbUnindexed, snapheapUnindexed, sqliteUnindexed } from './scan-data'

/** How many of all rows fit two conditions that no index answers. */
export const task: Race = {
  rows: 10_000_000,
  operationsToAgree: 3,
  runners(rows) {
    const add =
      (count: (from: number, to: number) => number | Promise<number>): Operation =>
      async (n) => {
        let total = 0
        for (let i = 0; i < n; i++) {
          const from = (i * 811) % 5000
          total += await count(from, from + 500)
        }
        return total
      }
    return {
      snapheap: {
        operations: 5,
        async prepare() {
          const db = await snapheapUnindexed(rows)
          const query = db
            .query('orders')
            .where({ status: 'paid', amount: { gte: new Parameter('from'), lt: new Parameter('to') } })
            .query()
          return add((from, to) => query.with({ from, to }).count())
        },
      },
      'better-sqlite3': {
        operations: 1,
        prepare() {
          const select = sqliteUnindexed(rows)
            .prepare<[number, number], number>(
              "SELECT count(*) FROM orders WHERE status = 'paid' AND amount >= ? AND amount < ?",
            )
            .pluck()
          return add((from, to) => select.get(from, to)!)
        },
      },
      duckdb: {
        operations: 5,
        async prepare() {
          const duckdb = await duckdbUnindexed(rows)
          return add((from, to) =>
            duckdb(`SELECT count(*) FROM orders WHERE status = 'paid' AND amount >= ${from} AND amount < ${to}`),
          )
        },
      },
    }
  },
}
