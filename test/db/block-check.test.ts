import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { StoreOptions } from '../../src/db/open-heap'
import { Store } from '../../src/db/store'
import { open } from '../../src/entity/database'
import type { SnapheapError } from '../../src/errors'
import { nodeFiles } from '../../src/heap/files'
import { BLOCK_BYTES } from '../../src/heap/layout'
import { plainMemory } from '../../src/heap/plain-memory'
import { PoolFile } from '../../src/heap/pool-file'
import type { ScrubReport } from '../../src/heap/scrub'
import { nativeMemory } from '../heap/support/memories'
import { errorOf, fileStore, rejectionOf, temporaryPath } from '../support/store'

/** A saved database of many blocks; the numbers of column `n` of its table are found by their bytes. */
async function saved(): Promise<{ path: string; rows: number }> {
  const path = temporaryPath()
  const rows = 20_000
  const store = Store.open(path, { memory: nativeMemory() })
  store.write((tx) => {
    tx.createTable('t', { key: 'id', columns: { id: 'integer', n: 'number', s: 'string' } })
    for (let id = 0; id < rows; id++) tx.insert('t', { id, n: 1000.25 + id, s: `text ${id}` })
  })
  await store.checkpoint()
  await store.close()
  return { path, rows }
}

/** Flips a bit of a number in a block that the newest state reaches; returns the logical block. */
function damage(path: string, id: number): number {
  const bytes = readFileSync(path)
  const file = PoolFile.open(nativeMemory(), nodeFiles, path, false)
  file.close()
  const sought = new Uint8Array(new Float64Array([1000.25 + id]).buffer)
  // from behind: the column, for an earlier place is one that it had before it grew
  for (let at = bytes.lastIndexOf(sought); at >= 0; at = bytes.lastIndexOf(sought, at - 1)) {
    const block = file.places.indexOf(Math.floor(at / BLOCK_BYTES))
    if (block < 0) continue
    bytes[at + 6]! ^= 0x20
    writeFileSync(path, bytes)
    return block
  }
  throw new Error('there is no such number')
}

/** Opens a database that is checked in the background, and waits for the result. */
async function scrubbed(path: string, options: StoreOptions = {}) {
  const failures: SnapheapError[] = []
  let done: (report: ScrubReport) => void
  const report = new Promise<ScrubReport>((resolve) => {
    done = resolve
  })
  const store = Store.open(path, {
    memory: nativeMemory(),
    onFailure: (error) => failures.push(error),
    verify: { bytesPerSecond: 1 << 30, onDone: (each) => done(each) },
    ...options,
  })
  return { store, failures, report: await report }
}

describe('a full check at opening', () => {
  test('names every damaged block, opened in one step or off the event loop, for writing, reading and following', async () => {
    const { path } = await saved()
    await (await open(path, { memory: nativeMemory(), verify: 'full' })).close()
    const blocks = [damage(path, 10), damage(path, 15_000)].sort((a, b) => a - b)
    for (const options of [{}, { readOnly: true }, { follow: true }, { memory: plainMemory(), readOnly: true }]) {
      const given = { memory: nativeMemory(), verify: 'full' as const, ...options }
      for (const error of [errorOf(() => Store.open(path, given)), await rejectionOf(open(path, given))]) {
        expect([error.code, error.details.path, error.details.damagedBlocks]).toEqual(['CORRUPT', path, 2])
        expect([...(error.details.blocks as number[])].sort((a, b) => a - b)).toEqual(blocks)
      }
    }
    await Store.open(path, { memory: nativeMemory() }).close() // and it is not locked
  })

  test('looks at a state that a writer saved while it went on', async () => {
    const { path } = await saved()
    const memory = nativeMemory()
    let isFirst = true
    const crc32c = (bytes: Uint8Array, seed?: number): number => {
      if (isFirst && bytes.length === BLOCK_BYTES) {
        isFirst = false
        const writer = Store.open(path, { memory })
        writer.write((tx) => tx.update('t', 3, { n: 5 }))
        saving = writer.checkpoint().then(() => writer.close())
      }
      return memory.crc32c(bytes, seed)
    }
    let saving: Promise<void> | undefined
    const slow = Object.assign(Object.create(memory), {
      crc32c(bytes: Uint8Array, seed?: number) {
        return crc32c(bytes, seed)
      },
    })
    const database = await open(path, { memory: slow, readOnly: true, verify: 'full' })
    expect(database.table('t').get(3)?.n).toBe(5)
    await saving
    await database.close()
  })

  test('says of a database in memory, or without a file yet, that nothing is wrong', async () => {
    await (await open(undefined, { verify: 'full' })).close()
    const path = temporaryPath()
    const store = fileStore(path, { verify: 'full' })
    store.write((tx) => tx.createTable('t', { key: 'id', columns: { id: 'integer' } }))
    await store.close()
    await (await open(path, { memory: nativeMemory(), verify: 'full' })).close()
  })
})

describe('a check in the background', () => {
  test('tells that a sound file is sound, in stats and by onDone', async () => {
    const { path } = await saved()
    const { store, failures, report } = await scrubbed(path)
    expect(report).toMatchObject({ checkedBlocks: report.totalBlocks, damagedBlocks: 0 })
    expect(report.totalBlocks).toBeGreaterThan(10)
    expect(report.finishedAtMs).toBeLessThanOrEqual(Date.now())
    expect(store.stats().scrub).toEqual(report)
    expect(failures).toEqual([])
    expect(store.check().problems).toEqual([])
    await store.close()
  })

  test.each([
    ['writing', {}],
    ['reading on plain memory', { memory: plainMemory(), readOnly: true }],
    ['reading', { readOnly: true }],
    ['following', { follow: true }],
  ] as const)('reports damage and has reads of it throw from then on, opened for %s', async (_, options) => {
    const { path, rows } = await saved()
    const block = damage(path, 500)
    const { store, failures, report } = await scrubbed(path, options)
    expect(report.damagedBlocks).toBe(1)
    expect(failures.map(({ code, details }) => [code, details.blocks])).toEqual([['CORRUPT', [block]]])
    await pause(0)
    const table = store.table('t')
    expect(errorOf(() => table.get(500))).toMatchObject({ code: 'CORRUPT', details: { blocks: [block] } })
    expect(errorOf(() => Array.from(table.rows(), (row) => table.read(row))).code).toBe('CORRUPT')
    expect(table.get(rows - 1)).toEqual({ id: rows - 1, n: 1000.25 + rows - 1, s: `text ${rows - 1}` })
    expect(store.check().problems.join()).toContain(`block ${block}`)
    expect(store.stats().heapBytes).toBeGreaterThan(0)
    if (!store.isReadOnly) {
      expect(errorOf(() => store.write((tx) => tx.update('t', 500, { n: 1 }))).code).toBe('CORRUPT')
      store.write((tx) => tx.update('t', rows - 1, { s: 'changed' }))
      await store.checkpoint()
      expect((await rejectionOf(store.compact())).code).toBe('CORRUPT')
    }
    await store.close()
  })

  test('goes on with what checkpoints and rewrites give the file meanwhile, and ends when the database is closed', async () => {
    const { path } = await saved()
    const reports: ScrubReport[] = []
    const store = fileStore(path, {
      verify: { bytesPerSecond: 8 << 20, onDone: (report) => reports.push(report) },
      onFailure: (error) => expect.fail(error.message),
    })
    for (let round = 0; round < 12; round++) {
      store.write((tx) => {
        for (let id = round * 1000; id < round * 1000 + 300; id++) tx.update('t', id, { s: `round ${round}` })
      })
      if (round % 5 === 4) await store.compact()
      else await store.checkpoint()
      await pause(5)
    }
    while (reports.length === 0) await pause(5)
    expect(reports[0]).toMatchObject({ checkedBlocks: reports[0]!.totalBlocks, damagedBlocks: 0 })
    await store.close()

    const slow = Store.open(path, { memory: nativeMemory(), verify: { bytesPerSecond: 1 } })
    await pause(5)
    await slow.close()
    const missing = Store.open(temporaryPath(), { memory: nativeMemory(), verify: 'background' })
    await pause(5)
    expect(missing.stats().scrub).toMatchObject({ totalBlocks: 0, damagedBlocks: 0 })
    await missing.close()
  })
})

test('an onDone that throws does not make closing fail', async () => {
  const thrown = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => undefined) // where it is thrown again
  onTestFinished(() => thrown.mockRestore())
  const { path } = await saved()
  const onDone = vi.fn(() => {
    throw new Error('of the listener')
  })
  const store = Store.open(path, { memory: nativeMemory(), verify: { bytesPerSecond: 1 << 30, onDone } })
  await vi.waitFor(() => expect(onDone).toHaveBeenCalledOnce())
  await store.close()
  expect(thrown).toHaveBeenCalledOnce()
})
