import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openHeap, type StoreOptions } from '../../src/db/open-heap'
import { history } from '../../src/db/points'
import { Store } from '../../src/db/store'
import { verify } from '../../src/db/verify'
import type { SnapheapError } from '../../src/errors'
import { type Files, nodeFiles } from '../../src/heap/files'
import { BLOCK_BYTES } from '../../src/heap/layout'
import { MEMORIES, nativeMemory } from '../heap/support/memories'
import { segmentsOf } from '../log/support/damage'
import { seeded } from '../support/random'
import { closeChecked, errorOf, fileStore, memoryStore, rejectionOf, rowsOf, temporaryPath } from '../support/store'

const DEFINITION = { key: 'id', columns: { id: 'integer', v: 'integer', w: 'integer', text: 'string' } } as const
const IDS = [...Array(20).keys()]

/** Version `n + 2` has `n` in every row. */
function put(store: Store, n: number): void {
  store.write((tx) => {
    for (const id of IDS) tx.upsert('t', { id, v: n, w: -n, text: textOf(n, id) })
  })
}

function expectOneCommit(store: Store): void {
  const n = store.version - 2
  expect(rowsOf(store.table('t'))).toEqual(IDS.map((id) => ({ id, v: n, w: -n, text: textOf(n, id) })))
}

function textOf(n: number, id: number): string {
  return `state ${n} of row ${id}, `.repeat(8)
}

async function goOn(store: Store, from: number, isOver: () => boolean, random: () => number): Promise<number> {
  let n = from
  while (!isOver()) {
    put(store, ++n)
    if (random() < 0.1) await store.checkpoint()
    if (random() < 0.05) await store.compact()
    await new Promise(setImmediate)
  }
  return n
}

describe.each(MEMORIES.slice(0, 2))('backup on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test.each<StoreOptions>([
    { durability: 'commit' },
    { durability: 'interval', retain: { log: 300_000 } },
    { durability: 'none' },
  ])(
    'beside commits, checkpoints, rewrites and removal of log, it is one commit that there was (%o)',
    async (options) => {
      const random = seeded(7)
      const path = temporaryPath()
      const store = fileStore(path, { memory, segmentBytes: 30_000, ...options })
      store.write((tx) => tx.createTable('t', DEFINITION))
      let n = 0
      while (n < 30) put(store, ++n)
      await store.checkpoint()
      for (let round = 0; round < 3; round++) {
        let isOver = false
        const least = store.version
        const backup = store.backup(`${path}.backup-${round}`).finally(() => {
          isOver = true
        })
        n = await goOn(store, n, () => isOver, random)
        const { version, path: copy } = await backup
        expect(version).toBeGreaterThanOrEqual(least)
        expect((await verify(copy, { memory })).version).toBeLessThanOrEqual(version)
        await expectPast(copy, [...history(copy, { memory })].slice(-8))
        const opened = Store.open(copy, { memory })
        expect(opened.version).toBe(version)
        expectOneCommit(opened)
        put(opened, version - 1) // it goes on by itself
        await closeChecked(opened)
      }
      await closeChecked(store)
    },
  )
})

/** Each commit is shown as it was, or the file was rewritten since. */
async function expectPast(path: string, commits: readonly { version: number }[]): Promise<void> {
  for (const { version } of commits) {
    let past: Store
    try {
      past = Store.openAt(path, version)
    } catch (error) {
      expect((error as SnapheapError).code).toBe('NOT_FOUND')
      continue
    }
    expect(past.version).toBe(version)
    expectOneCommit(past)
    await closeChecked(past)
  }
}

test('a backup reaches as far back as the database', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { retain: { log: '1 day' }, segmentBytes: 10_000 })
  store.write((tx) => tx.createTable('t', DEFINITION))
  for (let n = 1; n <= 60; n++) {
    put(store, n)
    if (n % 10 === 0) await (n % 20 === 0 ? store.compact() : store.checkpoint())
  }
  const { path: copy } = await store.backup(`${path}.backup`)
  expect([...history(copy)].map((each) => each.version)).toEqual([...history(path)].map((each) => each.version))
  for (const version of [3, 12, 25, 43, 62]) {
    const past = Store.openAt(copy, version)
    expectOneCommit(past)
    await past.close()
  }
})

test('checkpoints between the copying of the file and that of the log remove no log that the copy needs', async () => {
  const path = temporaryPath()
  let isBackingUp = false
  let n = 0
  const files: Files = {
    ...nodeFiles,
    writeAsync: async (fd, buffers, position) => {
      if (isBackingUp) {
        isBackingUp = false
        for (let i = 0; i < 4; i++) {
          put(store, ++n)
          await (i % 2 === 0 ? store.checkpoint() : store.compact())
        }
      }
      await nodeFiles.writeAsync(fd, buffers, position)
    },
  }
  const store: OverFiles = OverFiles.over(path, files, { segmentBytes: 2000 })
  store.write((tx) => tx.createTable('t', DEFINITION))
  while (n < 10) put(store, ++n)
  await store.checkpoint()
  isBackingUp = true
  const { version, path: copy } = await store.backup(`${path}.backup`)
  expect(version).toBe(store.version)
  const opened = fileStore(copy)
  expect(opened.recovery.commits).toBeGreaterThan(3)
  expectOneCommit(opened)
  await closeChecked(store)
})

test.each<[string, StoreOptions, (store: Store, n: number) => Promise<void>]>([
  [
    'a save where nothing is logged',
    { durability: 'none' },
    async (store, n) => {
      put(store, n)
      await store.checkpoint()
    },
  ],
  [
    'a load that is not logged',
    {},
    (store, n) =>
      store.bulkWrite(
        async (tx) => {
          for (const id of IDS) tx.upsert('t', { id, v: n, w: -n, text: textOf(n, id) })
        },
        { log: false },
      ),
  ],
])('%s while the file is copied is not in the backup, which is whole', async (_name, options, change) => {
  const path = temporaryPath()
  let copy = -1
  const files: Files = {
    ...nodeFiles,
    open: (name, flags) => {
      const fd = nodeFiles.open(name, flags)
      if (flags === 'wx+' && name.includes('.backup-') && copy < 0) copy = fd
      return fd
    },
    writeAsync: async (fd, buffers, position) => {
      if (fd === copy) {
        copy = 0
        await change(store, 12)
        put(store, 13)
      }
      await nodeFiles.writeAsync(fd, buffers, position)
    },
  }
  const store: OverFiles = OverFiles.over(path, files, options)
  store.write((tx) => tx.createTable('t', DEFINITION))
  for (let n = 1; n <= 10; n++) put(store, n)
  await store.checkpoint()
  put(store, 11)
  await store.sync()
  const { version, path: made } = await store.backup(`${path}.backup`)
  expect(version).toBe(13)
  const opened = fileStore(made)
  expect(opened.version).toBe(13)
  expectOneCommit(opened)
  await closeChecked(store)
})

test('a backup that fails leaves nothing, and the database goes on; the log is removed again afterwards', async () => {
  const path = temporaryPath()
  let left = Number.POSITIVE_INFINITY
  const files: Files = {
    ...nodeFiles,
    writeAsync: async (fd, buffers, position) => {
      if (--left < 0) throw Object.assign(new Error('made to fail'), { code: 'ENOSPC' })
      await nodeFiles.writeAsync(fd, buffers, position)
    },
  }
  const store = OverFiles.over(path, files, { segmentBytes: 2000 })
  store.write((tx) => tx.createTable('t', DEFINITION))
  for (let n = 1; n <= 20; n++) put(store, n)
  await store.checkpoint()
  put(store, 21)
  for (const writes of [0, 1, 2, 5]) {
    left = writes
    const error = await rejectionOf(store.backup(`${path}.backup`))
    expect([error.code, error.details.systemCode]).toEqual(['IO', 'ENOSPC'])
    expect(readdirSync(dirname(path)).sort()).toEqual(['test.heap', 'test.heap.lock', 'test.heap.log'])
  }
  left = Number.POSITIVE_INFINITY
  for (let n = 22; n <= 25; n++) {
    put(store, n)
    await store.checkpoint()
  }
  expect(segmentsOf(path).length).toBeLessThan(4)
  await closeChecked(store)
})

class OverFiles extends Store {
  static over(path: string, files: Files, options: StoreOptions): OverFiles {
    return new OverFiles(openHeap(path, { memory: nativeMemory(), ...options, files }))
  }
}

test('a backup or a file at another path leaves no file open and none behind, also where the system does not tell of one', async () => {
  const path = temporaryPath()
  const opened = new Set<number>()
  let left = Number.POSITIVE_INFINITY
  const asked = <T>(answer: () => T): T => {
    if (--left === -1) throw Object.assign(new Error('made to fail'), { code: 'ESTALE' })
    return answer()
  }
  const files: Files = {
    ...nodeFiles,
    open(name, flags) {
      const fd = nodeFiles.open(name, flags)
      opened.add(fd)
      return fd
    },
    close(fd) {
      opened.delete(fd)
      nodeFiles.close(fd)
    },
    closeAsync(fd) {
      opened.delete(fd)
      return nodeFiles.closeAsync(fd)
    },
    sizeBytes: (fd) => asked(() => nodeFiles.sizeBytes(fd)),
    names: (name, fd, sizeBytes) => asked(() => nodeFiles.names(name, fd, sizeBytes)),
  }
  const store = OverFiles.over(path, files, { retain: { log: 300_000 } })
  store.write((tx) => tx.createTable('t', DEFINITION))
  await store.checkpoint()
  await store.compact()
  put(store, 1)
  const before = opened.size
  for (const call of [() => store.backup(`${path}.backup`), () => store.saveAs(`${path}.copy`)]) {
    let failures = 0
    for (let count = 0, isOver = false; !isOver; count++) {
      left = count
      await call().catch(() => failures++)
      isOver = left >= 0 // nothing was asked so often
      left = Number.POSITIVE_INFINITY
      expect(opened.size).toBe(before)
      expect(readdirSync(dirname(path)).filter((name) => name.endsWith('.tmp'))).toEqual([])
      rmSync(`${path}.backup`, { recursive: true, force: true })
      rmSync(`${path}.copy`, { force: true })
    }
    expect(failures).toBeGreaterThan(0)
  }
  await closeChecked(store)
})

test('a backup has what was committed before it, though nothing is logged any more when the log is copied', async () => {
  const store = fileStore(temporaryPath(), { durability: 'interval' })
  store.write((tx) => tx.createTable('t', DEFINITION))
  await store.checkpoint()
  put(store, 1)
  let changed: Promise<void> | undefined
  const onProgress = (): void => {
    changed ??= store.setDurability('none')
  }
  const { version } = await store.backup(temporaryPath(), { onProgress })
  await changed
  expect(version).toBe(store.version)
})

test('damage to the last commit of a backup is found, by verify and by opening it', async () => {
  const store = fileStore(temporaryPath())
  store.write((tx) => tx.createTable('t', DEFINITION))
  await store.checkpoint()
  for (let n = 0; n < 3; n++) put(store, n)
  const { path, version } = await store.backup(temporaryPath())
  const segment = segmentsOf(path).at(-1)!
  const bytes = readFileSync(segment)
  bytes[bytes.length - 20]! ^= 1
  writeFileSync(segment, bytes)
  for (const error of [await rejectionOf(verify(path)), errorOf(() => Store.open(path, { readOnly: true }))])
    expect([error.code, error.message]).toEqual(['CORRUPT', expect.stringContaining(`commit ${version} is not whole`)])
})

test('a backup of a damaged database is refused', async () => {
  const path = temporaryPath()
  const store = Store.open(path)
  store.write((tx) => tx.createTable('t', DEFINITION))
  put(store, 1)
  await store.compact()
  const bytes = readFileSync(path)
  bytes[BLOCK_BYTES + 100] ^= 1
  writeFileSync(path, bytes)
  const error = await rejectionOf(store.backup(`${path}.backup`))
  expect([error.code, existsSync(`${path}.backup`)]).toEqual(['CORRUPT', false])
  await store.close()
})

test('a backup is refused over what exists, of what cannot be copied, and where its folder cannot be', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  const folder = dirname(path)
  expect((await rejectionOf(store.backup(folder))).code).toBe('EXISTS')
  expect((await rejectionOf(store.backup(join(folder, 'missing', 'x')))).code).toBe('NOT_FOUND')
  expect((await rejectionOf(store.backup(''))).code).toBe('INVALID_ARGUMENT')
  expect((await rejectionOf(memoryStore().backup(join(folder, 'x')))).code).toBe('INVALID_ARGUMENT')
  const reader = fileStore(path, { readOnly: true })
  expect((await rejectionOf(reader.backup(join(folder, 'x')))).code).toBe('READ_ONLY')
  const progress: number[] = []
  const { bytes } = await store.backup(join(folder, 'x'), {
    onProgress: ({ copiedBytes, totalBytes }) => progress.push(copiedBytes, totalBytes),
  })
  expect(progress.at(-1)).toBeGreaterThanOrEqual(bytes)
  expect(progress.at(-2)).toBe(progress.at(-1))
})

test.each(['commit', 'none'] as const)('close waits for a backup, with durability %s', async (durability) => {
  const path = temporaryPath()
  const store = fileStore(path, { durability })
  store.write((tx) => tx.createTable('t', DEFINITION))
  put(store, 1)
  const backup = store.backup(`${path}.backup`).then(
    () => 'made',
    (error) => error.code,
  )
  await store.close()
  const outcome = await backup
  expect(['made', 'CLOSED']).toContain(outcome)
  expect(existsSync(`${path}.backup`)).toBe(outcome === 'made')
})
