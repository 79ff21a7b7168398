import type { Heap } from '../heap/heap'
import { BLOCK_MASK, BLOCK_SHIFT, BLOCK_WORDS, ROOT, ZERO_BLOCK } from '../heap/layout'
import type { View } from '../heap/view'
import { hashWord } from '../struct/hash'
import { HASH_BITS } from '../struct/hash-segment'
import { MutableHashTable } from '../struct/hash-table'
import { FLAT_LIMIT, MutablePostingList } from '../struct/posting-list'
import { FlatLists } from '../struct/posting-lists'
import type { Steps } from '../struct/steps'
import type { Column } from './column'
import { SortMemory } from './sort-memory'
import type { Table } from './table'

/**
 * Most rows per bucket on average: a bucket and its groups stay within the processor's caches. Less than what a hash
 * table puts into one of its segments, so that the groups come in the order that its segments need.
 */
const BUCKET_ROWS = 1024
/**
 * Most rows per pass on average, which bounds the memory used for sorting to some 128 MB, beside 4 bytes for each row
 * and 8 for each value.
 */
const PASS_ROWS = 1 << 23

/** A value of more rows than this is written in steps. */
const STEP_ROWS = 1 << 16
/** Most rows that native code groups in one step. */
const NATIVE_ROWS = 1 << 18
/** So many buckets make a step. */
const STEP_BUCKETS = 16

/**
 * Builds the index of a whole column: rows are sorted into buckets by the top bits of their words' hashes, each bucket
 * is grouped by word, and the table is made of the groups in order. Everything but the sorting into buckets works
 * within the caches, which makes it several times as fast as adding row after row.
 *
 * Both parts go in steps of about a millisecond or less. Between them, and between the parts, the column must not
 * change.
 */
export class IndexBuilder {
  /** Rows that have a value, those of the same value together and ascending. */
  private rows = new Uint32Array(0)
  /** Value -> where its rows end in `rows`, and its hash. In the order of the hashes' top bits. */
  private ends = new Uint32Array(0)
  private hashes = new Uint32Array(0)
  private values = 0

  /**
   * For the words that stand one after the other from `base` on, for rows 0 to `limit` - 1; absent ones are not
   * indexed.
   */
  constructor(
    private readonly view: View,
    private readonly base: number,
    private readonly limit: number,
    private readonly passRows = PASS_ROWS,
    private readonly memory = new SortMemory(),
  ) {}

  /** For a column of a table as it is now. `memory` may serve one builder after the other, until each has written. */
  static of(table: Table, column: Column, memory: SortMemory): IndexBuilder {
    const rows = Math.min(table.rowLimit, column.capacity)
    return new IndexBuilder(table.context.view, column.addressOf(0), rows, PASS_ROWS, memory)
  }

  /** Sorts the rows. Changes nothing in the heap and needs no transaction. */
  *sort(): Steps {
    const { memory } = this
    const records = new Records(this.view, this.base, this.limit, this.passRows, memory)
    yield* records.count()
    this.rows = memory.take('rows', records.total)
    this.ends = memory.take('ends', records.total)
    this.hashes = memory.take('hashes', records.total)
    for (let pass = 0, done = 0; pass < records.passes; pass++) {
      yield* records.load(pass)
      const groups = new Groups(this.view.kernels === undefined ? records.largest : records.largestBeyond(NATIVE_ROWS))
      for (let bucket = 0; bucket < records.buckets; bucket++) {
        const from = records.start(bucket)
        const to = records.start(bucket + 1)
        if (this.view.kernels === undefined || to - from > NATIVE_ROWS) {
          yield* groups.group(records.halves, from, to)
          this.take(groups, to - from, done)
        } else {
          const { rows, ends, hashes, values } = this
          this.values += this.view.kernels.groupRecords(records.halves, from, to, rows, done, ends, hashes, values)
          if (bucket % STEP_BUCKETS === 0 || to - from > BUCKET_ROWS * STEP_BUCKETS) yield
        }
        done += to - from
      }
    }
  }

  /**
   * The same in a thread of its own, where there is native code. The column must stay as `view` sees it until it is
   * done.
   */
  async sortAsync(view: View): Promise<void> {
    const { memory, limit } = this
    const rows = memory.take('rows', limit)
    this.ends = memory.take('ends', limit)
    this.hashes = memory.take('hashes', limit)
    const totals = new Uint32Array(2)
    const seed = view.low(ROOT.seed) >>> 0
    await view.kernels!.sortIndex(
      view.table,
      view.buffers,
      this.base,
      limit,
      seed,
      BUCKET_ROWS,
      this.passRows,
      rows,
      this.ends,
      this.hashes,
      totals,
    )
    this.rows = rows.subarray(0, totals[0])
    this.values = totals[1]
  }

  private take(groups: Groups, rows: number, done: number): void {
    this.rows.set(groups.rows.subarray(0, rows), done)
    for (let group = 0; group < groups.count; group++) {
      this.ends[this.values] = done + groups.starts[group + 1]
      this.hashes[this.values++] = groups.hashes[group]
    }
  }

  /**
   * Writes what `sort` has sorted, within a transaction, all of whose steps belong to it. Returns the address of the
   * hash table. Calls `onDuplicate`, where there is one, with the second row of a value before anything is written; it
   * must throw.
   */
  *write(heap: Heap, onDuplicate: ((row: number) => never) | undefined): Steps<number> {
    const { rows, ends, hashes, values } = this
    if (onDuplicate !== undefined && values < rows.length) onDuplicate(this.firstDuplicate())
    const payloads = this.memory.take('payloads', values)
    const flags = this.memory.take('flags', values)
    const postings = new MutablePostingList(heap)
    const { writer } = heap
    const flat = new FlatLists(heap, { numbers: rows, ends, payloads, flags }, this.base)
    for (let value = 0, start = 0, unwritten = 0; value < values; start = ends[value - 1]) {
      const count = ends[value] - start
      const from = value++
      if (count <= FLAT_LIMIT) {
        value = this.fewEnd(from)
        flat.create(from, value)
      } else {
        flags[from] = 1
        payloads[from] =
          count <= STEP_ROWS
            ? postings.createFrom(rows, start, count)
            : yield* postings.createChunked(rows, start, count)
        const word = this.base + rows[start]
        writer.set(payloads[from], writer.view.low(word), writer.view.high(word))
      }
      unwritten += ends[value - 1] - start
      if (unwritten < STEP_ROWS) continue
      unwritten = 0
      yield
    }
    return yield* MutableHashTable.build(heap, values, hashes, payloads, flags)
  }

  /** Where the values from `from` on that have so few rows each, and together, that a step writes them end. */
  private fewEnd(from: number): number {
    const { ends, values } = this
    const most = (from === 0 ? 0 : ends[from - 1]) + STEP_ROWS
    let value = from + 1
    while (value < values && ends[value] <= most && ends[value] - ends[value - 1] <= FLAT_LIMIT) value++
    return value
  }

  /** The second row of a value that has several. */
  private firstDuplicate(): number {
    let value = 0
    while (this.ends[value] === value + 1) value++
    return this.rows[value + 1]
  }
}

/**
 * Rows with their words and hashes, sorted into buckets by the hash's top bits; within a bucket ascending. A pass holds
 * those of one range of hashes.
 */
class Records {
  /** Rows that have a value, once they have been counted. */
  total = 0
  readonly passes: number
  /** Buckets in a pass. */
  readonly buckets: number
  /** Rows of the largest bucket in the pass. */
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
    passRows: number,
    private readonly memory: SortMemory,
  ) {
    let passBits = 0
    while (limit >>> passBits > passRows) passBits++
    let bits = passBits
    while (limit >>> bits > BUCKET_ROWS) bits++
    this.shift = HASH_BITS - bits
    this.passes = 1 << passBits
    this.buckets = 1 << (bits - passBits)
    this.sizes = new Uint32Array(1 << bits)
  }

  /** Counts the rows of each bucket. Comes before `load`. */
  *count(): Steps {
    const { shift, sizes } = this
    const { kernels, buffers } = this.view
    const seed = this.view.low(ROOT.seed) >>> 0
    yield* this.eachBlock((first, end) => {
      if (kernels === undefined) this.scan(first, end, (_row, hash) => void sizes[hash >>> shift]++)
      else kernels.countWords(this.view.table, buffers, this.base + first, end - first, seed, shift, sizes)
    })
    for (const size of sizes) this.total += size
  }

  /** Takes the rows of one pass. */
  *load(pass: number): Steps {
    const { buckets, shift } = this
    const first = pass * buckets
    const starts = new Uint32Array(buckets + 1)
    this.largest = 0
    for (let bucket = 0; bucket < buckets; bucket++) {
      const size = this.sizes[first + bucket]
      starts[bucket + 1] = starts[bucket] + size
      this.largest = Math.max(this.largest, size)
    }
    const next = starts.slice(0, buckets)
    const records = this.memory.take('records', starts[buckets] * 4)
    const halves = new Int32Array(records.buffer, 0, records.length)
    const { kernels, buffers } = this.view
    const seed = this.view.low(ROOT.seed) >>> 0
    const put: RecordVisitor = (row, hash, low, high) => {
      const bucket = (hash >>> shift) - first
      if (bucket < 0 || bucket >= buckets) return
      const at = next[bucket]++ * 4
      halves[at] = row
      halves[at + 1] = hash
      halves[at + 2] = low
      halves[at + 3] = high
    }
    yield* this.eachBlock((from, end) => {
      const { table } = this.view
      if (kernels === undefined) this.scan(from, end, put)
      else kernels.sortWords(table, buffers, this.base + from, end - from, seed, shift, from, first, next, halves)
    })
    this.starts = starts
    this.halves = halves
  }

  /** The same, if they are more than so many, otherwise 0. */
  largestBeyond(rows: number): number {
    return this.largest > rows ? this.largest : 0
  }

  /** Where a bucket of the pass begins; the next one's beginning is its end. */
  start(bucket: number): number {
    return this.starts[bucket]
  }

  /** The rows [first, end) of every block that holds any, ascending, each in a step. */
  private *eachBlock(visit: (first: number, end: number) => void): Steps {
    const { view, base, limit } = this
    for (let row = 0; row < limit; ) {
      const address = base + row
      const end = Math.min(limit, row + BLOCK_WORDS - (address & BLOCK_MASK))
      if (view.table[address >>> BLOCK_SHIFT] !== ZERO_BLOCK) {
        visit(row, end)
        yield
      }
      row = end
    }
  }

  /** Every row with a value of those in one block. */
  private scan(first: number, end: number, visit: RecordVisitor): void {
    const { view } = this
    const seed = view.low(ROOT.seed)
    const address = this.base + first
    const halves = view.halves[view.slotOf(address)]
    for (let row = first, index = view.indexOf(address) << 1; row < end; row++, index += 2) {
      const low = halves[index]
      const high = halves[index + 1]
      if (low !== 0 || high !== 0) visit(row, hashWord(low, high, seed), low, high)
    }
  }
}

type RecordVisitor = (row: number, hash: number, low: number, high: number) => void

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
  *group(records: Int32Array, from: number, to: number): Steps {
    const { slots, starts, next } = this
    let mask = 1
    while (mask + 1 < (to - from) * 2) mask = mask * 2 + 1
    slots.fill(0, 0, mask + 1)
    starts.fill(0, 0, to - from + 2)
    this.count = 0
    for (let first = from; first < to; first += STEP_ROWS) {
      this.assign(records, first, Math.min(to, first + STEP_ROWS), from, mask)
      yield
    }
    for (let group = 0; group < this.count; group++) {
      starts[group + 1] += starts[group]
      next[group] = starts[group]
    }
    for (let first = from; first < to; first += STEP_ROWS) {
      this.place(records, first, Math.min(to, first + STEP_ROWS), from)
      if (to - first > STEP_ROWS) yield
    }
  }

  /** Finds the groups of the records [first, end) of the bucket that begins at `from`. */
  private assign(records: Int32Array, first: number, end: number, from: number, mask: number): void {
    const { groupOf, starts } = this
    for (let i = first; i < end; i++) {
      const group = this.groupOfRecord(records, i * 4, mask)
      groupOf[i - from] = group
      starts[group + 1]++
    }
  }

  /** Puts their rows where their groups have them. */
  private place(records: Int32Array, first: number, end: number, from: number): void {
    const { groupOf, next, rows } = this
    for (let i = first; i < end; i++) rows[next[groupOf[i - from]]++] = records[i * 4]
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
