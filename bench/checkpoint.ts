import { closeSync, copyFileSync, fsyncSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Files, nodeFiles } from '../src/heap/files'
import { type Database, type OpenOptions, open } from '../src/index'
import { median, round3 } from './harness'
import { diskFolder } from './items'
import type { Task } from './run'

/** A row's document takes up a block of the heap: the share of rows changed is the share of the database. */
const DOCUMENT_BYTES = 32_000
const SHARES = { onePercent: 0.01, tenPercent: 0.1, all: 1 }
const ROUNDS = 7
const BATCH_ROWS = 100
const DELAY_RESOLUTION_MS = 1

/**
 * Making a database of 256 MB durable in its own file after a share of it has changed; and `cp` of as many bytes, with its
 * fsync. Bytes written are counted where the database writes, over all rounds: now and then a round rewrites the file.
 */
export const task: Task = {
  rows: 2 ** 28 / 2 ** 15,
  async run(rows) {
    const folder = diskFolder()
    const path = join(folder, 'checkpointed')
    const written = { bytes: 0 }
    // nothing is checkpointed but when this task says so
    const options: OpenOptions & { files: Files } = {
      durability: 'interval',
      checkpoint: { logBytes: Number.POSITIVE_INFINITY },
      files: countingFiles(written),
    }
    const db = await open(path, options)
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
      const copiedMs: number[] = []
      let writtenBytes = 0
      for (let round = 1; round <= ROUNDS; round++) {
        change++
        await changeRows(db, (changedRows * round) % (rows - changedRows + 1), changedRows, change)
        written.bytes = 0
        const { tookMs, delayP99Ms } = await timedWithDelays(() => db.save())
        savedMs.push(tookMs)
        delaysMs.push(delayP99Ms)
        writtenBytes += written.bytes
        copiedMs.push(copyDurably(source, join(folder, 'copied')))
      }
      const megabytes = changedBytes / 1e6
      snapheap[`${share}MbPerSecond`] = round3(megabytes / (median(savedMs) / 1000))
      snapheap[`${share}DelayP99Ms`] = round3(median(delaysMs))
      snapheap[`${share}WrittenPerChanged`] = round3(writtenBytes / ROUNDS / changedBytes)
      cp[`${share}MbPerSecond`] = round3(megabytes / (median(copiedMs) / 1000))
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

async function fill(db: Database, rows: number): Promise<void> {
  await db.bulkLoad(async (tx) => {
    tx.createTable('documents', {
      key: 'id',
      columns: { id: 'integer', document: { type: 'bytes', index: false } },
    })
    for (let id = 0; id < rows; id++) tx.insert('documents', { id, document: documentOf(id, 0) })
  })
}

async function changeRows(db: Database, first: number, count: number, change: number): Promise<void> {
  for (let begin = first; begin < first + count; begin += BATCH_ROWS) {
    const end = Math.min(begin + BATCH_ROWS, first + count)
    db.write((tx) => {
      for (let id = begin; id < end; id++) tx.update('documents', id, { document: documentOf(id, change) })
    })
    await new Promise(setImmediate)
  }
  await db.sync()
}

/** How long it took, and the 99th percentile of the event loop's delays meanwhile. */
async function timedWithDelays(work: () => Promise<void>): Promise<{ tookMs: number; delayP99Ms: number }> {
  const loop = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  loop.enable()
  const start = performance.now()
  await work()
  const tookMs = performance.now() - start
  await new Promise((resolve) => setTimeout(resolve, 2 * DELAY_RESOLUTION_MS)) // or a last delay would not be noticed
  loop.disable()
  return { tookMs, delayP99Ms: Math.max(0, loop.percentile(99) / 1e6 - DELAY_RESOLUTION_MS) }
}

function makeFile(path: string, sizeBytes: number): void {
  rmSync(path, { force: true })
  const fd = openSync(path, 'w')
  const chunk = Buffer.alloc(1 << 20, 'bytes that are not all the same')
  for (let at = 0; at < sizeBytes; at += chunk.length) writeSync(fd, chunk)
  closeSync(fd)
  truncateSync(path, sizeBytes)
}

function copyDurably(from: string, to: string): number {
  rmSync(to, { force: true })
  const start = performance.now()
  copyFileSync(from, to)
  const fd = openSync(to, 'r+')
  fsyncSync(fd)
  closeSync(fd)
  return performance.now() - start
}

function countingFiles(written: { bytes: number }): Files {
  return {
    ...nodeFiles,
    write(fd, bytes, position) {
      written.bytes += bytes.length
      nodeFiles.write(fd, bytes, position)
    },
    async writeBeside(fd, buffers, position) {
      for (const { length } of buffers) written.bytes += length
      await nodeFiles.writeBeside(fd, buffers, position)
    },
  }
}
