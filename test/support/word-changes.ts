import fc from 'fast-check'
import type { Heap } from '../../src/heap/heap'
import { BLOCK_MASK, BLOCK_WORDS, RESERVED_BLOCKS } from '../../src/heap/layout'
import { WordModel } from './heap'

/** The blocks that random changes play in: few, so that they meet often. */
export const FIRST_BLOCK = RESERVED_BLOCKS
export const BLOCKS = 10
const FIRST_WORD = FIRST_BLOCK * BLOCK_WORDS
const WORDS = BLOCKS * BLOCK_WORDS

/** One change to words, as data: applied alike to a heap and to its model. */
export type WordChange =
  | { kind: 'set'; at: number; low: number; high: number }
  | { kind: 'number'; at: number; value: number }
  | { kind: 'open'; at: number; words: number; fill: number }
  | { kind: 'clear'; at: number; words: number }
  | { kind: 'copy'; from: number; to: number; words: number }
  | { kind: 'move'; from: number; to: number }
  | { kind: 'discard'; block: number }
  | { kind: 'grow' }

/** Words at the edges of blocks and of bitmaps, and anywhere. */
const word = fc
  .tuple(fc.nat(BLOCKS - 1), fc.oneof(fc.constantFrom(0, 1, 31, 32, 63, 4094, 4095), fc.nat(BLOCK_WORDS - 1)))
  .map(([block, offset]) => FIRST_WORD + block * BLOCK_WORDS + offset)
const length = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3 * BLOCK_WORDS }))
const block = fc.nat(BLOCKS - 1).map((i) => FIRST_BLOCK + i)
const half = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 0x7ff80001))
const number = fc.double({ noNaN: true }).filter((value) => value !== 0)

export const wordChange: fc.Arbitrary<WordChange> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), at: word, low: half, high: half }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('number' as const), at: word, value: number }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), at: word, words: length, fill: half }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('clear' as const), at: word, words: length }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('copy' as const), from: word, to: word, words: length }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('move' as const), from: block, to: block }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('discard' as const), block }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('grow' as const) }) },
)

export function emptyModel(heap: Heap): WordModel {
  heap.begin()
  heap.writer.ensureBlocks(FIRST_BLOCK + BLOCKS)
  heap.commit()
  return WordModel.ofBlocks(FIRST_BLOCK, BLOCKS)
}

/** Makes a change within the open transaction, in the heap and in the model. */
export function applyChange(heap: Heap, model: WordModel, change: WordChange): void {
  const { writer } = heap
  switch (change.kind) {
    case 'set':
      writer.set(change.at, change.low, change.high)
      return model.set(change.at, change.low, change.high)
    case 'number':
      writer.setNumber(change.at, change.value)
      return model.setNumber(change.at, change.value)
    case 'open':
      return fill(heap, model, change.at, Math.min(change.words, BLOCK_WORDS - (change.at & BLOCK_MASK)), change.fill)
    case 'clear': {
      const words = Math.min(change.words, FIRST_WORD + WORDS - change.at)
      writer.clear(change.at, words)
      return model.clear(change.at, words)
    }
    case 'copy':
      return copy(heap, model, change)
    case 'move':
      return move(heap, model, change)
    case 'discard':
      writer.discard(change.block)
      return model.clear(change.block * BLOCK_WORDS, BLOCK_WORDS)
    case 'grow':
      if (writer.view.table.length < 8192) writer.ensureBlocks(writer.view.table.length + 1)
  }
}

function fill(heap: Heap, model: WordModel, at: number, words: number, value: number): void {
  const index = heap.writer.open(at, words)
  const halves = heap.writer.view.halves[heap.writer.view.slotOf(at)]
  for (let i = 0; i < words; i++) {
    halves[(index + i) << 1] = value
    halves[((index + i) << 1) | 1] = value + i
    model.set(at + i, value, (value + i) | 0)
  }
}

function copy(heap: Heap, model: WordModel, change: { from: number; to: number; words: number }): void {
  const from = Math.min(change.from, change.to)
  const to = Math.max(change.from, change.to)
  const words = Math.min(change.words, to - from, FIRST_WORD + WORDS - to)
  if (words === 0) return
  heap.writer.clear(to, words)
  heap.writer.copy(to, from, words)
  model.copy(to, from, words)
}

function move(heap: Heap, model: WordModel, { from, to }: { from: number; to: number }): void {
  if (from === to) return
  heap.writer.discard(to)
  heap.writer.moveBlock(from, to)
  model.copy(to * BLOCK_WORDS, from * BLOCK_WORDS, BLOCK_WORDS)
  model.clear(from * BLOCK_WORDS, BLOCK_WORDS)
}
