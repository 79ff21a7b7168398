import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Heap } from '../../src/heap/heap'
import { ROOT } from '../../src/heap/layout'
import { hashHalves } from '../../src/struct/hash'
import { InternTables } from '../../src/value/intern-tables'
import { Interner } from '../../src/value/interner'
import { TAG } from '../../src/value/word'
import { memoryWithoutKernels, nativeMemory } from '../heap/support/memories'
import { fingerprint, HEAP_MEMORIES, inTransaction, withHeap } from '../support/heap'

/** Absent, inline, of every padding, of several sizes of objects, and those that only their ends tell apart. */
const text = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.constantFrom(null, '', 'a', 'abcdef', 'abcdefg', 'abcdefg\0', 'abcdefgh', 'ünïcödé', '🐘🐘'),
  },
  { weight: 3, arbitrary: fc.nat(60).map((i) => `text number ${i}`) },
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.nat(30).map((i) => 'x'.repeat(480 + i) + (i % 2)) },
  { weight: 1, arbitrary: fc.nat(3).map((i) => 'y'.repeat(32_700 + i * 40) + i) },
)
const batch = fc.oneof(fc.array(text, { maxLength: 20 }), fc.array(text, { maxLength: 300 }))

const SEED = 12_345

/** Interns a batch, laid out with bytes around every string. Returns the words, low half first. */
function internBatch(interner: Interner, texts: readonly (string | null)[]): Int32Array {
  const parts = texts.map((each) => Buffer.from(each === null ? '' : each))
  const bytes = Buffer.concat(parts.flatMap((each) => [each, Buffer.from('\t')]))
  const first = 3
  const starts = new Int32Array(first + texts.length)
  const ends = new Int32Array(first + texts.length)
  let at = 0
  for (const [i, part] of parts.entries()) {
    starts[first + i] = at
    ends[first + i] = texts[i] === null ? -1 : at + part.length
    at += part.length + 1
  }
  const words = new Int32Array(texts.length * 2 + 4)
  interner.texts({ bytes, starts, ends, first, count: texts.length }, words, 2)
  expect([words[0], words[1], words[words.length - 2], words[words.length - 1]]).toEqual([0, 0, 0, 0])
  return words.slice(2, -2)
}

function internEach(interner: Interner, texts: readonly (string | null)[]): Int32Array {
  return Int32Array.from(
    texts.flatMap((each) => {
      if (each === null) interner.absent()
      else interner.string(each)
      return [interner.low, interner.high]
    }),
  )
}

function release(interner: Interner, words: Int32Array): void {
  for (let i = 0; i < words.length; i += 2) interner.release(words[i], words[i + 1])
}

/** Addresses of the strings that the heap holds. */
function* walkStrings(heap: Heap): Generator<number> {
  const table = new InternTables(heap.live).table(TAG.string)
  for (const entry of table?.entries() ?? []) yield table!.payload(entry)
}

/** The same hashes in every heap, so that two can be compared byte by byte. */
function fixSeed(heap: Heap): void {
  inTransaction(heap, () => heap.writer.set(ROOT.seed, SEED, 0))
}

describe.each(HEAP_MEMORIES)('many strings at once on %s memory', (_name, makeMemory) => {
  const memory = makeMemory()

  test('are the words they are one by one, hold a reference each, and leave nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 4 }), (batches) =>
        withHeap(memory, (heap) => {
          const interner = new Interner(heap)
          const held: Int32Array[] = []
          for (const texts of batches) {
            const words = inTransaction(heap, () => internBatch(interner, texts))
            const again = inTransaction(heap, () => internEach(interner, texts))
            expect([...words]).toEqual([...again])
            held.push(words, again)
          }
          const before = fingerprint(heap.live)
          heap.begin()
          internBatch(interner, [...batches.flat(), 'a string that is new'])
          heap.rollback()
          interner.reset()
          expect(fingerprint(heap.live)).toBe(before)
          inTransaction(heap, () => {
            for (const words of held) release(interner, words)
          })
          expect([...walkStrings(heap)]).toEqual([])
        }),
      ),
      { numRuns: 40 },
    )
  })

  test('are told apart where their hashes are the same', async () => {
    const texts = collidingTexts(3)
    await withHeap(memory, (heap) => {
      fixSeed(heap)
      const interner = new Interner(heap)
      for (const some of [texts.slice(0, 1), texts, [...texts, ...texts].reverse()]) {
        const words = inTransaction(heap, () => internBatch(interner, some))
        expect([...words]).toEqual([...inTransaction(heap, () => internEach(interner, some))])
        expect(new Set(words.filter((_, i) => i % 2 === 0)).size).toBe(new Set(some).size)
      }
    })
  })
})

test('native code leaves the very bytes in the heap that JavaScript leaves', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 6 }), (batches) =>
      withHeap(nativeMemory(), (heap) =>
        withHeap(memoryWithoutKernels(), (model) => {
          for (const each of [heap, model]) fixSeed(each)
          for (const texts of batches) {
            const words = inTransaction(heap, () => internBatch(new Interner(heap), texts))
            const expected = inTransaction(model, () => internBatch(new Interner(model), texts))
            expect([...words]).toEqual([...expected])
          }
          expect(fingerprint(heap.live)).toBe(fingerprint(model.live))
        }),
      ),
    ),
    { numRuns: 40 },
  )
})

/** Pairs of strings whose hashes are the same in a heap with the fixed seed. */
function collidingTexts(pairs: number): string[] {
  const byHash = new Map<number, string>()
  const halves = new Int32Array(2)
  const bytes = Buffer.from(halves.buffer)
  const colliding: string[] = []
  for (let i = 0; colliding.length < pairs * 2; i++) {
    const each = i.toString(36).padStart(8, '0')
    bytes.write(each, 'latin1')
    const hash = hashHalves(halves, 0, 2, SEED)
    const other = byHash.get(hash)
    if (other === undefined) byHash.set(hash, each)
    else colliding.push(other, each)
  }
  return colliding
}
