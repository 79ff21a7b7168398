import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { open } from '../src/index'
import type { Apart, Sample } from './harness'

const NUMBERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] as const
type Row = Record<string, number>

const SECONDS = 60
/** Reads and writes in one turn of the event loop. */
const READS = 200
const WRITES = 5

function rowAt(id: number, change = 0): Row {
  const row: Row = { id }
  for (const [i, name] of NUMBERS.entries()) row[name] = (id * (i + 3) + change) % 100_003
  return row
}

/**
 * Rows of ten numbers, 100 M values in all, then a minute of reads and writes: the longest garbage collection, the
 * longest turn of the event loop beyond its due, and its 99.9th percentile; next to the same work on 1,000 rows, and to
 * a `Map` of objects. Each is run once, because the longest pause has no median.
 */
export const task: Apart = {
  rows: 10_000_000,
  rounds: 1,
  contenders: (rows) => ({
    snapheap: { measure: () => heap(rows) },
    'snapheap-few': { measure: () => heap(1000) },
    map: { measure: () => map(rows) },
  }),
}

async function heap(rows: number): Promise<Sample> {
  const db = await open()
  await db.bulkWrite(
    async (tx) => {
      const columns = Object.fromEntries(NUMBERS.map((name) => [name, { type: 'number' as const, index: name < 'd' }]))
      tx.createTable('numbers', { key: 'id', columns: { id: 'integer', ...columns } })
      tx.insertMany('numbers', allRows(rows))
    },
    { log: false },
  )
  const columns = NUMBERS.map((name) => db.table('numbers').column(name))
  return observed(
    (i) => columns[i % columns.length].number((i * 7919) % rows),
    (i) => db.write((tx) => tx.update('numbers', (i * 104_729) % rows, rowAt((i * 104_729) % rows, i))),
  )
}

async function map(rows: number): Promise<Sample> {
  setFlagsFromString('--max-old-space-size=20000')
  const byId = new Map<number, Row>()
  for (const row of allRows(rows)) byId.set(row.id, row)
  return observed(
    (i) => byId.get((i * 7919) % rows)![NUMBERS[i % NUMBERS.length]],
    (i) => void byId.set((i * 104_729) % rows, rowAt((i * 104_729) % rows, i)),
  )
}

function* allRows(rows: number): Generator<Row> {
  for (let id = 0; id < rows; id++) yield rowAt(id)
}

async function observed(read: (i: number) => number, write: (i: number) => void): Promise<Sample> {
  const pauses: number[] = []
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) pauses.push(entry.duration)
  })
  observer.observe({ entryTypes: ['gc'] })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const end = performance.now() + SECONDS * 1000
  let turns = 0
  let sum = 0
  while (performance.now() < end) {
    for (let i = 0; i < READS; i++) sum += read(turns * READS + i)
    for (let i = 0; i < WRITES; i++) write(turns * WRITES + i)
    turns++
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  delay.disable()
  await new Promise(setImmediate)
  observer.disconnect()
  if (Number.isNaN(sum)) throw new Error('wrong answer')
  return {
    figures: {
      longestPauseMs: Math.max(0, ...pauses),
      longestDelayMs: delay.max / 1e6,
      p999DelayMs: delay.percentile(99.9) / 1e6,
      perSecond: (turns * (READS + WRITES)) / SECONDS,
    },
  }
}
