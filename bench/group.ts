import { agree, type Contender, race } from './harness'
import type { Task } from './run'
import { duckdbUnindexed, snapheapUnindexed, sqliteUnindexed } from './scan-data'

/** Sums over all rows by a column of a few different texts, and by one of 50,000 different numbers. */
export const task: Task = {
  rows: 10_000_000,
  async run(rows) {
    const db = await snapheapUnindexed(rows)
    const sqlite = sqliteUnindexed(rows)
    const duckdb = await duckdbUnindexed(rows)
    const sql = (by: string): string =>
      `SELECT sum(total * n) / 1e9 FROM (SELECT ${by}, sum(amount) AS total, count(*) AS n FROM orders GROUP BY ${by}) AS g`
    const columns = ['status', 'customer']
    const contenders: Contender[] = [
      {
        name: 'snapheap',
        operations: columns.length,
        run: () => {
          let sum = 0
          for (const by of columns) {
            const groups = db.query('orders').groupBy(by, (group) => ({ total: group.sum('amount'), n: group.count() }))
            for (const group of groups) sum += ((group.total as number) * (group.n as number)) / 1e9
          }
          return sum
        },
      },
      {
        name: 'better-sqlite3',
        operations: columns.length,
        run: () => {
          let sum = 0
          for (const by of columns) sum += sqlite.prepare<[], number>(sql(by)).pluck().get()!
          return sum
        },
      },
      {
        name: 'duckdb',
        operations: columns.length,
        run: async () => {
          let sum = 0
          for (const by of columns) sum += await duckdb(sql(by))
          return sum
        },
      },
    ]
    await agree(contenders, columns.length)
    return race(contenders, 3)
  },
}
