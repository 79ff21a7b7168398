import { join } from 'node:path'
import { diskFolder } from './folders'
import { type Apart, percentile, randomIntegers, type Sample } from './harness'
import { type ItemStore, snapheapWithItems } from './item-stores'
import { digest, itemAt, someIds } from './items'
import { startReader } from './reader'
import { nowMs } from './reader-program'

const TRANSACTIONS_PER_SECOND = 500
const TRANSACTIONS = 1000
const ROUNDS_BEFORE = 1
const UNSYNCED = 'durability interval, showUnsynced: true'
const DURABLE = 'durability commit'

/**
 * From `write` returning to another thread, or another process, seeing the version, at 500 one-row updates a second, as
 * far as the device comes along: of a writer that does not wait for the device and a reader that does not either, and
 * of both that do.
 */
export const task: Apart = {
  rows: 100_000,
  contenders: (rows) => ({
    worker: { settings: UNSYNCED, measure: () => followed('worker', true, rows) },
    process: { settings: UNSYNCED, measure: () => followed('process', true, rows) },
    'worker-durable': { settings: DURABLE, measure: () => followed('worker', false, rows) },
    'process-durable': { settings: DURABLE, measure: () => followed('process', false, rows) },
  }),
}

/** The last of some rounds, each with a reader of its own. */
async function followed(kind: 'worker' | 'process', isUnsynced: boolean, rows: number): Promise<Sample> {
  const path = join(diskFolder(), 'followed')
  const store = await snapheapWithItems(path, rows, { durability: isUnsynced ? 'interval' : 'commit' })
  const ids = randomIntegers(1 << 16, rows)
  let change = 0
  const next = () => itemAt(ids[++change % ids.length], change)
  let delays: number[] = []
  for (let round = 0; round <= ROUNDS_BEFORE; round++) {
    const reader = await startReader(kind, path, isUnsynced)
    const from = await reader.ask('start', undefined)
    const committed = await commitSteadily(store, next)
    const { seen, state } = await reader.ask('follow', { version: store.db.version, rows })
    if (state !== digest(store.get, someIds(rows))) throw new Error(`The ${kind} does not hold what was written.`)
    await reader.end()
    delays = delaysOf(committed, seen, from)
  }
  await store.close()
  return { figures: { p50Ms: percentile(delays, 0.5), p99Ms: percentile(delays, 0.99) } }
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
