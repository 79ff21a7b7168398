import { BITMAP_HALVES, eachMarkedRun, HALF_WORDS, markHalf, markWord, type VisitRun } from './changes'
import { BLOCK_MASK } from './layout'
import { UndoWords } from './undo-words'
import type { Windows } from './windows'

/** Or'ed into the mark of a block that rollback gives back whole: what its words held need not be kept. */
export const COPIED = 0x80000000

/**
 * Which words an open transaction has changed, in blocks that existed before it, and what they held. A block is known
 * by its mark: 1 + the number of its bitmap, with COPIED or'ed in or not.
 */
export class ChangeNotes {
  private bitmaps = new Int32Array(64 * BITMAP_HALVES)
  private count = 0
  private readonly undo = new UndoWords()

  /** The mark for another block. */
  takeMark(): number {
    if ((this.count + 1) * BITMAP_HALVES > this.bitmaps.length) {
      const larger = new Int32Array(this.bitmaps.length * 2)
      larger.set(this.bitmaps)
      this.bitmaps = larger
    }
    return ++this.count
  }

  /** Notes a word as changed; the first change in place of a word keeps its old contents. */
  note(mark: number, physical: number, address: number, halves: Int32Array, index: number): void {
    const word = address & BLOCK_MASK
    if (!markWord(this.bitmaps, ((mark & 0x7fffffff) - 1) * BITMAP_HALVES, word)) return
    if (mark >= COPIED) return
    this.undo.keep(physical, word, halves[index], halves[index + 1])
  }

  /** The same for `words` words of one block, many at a time where none of them is noted. */
  noteMany(mark: number, physical: number, address: number, words: number, halves: Int32Array, index: number): void {
    const at = ((mark & 0x7fffffff) - 1) * BITMAP_HALVES
    for (let i = 0; i < words; ) {
      const word = (address + i) & BLOCK_MASK
      const isWhole = (word & (HALF_WORDS - 1)) === 0 && words - i >= HALF_WORDS
      if (isWhole && markHalf(this.bitmaps, at, word)) {
        if (mark < COPIED) this.undo.keepRun(physical, word, halves, index + i * 2)
        i += HALF_WORDS
      } else {
        this.note(mark, physical, address + i, halves, index + i * 2)
        i++
      }
    }
  }

  /** Every run of changed words in the block with this mark. */
  eachRun(mark: number, halves: Int32Array, index: number, visit: VisitRun): void {
    eachMarkedRun(this.bitmaps, ((mark & 0x7fffffff) - 1) * BITMAP_HALVES, halves, index, visit)
  }

  /** Writes back what the words held. */
  restore(windows: Windows): void {
    this.undo.restore(windows)
  }

  clear(): void {
    this.bitmaps.fill(0, 0, this.count * BITMAP_HALVES)
    this.count = 0
    this.undo.clear()
  }
}
