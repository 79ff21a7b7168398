import { copyFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { SnapheapError } from '../../src/errors'
import { closeChecked, errorOf } from '../support/store'
import { segmentsOf } from './support/damage'
import type { FaultyFiles } from './support/faulty-files'
import { ids, type Machine, machine, put, turn } from './support/machine'
import type { StoreOverFiles } from './support/store-over-files'

// A follower that does not wait for the device shows a commit once it is written. What the log then does not keep, it
// must not go on showing.

/** The versions that a follower says it shows. */
function changesOf(follower: StoreOverFiles): number[] {
  const versions: number[] = []
  follower.following!.on('change', (version) => versions.push(version))
  return versions
}

function failuresOf(follower: StoreOverFiles): SnapheapError[] {
  const failures: SnapheapError[] = []
  follower.following!.on('failure', (error) => failures.push(error))
  return failures
}

/** Looks at the file too, which is done from time to time only. */
function lookAtFile({ following }: StoreOverFiles): void {
  const { now } = performance
  performance.now = () => now.call(performance) + 1e6
  try {
    following!.look()
  } finally {
    performance.now = now
  }
}

/** The next commit is written, seen by the follower, and then taken back because it could not be synced. */
function putInVain(one: Machine, follower: StoreOverFiles, id: number): void {
  one.files.faultOf = ({ kind }) => {
    if (kind !== 'sync') return undefined
    follower.following!.look()
    expect(ids(follower)).toContain(id)
    return { code: 'EIO' }
  }
  expect(errorOf(() => put(one.store, id)).code).toBe('IO')
  one.files.faultOf = () => undefined
}

test.each([false, true])(
  'a follower takes a commit back that could not be synced, with a saved file: %s',
  async (isSaved) => {
    const one = machine()
    put(one.open(), 1)
    if (isSaved) await one.store.checkpoint()
    put(one.store, 2)
    const follower = one.follow({ showUnsynced: true })
    const changes = changesOf(follower)
    const before = follower.snapshot()
    putInVain(one, follower, 3)
    follower.following!.look()
    expect([ids(follower), follower.version]).toEqual([[1, 2], one.store.version])
    expect(changes).toEqual([follower.version + 1, follower.version])
    expect([...before.table('t').rows()].length).toBe(2)
    before.close()
  },
)

test('a follower that did not look meanwhile shows the commit that took the place of one taken back', async () => {
  const one = machine()
  put(one.open(), 1)
  const follower = one.follow({ showUnsynced: true })
  putInVain(one, follower, 2)
  const changes = changesOf(follower)
  await one.endProcess()
  put(one.open(), 3)
  follower.following!.look()
  expect([ids(follower), follower.version, changes]).toEqual([[1, 3], one.store.version, [one.store.version]])
})

test('a follower does not mix a commit taken back with a checkpoint of the same version', async () => {
  const one = machine()
  put(one.open(), 1)
  await one.store.checkpoint()
  const follower = one.follow({ showUnsynced: true })
  putInVain(one, follower, 2)
  await one.endProcess()
  put(one.open(), 3)
  await one.store.checkpoint()
  await one.store.checkpoint()
  follower.following!.look()
  expect(ids(follower)).toEqual([1, 3])
  put(one.store, 4)
  follower.following!.look()
  expect(ids(follower)).toEqual([1, 3, 4])
})

test('a torn end that its dead writer left neither stops nor moves a follower, until the next writer goes on there', async () => {
  const one = machine()
  put(one.open(), 1)
  const follower = one.follow()
  const changes = changesOf(follower)
  const failures = failuresOf(follower)
  one.failNext(({ kind }) => kind === 'write', { code: 'EIO', share: 0.9, death: 'before' })
  errorOf(() => put(one.store, 2))
  await one.endProcess()
  for (let i = 0; i < 5; i++) follower.following!.look()
  const { version } = follower
  put(one.open(), 3)
  follower.following!.look()
  expect([ids(follower), changes, failures]).toEqual([[1, 3], [version + 1], []])
})

test('a follower sees the commit that takes exactly the place of a torn one', async () => {
  const one = machine()
  put(one.open({ durability: { intervalMs: 1e8, intervalBytes: 1e9 } }), 1)
  await one.store.sync()
  const [segment] = segmentsOf(one.path)
  const sizes = [statSync(segment!).size]
  put(one.store, 2)
  await one.store.sync()
  sizes.push(statSync(segment!).size)
  const follower = one.follow()
  await one.endProcess()
  writeFileSync(segment!, Buffer.alloc(sizes[1]! - sizes[0]!, 7), { flag: 'a' })
  follower.following!.look()
  const next = one.open({ durability: 'interval' })
  put(next, 3)
  await next.sync()
  expect(statSync(segment!).size).toBe(2 * sizes[1]! - sizes[0]!)
  follower.following!.look()
  expect(ids(follower)).toEqual([1, 2, 3])
})

test('a follower goes back where damage was cut out of the log, to a segment before too', async () => {
  const one = machine()
  for (let id = 1; id < 5; id++) put(id === 1 ? one.open({ segmentBytes: 1 }) : one.store, id)
  const follower = one.follow()
  expect(ids(follower)).toEqual([1, 2, 3, 4])
  await one.endProcess()
  const segments = segmentsOf(one.path)
  const bytes = readFileSync(segments[2]!)
  bytes[bytes.length - 9]! ^= 1
  writeFileSync(segments[2]!, bytes)
  const store = one.open({ recovery: 'cut' })
  const left = ids(store)
  expect(left.length).toBeLessThan(4)
  follower.following!.look()
  expect(ids(follower)).toEqual(left)
})

test('a follower of a copy that is kept up goes on in a segment that was replaced by a longer one', async () => {
  const one = machine()
  put(one.open(), 1)
  const follower = one.follow()
  const failures = failuresOf(follower)
  const changes = changesOf(follower)
  const [segment] = segmentsOf(one.path)
  put(one.store, 2)
  copyFileSync(segment!, `${segment}.new`)
  renameSync(`${segment}.new`, segment!)
  follower.following!.look()
  expect([ids(follower), changes.length, failures]).toEqual([[1, 2], 1, []])
})

test('a follower whose log vanished shows what it has and says so', async () => {
  const one = machine()
  put(one.open(), 1)
  const follower = one.follow()
  const failures = failuresOf(follower)
  await closeChecked(one.store)
  rmSync(`${one.path}.log`, { recursive: true })
  follower.following!.look()
  await turn()
  expect([ids(follower), failures[0]?.code]).toEqual([[1], 'NOT_FOUND'])
})

test('a follower that was opened while a checkpoint was written keeps the commits made meanwhile', async () => {
  const one = machine()
  put(one.open(), 1)
  await one.store.checkpoint()
  put(one.store, 2)
  one.isHeld = true
  const saved = one.store.checkpoint()
  await turn()
  put(one.store, 3)
  const follower = one.follow()
  one.isHeld = false
  await saved
  expect(one.store.version).toBe(follower.version)
  lookAtFile(follower)
  expect(ids(follower)).toEqual([1, 2, 3])
})

test('a follower that could not read on misses nothing once it can, whatever it could not read', async () => {
  for (let at = 0, hasFailed = true; hasFailed; at++) {
    const one = machine()
    put(one.open({ segmentBytes: 1 }), 1)
    const follower = one.follow()
    const failures = failuresOf(follower)
    for (const id of [2, 3, 4]) put(one.store, id)
    let reads = 0
    const files = follower.files as FaultyFiles
    files.faultOf = ({ kind }) => (kind === 'read' && reads++ === at ? { code: 'EIO' } : undefined)
    follower.following!.look()
    hasFailed = failures.length > 0
    expect(hasFailed || at > 10).toBe(true)
    expect(follower.check().problems).toEqual([])
    follower.following!.look()
    expect(ids(follower)).toEqual([1, 2, 3, 4])
  }
})
