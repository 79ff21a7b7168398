import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { nodeFiles } from '../../src/heap/files'
import { RECORD, RUN_WORDS_SHIFT, SEGMENT } from '../../src/log/format'
import { nativeMemory } from '../heap/support/memories'
import { closeChecked, errorOf, fileStore, rejectionOf, temporaryPath } from '../support/store'
import { segmentsOf } from './support/damage'
import { ids, machine, put } from './support/machine'
import { StoreOverFiles } from './support/store-over-files'

const DEFINITION = { key: 'id', columns: { id: 'integer', text: 'string' } } as const

test('a block changed by one commit and dropped by the next is free after recovery (seed 301700)', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => {
    tx.createTable('t', DEFINITION)
    for (let id = 0; id < 9000; id++) tx.insert('t', { id, text: `text ${id}` })
  })
  await store.checkpoint()
  store.write((tx) => tx.update('t', 5, { text: 'another' }))
  store.write((tx) => tx.truncate('t'))
  store.write((tx) => tx.insert('t', { id: 1, text: 'the first again' }))
  await closeChecked(store)
  const again = fileStore(path)
  expect(again.recovery.commits).toBe(3)
  expect(again.table('t').get(1)).toEqual({ id: 1, text: 'the first again' })
  await closeChecked(again)
})

test('a bulk load whose last sync fails ends writing: the file may hold it, and is asked at the next opening', async () => {
  const path = temporaryPath()
  let syncsToFailure = Number.POSITIVE_INFINITY
  const files = {
    ...nodeFiles,
    async syncAsync(fd: number): Promise<void> {
      if (--syncsToFailure === 0) throw Object.assign(new Error('failed on purpose'), { code: 'EIO' })
      await nodeFiles.syncAsync(fd)
    },
  }
  const store = StoreOverFiles.over(path, { files })
  try {
    store.write((tx) => tx.createTable('t', DEFINITION))
    await store.checkpoint()
    syncsToFailure = 2 // of blocks and map, then of the root
    const load = store.bulkWrite(async (tx) => tx.insert('t', { id: 1, text: 'loaded' }), { log: false })
    expect((await rejectionOf(load)).code).toBe('IO')
    expect(store.table('t').rowCount).toBe(0)
    const refused = errorOf(() => store.write((tx) => tx.insert('t', { id: 2, text: 'lost?' })))
    expect([refused.code, refused.message]).toEqual(['IO', expect.stringContaining('open it again')])
    expect(store.check().problems).toEqual([])
  } finally {
    await store.close()
  }
  const again = fileStore(path)
  expect(again.table('t').get(1)).toEqual({ id: 1, text: 'loaded' }) // the root was written after all
  again.write((tx) => tx.insert('t', { id: 2, text: 'kept' }))
  await closeChecked(again)
  expect(fileStore(path).table('t').rowCount).toBe(2)
})

test('commits of every size are recovered, wherever in the log they lie', async () => {
  const path = temporaryPath()
  const store = fileStore(path, { durability: 'interval', segmentBytes: 3_000_000 })
  store.write((tx) =>
    tx.createTable('b', { key: 'id', columns: { id: 'integer', data: { type: 'bytes', index: false } } }),
  )
  const sizes = [10, 262_144, 100, 262_144 - 300, 1, 700_000, 5, 131_072, 20_000, 2_500_000, 17]
  const rows = new Map<number, Buffer>()
  for (let id = 0; id < 66; id++) {
    const data = Buffer.alloc(sizes[(id * 7) % sizes.length] + id, `row ${id}; `)
    rows.set(id, data)
    store.write((tx) => tx.insert('b', { id, data }))
  }
  await closeChecked(store)
  for (const recoveredBy of ['reading', 'writing']) {
    const again = fileStore(path, { readOnly: recoveredBy === 'reading' })
    expect(again.recovery).toEqual({ commits: 68, damaged: undefined })
    for (const [id, data] of rows) expect(data.equals(again.table('b').get(id)!.data as Uint8Array)).toBe(true)
    await closeChecked(again)
  }
})

test('a record that is whole but changes words beyond its block is refused', async () => {
  const path = temporaryPath()
  const store = fileStore(path)
  store.write((tx) => tx.createTable('t', DEFINITION))
  await closeChecked(store)
  const [segment] = segmentsOf(path)
  const bytes = readFileSync(segment)
  const units = new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  let last = SEGMENT.sizeBytes / 4
  while (last + units[last + RECORD.size] / 4 < units.length) last += units[last + RECORD.size] / 4
  const run = last + RECORD.units + 1 // behind the name of the first block
  units[run] = (units[run] & ~0xffff) | 4095
  expect(units[run] >>> RUN_WORDS_SHIFT).toBeGreaterThan(1)
  const forged = new Uint8Array(units.buffer)
  units[last + RECORD.checksum] = nativeMemory().crc32c(forged.subarray((last + RECORD.previousChecksum) * 4)) | 0
  writeFileSync(segment, forged)
  for (const readOnly of [true, false]) expect(errorOf(() => fileStore(path, { readOnly })).code).toBe('CORRUPT')
})

test('a torn end that cannot be kept aside, as on a full device, leaves no file at each attempt to open', async () => {
  const one = machine()
  put(one.open(), 1)
  await closeChecked(one.store)
  appendFileSync(segmentsOf(one.path).at(-1)!, Buffer.alloc(5000, 7))
  const names = (): string[] => readdirSync(`${one.path}.log`)
  const before = names()
  for (const kind of ['write', 'sync', 'write']) {
    const open = (): unknown =>
      one.open({}, (operation) =>
        operation.kind === kind && operation.path.includes('.damaged') ? { code: 'ENOSPC', share: 0.5 } : undefined,
      )
    expect(errorOf(open).details.systemCode).toBe('ENOSPC')
    expect(one.files.openFiles).toEqual([])
    expect(names()).toEqual(before)
  }
  expect(ids(one.open())).toEqual([1])
  expect(one.store.recovery.damaged?.bytes).toBe(5000)
})
