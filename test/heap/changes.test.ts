import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BITMAP_HALVES, eachMarkedRun, markWord } from '../../src/heap/changes'

test('the runs of a bitmap are its set bits, each run as long as can be', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 4095 }), fc.integer({ min: 1, max: 100 })), { maxLength: 40 }),
      (runs) => {
        const bitmap = new Int32Array(BITMAP_HALVES * 2)
        const expected = new Set<number>()
        for (const [from, length] of runs)
          for (let word = from; word < Math.min(4096, from + length); word++) {
            expected.add(word)
            markWord(bitmap, BITMAP_HALVES, word)
          }
        const found: number[] = []
        let last = -1
        eachMarkedRun(bitmap, BITMAP_HALVES, bitmap, 100, (offset, words, _halves, index) => {
          expect(offset).toBeGreaterThan(last)
          expect(index).toBe(100 + offset * 2)
          for (let word = offset; word < offset + words; word++) found.push(word)
          last = offset + words
        })
        expect(found).toEqual([...expected].sort((a, b) => a - b))
      },
    ),
    { numRuns: 500 },
  )
})
