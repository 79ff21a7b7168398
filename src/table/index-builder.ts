import type { Heap } from '../heap/heap'
import { BLOCK_MASK, BLOCK_SHIFT, BLOCK_WORDS, ROOT, ZERO_BLOCK } from '../heap/layout'
import type { View } from '../heap/view'
import { hashWord } from '../struct/hash'
import { HASH_BITS, MutableHashTable } from '../struct/hash-table'
import { MutablePostingList } from '../struct/posting-list'

/**
 * Most rows per bucket on average: a bucket and its groups stay within the processor's caches. Less than what a hash table puts
 * into one of its segments, so that the groups come in the order that its segments need.
 */
const BUCKET_ROWS = 1024
/** Most rows per pass on average, which bounds the memory used beside the index to some 128 MB. */
const PASS_ROWS = 1 << 23

/**
 * Builds the index of a whole column at once: rows are sorted into buckets by the top bits of their words' hashes, each
 * bucket is grouped by word, and the table is made of the groups in order. Everything but the sorting into buckets works
 * within the caches, which makes it several times as fast as adding row after row.
 *
 * The column's words stand one after the other from `base` on, for rows 0 to `limit` - 1; absent ones are not indexed.
 * Returns the address of the hash table. Calls `onDuplicate`, where there is one, with the second row of a value, which
 * must throw.
 */
export function buildIndex(
  heap: Heap,
  base: number,
  limit: number,
  onDuplicate: ((row: number) => never) | undefined,
): number {
  const records = new Records(heap.writer.view, base, limit)
  const entries = new Entries(records.total)
  const postings = new MutablePostingList(heap)
  for (let pass = 0; pass < records.passes; pass++) {
    records.load(pass)
    const groups = new Groups(records.largest)
    for (let bucket = 0; bucket < records.buckets; bucket++) {
      groups.group(records.halves, records.start(bucket), records.start(bucket + 1))
      for (let group = 0; group < groups.count; group++) {
        const first = groups.starts[group]
        const size = groups.starts[group + 1] - first
        if (size === 1) {
          entries.add(groups.hashes[group], groups.rows[first], 0)
          continue
        }
        onDuplicate?.(groups.rows[first + 1])
        const list = postings.createFrom(groups.rows, first, size)
        heap.writer.set(list, groups.lows[group], groups.highs[group])
        entries.add(groups.hashes[group], list, 1)
      }
    }
  }
  return MutableHashTable.build(heap, entries.count, entries.hashes, entries.payloads, entries.flags)
}

/** What becomes the table's entries, in the order of their hashes' top bits. */
class Entries {
  count = 0
  readonly hashes: Uint32Array
  readonly payloads: Uint32Array
  readonly flags: Uint8Array

  constructor(most: number) {
    this.hashes = new Uint32Array(most)
    this.payloads = new Uint32Array(most)
    this.flags = new Uint8Array(most)
  }

  add(hash: number, payload: number, flag: number): void {
    const i = this.count++
    this.hashes[i] = hash
    this.payloads[i] = payload
    this.flags[i] = flag
  }
}

/**
 * Rows with their words and hashes, sorted into buckets by the hash's top bits; within a bucket ascending. A pass holds those
 * of one range of hashes.
 */
class Records {
  /** Rows that have a value. */
  readonly total: number
  readonly passes: number
  /** Buckets in a pass. */
  readonly buckets: number
  /** Of the largest bucket in the pass: its rows. */
  largest = 0
  /** Four for each row: row, hash, low and high half of its word. */
  halves = new Int32Array(0)
  private readonly shift: number
  /** Bucket over all passes -> rows in it. */
  private readonly sizes: Uint32Array
  private starts = new Uint32Array(0)

  constructor(
    private readonly view: View,
    private readonly base: number,
    private readonly limit: number,
  ) {
    let bits = 0
    while (limit >>> bits > BUCKET_ROWS) bits++
    let passBits = 0
    while (limit >>> passBits > PASS_ROWS) passBits++
    this.shift = HASH_BITS - bits
    this.passes = 1 << passBits
    this.buckets = 1 << (bits - passBits)
    this.sizes = new Uint32Array(1 << bits)
    const { shift, sizes } = this
    let total = 0
    this.scan((_row, hash) => {
      sizes[hash >>> shift]++
      total++
    })
    this.total = total
  }

  /** Takes the rows of one pass. */
  load(pass: number): void {
    const { buckets, shift } = this
    const first = pass * buckets
    const starts = new Uint32Array(buckets + 1)
    this.largest = 0
    for (let bucket = 0; bucket < buckets; bucket++) {
      const size = this.sizes[first + bucket]
      starts[bucket + 1] = starts[bucket] + size
      this.largest = Math.max(this.largest, size)
    }
    const next = starts.slice()
    const halves = new Int32Array(starts[buckets] * 4)
    this.scan((row, hash, low, high) => {
      const bucket = (hash >>> shift) - first
      if (bucket < 0 || bucket >= buckets) return
      const at = next[bucket]++ * 4
      halves[at] = row
      halves[at + 1] = hash
      halves[at + 2] = low
      halves[at + 3] = high
    })
    this.starts = starts
    this.halves = halves
  }

  /** Where a bucket of the pass begins; the next one's beginning is its end. */
  start(bucket: number): number {
    return this.starts[bucket]
  }

  /** Every row with a value, ascending. */
  private scan(visit: (row: number, hash: number, low: number, high: number) => void): void {
    const { view, base, limit } = this
    const seed = view.low(ROOT.seed)
    for (let row = 0; row < limit; ) {
      const address = base + row
      const end = Math.min(limit, row + BLOCK_WORDS - (address & BLOCK_MASK))
      if (view.table[address >>> BLOCK_SHIFT] === ZERO_BLOCK) {
        row = end
        continue
      }
      const halves = view.halves[view.slotOf(address)]
      for (let index = view.indexOf(address) << 1; row < end; row++, index += 2) {
        const low = halves[index]
        const high = halves[index + 1]
        if (low !== 0 || high !== 0) visit(row, hashWord(low, high, seed), low, high)
      }
    }
  }
}

/** The rows of one bucket at a time, those with the same word together. */
class Groups {
  count = 0
  /** Group -> where its rows begin in `rows`; one more entry than groups. */
  readonly starts: Uint32Array
  readonly rows: Uint32Array
  /** By group. */
  readonly hashes: Int32Array
  readonly lows: Int32Array
  readonly highs: Int32Array
  private readonly groupOf: Uint32Array
  private readonly next: Uint32Array
  /** Open addressing: 1 + group. */
  private readonly slots: Uint32Array

  constructor(largest: number) {
    this.starts = new Uint32Array(largest + 2)
    this.rows = new Uint32Array(largest)
    this.hashes = new Int32Array(largest)
    this.lows = new Int32Array(largest)
    this.highs = new Int32Array(largest)
    this.groupOf = new Uint32Array(largest)
    this.next = new Uint32Array(largest)
    this.slots = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(2, largest * 2))))
  }

  /** Groups the records [from, to). */
  group(records: Int32Array, from: number, to: number): void {
    const { slots, groupOf, starts, next, rows } = this
    let mask = 1
    while (mask + 1 < (to - from) * 2) mask = mask * 2 + 1
    slots.fill(0, 0, mask + 1)
    starts.fill(0, 0, to - from + 2)
    this.count = 0
    for (let i = from; i < to; i++) {
      const group = this.groupOfRecord(records, i * 4, mask)
      groupOf[i - from] = group
      starts[group + 1]++
    }
    for (let group = 0; group < this.count; group++) {
      starts[group + 1] += starts[group]
      next[group] = starts[group]
    }
    for (let i = from; i < to; i++) rows[next[groupOf[i - from]]++] = records[i * 4]
  }

  /** The group of a record, made when it is the first of its word. */
  private groupOfRecord(records: Int32Array, at: number, mask: number): number {
    const { slots, hashes, lows, highs } = this
    const hash = records[at + 1]
    const low = records[at + 2]
    const high = records[at + 3]
    let slot = hash & mask
    while (slots[slot] !== 0) {
      const group = slots[slot] - 1
      if (lows[group] === low && highs[group] === high) return group
      slot = (slot + 1) & mask
    }
    const group = this.count++
    slots[slot] = group + 1
    hashes[group] = hash
    lows[group] = low
    highs[group] = high
    return group
  }
}
