import { closeSync, copyFileSync, fsyncSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from '../src/index'
import { diskFolder } from './folders'
import { type Apart, median, percentile } from './harness'
import { snapheapOrders } from './orders'

const ROUNDS_IN_PROCESS = 3

/**
 * Writing a snapshot file of its own, saving 1 % of changed rows into the database's own file; and `cp` of as many
 * bytes, synced.
 */
export const task: Apart = {
  rows: 1_000_000,
  contenders: (rows) => ({
    snapheap: {
      async measure() {
        const { db, target } = await saved(rows)
        const whole: number[] = []
        const changed: number[] = []
        const delays: number[] = []
        for (let round = 0; round <= ROUNDS_IN_PROCESS; round++) {
          const timer = watchDelays(delays)
          whole.push(await timed(() => db.saveAs(target, { replace: true })))
          clearInterval(timer)
          db.write((tx) => {
            for (let i = 0; i < rows / 100; i++) tx.update('orders', (i * 97 + round) % rows, { amount: round + i / 2 })
          })
          changed.push(await timed(() => db.checkpoint()))
        }
        await db.close()
        const fileMb = statSync(target).size / 1e6
        const wholeMs = median(whole.slice(1))
        return {
          figures: {
            wholeMs,
            wholeMbPerSecond: fileMb / (wholeMs / 1000),
            onePercentMs: median(changed.slice(1)),
            fileMb,
            eventLoopDelayP99Ms: percentile(delays, 0.99),
          },
        }
      },
    },
    /** Of the same file, which it makes itself. */
    cp: {
      async measure() {
        const { db, target } = await saved(rows)
        await db.close()
        const copied: number[] = []
        for (let round = 0; round <= ROUNDS_IN_PROCESS; round++) {
          copied.push(await timed(() => copyDurably(target, `${target}-copied`)))
        }
        const fileMb = statSync(target).size / 1e6
        const wholeMs = median(copied.slice(1))
        return { figures: { wholeMs, wholeMbPerSecond: fileMb / (wholeMs / 1000), fileMb } }
      },
    },
  }),
}

/** A database, and the path of a file that it was saved to. */
async function saved(rows: number): Promise<{ db: Database; target: string }> {
  const folder = diskFolder()
  const db = await snapheapOrders(rows, join(folder, 'orders.heap'))
  const target = join(folder, 'copy.heap')
  await db.saveAs(target)
  return { db, target }
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
