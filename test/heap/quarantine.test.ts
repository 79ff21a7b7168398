import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Heap } from '../../src/heap/heap'
import { BLOCK_BYTES, BLOCK_WORDS } from '../../src/heap/layout'
import type { Memory } from '../../src/heap/memory'
import { codeOf, HEAP_MEMORIES, inTransaction } from '../support/heap'
import { errorOf, rejectionOf } from '../support/store'
import { temporaryFolder } from './support/memories'

const WRITE = { create: true, readOnly: false }
const BLOCKS = 6

/**
 * A heap of which one block of the file has a flipped bit; `damaged` and `sound` are addresses in two of its blocks.
 */
async function damagedHeap(memory: Memory): Promise<{ heap: Heap; path: string; damaged: number; sound: number }> {
  const path = join(temporaryFolder(), 'heap')
  const first = Heap.open(memory, path, WRITE)
  const address = inTransaction(first, () => {
    const at = first.allocator.allocate(BLOCKS * BLOCK_WORDS)
    for (let i = 0; i < BLOCKS; i++) first.writer.set(at + i * BLOCK_WORDS + 9, 100 + i, i)
    return at
  })
  await first.save()
  const { places } = first.mapped!.file
  await first.close()
  const damaged = address + 2 * BLOCK_WORDS
  const bytes = readFileSync(path)
  bytes[places[damaged / BLOCK_WORDS] * BLOCK_BYTES + 9 * 8]! ^= 1
  writeFileSync(path, bytes)
  return { heap: Heap.open(memory, path, WRITE), path, damaged, sound: address + 4 * BLOCK_WORDS }
}

/** Makes the heap find the damage, and waits until reads of it are refused. */
async function meet(heap: Heap, address: number): Promise<void> {
  expect(await codeOf(() => inTransaction(heap, () => heap.writer.set(address + 1, 1, 1)))).toBe('CORRUPT')
  await heap.queue.run(async () => undefined)
}

describe.each(HEAP_MEMORIES)('a damaged block of a file on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('is not copied: the transaction that changes it is taken back whole, and the heap goes on', async () => {
    const { heap, path, damaged, sound } = await damagedHeap(memory)
    heap.begin()
    heap.writer.set(sound + 1, 7, 7)
    const error = errorOf(() => heap.writer.set(damaged + 1, 8, 8))
    expect(error).toMatchObject({ code: 'CORRUPT', details: { path, blocks: [damaged / BLOCK_WORDS] } })
    expect(error.message).toMatch(/block \d+, at byte \d+, does not match its checksum\. Restore/)
    expect(errorOf(() => heap.commit()).code).toBe('CORRUPT') // though somebody has caught it within
    heap.rollback()
    expect(heap.live.low(sound + 1)).toBe(0)
    inTransaction(heap, () => heap.writer.set(sound + 1, 9, 9))
    expect(heap.live.low(sound + 1)).toBe(9)
    expect(heap.checkBlocks()).toEqual([])
    await heap.close()
  })

  test('cannot be read once it is known, in any version; others can, and what sees too much of it throws CORRUPT as well', async () => {
    const { heap, damaged, sound } = await damagedHeap(memory)
    const snapshot = heap.snapshot('test')
    await meet(heap, damaged)
    for (const view of [heap.live, snapshot.view]) {
      for (const read of [
        () => view.number(damaged + 9),
        () => view.low(damaged + 9),
        () => view.high(damaged),
        () => view.half(damaged + 9, 1),
        () => view.isAbsent(damaged + 20),
        () => view.bytes[view.slotOf(damaged)][view.indexOf(damaged) * 8],
        () => view.bytes[view.slotOf(damaged)].toString('utf8', 0, 8),
        () => view.halves[view.slotOf(damaged)].subarray(0, 8),
      ])
        expect(errorOf(read)).toMatchObject({ code: 'CORRUPT', details: { blocks: [damaged / BLOCK_WORDS] } })
      expect([view.low(sound + 9), view.high(sound + 9)]).toEqual([104, 4])
      const { kernels, table, buffers } = view
      const one = Int32Array.of(0)
      const gather = (at: number) =>
        kernels?.gatherNumbers(table, buffers, at, 16, one, one, 0, 1, 0, new Float64Array(1), new Float64Array(1))
      gather(sound)
      if (kernels !== undefined) expect(errorOf(() => gather(damaged)).code).toBe('CORRUPT')
    }
    snapshot.release()
    expect(heap.checkBlocks()).toEqual([])
    expect(heap.statistics().writtenBlocks).toBeGreaterThan(BLOCKS)
    await heap.close()
  })

  test('keeps its place and checksum in every checkpoint, and is given no other file', async () => {
    const { heap, path, damaged, sound } = await damagedHeap(memory)
    const block = damaged / BLOCK_WORDS
    const before = [heap.mapped!.file.places[block], heap.mapped!.file.checksums[block]]
    const other = join(dirname(path), 'other')
    expect((await rejectionOf(heap.saveAs(other))).details).toMatchObject({ path, blocks: [block] })
    expect((await rejectionOf(heap.compact())).details).toMatchObject({ path, blocks: [block] })
    await meet(heap, damaged)
    expect((await rejectionOf(heap.saveAs(other))).details).toMatchObject({ path, blocks: [block] })
    expect((await rejectionOf(heap.compact())).details).toMatchObject({ path, blocks: [block] })
    expect(readdirSync(dirname(path)).filter((name) => name.endsWith('.tmp') || name === 'other')).toEqual([])
    for (let round = 1; round < 4; round++) {
      inTransaction(heap, () => heap.writer.set(sound + 1, round, 0))
      await heap.save()
    }
    await heap.close()
    const again = Heap.open(memory, path, WRITE)
    expect([again.mapped!.file.places[block], again.mapped!.file.checksums[block]]).toEqual(before)
    expect(again.live.low(sound + 1)).toBe(3)
    expect(await codeOf(() => inTransaction(again, () => again.writer.set(damaged, 1, 1)))).toBe('CORRUPT')
    await again.close()
  })

  test('can be moved and given up: what nobody reads is not missed', async () => {
    const { heap, path, damaged, sound } = await damagedHeap(memory)
    await meet(heap, damaged)
    const [from, to] = [damaged / BLOCK_WORDS, sound / BLOCK_WORDS]
    inTransaction(heap, () => {
      heap.writer.discard(to)
      heap.writer.moveBlock(from, to)
    })
    await heap.save()
    expect(errorOf(() => heap.live.low(sound)).code).toBe('CORRUPT')
    inTransaction(heap, () => heap.writer.discard(to))
    await heap.save()
    await heap.saveAs(join(dirname(path), 'other'))
    expect(heap.live.low(sound)).toBe(0)
    expect(heap.checkBlocks()).toEqual([])
    await heap.close()
  })
})
