import { existsSync, fstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { SEGMENT, segmentName } from '../../src/log/format'
import { nativeMemory } from '../heap/support/memories'
import { closeChecked, errorOf, rejectionOf } from '../support/store'
import { segmentsOf } from './support/damage'
import type { FaultyFiles } from './support/faulty-files'
import { ids, machine, put, putAsync, putIn, turn } from './support/machine'

// Each of these was found by the simulator or by the fuzzer, and is told here by itself.

test('a segment that could neither be begun nor removed does not keep later commits from the log', async () => {
  const one = machine()
  const store = one.open({ segmentBytes: 1 })
  put(store, 1)
  one.files.faultOf = ({ kind }) => (['syncFolder', 'remove'].includes(kind) ? { code: 'EIO' } : undefined)
  expect(errorOf(() => put(store, 2)).code).toBe('IO')
  one.files.faultOf = () => undefined
  put(store, 3)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 3])
})

test('a segment that was begun before its process ended is gone on with, however small segments are', async () => {
  const one = machine()
  put(one.open({ segmentBytes: 1 }), 1)
  one.failNext(({ kind, path }) => kind === 'write' && path.endsWith('2.log'), { code: 'EIO', death: 'after' })
  expect(errorOf(() => put(one.store, 2)).code).toBe('IO')
  await one.endProcess()
  put(one.open({ segmentBytes: 1 }), 3)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 3])
})

test('a commit handed over while a sync is under way is not acknowledged by that sync', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  one.isHeld = true
  const first = putAsync(store, 2)
  while (one.files.isIdle) await turn()
  put(store, 3)
  const second = putAsync(store, 4)
  await turn()
  one.isHeld = false
  await Promise.all([first, second])
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3, 4])
})

test('a sync under way when its segment is left does not fail the log, whatever becomes of it', async () => {
  const one = machine()
  const store = one.open({ segmentBytes: 1 })
  put(store, 1)
  one.isHeld = true
  const first = putAsync(store, 2)
  while (one.files.isIdle) await turn()
  put(store, 3)
  one.isHeld = false
  await first
  put(store, 4)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3, 4])
})

test('a log folder and segment that a process made and did not sync are synced by the next', async () => {
  const one = machine()
  const dies = errorOf(() =>
    one.open({ durability: 'interval' }, ({ kind }) =>
      kind === 'syncFolder' ? { code: 'EIO', death: 'before' } : undefined,
    ),
  )
  expect(dies.code).toBe('IO')
  put(one.open(), 1)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1])
})

test('the name of a file that a process renamed and did not sync is synced by the next save', async () => {
  const one = machine()
  put(one.open({ durability: 'none' }), 1)
  one.failNext(({ kind }) => kind === 'syncFolder', { code: 'EIO', death: 'before' })
  expect((await rejectionOf(one.store.checkpoint())).code).toBe('IO')
  await one.endProcess()
  put(one.open({ durability: 'none' }), 2)
  await one.store.checkpoint()
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2])
})

test('a root that a process wrote and did not sync is synced before the log goes on from it', async () => {
  const one = machine()
  put(one.open({ durability: 'none' }), 1)
  await one.store.checkpoint()
  put(one.store, 2)
  let syncs = 0
  one.failNext(({ kind }) => kind === 'sync' && ++syncs === 2, { code: 'EIO', death: 'before' })
  expect((await rejectionOf(one.store.checkpoint())).code).toBe('IO')
  await one.endProcess()
  put(one.open({ durability: 'commit' }), 3)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3])
})

test('durability that could not be strengthened stays as it was, and can be strengthened again', async () => {
  const one = machine()
  const store = one.open({ durability: 'none' })
  put(store, 1)
  one.failNext(({ kind }) => kind === 'create', { code: 'ENOSPC' })
  expect((await rejectionOf(store.setDurability('commit'))).code).toBe('IO')
  put(store, 2)
  await store.setDurability('commit')
  put(store, 3)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3])
})

test('a power cut while durability is being strengthened leaves a database that opens', async () => {
  const one = machine()
  const store = one.open({ durability: 'none' })
  put(store, 1)
  await store.checkpoint()
  put(store, 2)
  one.isHeld = true
  const change = store.setDurability('commit').catch(() => undefined)
  put(store, 3)
  await one.cutPower()
  await change
  expect(ids(one.open())).toEqual([1])
})

test('a log that lost commits which the file has is damaged, and is given up only when that is asked for', async () => {
  const one = machine()
  const store = one.open({ durability: { intervalMs: 1e8, intervalBytes: 1e9 } })
  put(store, 1)
  await turn()
  await store.checkpoint()
  put(store, 2)
  await turn()
  await one.endProcess()
  const [segment] = segmentsOf(one.path)
  const bytes = readFileSync(segment!)
  bytes[300] ^= 1
  writeFileSync(segment!, bytes)
  expect(errorOf(() => one.open())).toMatchObject({ code: 'CORRUPT', details: { version: 1, loggedVersion: 2 } })
  expect(ids(one.open({ recovery: 'cut' }))).toEqual([1])
  put(one.store, 3)
  await one.endProcess()
  expect(ids(one.open())).toEqual([1, 3])
})

test('a damaged header is no torn one where records behind it prove that it was on the device', async () => {
  const one = machine()
  for (let id = 1; id < 5; id++) put(id === 1 ? one.open() : one.store, id)
  await one.endProcess()
  const [segment] = segmentsOf(one.path)
  const bytes = readFileSync(segment!)
  writeFileSync(segment!, Buffer.concat([Buffer.alloc(20), bytes.subarray(20)]))
  for (const options of [{}, { readOnly: true }])
    expect(errorOf(() => one.open(options))).toMatchObject({ code: 'CORRUPT', details: { path: segment } })
  const kept = one.open({ recovery: 'cut' }).recovery.damaged!
  expect(readFileSync(kept.path).subarray(20).equals(bytes.subarray(20))).toBe(true)
  expect(kept.bytes).toBe(bytes.findLastIndex((byte) => byte !== 0) + 1) // not the zeros ahead of the log
})

test('a segment of a later format is not taken for a torn one', async () => {
  const one = machine()
  put(one.open(), 1)
  await one.endProcess()
  const [segment] = segmentsOf(one.path)
  const bytes = readFileSync(segment!)
  bytes[SEGMENT.formatVersion]++
  bytes.writeUInt32LE(nativeMemory().crc32c(bytes.subarray(0, SEGMENT.checksum)), SEGMENT.checksum)
  writeFileSync(segment!, bytes)
  expect(errorOf(() => one.open())).toMatchObject({ code: 'VERSION', details: { path: segment } })
  rmSync(segment!)
  one.open()
})

test('after a failed sync no commit is taken, what is there can be read, and opening again mends it', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  one.failNext(({ kind }) => kind === 'sync', { code: 'EIO' })
  for (let id = 2; id < 4; id++) {
    const error = errorOf(() => put(store, id))
    expect([error.code, error.details.systemCode]).toEqual(['IO', 'EIO'])
    expect(ids(store)).toEqual([1])
  }
  await closeChecked(store)
  put(one.open(), 4)
  expect(ids(one.store)).toEqual([1, 4])
})

test('on a full or read-only device, nothing is changed and all can be read; once it is mended, commits go on', async () => {
  for (const code of ['ENOSPC', 'EROFS']) {
    const one = machine()
    const store = one.open({ segmentBytes: 1 })
    put(store, 1)
    one.files.faultOf = ({ kind }) => (['write', 'create'].includes(kind) ? { code, share: 0.5 } : undefined)
    const error = errorOf(() => put(store, 2))
    expect([error.code, error.details.systemCode]).toEqual(['IO', code])
    expect((await rejectionOf(store.checkpoint())).code).toBe('IO')
    expect(ids(store)).toEqual([1])
    one.files.faultOf = () => undefined
    put(store, 3)
    await store.checkpoint()
    await one.cutPower()
    expect(ids(one.open())).toEqual([1, 3])
  }
})

test('a commit of several parts lies in one segment, also where its end is written later (seeds 51, 78, 90)', async () => {
  const one = machine()
  const store = one.open({ segmentBytes: 1, partBytes: 1 })
  put(store, 1)
  const first = putAsync(store, 2)
  put(store, 3)
  await first
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3])
})

test('no file is removed, and none that lost its name is closed, on the event loop', async () => {
  const one = machine()
  const store = one.open({ segmentBytes: 1 })
  const { files } = one
  const blocking: string[] = []
  const close = files.close.bind(files)
  files.close = (fd) => {
    if (fstatSync(fd).nlink === 0) blocking.push(`close ${fd}`)
    close(fd)
  }
  files.remove = (path) => void blocking.push(`remove ${path}`)
  for (let id = 1; id < 6; id++) put(store, id)
  const copy = `${one.path}.copy`
  await store.saveAs(copy)
  const follower = one.follow()
  for (let i = 0; i < 3; i++) {
    await store.compact()
    await store.saveAs(copy, { replace: true })
    follower.following!.look()
  }
  await store.close()
  expect(blocking).toEqual([])
  expect(files.operations.filter(({ kind }) => kind === 'remove').length).toBeGreaterThan(3)
})

test('what could not be synced is not to be seen, by anybody, from the rejection on', async () => {
  for (const isSaved of [false, true]) {
    const one = machine()
    const store = one.open()
    put(store, 1)
    if (isSaved) await store.checkpoint()
    put(store, 2)
    const before = store.version
    const follower = one.follow()
    const waiting = [putAsync(store, 3), putAsync(store, 4)]
    const snapshot = store.snapshot()
    one.failNext(({ kind }) => kind === 'sync', { code: 'EIO' })
    for (const each of waiting) {
      expect((await rejectionOf(each)).code).toBe('IO')
      expect([ids(store), store.version]).toEqual([[1, 2], before])
    }
    expect(store.check().problems).toEqual([])
    expect([...snapshot.table('t').rows()].length).toBe(4)
    snapshot.close()
    follower.following!.look()
    expect(ids(follower)).toEqual([1, 2])
    expect((await rejectionOf(store.checkpoint())).code).toBe('IO')
    expect(errorOf(() => put(store, 5)).code).toBe('IO')
    await one.endProcess()
    put(one.open(), 6)
    expect(ids(one.store)).toEqual([1, 2, 6])
  }
})

test('a sync that fails while a change of many turns is under way takes back what it should once that has ended', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  let goOn = (): void => undefined
  const first = putAsync(store, 2)
  const beside = store.bulkWrite(async (tx) => {
    putIn(tx, store, 3)
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
  })
  one.failNext(({ kind }) => kind === 'sync', { code: 'EIO' })
  expect((await rejectionOf(first)).code).toBe('IO')
  goOn()
  expect((await rejectionOf(beside)).code).toBe('IO')
  await turn()
  expect(ids(store)).toEqual([1])
})

test('durability is strengthened in two saves, while commits keep coming, and holds for all of them', async () => {
  const one = machine()
  const store = one.open({ durability: 'none' })
  put(store, 1)
  let id = 1
  const save = store.checkpoint.bind(store)
  let saves = 0
  store.checkpoint = async () => {
    expect(++saves).toBeLessThan(3)
    const saved = save()
    for (let i = 0; i < 3; i++) {
      put(store, ++id)
      await turn()
    }
    await saved
    put(store, ++id)
  }
  await store.setDurability('commit')
  expect(id).toBe(9)
  const known = ids(store)
  await one.cutPower()
  expect(ids(one.open())).toEqual(known)
})

test('a sync that fails while the database is opened leaves the log as it is (seed 70311)', async () => {
  const one = machine()
  put(one.open(), 1)
  put(one.store, 2)
  await one.endProcess()
  const error = errorOf(() => one.open({}, ({ kind }) => (kind === 'sync' ? { code: 'EIO' } : undefined)))
  expect([error.code, error.details.systemCode]).toEqual(['IO', 'EIO'])
  expect(ids(one.open())).toEqual([1, 2])
})

test('a sync that fails after its segment was left ends commits all the same (seed 1001122)', async () => {
  const one = machine()
  const store = one.open({ segmentBytes: 1 })
  put(store, 1)
  one.isHeld = true
  one.failNext(({ kind, path }) => kind === 'sync' && path.includes('.log/'), { code: 'EIO' })
  const second = putAsync(store, 2)
  while (one.files.isIdle) await turn()
  put(store, 3) // begins another segment, and syncs the one before through a descriptor of its own
  one.isHeld = false
  await second
  while (!one.files.isIdle) await turn()
  await turn()
  expect(errorOf(() => put(store, 4)).code).toBe('IO')
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3])
})

test('a sync under way does not acknowledge what another one, which failed, cut off (seed 2000909)', async () => {
  const one = machine()
  const store = one.open({ durability: { intervalMs: 1e8, intervalBytes: 1e8 } })
  put(store, 1)
  one.isHeld = true
  const synced = rejectionOf(store.sync())
  while (one.files.isIdle) await turn()
  await store.setDurability('commit')
  one.failNext(({ kind }) => kind === 'sync', { code: 'EIO' })
  expect(errorOf(() => put(store, 2)).code).toBe('IO')
  one.isHeld = false
  expect((await synced).code).toBe('IO')
  expect(ids(store)).toEqual([])
})

test('after a failed sync, what a later one that succeeded vouches for is there, and nothing more is promised (seed 2001638)', async () => {
  const one = machine()
  const store = one.open({ segmentBytes: 1 })
  put(store, 1)
  one.isHeld = true
  one.failNext(({ kind, path }) => kind === 'sync' && path.includes('.log/'), { code: 'EIO' })
  const second = putAsync(store, 2)
  while (one.files.isIdle) await turn()
  put(store, 3) // in another segment, and synced
  await second
  one.isHeld = false
  while (!one.files.isIdle) await turn()
  await turn()
  expect((await rejectionOf(store.sync())).code).toBe('IO')
  expect([store.version, ids(store)]).toEqual([store.stats().log!.syncedVersion, [1, 2, 3]])
})

test('a segment whose first record was written in part and cannot be cut off is gone on with (seed 2003895)', async () => {
  const one = machine()
  const store = one.open({ segmentBytes: 1 })
  put(store, 1)
  one.files.faultOf = ({ kind, path, position }) => {
    const isOfRecord = path.includes('.log/') && (kind === 'truncate' || (kind === 'write' && position > 0))
    return isOfRecord ? { code: 'EIO', share: 0.5 } : undefined
  }
  expect(errorOf(() => put(store, 2)).code).toBe('IO')
  one.files.faultOf = () => undefined
  put(store, 3) // by the segment's name, the next that would be begun
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 3])
})

test('a segment of a database that could not be begun does not come back beside the next one (seed 77643)', async () => {
  const one = machine()
  let removed = Buffer.alloc(0)
  const isOfParent: FaultyFiles['faultOf'] = ({ kind, path }) => {
    if (kind === 'remove' && path.endsWith('.log')) removed = readFileSync(join(dirname(one.path), path))
    return kind === 'syncFolder' && !path.endsWith('.log') ? { code: 'EIO' } : undefined
  }
  expect(errorOf(() => one.open({}, isOfParent)).code).toBe('IO')
  const second = one.open({ durability: 'none' })
  put(second, 2)
  await second.checkpoint()
  await one.cutPower()
  const segment = join(`${one.path}.log`, segmentName(0))
  if (existsSync(segment)) writeFileSync(segment, removed) // its bytes may be on the device without a sync
  expect(ids(one.open())).toEqual([2])
})

test('a first file whose name could not be made durable is replaced by the next save (seed 2007490)', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  let isRenamed = false
  one.failNext(
    ({ kind }) => {
      isRenamed ||= kind === 'rename'
      return isRenamed && kind === 'syncFolder'
    },
    { code: 'EIO' },
  )
  expect((await rejectionOf(store.checkpoint())).code).toBe('IO')
  await store.checkpoint()
  await one.cutPower()
  expect(ids(one.open())).toEqual([1])
})

test('a follower of a writer that takes all of its commits back has none, and misses nothing (seed 2001573)', async () => {
  const one = machine()
  const store = one.open({ durability: { intervalMs: 1e8, intervalBytes: 1e8 } })
  put(store, 1)
  await turn()
  await turn()
  const follower = one.follow({ showUnsynced: true })
  const failures: unknown[] = []
  follower.following!.on('failure', (error) => failures.push(error))
  follower.following!.look()
  expect(ids(follower)).toEqual([1])
  one.failNext(({ kind }) => kind === 'sync', { code: 'EIO' })
  await rejectionOf(store.sync())
  follower.following!.look()
  expect([ids(follower), failures]).toEqual([[], []])
})

test('a save or a bulk load that cannot remove log afterwards is durable all the same, and the failure is reported', async () => {
  const one = machine()
  const failures: string[] = []
  const store = one.open({ segmentBytes: 1, onFailure: ({ message }) => failures.push(message) })
  for (let id = 1; id < 6; id++) {
    put(store, id)
    await store.checkpoint()
  }
  for (const work of [
    () => store.checkpoint(),
    () => store.bulkWrite(async (tx) => putIn(tx, store, 100), { log: false }),
  ]) {
    put(store, 10 + failures.length)
    put(store, 20 + failures.length)
    one.failNext(({ kind, path }) => kind === 'remove' && path.endsWith('.log'), { code: 'EIO' })
    const before = failures.length
    await work()
    expect(failures.slice(before)).toEqual([expect.stringMatching(/^Could not prune .* \(EIO\)/)])
  }
  put(store, 30)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3, 4, 5, 10, 11, 20, 21, 30, 100])
})

test('a backup that cannot cut its copy of the log gives back every file that it opened', async () => {
  const one = machine()
  const store = one.open()
  put(store, 1)
  const folder = join(dirname(one.path), 'backup')
  one.failNext(({ kind, path }) => kind === 'truncate' && path.startsWith('backup.'), { code: 'EIO' })
  expect((await rejectionOf(store.backup(folder))).code).toBe('IO')
  expect(one.files.openFiles.filter((path) => path.includes('.backup-'))).toEqual([])
  expect((await store.backup(folder)).version).toBe(store.version)
})
