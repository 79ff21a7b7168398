import { usableWords } from '../heap/allocator'
import type { Heap } from '../heap/heap'
import { FLAT_LIMIT, HEADER_WORDS } from './posting-list'

const MOST_WORDS = HEADER_WORDS + FLAT_LIMIT / 2

/** Words of a flat list. */
function wordsOf(count: number): number {
  return HEADER_WORDS + ((count + 1) >>> 1)
}

/** Whether so many numbers make a flat list. */
function isFlat(count: number): boolean {
  return count > 1 && count <= FLAT_LIMIT
}

/** Makes many flat posting lists (posting-list.ts) at once: those of the same size stand one behind the other. */
export class FlatLists {
  /** The groups that get a list, those of lists of the same size together. */
  private ordered = new Uint32Array(0)
  private addresses = new Uint32Array(0)
  private readonly next = new Uint32Array(MOST_WORDS + 2)

  constructor(private readonly heap: Heap) {}

  /**
   * Makes a list of each of the groups [from, to) that is to have a flat one: the ascending numbers of group `g` end at `ends[g]`
   * of `numbers`, the first group's begin at `start`. Puts its address into `lists[g]`; its word 0 is absent.
   */
  create(numbers: Uint32Array, start: number, ends: Uint32Array, from: number, to: number, lists: Uint32Array): void {
    const count = this.order(start, ends, from, to)
    const { ordered } = this
    const size = (group: number): number => ends[group] - (group === from ? start : ends[group - 1])
    for (let i = 0, end = 0; i < count; i = end) {
      const words = wordsOf(size(ordered[i]))
      while (end < count && wordsOf(size(ordered[end])) === words) end++
      this.heap.allocator.allocateMany(words, this.addresses, i, end)
      this.fill(numbers, start, ends, from, i, end, words)
      for (let each = i; each < end; each++) lists[ordered[each]] = this.addresses[each]
    }
  }

  /** Orders the groups by the words of their lists. Returns how many there are. */
  private order(start: number, ends: Uint32Array, from: number, to: number): number {
    const { next } = this
    if (this.ordered.length < to - from) {
      this.ordered = new Uint32Array(to - from)
      this.addresses = new Uint32Array(to - from)
    }
    next.fill(0)
    for (let group = from, begin = start; group < to; begin = ends[group++]) {
      if (isFlat(ends[group] - begin)) next[wordsOf(ends[group] - begin) + 1]++
    }
    for (let words = 1; words < next.length; words++) next[words] += next[words - 1]
    const count = next[next.length - 1]
    for (let group = from, begin = start; group < to; begin = ends[group++]) {
      if (isFlat(ends[group] - begin)) this.ordered[next[wordsOf(ends[group] - begin)]++] = group
    }
    return count
  }

  /** Writes the lists of the ordered groups [first, end), each of so many words: neighbours are opened at once. */
  private fill(
    numbers: Uint32Array,
    start: number,
    ends: Uint32Array,
    from: number,
    first: number,
    end: number,
    words: number,
  ): void {
    const { addresses, ordered } = this
    const { writer } = this.heap
    const step = usableWords(words)
    for (let begin = first, after = first + 1; begin < end; begin = after++) {
      while (after < end && addresses[after] === addresses[after - 1] + step) after++
      let at = writer.open(addresses[begin], (after - begin - 1) * step + words) << 1
      const halves = writer.view.halves[writer.view.slotOf(addresses[begin])]
      for (let i = begin; i < after; i++, at += step * 2) {
        const group = ordered[i]
        const source = group === from ? start : ends[group - 1]
        const count = ends[group] - source
        halves[at] = halves[at + 1] = halves[at + 3] = 0
        halves[at + 2] = count
        for (let k = 0; k < count; k++) halves[at + 4 + k] = numbers[source + k]
        if ((count & 1) !== 0) halves[at + 4 + count] = 0
      }
    }
  }
}
