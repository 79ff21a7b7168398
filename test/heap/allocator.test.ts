import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { usableWords } from '../../src/heap/allocator'
import { walkAllocations } from '../../src/heap/allocator-check'
import type { Heap } from '../../src/heap/heap'
import { BLOCK_SHIFT, BLOCK_WORDS, MAX_BLOCKS, ROOT } from '../../src/heap/layout'
import { codeOf, type Drawn, expectSound, fingerprint, HEAP_MEMORIES, inTransaction, withHeap } from '../support/heap'

const words = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 64 }) },
  { weight: 3, arbitrary: fc.integer({ min: 65, max: 2048 }) },
  { weight: 2, arbitrary: fc.integer({ min: 2049, max: 20_000 }) },
)
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('allocate' as const), words, isZeroed: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('allocate many' as const),
      words: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 9, max: 2048 })),
      count: fc.nat(40),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('free' as const), which: fc.nat() }) },
)
const transaction = fc.record({ operations: fc.array(operation, { maxLength: 25 }), commits: fc.boolean() })

/** What is allocated: address -> its size, and the number that its words were filled from. */
type Model = Map<number, { words: number; seed: number }>

/** Writes to a few words of an allocation, its first and its last included. */
function fill(heap: Heap, address: number, words: number, seed: number): void {
  for (const offset of offsets(words)) heap.writer.set(address + offset, seed, offset)
}

function offsets(words: number): Set<number> {
  return new Set([0, words >> 1, words - 1, ...(words > BLOCK_WORDS ? [BLOCK_WORDS - 1, BLOCK_WORDS] : [])])
}

function expectModel(heap: Heap, model: Model): void {
  const { view } = heap.writer
  const { allocated, problems } = walkAllocations(view)
  expect(problems).toEqual([])
  expect([...allocated].sort((a, b) => a - b)).toEqual([...model.keys()].sort((a, b) => a - b))
  let end = 0
  let usable = 0
  for (const [address, { words, seed }] of [...model].sort(([a], [b]) => a - b)) {
    expect(address).toBeGreaterThanOrEqual(end)
    end = address + words
    usable += usableWords(words)
    if (words > BLOCK_WORDS) expect(address % BLOCK_WORDS).toBe(0)
    else expect((end - 1) >>> BLOCK_SHIFT).toBe(address >>> BLOCK_SHIFT)
    for (const offset of offsets(words)) {
      expect([view.low(address + offset), view.high(address + offset)]).toEqual([seed, offset])
    }
  }
  expect(view.number(ROOT.allocatedWords)).toBe(usable)
}

function expectZeros(heap: Heap, address: number, words: number): void {
  for (let i = 0; i < words; i++) if (!heap.writer.view.isAbsent(address + i)) expect.fail(`word ${i} is not absent`)
}

describe.each(HEAP_MEMORIES)('allocator on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('random allocations never overlap or straddle, keep their contents, and a rollback gives them back', async () => {
    let seed = 0
    const step = (heap: Heap, model: Model, each: Drawn<typeof operation>): void => {
      if (each.kind === 'free') {
        const address = [...model.keys()][each.which % Math.max(1, model.size)]
        if (model.delete(address)) heap.allocator.free(address)
        return
      }
      const { allocator } = heap
      if (each.kind === 'allocate many') {
        const addresses = new Uint32Array(each.count + 2)
        allocator.allocateMany(each.words, addresses, 1, each.count + 1)
        expect([addresses[0], addresses[each.count + 1]]).toEqual([0, 0])
        for (const address of addresses.subarray(1, each.count + 1)) {
          fill(heap, address, each.words, ++seed)
          model.set(address, { words: each.words, seed })
        }
        return
      }
      const address = each.isZeroed ? allocator.allocateZeroed(each.words) : allocator.allocate(each.words)
      if (each.isZeroed) expectZeros(heap, address, each.words)
      fill(heap, address, each.words, ++seed)
      model.set(address, { words: each.words, seed })
    }
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 12 }), (transactions) =>
        withHeap(memory, (heap) => {
          let committed: Model = new Map()
          for (const { operations, commits } of transactions) {
            const model = new Map(committed)
            const before = fingerprint(heap.live)
            heap.begin()
            for (const each of operations) {
              step(heap, model, each)
              expectModel(heap, model)
            }
            if (commits) {
              heap.commit()
              committed = model
            } else {
              heap.rollback()
              expect(fingerprint(heap.live)).toBe(before)
            }
            expectModel(heap, committed)
            expectSound(heap)
          }
        }),
      ),
      { numRuns: 80 },
    )
  })

  test('everything freed in any order leaves nothing allocated', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 200 }), fc.infiniteStream(fc.nat()), (sizes, picks) =>
        withHeap(memory, (heap) => {
          const taken = inTransaction(heap, () => sizes.map((size) => heap.allocator.allocate(size)))
          inTransaction(heap, () => {
            while (taken.length > 0) {
              heap.allocator.free(taken.splice(picks.next().value % taken.length, 1)[0])
              expect(walkAllocations(heap.live).problems).toEqual([])
            }
          })
          expect(walkAllocations(heap.live).allocated.size).toBe(0)
          expect(heap.statistics().allocatedWords).toBe(0)
        }),
      ),
      { numRuns: 40 },
    )
  })

  test('allocating and freeing the same sizes ten times does not raise the top of the heap', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 150 }), (sizes) =>
        withHeap(memory, (heap) => {
          const tops: number[] = []
          const written: number[] = []
          for (let round = 0; round < 10; round++) {
            const taken = inTransaction(heap, () => sizes.map((size) => heap.allocator.allocate(size)))
            tops.push(heap.live.low(ROOT.top))
            inTransaction(heap, () => {
              for (const address of taken) heap.allocator.free(address)
            })
            written.push(heap.statistics().writtenBlocks)
          }
          expect(Math.max(...tops)).toBe(tops[0])
          expect(Math.max(...written)).toBe(written[0])
        }),
      ),
      { numRuns: 40 },
    )
  })

  test('a freed run next to the top joins what is skipped to align a larger one', () =>
    withHeap(memory, (heap) => {
      inTransaction(heap, () => {
        const one = heap.allocator.allocate(BLOCK_WORDS)
        heap.allocator.free(one)
        heap.allocator.allocate(2 * BLOCK_WORDS)
        expectSound(heap)
        expect(heap.allocator.allocate(2 * BLOCK_WORDS)).toBe(one)
      })
    }))

  test('a full heap says so, and what was there is untouched by the attempt', () =>
    withHeap(memory, async (heap) => {
      heap.begin()
      const small = heap.allocator.allocate(5)
      const half = heap.allocator.allocate((MAX_BLOCKS / 2) * BLOCK_WORDS)
      expect(await codeOf(() => heap.allocator.allocate((MAX_BLOCKS / 2) * BLOCK_WORDS))).toBe('HEAP_FULL')
      expect(await codeOf(() => heap.allocator.allocate(MAX_BLOCKS * BLOCK_WORDS))).toBe('HEAP_FULL')
      expectModelAddresses(heap, [small, half])
      heap.allocator.free(half)
      heap.commit()
      expectModelAddresses(heap, [small])
    }))

  test('freeing what is not allocated is refused', () =>
    withHeap(memory, async (heap) => {
      heap.begin()
      const run = heap.allocator.allocate(BLOCK_WORDS)
      heap.allocator.free(run)
      expect(await codeOf(() => heap.allocator.free(run))).toBe('CORRUPT')
      expect(await codeOf(() => heap.allocator.free(ROOT.top))).toBe('CORRUPT')
      heap.rollback()
    }))
})

function expectModelAddresses(heap: Heap, addresses: number[]): void {
  const { allocated, problems } = walkAllocations(heap.writer.view)
  expect(problems).toEqual([])
  expect([...allocated].sort((a, b) => a - b)).toEqual([...addresses].sort((a, b) => a - b))
}
