import { assert } from '../errors'
import type { Heap } from '../heap/heap'
import { BLOCK_WORDS } from '../heap/layout'
import type { View } from '../heap/view'
import { hashTableProblems } from './hash-check'
import {
  endOfTop,
  FLAG,
  HASH_BITS,
  HASH_MASK,
  homeOf,
  mostEntries,
  NewSegment,
  OCCUPIED,
  topBits,
} from './hash-segment'
import type { Steps } from './steps'

const SMALLEST_LOG2 = 3
const LARGEST_LOG2 = 12
const DEEPEST = 18

/**
 * Of many entries so many places are fetched from memory at once, which the processor's caches hold; and of few none.
 */
const FETCHED_AT_ONCE = 1024
const FETCHED_AT_LEAST = 64

/** Words that a table's descriptor takes. */
const DESCRIPTOR_WORDS = 1

/**
 * A hash table in the heap, by extendible hashing (Fagin, Nievergelt, Pippenger, Strong, ACM TODS 4(3), 1979): a
 * directory of 2^depth segments, each an open-addressing table. A segment doubles until it fills a block and then
 * splits in two, so no insertion costs more than moving one block's entries, however large the table; one that is left
 * with an eighth is halved. (Only a segment whose hashes are all alike in the next bit, as those of equal hashes are,
 * doubles on.)
 *
 * It holds no keys. An entry is one word: low half the payload, high half bit 31 occupied, bit 30 a flag of the
 * owner's, 30 bits of hash. The owner compares keys where they are: `seek` to the first candidate, `seekNext` to the
 * following.
 *
 *   descriptor: low = directory, high = depth
 *   directory:  2^depth words, low = segment, high = as the segment's, so that a look-up need not read that
 *   segment:    word 0: low = entries, high = depth | log2(words) << 8; words 1.. are slots
 *
 * Invariants: an entry lies between its home slot and the next empty one; a segment is at most 7/8 full; entries that
 * share the top `depth` bits share a segment.
 */
export class HashTable {
  /** Of the entry that `seek` or `seekNext` returned last. */
  foundPayload = 0
  foundFlag = false
  protected segment = 0
  protected mask = 0
  protected slot = 0

  constructor(
    protected readonly view: View,
    /** Where the descriptor is: fixed for the table's life. */
    readonly address: number,
  ) {}

  /** Address of the first entry with this hash, 0 when there is none. */
  seek(hash: number): number {
    const { view } = this
    const directory = view.low(this.address) >>> 0
    const depth = view.high(this.address)
    const pointer = depth === 0 ? directory : directory + (hash >>> (HASH_BITS - depth))
    this.segment = view.low(pointer) >>> 0
    this.mask = (1 << (view.high(pointer) >>> 8)) - 1
    const home = hash & this.mask
    this.slot = home === 0 ? 1 : home
    return this.scan(hash | OCCUPIED)
  }

  /** Address of the next entry with the same hash after the one found last, 0 when there is none. */
  seekNext(hash: number): number {
    this.slot = this.slot === this.mask ? 1 : this.slot + 1
    return this.scan(hash | OCCUPIED)
  }

  payload(entry: number): number {
    return this.view.low(entry) >>> 0
  }

  flag(entry: number): boolean {
    return (this.view.high(entry) & FLAG) !== 0
  }

  /** Number of entries. Costs a step per segment. */
  get size(): number {
    let size = 0
    for (const segment of this.segments()) size += this.view.low(segment)
    return size
  }

  /** Every entry's address, in no order. The table must not change meanwhile. */
  *entries(): Generator<number> {
    for (const segment of this.segments()) {
      const words = 1 << (this.view.high(segment) >>> 8)
      for (let slot = 1; slot < words; slot++) if (this.view.high(segment + slot) !== 0) yield segment + slot
    }
  }

  hashOf(entry: number): number {
    return this.view.high(entry) & HASH_MASK
  }

  /** Every piece of the heap that the table occupies: descriptor, directory, segments. */
  *allocations(): Generator<number> {
    yield this.address
    yield this.view.low(this.address) >>> 0
    yield* this.segments()
  }

  /** Proves the invariants above. Returns what is wrong, in words. */
  check(): string[] {
    return hashTableProblems(this.view, this.address)
  }

  protected segmentOf(hash: number): number {
    const directory = this.view.low(this.address) >>> 0
    const depth = this.view.high(this.address)
    return this.view.low(depth === 0 ? directory : directory + (hash >>> (HASH_BITS - depth))) >>> 0
  }

  private *segments(): Generator<number> {
    const directory = this.view.low(this.address) >>> 0
    const depth = this.view.high(this.address)
    for (let i = 0; i < 1 << depth; ) {
      const segment = this.view.low(directory + i) >>> 0
      yield segment
      i += 1 << (depth - (this.view.high(segment) & 255))
    }
  }

  private scan(wanted: number): number {
    const { segment, mask, view } = this
    if (mask >= BLOCK_WORDS) return this.scanBlocks(wanted)
    const halves = view.halves[view.slotOf(segment)]
    const start = view.indexOf(segment) << 1
    let { slot } = this
    for (;;) {
      const index = start + (slot << 1)
      const high = halves[index + 1]
      if (high === 0) return this.missed(slot)
      if ((high & ~FLAG) === wanted) return this.found(slot, halves[index], high)
      slot = slot === mask ? 1 : slot + 1
    }
  }

  /** As `scan`, for a segment larger than a block. */
  private scanBlocks(wanted: number): number {
    const { segment, mask, view } = this
    let { slot } = this
    for (;;) {
      const high = view.high(segment + slot)
      if (high === 0) return this.missed(slot)
      if ((high & ~FLAG) === wanted) return this.found(slot, view.low(segment + slot), high)
      slot = slot === mask ? 1 : slot + 1
    }
  }

  private missed(slot: number): number {
    this.slot = slot
    return 0
  }

  private found(slot: number, low: number, high: number): number {
    this.slot = slot
    this.foundPayload = low >>> 0
    this.foundFlag = (high & FLAG) !== 0
    return this.segment + slot
  }
}

/** A hash table that can be changed, within a transaction. */
export class MutableHashTable extends HashTable {
  constructor(
    private readonly heap: Heap,
    address: number,
  ) {
    super(heap.writer.view, address)
  }

  /** Makes an empty table and returns the address of its descriptor. */
  static create(heap: Heap): number {
    const { allocator, writer } = heap
    const address = allocator.allocate(DESCRIPTOR_WORDS)
    const directory = allocator.allocate(1)
    writer.set(directory, new NewSegment(heap, SMALLEST_LOG2, 0).finish() | 0, SMALLEST_LOG2 << 8)
    writer.set(address, directory | 0, 0)
    return address
  }

  /**
   * Makes a table of `count` entries at once, which are sorted by the top bits of their hashes as far as segments are
   * told apart. Each segment is filled in turn, so that a large table is built within the processor's caches.
   */
  static *build(
    heap: Heap,
    count: number,
    hashes: Uint32Array,
    payloads: Uint32Array,
    flags: Uint32Array,
  ): Steps<number> {
    const { allocator, writer } = heap
    let depth = 0
    while (count / 2 ** depth > mostEntries(LARGEST_LOG2) / 2 && depth < DEEPEST) depth++
    const address = allocator.allocate(DESCRIPTOR_WORDS)
    const directory = allocator.allocate(1 << depth)
    writer.set(address, directory | 0, depth)
    const crowded: number[] = []
    for (let i = 0, from = 0; i < 1 << depth; i++) {
      const to = endOfTop(hashes, from, count, depth, i)
      let log2 = SMALLEST_LOG2
      while (log2 < LARGEST_LOG2 && mostEntries(log2) < to - from) log2++
      const segment = new NewSegment(heap, log2, depth)
      const fitting = Math.min(to, from + mostEntries(log2))
      segment.putMany(hashes, payloads, flags, from, fitting)
      for (let at = fitting; at < to; at++) crowded.push(at)
      writer.set(directory + i, segment.finish() | 0, depth | (log2 << 8))
      from = to
      yield
    }
    const table = new MutableHashTable(heap, address)
    for (const at of crowded) table.insert(hashes[at], payloads[at], flags[at] === 1)
    return address
  }

  insert(hash: number, payload: number, flag = false): void {
    let segment = this.segmentOf(hash)
    while (this.view.low(segment) >= mostEntries(this.view.high(segment) >>> 8)) {
      this.makeRoom(segment, hash)
      segment = this.segmentOf(hash)
    }
    this.place(segment, payload | 0, hash | OCCUPIED | (flag ? FLAG : 0))
    this.heap.writer.set(segment, this.view.low(segment) + 1, this.view.high(segment))
  }

  /** Adds many entries. Fastest where those whose hashes share their top bits follow each other. */
  insertMany(hashes: Uint32Array, payloads: Uint32Array, count: number): void {
    const { view } = this
    for (let i = 0, fetched = 0; i < count; ) {
      if (i >= fetched) fetched = this.fetchPlaces(hashes, i, count)
      const segment = this.segmentOf(hashes[i])
      const shape = view.high(segment)
      const entries = view.low(segment)
      const first = i
      const end = Math.min(count, i + mostEntries(shape >>> 8) - entries)
      const depth = shape & 255
      const top = topBits(hashes[i], depth)
      for (; i < end && topBits(hashes[i], depth) === top; i++) {
        this.place(segment, payloads[i] | 0, hashes[i] | OCCUPIED)
      }
      if (i > first) this.heap.writer.set(segment, entries + i - first, shape)
      else this.insert(hashes[i], payloads[i++])
    }
  }

  /**
   * Adds an entry where `seek` or `seekNext` for its hash, called last, found no more: saves looking for the place
   * again.
   */
  insertMissed(hash: number, payload: number): void {
    const { segment, slot, view } = this
    const entries = view.low(segment)
    const shape = view.high(segment)
    if (entries >= mostEntries(shape >>> 8)) {
      this.insert(hash, payload)
      return
    }
    this.heap.writer.set(segment + slot, payload | 0, hash | OCCUPIED)
    this.heap.writer.set(segment, entries + 1, shape)
  }

  /** Gives an entry another payload and flag. */
  replace(entry: number, payload: number, flag: boolean): void {
    const high = this.view.high(entry)
    this.heap.writer.set(entry, payload | 0, flag ? high | FLAG : high & ~FLAG)
  }

  /**
   * Removes the entry that `seek` or `seekNext` returned last. Later entries move up: no tombstones. A segment left
   * nearly empty is halved.
   */
  removeFound(): void {
    const { view, segment, mask } = this
    const { writer } = this.heap
    const hash = view.high(segment + this.slot) & HASH_MASK
    let hole = this.slot
    let at = hole
    for (;;) {
      at = at === mask ? 1 : at + 1
      const high = view.high(segment + at)
      if (high === 0) break
      const home = homeOf(high & HASH_MASK, mask)
      const staysPut = hole < at ? home > hole && home <= at : home > hole || home <= at
      if (staysPut) continue
      writer.set(segment + hole, view.low(segment + at), high)
      hole = at
    }
    writer.set(segment + hole, 0, 0)
    const entries = view.low(segment) - 1
    writer.set(segment, entries, view.high(segment))
    const log2 = view.high(segment) >>> 8
    if (log2 > SMALLEST_LOG2 && entries << 3 < 1 << log2) this.resize(segment, hash, log2 - 1)
  }

  /** Gives all its space back. */
  destroy(): void {
    for (const address of [...this.allocations()]) this.heap.allocator.free(address)
  }

  /** Fetches the places of some hashes from `from` on, which are of `count`. Returns where they end. */
  private fetchPlaces(hashes: Uint32Array, from: number, count: number): number {
    const { table, buffers, kernels } = this.view
    const to = Math.min(count, from + FETCHED_AT_ONCE)
    if (to - from >= FETCHED_AT_LEAST) kernels?.prefetchPlaces(table, buffers, this.address, hashes, from, to)
    return to
  }

  private place(segment: number, low: number, high: number): void {
    const mask = (1 << (this.view.high(segment) >>> 8)) - 1
    this.heap.writer.set(segment + this.emptySlot(segment, mask, homeOf(high & HASH_MASK, mask)), low, high)
  }

  /** The first empty slot from `slot` on. */
  private emptySlot(segment: number, mask: number, slot: number): number {
    const { view } = this
    let empty = slot
    if (mask >= BLOCK_WORDS) {
      while (view.high(segment + empty) !== 0) empty = empty === mask ? 1 : empty + 1
      return empty
    }
    const halves = view.halves[view.slotOf(segment)]
    const highs = (view.indexOf(segment) << 1) | 1
    while (halves[highs + (empty << 1)] !== 0) empty = empty === mask ? 1 : empty + 1
    return empty
  }

  private makeRoom(segment: number, hash: number): void {
    const log2 = this.view.high(segment) >>> 8
    const depth = this.view.high(segment) & 255
    if (log2 < LARGEST_LOG2 || depth >= DEEPEST || !this.wouldSplit(segment, depth)) {
      this.resize(segment, hash, log2 + 1)
      return
    }
    if (depth === this.view.high(this.address)) this.doubleDirectory()
    const bit = 1 << (HASH_BITS - 1 - depth)
    const zeros = new NewSegment(this.heap, log2, depth + 1)
    const ones = new NewSegment(this.heap, log2, depth + 1)
    NewSegment.split(this.heap, segment, bit, zeros, ones)
    this.point(hash, depth, zeros.finish(), ones.finish())
    this.heap.allocator.free(segment)
  }

  /** Gives a segment, to which `hash` belongs, 2^log2 words. */
  private resize(segment: number, hash: number, log2: number): void {
    const depth = this.view.high(segment) & 255
    const resized = new NewSegment(this.heap, log2, depth)
    NewSegment.split(this.heap, segment, 0, resized, resized)
    this.point(hash, depth, resized.finish(), resized.address)
    this.heap.allocator.free(segment)
  }

  /** Whether splitting a segment would separate any of its entries: not those of many equal hashes. */
  private wouldSplit(segment: number, depth: number): boolean {
    const bit = 1 << (HASH_BITS - 1 - depth)
    const words = 1 << (this.view.high(segment) >>> 8)
    let sides = 0
    for (let slot = 1; slot < words && sides !== 3; slot++) {
      const high = this.view.high(segment + slot)
      if (high !== 0) sides |= (high & bit) === 0 ? 1 : 2
    }
    return sides === 3
  }

  /** Points the directory's entries for the `depth` top bits of `hash`: first half at `zero`, second at `one`. */
  private point(hash: number, depth: number, zero: number, one: number): void {
    const directory = this.view.low(this.address) >>> 0
    const spare = this.view.high(this.address) - depth
    assert(zero === one || spare > 0, 'a split segment has two directory entries')
    const first = depth === 0 ? 0 : (hash >>> (HASH_BITS - depth)) << spare
    const count = 1 << spare
    for (let i = 0; i < count; i++) {
      const segment = i < count / 2 ? zero : one
      this.heap.writer.set(directory + first + i, segment | 0, this.view.high(segment))
    }
  }

  private doubleDirectory(): void {
    const { allocator, writer } = this.heap
    const directory = this.view.low(this.address) >>> 0
    const depth = this.view.high(this.address)
    const doubled = allocator.allocate(2 << depth)
    for (let i = 0; i < 1 << depth; i++) {
      const segment = this.view.low(directory + i)
      writer.set(doubled + 2 * i, segment, this.view.high(directory + i))
      writer.set(doubled + 2 * i + 1, segment, this.view.high(directory + i))
    }
    writer.set(this.address, doubled | 0, depth + 1)
    allocator.free(directory)
  }
}
