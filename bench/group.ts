import type { Operation, Race } from './harness'
import { DUCKDB_SETTINGS, duckdbUnindexed, snapheapUnindexed, sqliteUnindexed } from './scan-data'
import { onSqlite } from './sqlite'

const COLUMNS = ['status', 'customer']

/** Sums over all rows by a column of a few different texts, and by one of 50,000 different numbers. */
export const task: Race = {
  rows: 10_000_000,
  operationsToAgree: COLUMNS.length,
  runners(rows) {
    const sql = (by: string): string =>
      `SELECT sum(total * n) / 1e9 AS answer FROM (SELECT ${by}, sum(amount) AS total, count(*) AS n FROM orders GROUP BY ${by}) AS g`
    const add =
      (sumBy: (column: string) => number | Promise<number>): Operation =>
      async () => {
        let sum = 0
        for (const by of COLUMNS) sum += await sumBy(by)
        return sum
      }
    return {
      snapheap: {
        operations: COLUMNS.length,
        async prepare() {
          const db = await snapheapUnindexed(rows)
          return add((by) => {
            let sum = 0
            const groups = db.query('orders').groupBy(by, (group) => ({ total: group.sum('amount'), n: group.count() }))
            for (const group of groups) sum += ((group.total as number) * (group.n as number)) / 1e9
            return sum
          })
        },
      },
      ...onSqlite((name) => ({
        settings: 'in memory, statements prepared once',
        rounds: 1,
        operations: COLUMNS.length,
        prepare() {
          const sqlite = sqliteUnindexed(name, rows)
          return add((by) => sqlite.values<[], number>(sql(by), 'answer').get()!)
        },
      })),
      duckdb: {
        settings: DUCKDB_SETTINGS,
        operations: COLUMNS.length,
        async prepare() {
          const duckdb = await duckdbUnindexed(rows)
          return add((by) => duckdb(sql(by)))
        },
      },
    }
  },
}
