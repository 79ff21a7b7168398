import type { Heap } from '../heap/heap'
import { BLOCK_WORDS } from '../heap/layout'

/** How the segments of a `HashTable` are laid out: its head comment has the format. */

/** Hashes have 30 bits: the top ones choose the segment, the low ones the slot. */
export const HASH_BITS = 30
export const HASH_MASK = (1 << HASH_BITS) - 1

export const OCCUPIED = 0x80000000 | 0
export const FLAG = 0x40000000

/** Entries of a segment of 2^log2 words: at most 7/8 of its slots, so that a search always meets an empty one. */
export function mostEntries(log2: number): number {
  return (((1 << log2) - 1) * 7) >>> 3
}

export function homeOf(hash: number, mask: number): number {
  const home = hash & mask
  return home === 0 ? 1 : home
}

/** The bits of a hash that choose among 2^depth segments. */
export function topBits(hash: number, depth: number): number {
  return depth === 0 ? 0 : hash >>> (HASH_BITS - depth)
}

/** Where the hashes with these top bits, which begin at `from`, end. */
export function endOfTop(hashes: Uint32Array, from: number, count: number, depth: number, top: number): number {
  let to = from
  while (to < count && topBits(hashes[to], depth) === top) to++
  return to
}

/** A segment that is filled before anything points to it: where it will stand, unless it takes more than a block. */
export class NewSegment {
  readonly address: number
  private readonly halves: Int32Array
  /** Index of its first half. */
  private readonly start: number
  private readonly mask: number
  private entries = 0

  constructor(
    private readonly heap: Heap,
    private readonly log2: number,
    private readonly depth: number,
  ) {
    const words = 1 << log2
    const { allocator, writer } = heap
    this.mask = words - 1
    this.address = allocator.allocate(words)
    this.start = words > BLOCK_WORDS ? 0 : writer.open(this.address, words) << 1
    this.halves = words > BLOCK_WORDS ? new Int32Array(words * 2) : writer.view.halves[writer.view.slotOf(this.address)]
    this.halves.fill(0, this.start, this.start + words * 2)
  }

  /** Adds an entry. There must be room. */
  private put(low: number, high: number): void {
    const { halves, start, mask } = this
    let slot = homeOf(high, mask)
    while (halves[start + slot * 2 + 1] !== 0) slot = slot === mask ? 1 : slot + 1
    halves[start + slot * 2] = low
    halves[start + slot * 2 + 1] = high
    this.entries++
  }

  /** Adds the entries [from, to) of these arrays; a flag is 1 or 0. */
  putMany(hashes: Uint32Array, payloads: Uint32Array, flags: Uint32Array, from: number, to: number): void {
    const { kernels } = this.heap.writer.view
    if (kernels !== undefined) {
      kernels.fillSegment(hashes, payloads, flags, from, to, this.mask, this.halves, this.start)
      this.entries += to - from
      return
    }
    for (let i = from; i < to; i++) this.put(payloads[i] | 0, hashes[i] | OCCUPIED | (flags[i] === 0 ? 0 : FLAG))
  }

  /**
   * Moves the entries of the segment at `from` whose hashes have this bit into `ones`, the others into `zeros`, of the
   * same size.
   */
  static split(heap: Heap, from: number, bit: number, zeros: NewSegment, ones: NewSegment): void {
    const { view } = heap.writer
    const words = 1 << (view.high(from) >>> 8)
    if (view.kernels !== undefined && words <= BLOCK_WORDS) {
      const counts = new Uint32Array(2)
      const halves = view.halves[view.slotOf(from)]
      const at = view.indexOf(from) << 1
      const { mask } = zeros
      view.kernels.splitSegment(
        halves,
        at,
        words,
        bit,
        mask,
        zeros.halves,
        zeros.start,
        ones.halves,
        ones.start,
        counts,
      )
      zeros.entries += counts[0]
      ones.entries += counts[1]
      return
    }
    for (let slot = 1; slot < words; slot++) {
      const high = view.high(from + slot)
      if (high === 0) continue
      if ((high & bit) === 0) zeros.put(view.low(from + slot), high)
      else ones.put(view.low(from + slot), high)
    }
  }

  /** Ends it. Returns its address. */
  finish(): number {
    this.halves[this.start] = this.entries
    this.halves[this.start + 1] = this.depth | (this.log2 << 8)
    if (this.mask >= BLOCK_WORDS) this.heap.writer.write(this.address, this.halves, 0, this.halves.length)
    return this.address
  }
}
