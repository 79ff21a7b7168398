import type { Heap } from '../heap/heap'

/** How the segments of a `HashTable` are laid out: its head comment has the format. */

/** Entries of a segment of 2^log2 words: at most 7/8 of its slots, so that a search always meets an empty one. */
export function mostEntries(log2: number): number {
  return (((1 << log2) - 1) * 7) >>> 3
}

export function homeOf(hash: number, mask: number): number {
  const home = hash & mask
  return home === 0 ? 1 : home
}

/** The halves of an empty segment. */
export function segmentHalves(log2: number, depth: number): Int32Array {
  const halves = new Int32Array(2 << log2)
  halves[1] = depth | (log2 << 8)
  return halves
}

/** Adds an entry to the halves of a segment. */
export function putEntry(halves: Int32Array, mask: number, low: number, high: number): void {
  let slot = homeOf(high, mask)
  while (halves[slot * 2 + 1] !== 0) slot = slot === mask ? 1 : slot + 1
  halves[slot * 2] = low
  halves[slot * 2 + 1] = high
  halves[0]++
}

export function writeSegment(heap: Heap, halves: Int32Array): number {
  const segment = heap.allocator.allocate(halves.length / 2)
  heap.writer.write(segment, halves, 0, halves.length)
  return segment
}
