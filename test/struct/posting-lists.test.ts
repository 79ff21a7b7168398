import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../../src/heap/layout'
import { FLAT_LIMIT, MutablePostingList } from '../../src/struct/posting-list'
import { FlatLists } from '../../src/struct/posting-lists'
import { HEAP_MEMORIES, withHeap } from '../support/heap'

/** Numbers of each group: one, few, and as many as a flat list holds. */
const sizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: FLAT_LIMIT - 3, max: FLAT_LIMIT })),
  { minLength: 1, maxLength: 60 },
)

/** Groups of these sizes, whose numbers are three apart. */
function groupsOf(each: readonly number[]) {
  const numbers = Uint32Array.from({ length: each.reduce((sum, size) => sum + size, 0) }, (_, i) => i * 3)
  const ends = new Uint32Array(each.length)
  for (let group = 0, end = 0; group < each.length; group++) ends[group] = end += each[group]
  return {
    numbers,
    ends,
    payloads: new Uint32Array(each.length).fill(7),
    flags: new Uint32Array(each.length).fill(7),
  }
}

describe.each(HEAP_MEMORIES)('posting lists made at once on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('are the same as those made one by one, also where something else stood before', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(20), (each, first) =>
        withHeap(memory, (heap) => {
          const from = Math.min(first, each.length - 1)
          const groups = groupsOf(each)
          const { numbers, ends, payloads, flags } = groups
          heap.begin()
          const { writer, allocator, live } = heap
          const base = allocator.allocate(Math.max(2 ** 15, numbers.length * 3))
          for (let i = 0; i < each.length; i++) writer.set(base + numbers[ends[i] - each[i]], i, -i)
          const postings = new MutablePostingList(heap)
          const singly = each.map((size, i) => (size > 1 ? postings.createFrom(numbers, ends[i] - size, size) : 0))
          const before = live.number(ROOT.allocatedWords)
          const used = each.map((size, i) => (size > 1 && i >= from ? postings.createFrom(numbers, 0, size) : 0))
          const words = live.number(ROOT.allocatedWords) - before
          for (const list of used) {
            if (list === 0) continue
            for (let word = 0; word < 3; word++) writer.set(list + word, -1, -1)
            allocator.free(list)
          }
          new FlatLists(heap, groups, base).create(from, each.length)
          expect(live.number(ROOT.allocatedWords) - before).toBe(words)
          for (const [i, size] of each.entries()) {
            if (i < from) expect([payloads[i], flags[i]]).toEqual([7, 7])
            else if (size === 1) expect([payloads[i], flags[i]]).toEqual([numbers[ends[i] - 1], 0])
            else {
              expect(flags[i]).toBe(1)
              expect(live.isWord(payloads[i], i, -i)).toBe(true)
              for (let word = 1; word < 2 + Math.ceil(size / 2); word++) {
                const expected = singly[i] + word
                expect(live.isWord(payloads[i] + word, live.low(expected), live.high(expected))).toBe(true)
              }
            }
          }
          heap.commit()
        }),
      ),
      { numRuns: 30 },
    )
  })

  test('are whole where those of one size go on from one block to the next', () =>
    withHeap(memory, (heap) => {
      // lists of 4 and of 8 words, which fill blocks
      const each = Array.from({ length: 3000 }, (_, i) => (i < 2000 ? 4 : 12))
      const groups = groupsOf(each)
      heap.begin()
      const base = heap.allocator.allocate(2 ** 17)
      new FlatLists(heap, groups, base).create(0, each.length)
      const postings = new MutablePostingList(heap)
      const { numbers, ends, payloads } = groups
      for (let i = 0; i < each.length; i++) {
        expect(postings.read(payloads[i])).toEqual([...numbers.subarray(ends[i] - each[i], ends[i])])
      }
      heap.commit()
    }))
})
