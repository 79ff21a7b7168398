import { usableWords } from '../heap/allocator'
import type { Heap } from '../heap/heap'
import { WORD_BYTES } from '../heap/layout'
import { HASH_BITS } from '../struct/hash-segment'
import type { MutableHashTable } from '../struct/hash-table'
import { OBJECT_HEADER_WORDS, wordsOf } from './intern-tables'
import { Scratch } from './scratch'
import { GROUP, GROUP_HALVES, layContents, type Texts } from './texts'

/** Strings of more words are made one by one. */
const MANY_WORDS = 64
/** New objects are entered into their table sorted by so many top bits of their hashes. */
const BUCKET_BITS = 11
const HASH_SHIFT = HASH_BITS - BUCKET_BITS

/**
 * Makes the objects of many new strings at once: those of the same size stand one behind the other and are written as
 * one.
 */
export class TextCreator {
  /** Missing groups by the words of their objects, those of the same size together. */
  private ordered = new Uint32Array(0)
  private addresses = new Uint32Array(0)
  private hashes = new Uint32Array(0)
  private readonly starts = new Uint32Array(2 ** BUCKET_BITS + 1)
  /** Words -> where the ordered groups of objects of so many words end; behind them those of all that take more. */
  private readonly limits = new Uint32Array(MANY_WORDS + 2)
  private readonly staging = new Scratch()

  constructor(private readonly heap: Heap) {}

  /**
   * Makes an object of each of `count` groups that has no address, with as many references as it has strings, and gives
   * it one.
   */
  create(texts: Texts, groups: Int32Array, count: number, table: () => MutableHashTable): void {
    if (this.ordered.length < count) {
      this.ordered = new Uint32Array(count)
      this.addresses = new Uint32Array(count)
      this.hashes = new Uint32Array(count)
    }
    const missing = this.order(texts, groups, count)
    let from = 0
    for (let words = 0; words <= MANY_WORDS; from = this.limits[words++]) {
      const to = this.limits[words]
      if (to > from) this.createAlike(texts, groups, from, to, words)
    }
    for (; from < missing; from++)
      this.createAlike(texts, groups, from, from + 1, objectWords(texts, groups, this.ordered[from]))
    if (missing > 0) this.enter(groups, missing, table())
  }

  /** Enters the new objects into the table, those of neighbouring hashes together. */
  private enter(groups: Int32Array, missing: number, table: MutableHashTable): void {
    const { ordered, hashes, addresses, starts } = this
    starts.fill(0)
    for (let i = 0; i < missing; i++) starts[(groups[ordered[i] * GROUP_HALVES + GROUP.hash] >>> HASH_SHIFT) + 1]++
    for (let bucket = 1; bucket < starts.length; bucket++) starts[bucket] += starts[bucket - 1]
    for (let i = 0; i < missing; i++) {
      const at = ordered[i] * GROUP_HALVES
      const to = starts[groups[at + GROUP.hash] >>> HASH_SHIFT]++
      hashes[to] = groups[at + GROUP.hash]
      addresses[to] = groups[at + GROUP.address]
    }
    table.insertMany(hashes, addresses, missing)
  }

  /** Orders the groups that have no address by the words of their objects. Returns how many there are. */
  private order(texts: Texts, groups: Int32Array, count: number): number {
    const { ordered, limits } = this
    const { kernels } = this.heap.writer.view
    if (kernels !== undefined)
      return kernels.orderTexts(texts.bytes, texts.starts, texts.ends, groups, count, MANY_WORDS, ordered, limits)
    limits.fill(0)
    for (let group = 0; group < count; group++) {
      if (groups[group * GROUP_HALVES + GROUP.address] === 0) limits[sizeClass(texts, groups, group)]++
    }
    let missing = 0
    for (let size = 0; size < limits.length; size++) {
      const alike = limits[size]
      limits[size] = missing
      missing += alike
    }
    for (let group = 0; group < count; group++) {
      if (groups[group * GROUP_HALVES + GROUP.address] === 0) ordered[limits[sizeClass(texts, groups, group)]++] = group
    }
    return missing
  }

  /** Makes the objects of the ordered groups [from, to), which all take this many words. */
  private createAlike(texts: Texts, groups: Int32Array, from: number, to: number, words: number): void {
    const { addresses, staging } = this
    const { allocator, writer } = this.heap
    if (words > MANY_WORDS) for (let i = from; i < to; i++) addresses[i] = allocator.allocate(words)
    else allocator.allocateMany(words, addresses, from, to)
    const step = words > MANY_WORDS ? words : usableWords(words)
    staging.reserve((to - from) * step * WORD_BYTES)
    this.lay(texts, groups, from, to, step)
    for (let begin = from, end = from + 1; begin < to; begin = end++) {
      while (end < to && addresses[end] === addresses[end - 1] + step) end++
      const length = (end - begin - 1) * step + words
      writer.write(addresses[begin], staging.halves, (begin - from) * step * 2, length * 2)
    }
  }

  /**
   * Lays the objects of the ordered groups [from, to) out, `step` words from one to the next, and gives the groups
   * their addresses.
   */
  private lay(texts: Texts, groups: Int32Array, from: number, to: number, step: number): void {
    const { ordered, addresses } = this
    const { halves } = this.staging
    const { bytes, starts, ends } = texts
    const { kernels } = this.heap.writer.view
    if (kernels !== undefined) {
      kernels.layTexts(bytes, starts, ends, groups, ordered, addresses, from, to, step, halves)
      return
    }
    for (let i = from, at = 0; i < to; i++, at += step * 2) {
      const group = ordered[i] * GROUP_HALVES
      const first = groups[group + GROUP.first]
      const size = ends[first] - starts[first]
      halves[at] = size
      halves[at + 1] = groups[group + GROUP.strings]
      layContents(bytes, starts[first], size, halves, at + OBJECT_HEADER_WORDS * 2)
      halves.fill(0, at + (OBJECT_HEADER_WORDS + wordsOf(size)) * 2, at + step * 2)
      groups[group + GROUP.address] = addresses[i] | 0
    }
  }
}

function objectWords(texts: Texts, groups: Int32Array, group: number): number {
  const first = groups[group * GROUP_HALVES + GROUP.first]
  return OBJECT_HEADER_WORDS + wordsOf(texts.ends[first] - texts.starts[first])
}

function sizeClass(texts: Texts, groups: Int32Array, group: number): number {
  return Math.min(objectWords(texts, groups, group), MANY_WORDS + 1)
}
