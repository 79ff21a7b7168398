import { rmSync, statSync, truncateSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Store } from '../../src/db/store'
import { type Files, filesWith } from '../../src/heap/files'
import { PART_BYTES } from '../../src/log/record'
import { nativeMemory } from '../heap/support/memories'
import { closeChecked, errorOf, temporaryPath } from '../support/store'
import { segmentsOf } from './support/damage'
import { StoreOverFiles } from './support/store-over-files'

const ROWS = 12
const ROW_BYTES = 4 << 20

/** Files that note the largest number of bytes that was read at once. */
function measured(): { files: Files; largest: () => number } {
  let most = 0
  const files = filesWith(nativeMemory())
  const read: Files['read'] = (fd, into, position) => {
    most = Math.max(most, into.length)
    return files.read(fd, into, position)
  }
  return { files: { ...files, read }, largest: () => most }
}

/** A database whose last commit is of several parts, each a record. */
async function large(): Promise<string> {
  const path = temporaryPath()
  const store = Store.open(path, { memory: nativeMemory() })
  store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer', bytes: 'bytes' } }))
  store.write((tx) => {
    for (let id = 0; id < ROWS; id++) tx.insert('t', { id, bytes: Buffer.alloc(ROW_BYTES, id + 1) })
  })
  await closeChecked(store)
  return path
}

function expectRows(store: Store): void {
  for (let id = 0; id < ROWS; id++) {
    const bytes = store.table('t').get(id)!.bytes as Uint8Array
    expect([bytes.length, bytes[0], bytes[ROW_BYTES - 1]]).toEqual([ROW_BYTES, id + 1, id + 1])
  }
}

test('a commit larger than what is read at once is replayed part by part, by all who replay', async () => {
  const path = await large()
  expect(statSync(segmentsOf(path)[0]!).size).toBeGreaterThan(5 * PART_BYTES)
  for (const options of [{ readOnly: true }, { follow: true }, {}]) {
    const { files, largest } = measured()
    const store = StoreOverFiles.over(path, { ...options, memory: nativeMemory(), files })
    expectRows(store)
    await closeChecked(store)
    expect(largest()).toBeLessThan(1.1 * PART_BYTES)
  }
})

test('a large commit of which the end is missing is no commit, and what there is of it is kept aside', async () => {
  const path = await large()
  const [segment] = segmentsOf(path)
  truncateSync(segment!, statSync(segment!).size - 100_000)
  rmSync(`${path}.log/durable`) // which knows that it was on the device
  const { files, largest } = measured()
  const store = StoreOverFiles.over(path, { memory: nativeMemory(), files })
  expect(store.version).toBe(2)
  expect(store.recovery.damaged!.bytes).toBeGreaterThan(4 * PART_BYTES)
  expect(largest()).toBeLessThan(1.1 * PART_BYTES)
  await closeChecked(store)
})

test('a large commit that is damaged, though a later record proves that it was on the device, is refused', async () => {
  const path = await large()
  const store = Store.open(path, { memory: nativeMemory() })
  store.write((tx) => tx.delete('t', 0))
  await closeChecked(store)
  const [segment] = segmentsOf(path)
  const { size } = statSync(segment!)
  const fd = filesWith(nativeMemory()).open(segment!, 'r+')
  filesWith(nativeMemory()).write(fd, new Uint8Array(8).fill(0xff), Math.floor(size / 2 / 8) * 8)
  filesWith(nativeMemory()).close(fd)
  expect(errorOf(() => Store.open(path, { memory: nativeMemory() })).code).toBe('CORRUPT')
})
