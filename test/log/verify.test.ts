import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { verify } from '../../src/db/verify'
import { type Files, nodeFiles } from '../../src/heap/files'
import { SEGMENT } from '../../src/log/format'
import { verifyLog } from '../../src/log/verify'
import { nativeMemory } from '../heap/support/memories'
import { closeChecked, fileStore, rejectionOf, temporaryPath } from '../support/store'
import { segmentsOf } from './support/damage'

/** A database with a saved file and five segments behind it. */
async function logged(): Promise<{ path: string; segments: string[] }> {
  const path = temporaryPath()
  const store = fileStore(path, { segmentBytes: 1 })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
  await store.checkpoint()
  for (let id = 0; id < 4; id++) store.write((tx) => tx.insert('t', { id }))
  await closeChecked(store)
  return { path, segments: segmentsOf(path) }
}

test('every segment is reported, with its commits and bytes', async () => {
  const { path, segments } = await logged()
  const found = await verify(path)
  expect([found.version, found.savedVersion]).toEqual([6, 2])
  expect(found.segments.map((each) => each.path)).toEqual(segments)
  for (const [i, each] of found.segments.entries()) {
    expect(each).toMatchObject({ baseVersion: i, version: i + 1, commits: 1, tornBytes: 0 })
    expect(each.bytes).toBe(statSync(each.path).size - SEGMENT.sizeBytes)
  }
  writeFileSync(segments.at(-1)!, 'the end of a commit that was never acknowledged', { flag: 'a' })
  expect((await verify(path)).segments.at(-1)).toMatchObject({ commits: 1, tornBytes: 47 })
})

test('a flipped bit, a missing segment and one of another place are found, wherever they are', async () => {
  const { path, segments } = await logged()
  for (const [i, segment] of segments.entries()) {
    const bytes = readFileSync(segment)
    const isLast = i === segments.length - 1
    for (const at of [20, 60, bytes.length - 9].slice(0, isLast ? 0 : 3)) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 4
      writeFileSync(segment, flipped)
      const error = await rejectionOf(verify(path))
      expect([error.code, String(error.details.path)]).toEqual(['CORRUPT', segment])
    }
    rmSync(segment)
    if (i > 0 && !isLast) expect((await rejectionOf(verify(path))).code).toBe('CORRUPT')
    writeFileSync(segment, readFileSync(segments[(i + 1) % segments.length]!))
    expect((await rejectionOf(verify(path))).code).toBe('CORRUPT')
    writeFileSync(segment, bytes)
  }
  expect((await verify(path)).segments.length).toBe(segments.length)
})

test('a segment removed by its writer while the log is read is no damage', async () => {
  const { path, segments } = await logged()
  const verified = await verifyLog(nativeMemory(), vanishing(segments.slice(0, 3)), path)
  expect(verified.map((each) => each.path)).toEqual(segments.slice(3))
})

test('a last segment with half a header is reported as torn, unless it held commits that were on the device', async () => {
  const { path, segments } = await logged()
  const torn = join(`${path}.log`, '0000000000000099.log')
  writeFileSync(torn, 'SNAPLOG')
  expect((await verify(path)).segments.at(-1)).toMatchObject({ path: torn, commits: 0, tornBytes: 7 })
  rmSync(torn)
  expect((await verify(path)).segments.length).toBe(segments.length)
})

/** Files of which some are gone from the moment on at which the second is read. */
function vanishing(paths: readonly string[]): Files {
  return {
    ...nodeFiles,
    open(path, flags) {
      const fd = nodeFiles.open(path, flags)
      if (path === paths[1]) for (const each of paths) rmSync(each, { force: true })
      return fd
    },
  }
}
