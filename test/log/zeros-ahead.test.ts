import {
  appendFileSync,
  closeSync,
  cpSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { history } from '../../src/db/points'
import { nodeFiles } from '../../src/heap/files'
import { SEGMENT, ZEROS_AHEAD_BYTES } from '../../src/log/format'
import { type VerifiedSegment, verifyLog } from '../../src/log/verify'
import { nativeMemory, temporaryFolder } from '../heap/support/memories'
import { closeChecked, errorOf, fileStore } from '../support/store'
import { segmentsOf } from './support/damage'
import { ids, type Machine, machine, put } from './support/machine'

/** Bytes of records in a log. */
function recordBytes(path: string): number {
  return [...history(path)].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

function verified(path: string): Promise<VerifiedSegment[]> {
  return verifyLog(nativeMemory(), nodeFiles, path)
}

function sizeOf(path: string): number {
  return statSync(path).size
}

/** The newest segment, and where each of its records begins; the last place is where they end. */
function recordsIn(path: string): { segment: string; places: number[] } {
  const segment = segmentsOf(path).at(-1)!
  const bytes = readFileSync(segment)
  const places: number[] = [SEGMENT.sizeBytes]
  for (let at = SEGMENT.sizeBytes; at < bytes.length && bytes.readUInt32LE(at) > 0; places.push(at))
    at += bytes.readUInt32LE(at)
  return { segment, places }
}

function overwrite(path: string, bytes: Uint8Array, position: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, position)
  closeSync(fd)
}

/** A machine whose writer has made commits 1 to `count` in one segment and was killed. */
async function killedAfter(count: number): Promise<Machine> {
  const one = machine()
  for (let id = 1; id <= count; id++) put(id === 1 ? one.open() : one.store, id)
  await one.endProcess()
  return one
}

test('commits synced one by one leave the size of their segment as it is, and closing leaves records alone', async () => {
  const one = machine()
  put(one.open(), 1)
  const [segment] = segmentsOf(one.path)
  expect(sizeOf(segment)).toBe(ZEROS_AHEAD_BYTES)
  const sizes = new Set<number>()
  for (let id = 2; recordBytes(one.path) < ZEROS_AHEAD_BYTES; id++) {
    for (let i = 0; i < 50; i++) put(one.store, id * 100 + i)
    sizes.add(sizeOf(segment))
  }
  expect([...sizes]).toEqual([ZEROS_AHEAD_BYTES, 2 * ZEROS_AHEAD_BYTES])
  await closeChecked(one.store)
  expect(sizeOf(segment)).toBe(SEGMENT.sizeBytes + recordBytes(one.path))
})

test('a segment that was left holds records alone', async () => {
  const store = fileStore(undefined, { segmentBytes: 3000 })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  for (let id = 0; id < 100; id++) store.write((tx) => tx.insert('t', { id }))
  const segments = segmentsOf(store.path!)
  expect(segments.length).toBeGreaterThan(2)
  const left = segments.slice(0, -1).reduce((sum, segment) => sum + sizeOf(segment) - SEGMENT.sizeBytes, 0)
  const { places } = recordsIn(store.path!)
  expect(left + places.at(-1)! - places[0]).toBe(recordBytes(store.path!))
  await closeChecked(store)
})

test('unsynced commits, those that share a sync, and large ones write no zeros', async () => {
  for (const durability of ['interval', 'commit'] as const) {
    const store = fileStore(undefined, { durability })
    store.write((tx) => {
      tx.createTable('t', { key: 'id', columns: { id: 'integer' } })
      for (let id = 0; id < 50_000; id++) tx.insert('t', { id })
    })
    await Promise.all(
      Array.from({ length: 1000 }, (_, i) => store.writeAsync((tx) => tx.insert('t', { id: 50_000 + i }))),
    )
    await store.sync()
    expect(sizeOf(segmentsOf(store.path!)[0])).toBe(SEGMENT.sizeBytes + recordBytes(store.path!))
    await closeChecked(store)
  }
})

test('the zeros that a killed writer left are the end of the log, for every reader', async () => {
  const one = await killedAfter(3)
  const { segment, places } = recordsIn(one.path)
  expect(sizeOf(segment)).toBeGreaterThan(places.at(-1)!)
  expect(await verified(one.path)).toMatchObject([
    { commits: places.length - 1, bytes: places.at(-1)! - places[0], tornBytes: 0 },
  ])
  const follower = one.follow()
  expect([ids(follower), follower.following!.lag()]).toEqual([[1, 2, 3], { bytes: 0, ms: 0 }])
  const reader = one.open({ readOnly: true })
  expect([ids(reader), reader.recovery.damaged]).toEqual([[1, 2, 3], undefined])
  await closeChecked(reader)
  put(one.open(), 4)
  expect(one.store.recovery.damaged).toBeUndefined()
  follower.following!.look()
  expect(ids(follower)).toEqual([1, 2, 3, 4])
})

test('zeros behind any segment change nothing, as where they were given back and came again after a power cut', async () => {
  const one = machine()
  for (let id = 1; id < 6; id++) put(id === 1 ? one.open({ segmentBytes: 1 }) : one.store, id)
  await one.endProcess()
  for (const [i, segment] of segmentsOf(one.path).entries()) {
    appendFileSync(segment, new Uint8Array(1 + i * 70_001))
    expect((await verified(one.path)).every(({ tornBytes }) => tornBytes === 0)).toBe(true)
  }
  const follower = one.follow()
  put(one.open({ segmentBytes: 1 }), 6)
  follower.following!.look()
  expect([ids(one.store), ids(follower)]).toEqual([
    [1, 2, 3, 4, 5, 6],
    [1, 2, 3, 4, 5, 6],
  ])
})

test('of a record that a power cut tore among zeros, nothing is shown, and what there is of it is kept aside', async () => {
  const whole = await killedAfter(3)
  const { segment, places } = recordsIn(whole.path)
  const bytes = readFileSync(segment)
  const [from, end] = places.slice(-2)
  for (const [lostFrom, lostEnd] of [
    [from, from + 64], // its beginning: zeros stand where it began
    [from + 64, end], // its end
    [from + 64, from + 128], // what is between
  ]) {
    const torn = Buffer.from(bytes).fill(0, lostFrom, lostEnd)
    writeFileSync(segment, torn)
    forgetDurable(whole.path)
    const tornBytes = torn.findLastIndex((byte) => byte !== 0) + 1 - from
    expect((await verified(whole.path))[0].tornBytes).toBe(tornBytes)
    const store = whole.open()
    expect([ids(store), store.recovery.damaged?.bytes]).toEqual([[1, 2], tornBytes])
    expect(readFileSync(store.recovery.damaged!.path).equals(torn.subarray(from, from + tornBytes))).toBe(true)
    expect(sizeOf(segment)).toBe(from)
    await whole.endProcess()
  }
})

test('zeros in place of a commit that a later one says was on the device are damage', async () => {
  const one = await killedAfter(4)
  const { segment, places } = recordsIn(one.path)
  const at = places.at(-3)!
  overwrite(segment, new Uint8Array(places.at(-2)! - at), at)
  const fault = { code: 'CORRUPT', details: { path: segment, offsetBytes: at } }
  for (const options of [{}, { readOnly: true }]) expect(errorOf(() => one.open(options))).toMatchObject(fault)
  await expect(verified(one.path)).rejects.toMatchObject(fault)
  expect(ids(one.open({ recovery: 'cut' }))).toEqual([1, 2])
})

test('a follower that reads a record half written among zeros reads it again, though the file keeps its size', async () => {
  const one = await killedAfter(3)
  const { segment, places } = recordsIn(one.path)
  const [from, end] = places.slice(-2)
  const record = readFileSync(segment).subarray(from, end)
  forgetDurable(one.path)
  for (const written of [0, 8, 64, record.length - 16]) {
    overwrite(segment, new Uint8Array(record.length), from)
    overwrite(segment, record.subarray(0, written), from)
    const follower = one.follow()
    for (let i = 0; i < 3; i++) follower.following!.look()
    expect([ids(follower), follower.following!.lag().bytes > 0]).toEqual([[1, 2], written > 0])
    overwrite(segment, record, from)
    follower.following!.look()
    expect(ids(follower)).toEqual([1, 2, 3])
  }
  await one.open().close()
})

test('the log that is kept is counted without its zeros', async () => {
  const bytes = 10_000
  const store = fileStore(undefined, { segmentBytes: 4000, retain: { log: bytes } })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  let total = recordBytes(store.path!)
  for (let id = 0; id < 150; id++) {
    store.write((tx) => tx.insert('t', { id }))
    total += [...history(store.path!)].at(-1)!.sizeBytes
    if (id % 4 > 0) continue
    await store.checkpoint()
    const headers = segmentsOf(store.path!).length * SEGMENT.sizeBytes
    expect(recordBytes(store.path!) + headers).toBeGreaterThanOrEqual(Math.min(total, bytes))
  }
  expect(recordBytes(store.path!)).toBeLessThan(total)
  await closeChecked(store)
})

test('a commit whose record could not be written is not there after a power cut that lost its removal (seed 268)', async () => {
  const one = machine()
  one.open()
  one.files.faultOf = ({ kind, sizeBytes }) =>
    kind === 'truncate'
      ? { code: 'EIO' }
      : kind === 'write' && sizeBytes > SEGMENT.sizeBytes
        ? { code: 'ENOSPC', share: 0.9 }
        : undefined
  expect(errorOf(() => put(one.store, 1)).code).toBe('IO')
  await one.endProcess()
  expect(ids(one.open())).toEqual([])
})

test('zeros that cannot be written keep no commit from the log', async () => {
  const one = machine()
  put(one.open({ durability: 'interval' }), 1)
  await one.store.setDurability('commit')
  one.files.faultOf = ({ kind, sizeBytes }) =>
    kind === 'write' && sizeBytes > 100_000 ? { code: 'ENOSPC', share: 0.5 } : undefined
  for (let id = 2; id < 5; id++) put(one.store, id)
  await one.cutPower()
  expect(ids(one.open())).toEqual([1, 2, 3, 4])
})

test('a copy of a log that is being written opens, zeros and all', async () => {
  const store = fileStore()
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.checkpoint()
  for (let id = 0; id < 20; id++) store.write((tx) => tx.insert('t', { id }))
  const copy = join(temporaryFolder(), 'copy.heap')
  cpSync(store.path!, copy)
  cpSync(`${store.path}.log`, `${copy}.log`, { recursive: true })
  await closeChecked(store)
  const copied = fileStore(copy)
  expect([[...copied.table('t').rows()].length, copied.recovery.damaged]).toEqual([20, undefined])
  await closeChecked(copied)
})

/** Removes what says up to where the log was on the device. */
function forgetDurable(path: string): void {
  rmSync(`${path}.log/durable`, { force: true })
}
