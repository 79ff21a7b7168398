import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import Database from 'better-sqlite3'
import { open, type Database as Snapheap } from '../src/index'
import { temporaryFolder } from './data'
import type { Apart, Result } from './harness'

/** A key and four numbers, each looked up by. */
const COLUMNS = ['id', 'a', 'b', 'c', 'd'] as const
type Numbers = Record<(typeof COLUMNS)[number], number>

function numbersAt(id: number, rows: number): Numbers {
  return { id, a: id * 1.5, b: (id * 7919) % rows, c: id % 1000, d: rows - id }
}

/**
 * Bytes for one indexed number: in the file, in the memory of the process, and of that in the heap of JavaScript, which is what
 * garbage collections walk. The `Map` has an index of every column too: value -> ids.
 */
export const task: Apart = {
  rows: 1_000_000,
  contenders: (rows) => ({
    snapheap: () =>
      grown(rows, async () => {
        const { db, path } = await loaded(rows)
        return { held: db, fileBytes: statSync(path).size }
      }),
    /** Opened anew, one column read whole: what is not read is not in memory. */
    'snapheap-reopened': () =>
      grown(rows, async () => {
        const made = await loaded(rows)
        await made.db.close()
        const db = await open(made.path)
        const column = db.table('numbers').column('a')
        let sum = 0
        for (let id = 0; id < rows; id++) sum += column.number(id)
        return { held: [db, sum], fileBytes: statSync(made.path).size }
      }),
    map: () =>
      grown(rows, async () => {
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
    'better-sqlite3': () =>
      grown(rows, async () => {
        const path = join(temporaryFolder(), 'sqlite')
        const sqlite = new Database(path)
        sqlite.pragma('cache_size = -4000000')
        sqlite.exec('CREATE TABLE numbers (id INTEGER PRIMARY KEY, a REAL, b REAL, c INTEGER, d INTEGER)')
        const insert = sqlite.prepare('INSERT INTO numbers VALUES (@id, @a, @b, @c, @d)')
        sqlite.transaction(() => {
          for (const each of allNumbers(rows)) insert.run(each)
        })()
        for (const name of COLUMNS.slice(1)) sqlite.exec(`CREATE INDEX numbers_${name} ON numbers (${name})`)
        return { held: sqlite, fileBytes: statSync(path).size }
      }),
  }),
}

async function loaded(rows: number): Promise<{ db: Snapheap; path: string }> {
  const path = join(temporaryFolder(), 'numbers.heap')
  const db = await open(path)
  await db.bulkLoad(async (tx) => {
    tx.createTable('numbers', {
      key: 'id',
      columns: { id: 'integer', a: 'number', b: 'number', c: 'integer', d: 'integer' },
    })
    tx.insertMany('numbers', allNumbers(rows))
  })
  return { db, path }
}

function* allNumbers(rows: number): Generator<Numbers> {
  for (let id = 0; id < rows; id++) yield numbersAt(id, rows)
}

/** What the process has grown by for each value, once garbage is collected. */
async function grown(rows: number, make: () => Promise<{ held: unknown; fileBytes: number }>): Promise<Result> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const used = async (): Promise<{ rss: number; heap: number }> => {
    for (let i = 0; i < 3; i++) {
      collect()
      await new Promise(setImmediate)
    }
    const { rss, heapUsed } = process.memoryUsage()
    return { rss, heap: heapUsed }
  }
  const before = await used()
  const { held, fileBytes } = await make()
  const after = await used()
  if (held === undefined) throw new Error('nothing is held')
  const values = rows * COLUMNS.length
  const perValue = (bytes: number): number => Math.round((Math.max(0, bytes) / values) * 10) / 10
  return {
    fileBytesPerValue: perValue(fileBytes),
    residentBytesPerValue: perValue(after.rss - before.rss),
    heapBytesPerValue: perValue(after.heap - before.heap),
  }
}
