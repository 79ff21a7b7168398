import { Parameter } from '../src/index'
import { beyond, type Operation, type Race } from './harness'
import { DUCKDB_SETTINGS, duckdbUnindexed, snapheapUnindexed, sqliteUnindexed } from './scan-data'
import { onSqlite } from './sqlite'

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
      ...onSqlite((name) => ({
        settings: 'in memory, statements prepared once',
        leftOut: beyond(rows, 10_000_000, 'loading takes minutes'),
        operations: 1,
        prepare() {
          const select = sqliteUnindexed(name, rows).values<[number, number], number>(
            "SELECT count(*) AS n FROM orders WHERE status = 'paid' AND amount >= ? AND amount < ?",
            'n',
          )
          return add((from, to) => select.get(from, to)!)
        },
      })),
      duckdb: {
        settings: DUCKDB_SETTINGS,
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
