import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { verify } from '../../src/db/verify'
import { nodeFiles } from '../../src/heap/files'
import { LogCursor } from '../../src/log/cursor'
import { RECORD, RECORD_FLAG, SEGMENT } from '../../src/log/format'
import { nativeMemory } from '../heap/support/memories'
import { closeChecked, errorOf, fileStore, memoryStore, temporaryPath } from '../support/store'
import { segmentsOf } from './support/damage'
import { ids, machine, put } from './support/machine'

/** Version and epoch of every commit in a log, and whether it claims the epoch. */
function commitsIn(path: string): [version: number, epoch: number, isClaim: boolean][] {
  const cursor = new LogCursor(nativeMemory(), nodeFiles, `${path}.log`, undefined, { version: 0 })
  const found: [number, number, boolean][] = []
  for (;;) {
    const commit = cursor.next()
    if (typeof commit === 'string') return found
    found.push([commit.head.version, commit.head.epoch, commit.head.isClaim])
  }
}

test.each([1, 1 << 20])(
  'a claim begins an epoch that later commits, files and openings go on in (segments of %i bytes)',
  async (segmentBytes) => {
    const path = temporaryPath()
    let store = fileStore(path, { retain: { log: '1 day' }, segmentBytes })
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    store.claimEpoch(3, 'host a')
    const follower = fileStore(path, { follow: true, showUnsynced: true })
    store.write((tx) => tx.insert('t', { id: 1 }))
    await store.checkpoint()
    await closeChecked(store)
    store = fileStore(path, { retain: { log: '1 day' }, segmentBytes })
    store.write((tx) => tx.insert('t', { id: 2 }))
    store.claimEpoch(4)
    store.write((tx) => tx.insert('t', { id: 3 }))
    expect(commitsIn(path).slice(-6)).toEqual([
      [2, 0, false],
      [3, 3, true],
      [4, 3, false],
      [5, 3, false],
      [6, 4, true],
      [7, 4, false],
    ])
    follower.following!.look()
    expect(follower.version).toBe(7)
    expect(errorOf(() => store.claimEpoch(4)).message).toMatch(
      /is in epoch 4, so a claim needs a greater integer, not 4/,
    )
    await closeChecked(store)
    expect(await verify(path)).toMatchObject({ version: 7 })
    expect(Store.openAt(path, 3).version).toBe(3)
  },
)

test.each(['write', 'sync'] as const)('a claim whose %s fails has begun no epoch', async (kind) => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  one.failNext((operation) => operation.kind === kind, { code: 'EIO' })
  expect(errorOf(() => store.claimEpoch(1)).code).toBe('IO')
  if (kind === 'write') put(store, 2)
  await one.cutPower()
  const again = one.open()
  expect(ids(again)).toEqual(kind === 'write' ? [1, 2] : [1])
  again.claimEpoch(1)
  put(again, 3)
  expect(
    commitsIn(one.path)
      .map(([, epoch]) => epoch)
      .slice(-3),
  ).toEqual([0, 1, 1])
})

test('a claim is on the device when it returns, whatever the durability', async () => {
  const one = machine()
  const store = one.open({ durability: { intervalMs: 1e8, intervalBytes: 1e8 } })
  put(store, 1)
  store.claimEpoch(1)
  put(store, 2)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1])
})

test('an epoch can be claimed only above the present one, where commits are logged, by the writer', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  for (const epoch of [0, -1, 1.5, Number.NaN, 2 ** 53, '7' as unknown as number])
    expect(errorOf(() => store.claimEpoch(epoch)).code).toBe('INVALID_ARGUMENT')
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.setDurability('none')
  expect(errorOf(() => store.claimEpoch(1)).message).toContain('does not log its commits')
  await closeChecked(store)
  expect(errorOf(() => fileStore(path, { readOnly: true }).claimEpoch(1)).code).toBe('INVALID_ARGUMENT')
  expect(errorOf(() => memoryStore().claimEpoch(1)).code).toBe('INVALID_ARGUMENT')
})

test('an epoch that rises in a commit which does not claim it is damage', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  store.claimEpoch(1)
  await closeChecked(store)
  const [segment] = segmentsOf(path)
  const bytes = readFileSync(segment!)
  let at: number = SEGMENT.sizeBytes
  while (at + bytes.readUInt32LE(at) < bytes.length) at += bytes.readUInt32LE(at)
  const end = at + bytes.readUInt32LE(at)
  bytes.writeUInt32LE(bytes.readUInt32LE(at + RECORD.flags * 4) & ~RECORD_FLAG.claim, at + RECORD.flags * 4)
  bytes.writeUInt32LE(nativeMemory().crc32c(bytes.subarray(at + 8, end)), at + RECORD.checksum * 4)
  writeFileSync(segment!, bytes)
  expect(errorOf(() => fileStore(path)).code).toBe('CORRUPT')
})
