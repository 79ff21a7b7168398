import { closeSync, copyFileSync, fsyncSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { defaultMemory } from '../src/db/open-heap'
import type { Store } from '../src/db/store'
import { type Files, filesWith } from '../src/heap/files'
import { open } from '../src/index'
import { StoreOverFiles } from '../test/log/support/store-over-files'
import { diskFolder } from './folders'
import { median, type Together } from './harness'

/** A row's document takes up a block of the heap: the share of rows changed is the share of the database. */
const DOCUMENT_BYTES = 32_000
const SHARES = { onePercent: 0.01, tenPercent: 0.1, all: 1 }
const ROUNDS_IN_PROCESS = 3
const BATCH_ROWS = 100
const DELAY_RESOLUTION_MS = 1

/**
 * Making a database of 256 MB durable in its own file after a share of it has changed; and `cp` of as many bytes, both
 * with its fsync (`…MbPerSecond`, what a checkpoint is compared with) and without (`…UnsyncedMbPerSecond`). Each copy
 * is a new file beside the earlier ones, as the database's file grows. A copy that follows a removed one reuses its
 * cached memory, which is several times as fast in a virtual machine as memory that the host must allocate first. A
 * checkpoint too frees memory, so the two take turns at going first. Bytes written are counted where the database
 * writes, over all rounds: now and then a round rewrites the file. That taking turns is why both are in one process.
 * `…DelayMaxMs` is the longest time that the event loop stood still in any round.
 */
export const task: Together = {
  rows: 2 ** 28 / 2 ** 15,
  async measure(rows) {
    const folder = diskFolder()
    const path = join(folder, 'checkpointed')
    const written = { bytes: 0 }
    // nothing is checkpointed but when this task says so
    const db = StoreOverFiles.over(path, {
      durability: 'interval',
      checkpoint: { logBytes: Number.POSITIVE_INFINITY },
      files: countingFiles(written),
    })
    await fill(db, rows)
    const snapheap: Record<string, number> = {}
    const cp: Record<string, number> = {}
    let change = 0
    for (const share of ['onePercent', 'tenPercent', 'all'] as const) {
      const changedRows = Math.ceil(rows * SHARES[share])
      const changedBytes = changedRows * DOCUMENT_BYTES
      const source = join(folder, 'source')
      makeFile(source, changedBytes)
      const savedMs: number[] = []
      const delaysMs: number[] = []
      const longestDelaysMs: number[] = []
      const copiedMs: number[] = []
      const syncedMs: number[] = []
      let writtenBytes = 0
      for (let round = 1; round <= ROUNDS_IN_PROCESS; round++) {
        change++
        await changeRows(db, (changedRows * round) % (rows - changedRows + 1), changedRows, change)
        const copy = (): void => {
          const copied = copyDurably(source, copyOf(source, round))
          copiedMs.push(copied.copiedMs)
          syncedMs.push(copied.syncedMs)
        }
        const isCopyFirst = round % 2 === 0
        if (isCopyFirst) copy()
        written.bytes = 0
        const { tookMs, delayP99Ms, delayMaxMs } = await timedWithDelays(() => db.checkpoint())
        savedMs.push(tookMs)
        delaysMs.push(delayP99Ms)
        longestDelaysMs.push(delayMaxMs)
        writtenBytes += written.bytes
        if (!isCopyFirst) copy()
      }
      for (let round = 1; round <= ROUNDS_IN_PROCESS; round++) rmSync(copyOf(source, round))
      const megabytes = changedBytes / 1e6
      snapheap[`${share}MbPerSecond`] = megabytes / (median(savedMs) / 1000)
      snapheap[`${share}DelayP99Ms`] = median(delaysMs)
      snapheap[`${share}DelayMaxMs`] = Math.max(...longestDelaysMs)
      snapheap[`${share}WrittenPerChanged`] = writtenBytes / ROUNDS_IN_PROCESS / changedBytes
      cp[`${share}MbPerSecond`] = megabytes / (median(syncedMs) / 1000)
      cp[`${share}UnsyncedMbPerSecond`] = megabytes / (median(copiedMs) / 1000)
    }
    await db.close()
    const saved = await open(path, { readOnly: true })
    const { document } = saved.table('documents').get(rows - 1)!
    if (!documentOf(rows - 1, change).equals(document as Uint8Array)) {
      throw new Error('The file does not hold what was changed.')
    }
    await saved.close()
    return { snapheap, cp }
  },
}

function documentOf(id: number, change: number): Buffer {
  return Buffer.alloc(DOCUMENT_BYTES, `document ${id}, change ${change}; `)
}

async function fill(db: Store, rows: number): Promise<void> {
  await db.bulkWrite(
    async (tx) => {
      tx.createTable('documents', {
        key: 'id',
        columns: { id: 'integer', document: { type: 'bytes', index: false } },
      })
      for (let id = 0; id < rows; id++) tx.insert('documents', { id, document: documentOf(id, 0) })
    },
    { log: false },
  )
}

async function changeRows(db: Store, first: number, count: number, change: number): Promise<void> {
  for (let begin = first; begin < first + count; begin += BATCH_ROWS) {
    const end = Math.min(begin + BATCH_ROWS, first + count)
    db.write((tx) => {
      for (let id = begin; id < end; id++) tx.update('documents', id, { document: documentOf(id, change) })
    })
    await new Promise(setImmediate)
  }
  await db.sync()
}

/** How long it took, and of the event loop's delays meanwhile the 99th percentile and the longest. */
async function timedWithDelays(
  work: () => Promise<void>,
): Promise<{ tookMs: number; delayP99Ms: number; delayMaxMs: number }> {
  const loop = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  loop.enable()
  const start = performance.now()
  await work()
  const tookMs = performance.now() - start
  await new Promise((resolve) => setTimeout(resolve, 2 * DELAY_RESOLUTION_MS)) // or a last delay would not be noticed
  loop.disable()
  const delayMs = (measuredNs: number): number => Math.max(0, measuredNs / 1e6 - DELAY_RESOLUTION_MS)
  return { tookMs, delayP99Ms: delayMs(loop.percentile(99)), delayMaxMs: delayMs(loop.max) }
}

function makeFile(path: string, sizeBytes: number): void {
  rmSync(path, { force: true })
  const fd = openSync(path, 'w')
  const chunk = Buffer.alloc(1 << 20, 'bytes that are not all the same')
  for (let at = 0; at < sizeBytes; at += chunk.length) writeSync(fd, chunk)
  closeSync(fd)
  truncateSync(path, sizeBytes)
}

function copyOf(source: string, round: number): string {
  return `${source}-${round}`
}

/** How long a copy takes, and how long a copy and its sync. */
function copyDurably(from: string, to: string): { copiedMs: number; syncedMs: number } {
  const start = performance.now()
  copyFileSync(from, to)
  const copiedMs = performance.now() - start
  const fd = openSync(to, 'r+')
  fsyncSync(fd)
  closeSync(fd)
  return { copiedMs, syncedMs: performance.now() - start }
}

function countingFiles(written: { bytes: number }): Files {
  const files = filesWith(defaultMemory())
  return {
    ...files,
    write(fd, bytes, position) {
      written.bytes += bytes.length
      files.write(fd, bytes, position)
    },
    async writeAsync(fd, buffers, position) {
      for (const { length } of buffers) written.bytes += length
      await files.writeAsync(fd, buffers, position)
    },
  }
}
