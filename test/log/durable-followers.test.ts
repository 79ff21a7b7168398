import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nodeFiles } from '../../src/heap/files'
import { readDurableMark } from '../../src/log/durable-mark'
import { DURABLE_MARK, DURABLE_MARK_NAME } from '../../src/log/format'
import { verifyLog } from '../../src/log/verify'
import { nativeMemory } from '../heap/support/memories'
import { seeded } from '../support/random'
import { errorOf, fileStore, temporaryPath } from '../support/store'
import { ids, type Machine, machine, put, turn } from './support/machine'
import { simulatedWorld } from './support/world'

const NEVER = { intervalMs: 1e8, intervalBytes: 1e9 }

function markOf(one: Machine): string {
  return join(`${one.path}.log`, DURABLE_MARK_NAME)
}

/** A mark as a writer would write it. */
function writeMark(path: string, version: number, chain: number): void {
  const bytes = readFileSync(path)
  bytes.writeDoubleLE(version, DURABLE_MARK.version)
  bytes.writeUInt32LE(chain >>> 0, DURABLE_MARK.chain)
  bytes.writeUInt32LE(nativeMemory().crc32c(bytes.subarray(0, DURABLE_MARK.checksum)), DURABLE_MARK.checksum)
  writeFileSync(path, bytes)
}

/** A database with commits 1 and 2 on the device, and 3 written only. */
async function withUnsynced(): Promise<Machine> {
  const one = machine()
  put(one.open({ durability: NEVER }), 1)
  put(one.store, 2)
  await one.store.sync()
  put(one.store, 3)
  await turn()
  return one
}

test('a follower shows a commit when it is on the device; one that is not to wait for that, when it is written', async () => {
  const one = await withUnsynced()
  const [durable, unsynced] = [one.follow(), one.follow({ showUnsynced: true })]
  for (const follower of [durable, unsynced]) follower.following!.look()
  expect([ids(durable), ids(unsynced)]).toEqual([
    [1, 2],
    [1, 2, 3],
  ])
  expect(durable.following!.lag().bytes).toBeGreaterThan(0)
  await one.store.sync()
  await durable.following!.waitFor(one.store.version)
  expect([ids(durable), durable.following!.lag()]).toEqual([[1, 2, 3], { bytes: 0, ms: 0 }])
})

test('a follower does not show what could not be synced', async () => {
  const one = machine()
  put(one.open(), 1)
  const follower = one.follow()
  const changes: number[] = []
  follower.following!.on('change', (version) => changes.push(version))
  one.files.faultOf = ({ kind }) => {
    if (kind === 'sync') follower.following!.look()
    return kind === 'sync' ? { code: 'EIO' } : undefined
  }
  expect(errorOf(() => put(one.store, 2)).code).toBe('IO')
  follower.following!.look()
  expect([ids(follower), changes]).toEqual([[1], []])
})

test('the mark names the commit that is on the device, and nothing that is not', async () => {
  const one = await withUnsynced()
  const mark = () => readDurableMark(nativeMemory(), nodeFiles, `${one.path}.log`)
  expect(mark()).toMatchObject({ version: one.store.version - 1 })
  await one.store.sync()
  expect(mark()).toMatchObject({ version: one.store.version })
})

test('without a mark, every whole commit is shown', async () => {
  const one = await withUnsynced()
  rmSync(markOf(one))
  expect(ids(one.follow())).toEqual([1, 2, 3])
})

test('where the mark is torn, records tell what is on the device', async () => {
  const one = await withUnsynced()
  await one.store.sync()
  put(one.store, 4) // its record says that the one before is on the device
  await turn()
  writeFileSync(markOf(one), readFileSync(markOf(one)).subarray(0, 20))
  const follower = one.follow()
  expect(ids(follower)).toEqual([1, 2, 3])
  await one.store.sync()
  follower.following!.look()
  expect(ids(follower)).toEqual([1, 2, 3, 4])
})

test('a mark whose commit is another of that number is ignored, at opening and later', async () => {
  const one = await withUnsynced()
  writeMark(markOf(one), one.store.version, 12345)
  const follower = one.follow()
  expect(ids(follower)).toEqual([1, 2]) // as the record of the third says
  writeMark(markOf(one), one.store.version, 54321)
  follower.following!.look()
  expect(ids(follower)).toEqual([1, 2])
  await one.store.sync()
  follower.following!.look()
  expect(ids(follower)).toEqual([1, 2, 3])
})

test('a writer gives no record to the log before it has written a mark of its own', async () => {
  const one = machine()
  put(one.open(), 1)
  await one.store.close()
  const isOfMark = (path: string): boolean => path.endsWith(DURABLE_MARK_NAME)
  const store = one.open({ durability: NEVER }, ({ kind, path }) =>
    kind === 'write' && isOfMark(path) ? { code: 'EIO' } : undefined,
  )
  put(store, 2)
  await turn()
  expect(one.files.operations.filter(({ kind, path }) => kind === 'write' && !isOfMark(path))).toEqual([])
  one.files.faultOf = () => undefined
  await store.sync()
  expect(ids(one.follow())).toEqual([1, 2])
})

for (const [what, last] of [
  ['checkpoint', 'sync'],
  ['compact', 'syncFolder'],
] as const) {
  for (const way of ['opening', 'following']) {
    test(`a follower shows a state that was not logged when it is on the device: ${what}, ${way}`, async () => {
      const one = machine()
      put(one.open({ durability: 'none' }), 1)
      await one.store.checkpoint()
      const follower = one.follow({ world: simulatedWorld(seeded(1)) })
      put(one.store, 2)
      let shown: unknown[] = []
      let syncs = 0
      one.files.faultOf = ({ kind }) => {
        if (kind === 'sync') syncs++
        if (kind !== last || syncs < 2) return undefined
        // the root, or the name of its file, is there: the writer's process ends before it has synced that
        for (let looks = 0; looks < 3; looks++) follower.following!.look()
        shown = ids(way === 'opening' ? one.follow() : follower)
        return { code: 'EIO', death: 'before' }
      }
      await one.store[what]().catch(() => undefined)
      expect(shown).toEqual([1, 2])
      await one.cutPower()
      expect(ids(one.open())).toEqual(shown)
    })
  }
}

test('verify, and a copy without its mark or with an older one, do not need it', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  const mark = join(`${path}.log`, DURABLE_MARK_NAME)
  copyFileSync(mark, `${path}.mark`)
  store.write((tx) => tx.insert('t', { id: 1 }))
  expect((await verifyLog(nativeMemory(), nodeFiles, path)).map(({ commits }) => commits)).toEqual([store.version])
  const copy = temporaryPath()
  cpSync(`${path}.log`, `${copy}.log`, { recursive: true })
  copyFileSync(`${path}.mark`, join(`${copy}.log`, DURABLE_MARK_NAME))
  const opened = fileStore(copy)
  expect(opened.table('t').rowCount).toBe(1)
  expect(fileStore(copy, { follow: true }).table('t').rowCount).toBe(1)
})
