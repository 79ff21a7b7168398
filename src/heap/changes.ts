import { BLOCK_WORDS } from './layout'

/** 32-bit halves of a bitmap with a bit for each word of a block. */
export const BITMAP_HALVES = BLOCK_WORDS / 32

/** A block that became one nobody ever wrote, in a list of moves. */
export const NOWHERE = 0xffffffff

/** What a transaction has changed, in the order in which it can be done again: first `moves`, then words. */
export interface Changes {
  /** Pairs of blocks, in order: the first moves to the second, or to `NOWHERE`. */
  readonly moves: readonly number[]
  /** Whether an address that a reader may have remembered has moved. */
  readonly hasMovedAddresses: boolean
  /**
   * Calls `visit` for every run of changed words: `words` words from `offset` of `block` on are now those of `halves` from
   * `index` on. A block that was never written before reads zeros where there is no run.
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

/** Every run of words whose bits are set in a bitmap. */
export function eachMarkedRun(
  bitmaps: Int32Array,
  at: number,
  halves: Int32Array,
  index: number,
  visit: VisitRun,
): void {
  let start = -1
  const end = (word: number): void => {
    if (start >= 0) visit(start, word - start, halves, index + start * 2)
    start = -1
  }
  for (let half = 0; half < BITMAP_HALVES; half++) {
    let bits = bitmaps[at + half]
    if (bits === 0 && start < 0) continue
    for (let word = half * 32; ; ) {
      const zeros = bits === 0 ? 32 : trailingZeros(bits)
      if (zeros > 0) end(word)
      word += zeros
      if (zeros >= 32) break
      if (start < 0) start = word
      bits = (bits >>> zeros) | 0
      const ones = bits === -1 ? 32 : trailingZeros(~bits)
      word += ones
      if (word >= half * 32 + 32) break
      bits >>>= ones
      if (bits === 0) {
        end(word)
        break
      }
    }
  }
  end(BLOCK_WORDS)
}

function trailingZeros(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
