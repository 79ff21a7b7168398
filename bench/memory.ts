import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { open, type Database as Snapheap } from '../src/index'
import { temporaryFolder } from './folders'
import type { Apart, Trial } from './harness'
import { onSqlite, openSqlite } from './sqlite'

/** A key and four numbers, each looked up by. */
const COLUMNS = ['id', 'a', 'b', 'c', 'd'] as const
type Numbers = Record<(typeof COLUMNS)[number], number>

function numbersAt(id: number, rows: number): Numbers {
  return { id, a: id * 1.5, b: (id * 7919) % rows, c: id % 1000, d: rows - id }
}

/**
 * Bytes for one indexed number: in the file, in the memory of the process, and of that in the heap of JavaScript, which
 * is what garbage collections walk. The `Map` has an index of every column too: value -> ids. Once each, because memory
 * does not vary as time does.
 */
export const task: Apart = {
  rows: 1_000_000,
  rounds: 1,
  contenders: (rows) => ({
    snapheap: grown(rows, async () => {
      const { db, path } = await loaded(rows)
      return { held: db, fileBytes: statSync(path).size }
    }),
    /** Opened anew, one column read whole: what is not read is not in memory. */
    'snapheap-reopened': grown(rows, async () => {
      const made = await loaded(rows)
      await made.db.close()
      const db = await open(made.path)
      const column = db.table('numbers').column('a')
      let sum = 0
      for (let id = 0; id < rows; id++) sum += column.number(id)
      return { held: [db, sum], fileBytes: statSync(made.path).size }
    }),
    map: grown(rows, async () => {
      const byId = new Map<number, Numbers>()
      const indexes = COLUMNS.slice(1).map((name) => ({ name, ids: new Map<number, number | number[]>() }))
      for (const each of allNumbers(rows)) {
        byId.set(each.id, each)
        for (const { name, ids } of indexes) {
          const same = ids.get(each[name])
          if (same === undefined) ids.set(each[name], each.id)
          else if (typeof same === 'number') ids.set(each[name], [same, each.id])
          else same.push(each.id)
        }
      }
      return { held: [byId, indexes], fileBytes: 0 }
    }),
    ...onSqlite((name) =>
      grown(rows, async () => {
        const path = join(temporaryFolder(), 'sqlite')
        const sqlite = openSqlite(name, path)
        sqlite.exec('CREATE TABLE numbers (id INTEGER PRIMARY KEY, a REAL, b REAL, c INTEGER, d INTEGER)')
        const insert = sqlite.prepare('INSERT INTO numbers VALUES (?, ?, ?, ?, ?)')
        sqlite.transaction(() => {
          for (const { id, a, b, c, d } of allNumbers(rows)) insert.run(id, a, b, c, d)
        })
        for (const column of COLUMNS.slice(1)) sqlite.exec(`CREATE INDEX numbers_${column} ON numbers (${column})`)
        sqlite.exec('PRAGMA wal_checkpoint(TRUNCATE)')
        return { held: sqlite, fileBytes: statSync(path).size }
      }),
    ),
  }),
}

async function loaded(rows: number): Promise<{ db: Snapheap; path: string }> {
  const path = join(temporaryFolder(), 'numbers.heap')
  const db = await open(path)
  await db.bulkWrite(
    async (tx) => {
      tx.createTable('numbers', {
        key: 'id',
        columns: { id: 'integer', a: 'number', b: 'number', c: 'integer', d: 'integer' },
      })
      tx.insertMany('numbers', allNumbers(rows))
    },
    { log: false },
  )
  return { db, path }
}

function* allNumbers(rows: number): Generator<Numbers> {
  for (let id = 0; id < rows; id++) yield numbersAt(id, rows)
}

/** What a process grows by for each value, once garbage is collected. */
function grown(rows: number, make: () => Promise<{ held: unknown; fileBytes: number }>): Trial {
  return {
    async measure() {
      const before = await used()
      const { held, fileBytes } = await make()
      const after = await used()
      if (held === undefined) throw new Error('Nothing is held.')
      const perValue = (bytes: number): number => Math.round((Math.max(0, bytes) / (rows * COLUMNS.length)) * 10) / 10
      return {
        figures: {
          fileBytesPerValue: perValue(fileBytes),
          residentBytesPerValue: perValue(after.rss - before.rss),
          heapBytesPerValue: perValue(after.heap - before.heap),
        },
      }
    },
  }
}

async function used(): Promise<{ rss: number; heap: number }> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let i = 0; i < 3; i++) {
    collect()
    await new Promise(setImmediate)
  }
  const { rss, heapUsed } = process.memoryUsage()
  return { rss, heap: heapUsed }
}
