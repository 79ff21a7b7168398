import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { walkAllocations } from '../../src/heap/allocator-check'
import type { Heap } from '../../src/heap/heap'
import { BLOCK_WORDS, ZERO_BLOCK } from '../../src/heap/layout'
import { freeFlatArray, growFlatArray } from '../../src/struct/flat-array'
import { fingerprint, HEAP_MEMORIES, inTransaction, withHeap } from '../support/heap'

const write = fc.record({
  index: fc.oneof(fc.nat(40), fc.nat(3000), fc.constantFrom(4095, 4096, 8191, 8192), fc.nat(200_000)),
  value: fc.integer({ min: 1 }),
})

function ownersWord(heap: Heap): number {
  return inTransaction(heap, () => heap.allocator.allocateZeroed(1))
}

function put(heap: Heap, word: number, index: number, value: number): void {
  const base = heap.writer.view.low(word) >>> 0
  const hasMoved = growFlatArray(heap, word, index)
  expect(hasMoved).toBe(heap.writer.view.low(word) >>> 0 !== base)
  heap.writer.set((heap.writer.view.low(word) >>> 0) + index, value, index)
}

function expectModel(heap: Heap, word: number, model: Map<number, number>): void {
  const { view } = heap.writer
  const base = view.low(word) >>> 0
  for (const [index, value] of model) expect([view.low(base + index), view.high(base + index)]).toEqual([value, index])
  const words = base === 0 ? 0 : 2 ** view.high(word)
  let present = 0
  for (let i = 0; i < words; i++) {
    if (view.table[(base + i) / BLOCK_WORDS] === ZERO_BLOCK) i += BLOCK_WORDS - 1
    else if (!view.isAbsent(base + i)) present++
  }
  expect(present).toBe(model.size)
  const { allocated, problems } = walkAllocations(view)
  expect(problems).toEqual([])
  expect(allocated).toEqual(new Set(base === 0 ? [word] : [word, base]))
}

describe.each(HEAP_MEMORIES)('flat array on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('words keep their contents as the array grows, the others are absent, and rollback takes growth back', async () => {
    const transaction = fc.record({ writes: fc.array(write, { maxLength: 12 }), commits: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 6 }), fc.boolean(), (transactions, isPinned) =>
        withHeap(memory, (heap) => {
          const word = ownersWord(heap)
          let committed = new Map<number, number>()
          for (const { writes, commits } of transactions) {
            const before = fingerprint(heap.live)
            const snapshot = isPinned ? heap.snapshot('test') : undefined
            const model = new Map(committed)
            heap.begin()
            for (const { index, value } of writes) {
              put(heap, word, index, value)
              model.set(index, value)
            }
            expectModel(heap, word, model)
            if (commits) {
              heap.commit()
              committed = model
            } else {
              heap.rollback()
              expect(fingerprint(heap.live)).toBe(before)
            }
            expectModel(heap, word, committed)
            if (snapshot !== undefined) expect(fingerprint(snapshot.view)).toBe(before)
            snapshot?.release()
          }
          inTransaction(heap, () => freeFlatArray(heap, word))
          expectModel(heap, word, new Map())
        }),
      ),
      { numRuns: 40 },
    )
  })

  test('from one block on growth moves blocks and copies none, also while a snapshot shows the smaller array', () =>
    withHeap(memory, (heap) => {
      const word = ownersWord(heap)
      inTransaction(heap, () => {
        for (let i = 0; i < 64 * BLOCK_WORDS; i += 100) put(heap, word, i, i + 1)
      })
      const places = () => {
        const base = (heap.live.low(word) >>> 0) / BLOCK_WORDS
        return [...heap.live.table.subarray(base, base + 64)]
      }
      const before = places()
      const snapshot = heap.snapshot('test')
      const { arenaBlocks } = heap.statistics()
      expect(inTransaction(heap, () => growFlatArray(heap, word, 64 * BLOCK_WORDS))).toBe(true)
      expect(places()).toEqual(before)
      // What is copied are the allocator's own blocks and the owner's word.
      expect(heap.statistics().arenaBlocks - arenaBlocks).toBeLessThan(5)
      const base = snapshot.view.low(word) >>> 0
      for (let i = 0; i < 64 * BLOCK_WORDS; i += 100) expect(snapshot.view.low(base + i)).toBe(i + 1)
      snapshot.release()
    }))
})
