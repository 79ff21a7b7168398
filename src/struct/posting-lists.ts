import { usableWords } from '../heap/allocator'
import type { Heap } from '../heap/heap'
import { BLOCK_MASK } from '../heap/layout'
import { FLAT_LIMIT, HEADER_WORDS } from './posting-list'

/** Most words that the numbers of a flat list take. */
const MOST_WORDS = FLAT_LIMIT / 2

/**
 * Ascending numbers in groups: those of group `g` end at `ends[g]` of `numbers`, where those of the next one begin.
 * What becomes of a group is told by `payloads` and `flags`, as an entry of a hash table has them.
 */
export interface NumberGroups {
  readonly numbers: Uint32Array
  readonly ends: Uint32Array
  readonly payloads: Uint32Array
  readonly flags: Uint32Array
}

/** Makes many flat posting lists (posting-list.ts) at once: those of the same size stand one behind the other. */
export class FlatLists {
  /** The groups that get a list, those of lists of the same size together. */
  private ordered = new Uint32Array(0)
  private addresses = new Uint32Array(0)
  /** Words of a list's numbers -> where the ordered groups that take so many end. */
  private readonly limits = new Uint32Array(MOST_WORDS + 2)
  /** Of the groups under way: the first, and where its numbers begin. */
  private from = 0
  private start = 0

  constructor(
    private readonly heap: Heap,
    private readonly groups: NumberGroups,
    /**
     * Where the word of number 0 is, those of the others behind it: that of a list's first number becomes its word 0.
     */
    private readonly base: number,
  ) {}

  /**
   * Makes a list of each of the groups [from, to) that is to have a flat one. A group of several numbers is flagged;
   * its list, or its only number, becomes its payload. Those of more numbers than a flat list holds have to be given
   * one.
   */
  create(from: number, to: number): void {
    this.from = from
    this.start = from === 0 ? 0 : this.groups.ends[from - 1]
    if (this.ordered.length < to - from) {
      this.ordered = new Uint32Array(to - from)
      this.addresses = new Uint32Array(to - from)
    }
    this.order(to)
    for (let words = 1, first = 0; words <= MOST_WORDS; first = this.limits[words++]) {
      if (this.limits[words] > first) this.createAlike(first, this.limits[words], HEADER_WORDS + words)
    }
  }

  /** Tells of the groups up to `to`, and orders those that get a list. */
  private order(to: number): void {
    const { from, start, ordered, limits } = this
    const { numbers, ends, payloads, flags } = this.groups
    const { kernels } = this.heap.writer.view
    if (kernels !== undefined) {
      kernels.orderLists(numbers, start, ends, from, to, FLAT_LIMIT, payloads, flags, ordered, limits)
      return
    }
    limits.fill(0)
    for (let group = from; group < to; group++) {
      const count = this.count(group)
      flags[group] = count > 1 ? 1 : 0
      if (count === 1) payloads[group] = numbers[ends[group] - 1]
      else if (count <= FLAT_LIMIT) limits[(count + 1) >>> 1]++
    }
    for (let words = 0, total = 0; words < limits.length; words++) {
      const alike = limits[words]
      limits[words] = total
      total += alike
    }
    for (let group = from; group < to; group++) {
      const count = this.count(group)
      if (count > 1 && count <= FLAT_LIMIT) ordered[limits[(count + 1) >>> 1]++] = group
    }
  }

  /** Makes the lists of the ordered groups [first, end), each of so many words: neighbours are opened at once. */
  private createAlike(first: number, end: number, words: number): void {
    const { addresses } = this
    const { allocator, writer } = this.heap
    const step = usableWords(words)
    allocator.allocateMany(words, addresses, first, end)
    for (let begin = first, after = first + 1; begin < end; begin = after++) {
      // the next block may be anywhere in memory, though its addresses go on from those of this one
      while (after < end && addresses[after] === addresses[after - 1] + step && (addresses[after] & BLOCK_MASK) !== 0)
        after++
      const at = writer.open(addresses[begin], (after - begin - 1) * step + words) << 1
      this.lay(begin, after, words, step, writer.view.halves[writer.view.slotOf(addresses[begin])], at)
    }
  }

  /**
   * Lays the lists of the ordered groups [first, end) out in `halves` from `at` on, `step` words from one to the next.
   */
  private lay(first: number, end: number, words: number, step: number, halves: Int32Array, at: number): void {
    const { addresses, ordered, start, from, base } = this
    const { numbers, ends, payloads } = this.groups
    const { kernels, table, buffers } = this.heap.writer.view
    if (kernels !== undefined) {
      kernels.layLists(
        numbers,
        start,
        ends,
        from,
        table,
        buffers,
        base,
        ordered,
        addresses,
        first,
        end,
        words,
        step,
        payloads,
        halves,
        at,
      )
      return
    }
    const { view } = this.heap.writer
    for (let i = first, list = at; i < end; i++, list += step * 2) {
      const group = ordered[i]
      const count = this.count(group)
      const source = ends[group] - count
      halves[list] = view.low(base + numbers[source])
      halves[list + 1] = view.high(base + numbers[source])
      halves[list + 2] = count
      halves[list + 3] = halves[list + words * 2 - 1] = 0
      for (let k = 0; k < count; k++) halves[list + HEADER_WORDS * 2 + k] = numbers[source + k]
      payloads[group] = addresses[i]
    }
  }

  /** How many numbers a group has. */
  private count(group: number): number {
    const { ends } = this.groups
    return ends[group] - (group === this.from ? this.start : ends[group - 1])
  }
}
