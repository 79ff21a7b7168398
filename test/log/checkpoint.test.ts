import { copyFileSync, existsSync, readdirSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openHeap, type StoreOptions } from '../../src/db/open-heap'
import { Store } from '../../src/db/store'
import { type Files, nodeFiles } from '../../src/heap/files'
import { BLOCK_BYTES } from '../../src/heap/layout'
import { closeChecked, fileStore, rejectionOf, temporaryPath } from '../support/store'

/** What is handed to the operating system for the heap's own file, in bytes, and how often any file is read. */
class CountingFiles {
  writtenBytes = 0
  reads = 0
  readonly files: Files = {
    ...nodeFiles,
    writeAsync: async (fd, buffers, position) => {
      this.writtenBytes += buffers.reduce((sum, each) => sum + each.length, 0)
      await nodeFiles.writeAsync(fd, buffers, position)
    },
    read: (fd, into, position) => {
      this.reads++
      return nodeFiles.read(fd, into, position)
    },
  }
}

class CountedStore extends Store {
  static over(path: string, files: Files, options: StoreOptions): CountedStore {
    return new CountedStore(openHeap(path, { ...options, files }))
  }
}

const DEFINITION = { key: 'id', columns: { id: 'integer', v: { type: 'integer', index: false } } } as const

test('a checkpoint writes what has changed, not what there is', async () => {
  const counting = new CountingFiles()
  const store = CountedStore.over(temporaryPath(), counting.files, { durability: 'interval' })
  try {
    store.write((tx) => {
      tx.createTable('t', DEFINITION)
      const writer = tx.writer('t')
      for (let id = 0; id < 1_000_000; id++) writer.insert({ id, v: id })
    })
    await store.checkpoint()
    const whole = counting.writtenBytes
    counting.writtenBytes = 0
    store.write((tx) => {
      for (let id = 500_000; id < 510_000; id++) tx.update('t', id, { v: -id }) // one in a hundred, side by side
    })
    await store.checkpoint()
    const changed = 10_000 * 8
    const fixed = 6 * BLOCK_BYTES // map, root, and the blocks at both ends
    expect(whole).toBeGreaterThan(16_000_000)
    expect(counting.writtenBytes).toBeLessThan(changed + fixed)
    await closeChecked(store)
  } finally {
    await store.close()
  }
})

test('commits go on while a checkpoint is written, and the checkpoint has none of them half', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'interval' })
  store.write((tx) => {
    tx.createTable('t', DEFINITION)
    for (let id = 0; id < 20_000; id++) tx.insert('t', { id, v: 0 })
  })
  const saving = store.checkpoint()
  let isSaved = false
  void saving.then(() => {
    isSaved = true
  })
  let commits = 0
  while (!isSaved) {
    commits++
    store.write((tx) => {
      tx.update('t', 1, { v: commits })
      tx.update('t', 19_999, { v: commits })
    })
    await new Promise(setImmediate)
  }
  expect(commits).toBeGreaterThan(2)
  const copy = `${path}.copy` // without its log: the state of the checkpoint
  copyFileSync(path, copy)
  const saved = fileStore(copy, { readOnly: true })
  expect(saved.table('t').get(1)!.v).toBe(saved.table('t').get(19_999)!.v)
})

test('a plain copy of the live file, taken again and again under load, always opens and is sound', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'interval', checkpoint: { logBytes: 100_000 }, segmentBytes: 50_000 })
  store.write((tx) => {
    tx.createTable('t', DEFINITION)
    for (let id = 0; id < 2000; id++) tx.insert('t', { id, v: 0 })
  })
  await store.checkpoint()
  const versions = new Set<number>()
  for (let round = 1; round <= 40; round++) {
    for (let i = 0; i < 25; i++) {
      store.write((tx) => {
        for (let id = i; id < 2000; id += 20) tx.update('t', id, { v: round * 25 + i })
      })
      if (i % 5 === 0) await new Promise(setImmediate)
    }
    const copy = `${path}.${round}`
    copyFileSync(path, copy)
    const opened = Store.open(copy, { durability: 'none' })
    versions.add(opened.version)
    await closeChecked(opened)
  }
  expect(versions.size).toBeGreaterThan(3)
})

test('the log is pruned to what recovery needs', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'interval', segmentBytes: 10_000 })
  store.write((tx) => tx.createTable('t', DEFINITION))
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 200; i++) {
      store.write((tx) => tx.upsert('t', { id: i, v: round }))
      if (i % 20 === 0) await store.sync()
    }
    await store.checkpoint()
  }
  const sizes = readdirSync(`${path}.log`).map((name) => statSync(`${path}.log/${name}`).size)
  const oneRound = 200 * 400
  expect(sizes.reduce((sum, each) => sum + each, 0)).toBeLessThan(3 * oneRound)
  expect(existsSync(`${path}.log/0000000000000000.log`)).toBe(false)
  await closeChecked(store)
  const again = fileStore(path)
  expect(again.table('t').get(199)).toEqual({ id: 199, v: 7 })
})

test('commits go on while the name of a rewritten file is made durable, and count after a restart', async () => {
  const path = temporaryPath()
  let next = 0
  const put = (): void => store.write((tx) => void tx.upsert('t', { id: next % 3000, v: next++ }))
  const syncFolderAsync: Files['syncFolderAsync'] = async (folder) => {
    for (let i = 0; i < 500; i++) put() // the file has its name by now
    await nodeFiles.syncFolderAsync(folder)
    for (let i = 0; i < 500; i++) put()
  }
  const store = CountedStore.over(path, { ...nodeFiles, syncFolderAsync }, { durability: 'interval' })
  store.write((tx) => tx.createTable('t', DEFINITION))
  for (let round = 0; round < 4; round++) {
    const before = next
    await (round % 2 === 0 ? store.compact() : store.checkpoint())
    put()
    if (round % 2 === 0) expect(next).toBe(before + 1001)
    expect(store.check().problems).toEqual([])
  }
  await closeChecked(store)
  const again = fileStore(path)
  for (let id = 0; id < 3000; id++) {
    const last = id + 3000 * Math.floor((next - 1 - id) / 3000)
    expect(again.table('t').get(id)).toEqual(last < 0 ? undefined : { id, v: last })
  }
})

test('a checkpoint reads as much whether there were few before it or many', async () => {
  const counting = new CountingFiles()
  const store = CountedStore.over(temporaryPath(), counting.files, { durability: 'interval' })
  store.write((tx) => tx.createTable('t', DEFINITION))
  const reads: number[] = []
  for (let id = 0; id < 30; id++) {
    store.write((tx) => tx.insert('t', { id, v: id }))
    await store.sync()
    counting.reads = 0
    await store.checkpoint()
    reads.push(counting.reads)
  }
  expect(reads.at(-1)).toBe(reads[5])
  await closeChecked(store)
})

test('a save has one write under way and ends with it, also where one has failed, and the next save is whole', async () => {
  const rows = 280_000 // of which a column takes two writes
  const path = temporaryPath()
  let underWay = 0
  let most = 0
  let failing = 0
  const bulkWrite: Files['writeAsync'] = async (fd, buffers, position) => {
    most = Math.max(most, ++underWay)
    try {
      if (--failing === 0) throw Object.assign(new Error('made to fail'), { code: 'ENOSPC' })
      await new Promise((resolve) => setTimeout(resolve, 20))
      await nodeFiles.writeAsync(fd, buffers, position)
    } finally {
      underWay--
    }
  }
  const store = CountedStore.over(path, { ...nodeFiles, writeAsync: bulkWrite }, { durability: 'interval' })
  store.write((tx) => {
    tx.createTable('t', DEFINITION)
    const writer = tx.writer('t')
    for (let id = 0; id < rows; id++) writer.insert({ id, v: id })
  })
  await store.checkpoint()
  expect(most).toBe(1)
  for (const which of [1, 2]) {
    store.write((tx) => {
      for (let id = 0; id < rows; id++) tx.update('t', id, { v: which + id })
    })
    failing = which
    expect(await rejectionOf(store.checkpoint())).toMatchObject({ code: 'IO' })
    expect(underWay).toBe(0)
  }
  await store.checkpoint()
  await closeChecked(store)
  const again = fileStore(path)
  expect([again.recovery.commits, again.table('t').get(rows - 1)?.v]).toEqual([0, rows + 1])
  await closeChecked(again)
})
