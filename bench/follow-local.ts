import { join } from 'node:path'
import { median, percentile, type Result, randomIntegers, round3 } from './harness'
import { digest, diskFolder, type ItemStore, itemAt, snapheapWithItems } from './items'
import { startReader } from './reader'
import { nowMs } from './reader-program'
import type { Task } from './run'

const TRANSACTIONS_PER_SECOND = 500
const TRANSACTIONS = 1000
const ROUNDS = 5

/** From `write` returning to another thread, or another process, seeing the version, at 500 one-row updates a second. */
export const task: Task = {
  rows: 100_000,
  async run(rows) {
    const path = join(diskFolder(), 'followed')
    const store = await snapheapWithItems(path, rows, { durability: 'interval' })
    const ids = randomIntegers(1 << 16, rows)
    let change = 0
    const next = () => itemAt(ids[++change % ids.length], change)
    const kinds = ['worker', 'process'] as const
    const p50Ms: Record<string, number[]> = { worker: [], process: [] }
    const p99Ms: Record<string, number[]> = { worker: [], process: [] }
    for (let round = 0; round <= ROUNDS; round++) {
      for (const kind of kinds) {
        const reader = await startReader(kind, path)
        const from = await reader.ask('start', undefined)
        const committed = await commitSteadily(store, next)
        const { seen, state } = await reader.ask('follow', { version: store.db.version, rows })
        if (state !== digest(store, rows)) throw new Error(`The ${kind} does not hold what was written.`)
        await reader.end()
        const delays = delaysOf(committed, seen, from)
        if (round === 0) continue
        p50Ms[kind].push(percentile(delays, 0.5))
        p99Ms[kind].push(percentile(delays, 0.99))
      }
    }
    await store.close()
    return Object.fromEntries(
      kinds.map((kind): [string, Result] => [
        kind,
        { p50Ms: round3(median(p50Ms[kind])), p99Ms: round3(median(p99Ms[kind])) },
      ]),
    )
  },
}

/** Returns when `write` had returned, by version. */
async function commitSteadily(
  { db, change }: Awaited<ReturnType<typeof snapheapWithItems>>,
  next: () => Parameters<ItemStore['change']>[0],
): Promise<Map<number, number>> {
  const committed = new Map<number, number>()
  const begin = performance.now()
  for (let i = 1; i <= TRANSACTIONS; i++) {
    const due = begin + (i * 1000) / TRANSACTIONS_PER_SECOND
    // waits without spinning, which would take a processor from the reader
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1))
    change(next())
    committed.set(db.version, nowMs())
  }
  return committed
}

/** A change of version shows every version up to it. */
function delaysOf(committed: ReadonlyMap<number, number>, seen: readonly [number, number][], from: number): number[] {
  const delays: number[] = []
  let last = from
  for (const [version, atMs] of seen) {
    while (last < version) delays.push(atMs - committed.get(++last)!)
  }
  if (delays.length !== committed.size) throw new Error(`${delays.length} of ${committed.size} versions were seen.`)
  return delays
}
