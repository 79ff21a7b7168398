import { closeSync, copyFileSync, fsyncSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../src/index'
import { orderAt, temporaryFolder } from './data'
import { median, percentile, type Result, round3 } from './harness'
import type { Task } from './run'

/** Writing a snapshot file of its own, saving 1 % of changed rows into the database's own file, and `cp` of as many bytes. */
export const task: Task = {
  rows: 1_000_000,
  async run(rows) {
    const folder = temporaryFolder()
    const db = await open(join(folder, 'orders.heap'))
    db.write((tx) => {
      tx.createTable('orders', {
        key: 'id',
        columns: { id: 'integer', customer: 'integer', amount: 'number', status: 'string', note: 'string' },
      })
      const writer = tx.writer('orders')
      for (let id = 0; id < rows; id++) writer.insert({ ...orderAt(id) })
    })
    const whole: number[] = []
    const copied: number[] = []
    const changed: number[] = []
    const delays: number[] = []
    await db.save()
    const target = join(folder, 'copy.heap')
    for (let round = 0; round < 5; round++) {
      const timer = watchDelays(delays)
      whole.push(await timed(() => db.save(target, { replace: true })))
      clearInterval(timer)
      copied.push(await timed(() => copyDurably(target, join(folder, 'copied'))))
      db.write((tx) => {
        for (let i = 0; i < rows / 100; i++) tx.update('orders', (i * 97 + round) % rows, { amount: round + i / 2 })
      })
      changed.push(await timed(() => db.save()))
    }
    const megabytes = statSync(target).size / 1e6
    const result: Result = {
      wholeMs: round3(median(whole)),
      wholeMbPerSecond: Math.round(megabytes / (median(whole) / 1000)),
      copyMbPerSecond: Math.round(megabytes / (median(copied) / 1000)),
      onePercentMs: round3(median(changed)),
      fileMb: Math.round(megabytes),
      eventLoopDelayP99Ms: round3(percentile(delays, 0.99)),
    }
    await db.close()
    return { snapheap: result }
  },
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

function copyDurably(from: string, to: string): void {
  copyFileSync(from, to)
  const fd = openSync(to, 'r+')
  fsyncSync(fd)
  closeSync(fd)
}

function watchDelays(delays: number[]): NodeJS.Timeout {
  let last = performance.now()
  return setInterval(() => {
    const now = performance.now()
    delays.push(Math.max(0, now - last - 1))
    last = now
  }, 1)
}
