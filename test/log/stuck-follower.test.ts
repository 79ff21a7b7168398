import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import type { SnapheapError } from '../../src/errors'
import { SEGMENT } from '../../src/log/format'
import { fileStore, temporaryPath } from '../support/store'
import { segmentsOf } from './support/damage'

/** Within a record. */
const INSIDE = { at: 16, bytes: Buffer.alloc(8, 0xee) }

/** Where each record of a segment begins. */
function recordsIn(segment: string): number[] {
  const bytes = readFileSync(segment)
  const places: number[] = []
  for (
    let at: number = SEGMENT.sizeBytes;
    at < bytes.length && bytes.readUInt32LE(at) > 0;
    at += bytes.readUInt32LE(at)
  )
    places.push(at)
  return places
}

/**
 * A follower that has not looked yet since record `damaged` was written, which is not whole any more, and others behind
 * it.
 */
function stuck(damage: { at: number; bytes: Uint8Array }, onFailure?: (error: SnapheapError) => void) {
  const path = temporaryPath()
  const writer = fileStore(path)
  writer.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  const follower = fileStore(path, { follow: true, ...(onFailure === undefined ? {} : { onFailure }) })
  const { version } = follower
  const { look } = follower.following!
  follower.following!.look = () => undefined
  for (let id = 1; id < 6; id++) writer.write((tx) => tx.insert('t', { id }))
  const [segment] = segmentsOf(path)
  const at = recordsIn(segment).at(-4)!
  const fd = openSync(segment, 'r+')
  writeSync(fd, damage.bytes, 0, damage.bytes.length, at + damage.at)
  closeSync(fd)
  follower.following!.look = look
  return { writer, follower, damagedAt: at, version: version + 1, segment }
}

test('a follower that cannot go on says so once, naming the damage, and goes on when a newer file lets it', async () => {
  const failures: SnapheapError[] = []
  const { writer, follower, damagedAt, version, segment } = stuck(INSIDE, (error) => failures.push(error))
  await vi.waitFor(() => expect(failures.length).toBe(1), 5000)
  expect(failures[0]).toMatchObject({ code: 'CORRUPT', details: { path: segment, offsetBytes: damagedAt } })
  expect(follower.version).toBe(version)
  for (let i = 0; i < 5; i++) follower.following!.look()
  expect(failures.length).toBe(1)
  await writer.checkpoint()
  await follower.following!.waitFor(writer.version)
  expect(follower.table('t').rowCount).toBe(5)
})

test('zeros in the middle of a log are found too, and a listener is told instead of onFailure', async () => {
  const unheard: SnapheapError[] = []
  const { writer, follower } = stuck({ at: 0, bytes: new Uint8Array(40) }, (error) => unheard.push(error))
  const failures: SnapheapError[] = []
  follower.following!.on('failure', (error) => failures.push(error))
  await vi.waitFor(() => expect(failures.map(({ code }) => code)).toEqual(['CORRUPT']), 5000)
  expect(unheard).toEqual([])
  await writer.checkpoint()
})

test('without a listener and without onFailure, a process warning tells', async () => {
  const warnings: Error[] = []
  const listen = (warning: Error): void => void warnings.push(warning)
  process.on('warning', listen)
  try {
    const { writer } = stuck(INSIDE)
    await vi.waitFor(() => expect(warnings.length).toBe(1), 5000)
    expect(warnings[0].message).toContain('is damaged at byte')
    await writer.checkpoint()
  } finally {
    process.off('warning', listen)
  }
})
