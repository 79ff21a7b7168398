import { WORD_BYTES } from '../heap/layout'
import { type InternTables, wordsOf } from './intern-tables'
import { Scratch } from './scratch'
import { CONSTANT, CONSTANT_HIGH, highOf, TAG } from './word'

/** Many strings in valid UTF-8: string `i` is `bytes[starts[i], ends[i])`, or absent where `ends[i]` is -1. */
export interface Texts {
  readonly bytes: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** The strings are those from number `first` on, `count` of them. */
  readonly first: number
  readonly count: number
}

/**
 * Halves of one group: the first string in it, its hash, how many strings it has, and where the heap has it (0:
 * nowhere).
 */
export const GROUP_HALVES = 4
export const GROUP = { first: 0, hash: 1, strings: 2, address: 3 } as const

/** High half of the word of a string that does not fit its word. */
export const STRING_HIGH = highOf(TAG.string)
/** Longest string, in bytes, that is its own word. */
export const INLINE_BYTES = 6

/**
 * Groups the equal ones of many strings, and looks each group up once. Native code does the same, and
 * has the processor fetch what many look-ups need at the same time; this is what it is tested against.
 */
export class TextGrouper {
  private readonly scratch = new Scratch()
  /** Open addressing: 1 + group. */
  private slots = new Int32Array(0)

  /**
   * Puts the word of each string into `words` from `at` on: of one that does not fit its word, the number of its group
   * takes the place of the address. Fills `groups`, all of them without an address, and returns how many there are.
   */
  group(tables: InternTables, texts: Texts, words: Int32Array, at: number, groups: Int32Array): number {
    const { starts, ends, first, count } = texts
    const mask = this.clearSlots(count)
    let made = 0
    for (let i = first, to = at; i < first + count; i++, to += 2) {
      const size = ends[i] - starts[i]
      words[to + 1] = STRING_HIGH
      if (ends[i] === -1) words[to] = words[to + 1] = 0
      else if (size <= INLINE_BYTES) layInline(texts.bytes, starts[i], size, words, to)
      else {
        const hash = this.lay(tables, texts, i)
        const group = this.groupOf(texts, i, hash, mask, groups, made)
        if (group === made) putGroup(groups, made++, i, hash)
        groups[group * GROUP_HALVES + GROUP.strings]++
        words[to] = group
      }
    }
    return made
  }

  /** Gives `count` groups the addresses of their objects, 0 where there is none. */
  find(tables: InternTables, texts: Texts, groups: Int32Array, count: number): void {
    for (let at = 0, end = count * GROUP_HALVES; at < end; at += GROUP_HALVES) {
      const i = groups[at + GROUP.first]
      const hash = this.lay(tables, texts, i)
      const size = texts.ends[i] - texts.starts[i]
      groups[at + GROUP.address] = tables.findWithHash(TAG.string, this.scratch.halves, size, hash) | 0
    }
  }

  private clearSlots(count: number): number {
    let size = 2
    while (size < count * 2) size *= 2
    if (this.slots.length < size) this.slots = new Int32Array(size)
    else this.slots.fill(0, 0, size)
    return size - 1
  }

  /** Lays a string out in the scratch as an object's contents. Returns their hash. */
  private lay(tables: InternTables, texts: Texts, i: number): number {
    const size = texts.ends[i] - texts.starts[i]
    this.scratch.reserve(wordsOf(size) * WORD_BYTES)
    layContents(texts.bytes, texts.starts[i], size, this.scratch.halves, 0)
    return tables.hash(this.scratch.halves, size)
  }

  /** The group of a string, `made` for a new one. */
  private groupOf(texts: Texts, i: number, hash: number, mask: number, groups: Int32Array, made: number): number {
    const { slots } = this
    let slot = hash & mask
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = (slots[slot] - 1) * GROUP_HALVES
      if (groups[at + GROUP.hash] === hash && areEqual(texts, groups[at + GROUP.first], i)) return slots[slot] - 1
    }
    slots[slot] = made + 1
    return made
  }
}

/** Lays `size` bytes out as the contents of an object: as halves, padded with zeros to whole words. */
export function layContents(bytes: Uint8Array, start: number, size: number, halves: Int32Array, at: number): void {
  const wholeEnd = start + (size & ~3)
  let half = at
  for (let i = start; i < wholeEnd; i += 4)
    halves[half++] = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
  const end = at + wordsOf(size) * 2
  if (half === end) return
  let rest = 0
  for (let i = start + size - 1; i >= wholeEnd; i--) rest = (rest << 8) | bytes[i]
  halves[half++] = rest
  if (half < end) halves[half] = 0
}

function layInline(bytes: Uint8Array, start: number, size: number, words: Int32Array, to: number): void {
  if (size === 0) {
    words[to] = CONSTANT.emptyString
    words[to + 1] = CONSTANT_HIGH
    return
  }
  let low = 0
  for (let i = Math.min(size, 4) - 1; i >= 0; i--) low = (low << 8) | bytes[start + i]
  const high = (size > 4 ? bytes[start + 4] : 0) | (size > 5 ? bytes[start + 5] << 8 : 0)
  words[to] = low
  words[to + 1] = highOf(TAG.inlineString + size, high)
}

function putGroup(groups: Int32Array, group: number, first: number, hash: number): void {
  const at = group * GROUP_HALVES
  groups[at + GROUP.first] = first
  groups[at + GROUP.hash] = hash
  groups[at + GROUP.strings] = 0
  groups[at + GROUP.address] = 0
}

function areEqual({ bytes, starts, ends }: Texts, one: number, other: number): boolean {
  const size = ends[one] - starts[one]
  if (ends[other] - starts[other] !== size) return false
  for (let i = starts[one], j = starts[other]; i < ends[one]; i++, j++) if (bytes[i] !== bytes[j]) return false
  return true
}
