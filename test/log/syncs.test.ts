import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { DURABLE_MARK_NAME } from '../../src/log/format'
import type { Durability } from '../../src/log/log-options'
import { nativeMemory, temporaryFolder } from '../heap/support/memories'
import { closeChecked } from '../support/store'
import { Device } from './support/device'
import { FaultyFiles, type OperationKind } from './support/faulty-files'
import { StoreOverFiles } from './support/store-over-files'

/** A store whose every operation on files is counted, with a table and its first segment begun. */
function counted(durability: Durability) {
  const folder = temporaryFolder()
  const files = new FaultyFiles(new Device(folder))
  const path = join(folder, 'test.heap')
  const store = StoreOverFiles.over(path, { files, memory: files.memoryFrom(nativeMemory()), durability })
  onTestFinished(() => closeChecked(store))
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', n: 'integer' } }))
  // the mark for followers is not a write of the log
  const count = (kind: OperationKind): number =>
    files.operations.filter((each) => each.kind === kind && !each.path.endsWith(DURABLE_MARK_NAME)).length
  const done = () => ({ writes: count('write'), syncs: count('sync') })
  let before = done()
  return {
    store,
    path,
    put: (id: number) => store.write((tx) => tx.upsert('t', { id, n: id })),
    putAsync: (id: number) => store.writeAsync((tx) => tx.upsert('t', { id, n: id })),
    /** Writes and syncs since the last call. */
    since() {
      const now = done()
      const result = { writes: now.writes - before.writes, syncs: now.syncs - before.syncs }
      before = now
      return result
    },
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('with durability commit, each write is one write and one sync of the log, done before it returns', () => {
  const { put, since } = counted('commit')
  since()
  for (let i = 0; i < 5; i++) {
    put(i)
    expect(since()).toEqual({ writes: 1, syncs: 1 })
  }
})

test('with durability commit, concurrent writeAsync share one write and one sync, done before any of them resolves', async () => {
  const { putAsync, since } = counted('commit')
  since()
  for (let group = 0; group < 3; group++) {
    let resolved = 0
    const all = Array.from({ length: 20 }, (_, i) => putAsync(i).then(() => resolved++))
    expect(since()).toEqual({ writes: 0, syncs: 0 })
    await Promise.race(all)
    expect(since()).toEqual({ writes: 1, syncs: 1 })
    await Promise.all(all)
    expect(resolved).toBe(20)
    expect(since()).toEqual({ writes: 0, syncs: 0 })
  }
})

test('a write that need not wait is not synced, and sync makes up for all of them at once', async () => {
  const { store, since } = counted('commit')
  since()
  for (let i = 0; i < 5; i++) store.write((tx) => tx.upsert('t', { id: i, n: i }), { sync: false })
  expect(since()).toEqual({ writes: 0, syncs: 0 })
  await store.sync()
  expect(since()).toEqual({ writes: 1, syncs: 1 })
})

test('with durability interval, no write waits for the device: the turn hands it over, and sync syncs once', async () => {
  const { store, put, since } = counted({ intervalMs: 1e8, intervalBytes: 1e9 })
  await turn()
  since()
  for (let i = 0; i < 5; i++) put(i)
  expect(since()).toEqual({ writes: 0, syncs: 0 })
  await turn()
  expect(since()).toEqual({ writes: 1, syncs: 0 })
  await store.sync()
  expect(since()).toEqual({ writes: 0, syncs: 1 })
})

test('with durability interval, so many bytes or milliseconds after a write it is synced by itself', async () => {
  for (const durability of [
    { intervalMs: 1e8, intervalBytes: 1000 },
    { intervalMs: 5, intervalBytes: 1e9 },
  ]) {
    const { put, since } = counted(durability)
    await turn()
    since()
    for (let i = 0; i < 20; i++) put(i)
    let syncs = 0
    await vi.waitFor(() => {
      syncs += since().syncs
      expect(syncs).toBe(1)
    })
  }
})

test('with durability none, nothing is written before save, and there is no log', async () => {
  const { store, path, put, putAsync, since } = counted('none')
  expect(since()).toEqual({ writes: 0, syncs: 0 })
  for (let i = 0; i < 5; i++) put(i)
  await putAsync(5)
  expect(since()).toEqual({ writes: 0, syncs: 0 })
  await store.checkpoint()
  expect(since().syncs).toBeGreaterThan(0)
  put(6)
  await turn()
  expect(since()).toEqual({ writes: 0, syncs: 0 })
  expect(existsSync(`${path}.log`)).toBe(false)
})
