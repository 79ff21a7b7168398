import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { diff, history, restore } from '../../src/db/points'
import { Store } from '../../src/db/store'
import { SnapheapError } from '../../src/errors'
import { type Files, nodeFiles } from '../../src/heap/files'
import { LogCursor } from '../../src/log/cursor'
import { logFolderOf } from '../../src/log/format'
import { nativeMemory } from '../heap/support/memories'
import { bundleProgram } from '../support/program'
import { closeChecked, errorOf, fileStore, temporaryPath } from '../support/store'
import { segmentsOf } from './support/damage'

async function writerOf(path: string, retain: string): Promise<ChildProcess> {
  const { bundle, remove } = await bundleProgram(fileURLToPath(new URL('./support/prune-store.ts', import.meta.url)))
  const child = spawn(process.execPath, [bundle, path, retain], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    remove()
  })
  await once(child.stdout!, 'data')
  return child
}

/** Whether it was there; what is gone by now is said so, with what there is. */
async function honestly(work: () => unknown): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (
      !(error instanceof SnapheapError) ||
      error.code !== 'NOT_FOUND' ||
      !error.message.includes('they have versions')
    )
      throw error
    return false
  }
}

test.each(['none', 'retain'])(
  'beside a process that commits, saves, rewrites and removes log, readers get what there was or hear what there is (%s)',
  async (retain) => {
    const path = temporaryPath()
    const child = await writerOf(path, retain)
    let found = 0
    const rounds = 24
    for (let round = 0; round < rounds; round++) {
      const reader = Store.open(path, { readOnly: true })
      const { version } = reader
      await closeChecked(reader)
      const at = async (): Promise<void> => {
        const past = Store.openAt(path, version)
        expect(past.version).toBe(version)
        await closeChecked(past)
      }
      if (await honestly(at)) found++
      const versions = [...history(path)].map((each) => each.version)
      expect(versions).toEqual([...versions].sort((a, b) => a - b))
      expect(versions.at(-1)).toBeGreaterThanOrEqual(version)
      await honestly(async () => (await Store.openAt(path, new Date())).close())
      if (round % 8 === 0) {
        await honestly(() => restore(path, { to: version, into: `${path}.restored`, replace: true }))
        await honestly(() => diff(path, { path, at: version }))
      }
    }
    expect(child.exitCode).toBe(null)
    expect(found).toBeGreaterThan(rounds / 8)
  },
)

test('a reader of history goes on with what is left where log is removed meanwhile, up to the newest commit of its beginning', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { segmentBytes: 600 })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  const put = (from: number, to: number): void => {
    for (let id = from; id < to; id++) store.write((tx) => void tx.insert('t', { id }))
  }
  put(0, 60)
  const newest = store.version
  const commits = history(path)
  const seen = [commits.next().value!.version, commits.next().value!.version]
  await store.checkpoint()
  put(60, 70)
  await store.checkpoint()
  put(70, 80)
  expect(segmentsOf(path)[0]).not.toContain('0000000000000000')
  for (const { version } of commits) seen.push(version)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.at(-1)).toBeLessThanOrEqual(newest)
  expect([...history(path)].at(-1)!.version).toBe(store.version)
})

test('a segment that grows and is left while it is read to its end is no damage', () => {
  const path = temporaryPath()
  const store = fileStore(path, { segmentBytes: 3000 })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  let id = 0
  const put = (): void => store.write((tx) => void tx.insert('t', { id: id++ }))
  put()
  const memory = nativeMemory()
  let growths = 0
  const files: Files = {
    ...nodeFiles,
    list: (folder) => {
      // the writer goes on into a new segment between the reader's last read and its look at the folder
      const before = segmentsOf(path).length
      if (cursor.version === store.version && ++growths < 6) while (segmentsOf(path).length === before) put()
      return nodeFiles.list(folder)
    },
  }
  const cursor: LogCursor = new LogCursor(memory, files, logFolderOf(path), undefined, { version: 0 })
  const versions: number[] = []
  let next = cursor.next()
  for (; typeof next !== 'string'; next = cursor.next()) versions.push(next.head.version)
  cursor.close()
  expect(growths).toBe(6)
  expect([next, versions]).toEqual(['end', Array.from({ length: store.version }, (_, i) => i + 1)])
})

test('a segment that is missing in the middle of a log is damage for a reader of history', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { segmentBytes: 600 })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  for (let id = 0; id < 30; id++) store.write((tx) => void tx.insert('t', { id }))
  await closeChecked(store)
  rmSync(segmentsOf(path)[3])
  const error = errorOf(() => [...history(path)])
  expect([error.code, error.message]).toEqual(['CORRUPT', expect.stringContaining('is missing before it')])
})

test('a version that only the log has, and no file leads to, is not there, and the message names those that are', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  for (let id = 0; id < 10; id++) store.write((tx) => void tx.insert('t', { id }))
  await store.checkpoint()
  store.write((tx) => void tx.insert('t', { id: 10 }))
  await store.compact() // the file holds this version alone, the log goes back to the save before
  store.write((tx) => void tx.insert('t', { id: 11 }))
  await store.compact()
  store.write((tx) => void tx.insert('t', { id: 12 }))
  await store.checkpoint()
  const there = [...history(path)].map((each) => each.version)
  for (const version of there) {
    try {
      await store.asOf(version).close()
    } catch (error) {
      expect((error as SnapheapError).message).toMatch(/do not lead to commit \d+: they have versions (14|15) to 15/)
    }
  }
  await store.asOf(15).close()
})
