import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { walkAllocations } from '../../src/heap/allocator-check'
import type { Heap } from '../../src/heap/heap'
import { ROOT } from '../../src/heap/layout'
import { LARGEST_POSTING, MutablePostingList, PostingList } from '../../src/struct/posting-list'
import { type Drawn, fingerprint, HEAP_MEMORIES, inTransaction, withHeap } from '../support/heap'

/**
 * Stretches of numbers: single ones, sparse and dense runs, around the edges of chunks and at the ends of the range.
 */
const start = fc.oneof(
  fc.nat(200_000),
  fc.constantFrom(0, 65_535, 65_536, 131_071, LARGEST_POSTING, LARGEST_POSTING - 65_536),
  fc.nat(LARGEST_POSTING),
)
const stretch = fc.record({
  from: start,
  count: fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 700 }), fc.integer({ min: 700, max: 3500 })),
  step: fc.oneof(fc.constantFrom(1, 2, 31, 64), fc.integer({ min: 1, max: 100_000 })),
})
const operation = fc.record({ kind: fc.constantFrom('add' as const, 'add' as const, 'remove' as const), stretch })
const OWNERS_WORD = [0x1234567, 0x7ff80001]

/** A list in a heap beside the set of numbers that it should hold, never empty. */
class Play {
  readonly postings: MutablePostingList
  readonly model: Set<number>
  list: number

  constructor(
    private readonly heap: Heap,
    numbers: Set<number>,
    list: number,
  ) {
    this.postings = new MutablePostingList(heap)
    this.model = numbers
    this.list = list
    heap.writer.set(list, OWNERS_WORD[0], OWNERS_WORD[1])
  }

  static ofTwo(heap: Heap, a: number, b: number): Play {
    return new Play(heap, new Set([a, b]), new MutablePostingList(heap).create(a, b))
  }

  apply({ kind, stretch: { from, count, step } }: Drawn<typeof operation>): void {
    for (let i = 0, number = from; i < count && number <= LARGEST_POSTING; i++, number += step) {
      if (kind === 'add') this.add(number)
      else this.remove(number)
    }
  }

  add(number: number): void {
    if (this.model.has(number)) return
    this.list = this.postings.add(this.list, number)
    this.model.add(number)
  }

  remove(number: number): void {
    if (this.model.size === 1 || !this.model.delete(number)) return
    this.postings.remove(this.list, number)
  }

  expectTrue(picks: readonly number[]): void {
    const { view } = this.heap.writer
    const sorted = [...this.model].sort((a, b) => a - b)
    expectShows(new PostingList(view), this.list, sorted, picks)
    expect([view.low(this.list), view.high(this.list)]).toEqual(OWNERS_WORD)
    const { allocated, problems } = walkAllocations(view)
    expect(problems).toEqual([])
    const own = [...this.postings.allocations(this.list)]
    expect(own.sort((a, b) => a - b)).toEqual([...allocated].sort((a, b) => a - b))
  }
}

function expectShows(postings: PostingList, list: number, sorted: number[], picks: readonly number[]): void {
  expect(postings.count(list)).toBe(sorted.length)
  expect(postings.first(list)).toBe(sorted[0])
  expectSame(postings.read(list), sorted)
  const members = new Set(sorted)
  for (const pick of picks) {
    const skip = pick % (sorted.length + 2)
    const limit = pick % 97
    expectSame(postings.read(list, skip, limit), sorted.slice(skip, skip + limit))
    expectSame(postings.read(list, skip), sorted.slice(skip))
    const near = sorted[pick % sorted.length]
    for (const number of [near, near + 1, Math.max(0, near - 1), near ^ 32, near ^ 65_536, pick]) {
      if (number <= LARGEST_POSTING) expect(postings.has(list, number)).toBe(members.has(number))
    }
  }
}

/** As `toEqual`, which is slow on so many numbers. */
function expectSame(numbers: number[], expected: number[]): void {
  const isSame = numbers.length === expected.length && numbers.every((number, i) => number === expected[i])
  if (!isSame) expect(numbers).toEqual(expected)
}

const picks = fc.array(fc.nat(LARGEST_POSTING), { minLength: 4, maxLength: 4 })

function allocatedWords(heap: Heap): number {
  return heap.writer.view.number(ROOT.allocatedWords)
}

describe.each(HEAP_MEMORIES)('posting list on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('numbers come and go as in a set: flat, in chunks, as bitmaps and back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 12 }), picks, (operations, somePicks) =>
        withHeap(memory, (heap) => {
          heap.begin()
          const play = Play.ofTwo(heap, 70_000, 3)
          play.expectTrue(somePicks)
          for (const each of operations) {
            play.apply(each)
            play.expectTrue(somePicks)
          }
          heap.commit()
          play.expectTrue(somePicks)
          inTransaction(heap, () => play.postings.destroy(play.list))
          expect(allocatedWords(heap)).toBe(0)
        }),
      ),
      { numRuns: 30 },
    )
  })

  test('a rollback takes back what was added and removed, and a snapshot goes on showing it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 6 }), fc.array(operation, { maxLength: 6 }), (first, then) =>
        withHeap(memory, (heap) => {
          const play = inTransaction(heap, () => {
            const fresh = Play.ofTwo(heap, 1, 100_000)
            for (const each of first) fresh.apply(each)
            return fresh
          })
          const sorted = [...play.model].sort((a, b) => a - b)
          const before = fingerprint(heap.live)
          const { list } = play
          const snapshot = heap.snapshot('test')
          heap.begin()
          for (const each of then) play.apply(each)
          expectShows(new PostingList(snapshot.view), list, sorted, [5])
          heap.rollback()
          expect(fingerprint(heap.live)).toBe(before)
          snapshot.release()
          expectShows(new PostingList(heap.live), list, sorted, [5])
        }),
      ),
      { numRuns: 15 },
    )
  })

  test('a list made at once is the same as one filled number by number', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(stretch, { minLength: 1, maxLength: 5 }),
        fc.array(operation, { maxLength: 4 }),
        picks,
        fc.nat(3),
        (stretches, operations, somePicks, before) =>
          withHeap(memory, (heap) => {
            const numbers = new Set([8, 9])
            for (const { from, count, step } of stretches)
              for (let i = 0; i < count && from + i * step <= LARGEST_POSTING; i++) numbers.add(from + i * step)
            const sorted = [...numbers].sort((a, b) => a - b)
            heap.begin()
            const postings = new MutablePostingList(heap)
            const source = Uint32Array.from([...new Array(before).fill(4), ...sorted, 7])
            const play = new Play(heap, numbers, postings.createFrom(source, before, sorted.length))
            play.expectTrue(somePicks)
            for (const each of operations) {
              play.apply(each)
              play.expectTrue(somePicks)
            }
            heap.commit()
          }),
      ),
      { numRuns: 20 },
    )
  })

  test('a list is small for two numbers and for hundreds of thousands, and gives bitmaps back as it shrinks', () =>
    withHeap(memory, (heap) => {
      heap.begin()
      const play = Play.ofTwo(heap, 0, 1)
      expect(allocatedWords(heap)).toBe(3)
      for (let number = 2; number < 300_000; number++) play.add(number)
      expect(allocatedWords(heap)).toBeLessThan(5 * 1024 + 20)
      expect(play.postings.read(play.list, 299_998)).toEqual([299_998, 299_999])
      for (let number = 0; number < 300_000; number++) if (number % 1000 !== 7) play.remove(number)
      play.expectTrue([1, 50, 600])
      expect(allocatedWords(heap)).toBeLessThan(5 * 256 + 20)
      heap.commit()
    }))
})
