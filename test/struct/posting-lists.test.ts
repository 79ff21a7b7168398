import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../../src/heap/layout'
import { FLAT_LIMIT, MutablePostingList } from '../../src/struct/posting-list'
import { FlatLists } from '../../src/struct/posting-lists'
import { HEAP_MEMORIES, withHeap } from '../support/heap'

/** Numbers of each group: one, few, and more than a flat list holds. */
const sizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: FLAT_LIMIT - 3, max: FLAT_LIMIT + 3 })),
  { minLength: 1, maxLength: 60 },
)

describe.each(HEAP_MEMORIES)('posting lists made at once on %s memory', (_name, makeMemory) => {
  test('are the same as those made one by one, also where something else stood before', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(20), (each, first) =>
        withHeap(makeMemory(), (heap) => {
          const from = Math.min(first, each.length - 1)
          const numbers = new Uint32Array(each.reduce((sum, size) => sum + size, 0))
          const ends = new Uint32Array(each.length)
          for (let group = 0, end = 0; group < each.length; group++) {
            for (let i = 0; i < each[group]; i++) numbers[end + i] = group + i * 1_000_003
            end += each[group]
            ends[group] = end
          }
          heap.begin()
          const postings = new MutablePostingList(heap)
          const singly = each.map((size, group) =>
            size > 1 && size <= FLAT_LIMIT ? postings.createFrom(numbers, ends[group] - size, size) : 0,
          )
          const usedSingly = singly.slice(from).filter((list) => list !== 0)
          const before = heap.live.number(ROOT.allocatedWords)
          const copies = usedSingly.map((list) =>
            postings.createFrom(Uint32Array.from(postings.read(list)), 0, postings.count(list)),
          )
          const words = heap.live.number(ROOT.allocatedWords) - before
          for (const list of copies) {
            heap.writer.set(list, -1, -1)
            heap.allocator.free(list)
          }
          const lists = new Uint32Array(each.length).fill(7)
          new FlatLists(heap).create(numbers, from === 0 ? 0 : ends[from - 1], ends, from, each.length, lists)
          expect(heap.live.number(ROOT.allocatedWords) - before).toBe(words)
          for (const [group, list] of lists.entries()) {
            if (group < from || singly[group] === 0) expect(list).toBe(7)
            else {
              expect(heap.live.isAbsent(list)).toBe(true)
              for (let word = 1; word < 2 + Math.ceil(each[group] / 2); word++)
                expect(
                  heap.live.isWord(
                    list + word,
                    heap.live.low(singly[group] + word),
                    heap.live.high(singly[group] + word),
                  ),
                ).toBe(true)
            }
          }
          heap.commit()
        }),
      ),
      { numRuns: 30 },
    )
  })
})
