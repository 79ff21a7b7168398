import type { Heap } from '../heap/heap'
import { BLOCK_SHIFT, BLOCK_WORDS } from '../heap/layout'

/**
 * A flat array of words that grows without being copied: it doubles, and from one block on the blocks of the old range
 * are moved to the new one in the block table. The owner keeps a word for it: low = base, high = log2(words); absent
 * while it is empty. Words never written read as absent.
 */
const SMALLEST_LOG2 = 4

/** Makes index `index` part of the array at `word`. Returns whether the array has moved. */
export function growFlatArray(heap: Heap, word: number, index: number): boolean {
  const { allocator, writer } = heap
  const base = writer.view.low(word) >>> 0
  const log2 = writer.view.high(word)
  if (base !== 0 && index >>> log2 === 0) return false
  let newLog2 = base === 0 ? SMALLEST_LOG2 : log2 + 1
  while (index >= 2 ** newLog2) newLog2++
  const target = allocator.allocateZeroed(2 ** newLog2)
  if (base !== 0) {
    const words = 2 ** log2
    if (words < BLOCK_WORDS) writer.copy(target, base, words)
    else
      for (let i = 0; i < words / BLOCK_WORDS; i++)
        writer.moveBlock((base >>> BLOCK_SHIFT) + i, (target >>> BLOCK_SHIFT) + i)
    allocator.free(base)
  }
  writer.set(word, target | 0, newLog2)
  return true
}

/** Gives the array's space back and leaves it empty. */
export function freeFlatArray(heap: Heap, word: number): void {
  const base = heap.writer.view.low(word) >>> 0
  if (base !== 0) heap.allocator.free(base)
  heap.writer.set(word, 0, 0)
}
