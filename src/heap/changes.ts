import { BLOCK_WORDS } from './layout'

/** 32-bit halves of the bits for each word of a block. */
const BIT_HALVES = BLOCK_WORDS / 32
/**
 * 32-bit halves of a bitmap: the bits, and behind them a bit for each half that has any, so that few changes are found
 * fast.
 */
export const BITMAP_HALVES = BIT_HALVES + BIT_HALVES / 32

/** Sets the bit of a word in the bitmap at `at`. Returns whether it was not set before. */
export function markWord(bitmaps: Int32Array, at: number, word: number): boolean {
  const half = word >>> 5
  const bit = 1 << (word & 31)
  const bits = bitmaps[at + half]
  if ((bits & bit) !== 0) return false
  bitmaps[at + half] = bits | bit
  bitmaps[at + BIT_HALVES + (half >>> 5)] |= 1 << (half & 31)
  return true
}

/** Words whose bits are one half of a bitmap. */
export const HALF_WORDS = 32

/**
 * Sets the bits of the words from `word` on, the first of a half's, in the bitmap at `at`, if none of them was set
 * before. Returns whether.
 */
export function markHalf(bitmaps: Int32Array, at: number, word: number): boolean {
  const half = word >>> 5
  if (bitmaps[at + half] !== 0) return false
  bitmaps[at + half] = -1
  bitmaps[at + BIT_HALVES + (half >>> 5)] |= 1 << (half & 31)
  return true
}

/** In a list of moves: the block became one that was never written. */
export const NOWHERE = 0xffffffff

/** What a transaction has changed, in the order in which it can be done again: first `moves`, then words. */
export interface Changes {
  /** Pairs of blocks, in order: the first moves to the second, or to `NOWHERE`. */
  readonly moves: readonly number[]
  /** Whether an address that a reader may have remembered has moved. */
  readonly hasMovedAddresses: boolean
  /**
   * Calls `visit` for every run of changed words: `words` words from `offset` of `block` on are now those of `halves`
   * from `index` on. A block that was never written before reads zeros where there is no run.
   */
  eachRun(beginBlock: (block: number) => void, visit: VisitRun): void
}

/** A run of words: `words` of them from word `offset` of a block on, read from `halves[index]` on, low half first. */
export type VisitRun = (offset: number, words: number, halves: Int32Array, index: number) => void

/** Every run of words in a block that are not absent. */
export function eachWrittenRun(halves: Int32Array, index: number, visit: VisitRun): void {
  for (let word = 0; word < BLOCK_WORDS; ) {
    if (halves[index + word * 2] === 0 && halves[index + word * 2 + 1] === 0) {
      word++
      continue
    }
    const start = word
    while (word < BLOCK_WORDS && (halves[index + word * 2] !== 0 || halves[index + word * 2 + 1] !== 0)) word++
    visit(start, word - start, halves, index + start * 2)
  }
}

/** Every run of words whose bits are set in the bitmap at `at`. */
export function eachMarkedRun(
  bitmaps: Int32Array,
  at: number,
  halves: Int32Array,
  index: number,
  visit: VisitRun,
): void {
  let start = 0
  let end = 0 // of the run found last, which the next bits may continue
  for (let group = 0; group < BIT_HALVES / 32; group++) {
    for (let some = bitmaps[at + BIT_HALVES + group]; some !== 0; some &= some - 1) {
      const half = group * 32 + trailingZeros(some)
      let bits = bitmaps[at + half]
      for (let word = half * 32; bits !== 0; ) {
        const zeros = trailingZeros(bits)
        bits = (bits >>> zeros) | 0
        const ones = bits === -1 ? 32 : trailingZeros(~bits)
        word += zeros
        if (word !== end) {
          if (end > start) visit(start, end - start, halves, index + start * 2)
          start = word
        }
        word += ones
        end = word
        bits = ones === 32 ? 0 : bits >>> ones
      }
    }
  }
  if (end > start) visit(start, end - start, halves, index + start * 2)
}

function trailingZeros(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
