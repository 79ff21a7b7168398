import type { View } from '../heap/view'
import { OBJECT_HEADER_WORDS, wordsOf } from './intern-tables'

/** Longest string, in bytes, that is kept: making a longer one costs less, byte for byte, than comparing it. */
export const LONGEST_KEPT_BYTES = 64

const SLOT_BITS = 12
const SLOTS = 1 << SLOT_BITS
const HALVES = LONGEST_KEPT_BYTES / 4
const KNUTH = 0x9e3779b1

/**
 * Strings read before, by what the heap says of them: one that is read again is neither copied nor made anew, which
 * would call native code. A string is found by where it is and given out only when the heap still has the same bytes
 * there, so that no change of the heap, no other version and no other heap can make it wrong.
 *
 * Direct-mapped: the newest string of each slot is kept, at most 4,096 of either kind.
 */
export class TextCache {
  private readonly inlineLow = new Int32Array(SLOTS)
  private readonly inlineHigh = new Int32Array(SLOTS)
  private readonly inlineTexts: string[] = emptyTexts()
  private readonly sizes = new Int32Array(SLOTS)
  private readonly contents = new Int32Array(SLOTS * HALVES)
  private readonly texts: string[] = emptyTexts()

  /** The string that a word holds itself. */
  inline(low: number, high: number, sizeBytes: number): string {
    const slot = (Math.imul(low, KNUTH) ^ Math.imul(high, KNUTH)) >>> (32 - SLOT_BITS)
    if (this.inlineLow[slot] === low && this.inlineHigh[slot] === high) return this.inlineTexts[slot]
    this.inlineLow[slot] = low
    this.inlineHigh[slot] = high
    return (this.inlineTexts[slot] = inlineString(low, high, sizeBytes))
  }

  /** The string that is kept at `address`, of 1 to `LONGEST_KEPT_BYTES` bytes. */
  interned(view: View, address: number, sizeBytes: number): string {
    const slot = Math.imul(address, KNUTH) >>> (32 - SLOT_BITS)
    const halves = view.halves[view.slotOf(address)]
    const first = (view.indexOf(address) + OBJECT_HEADER_WORDS) * 2
    const kept = slot * HALVES
    const count = wordsOf(sizeBytes) * 2
    let same = this.sizes[slot] === sizeBytes ? 0 : count + 1
    while (same < count && halves[first + same] === this.contents[kept + same]) same++
    if (same === count) return this.texts[slot]
    for (let i = 0; i < count; i++) this.contents[kept + i] = halves[first + i]
    this.sizes[slot] = sizeBytes
    const bytes = view.bytes[view.slotOf(address)]
    return (this.texts[slot] = bytes.toString('utf8', first * 4, first * 4 + sizeBytes))
  }
}

function emptyTexts(): string[] {
  const texts: string[] = []
  while (texts.length < SLOTS) texts.push('')
  return texts
}

/** The string of 1..6 bytes that a word holds itself. */
function inlineString(low: number, high: number, size: number): string {
  if (((low & 0x80808080) | (high & 0x8080)) !== 0) {
    const bytes = Buffer.from([low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8])
    return bytes.toString('utf8', 0, size)
  }
  const [a, b, c, d] = [low & 255, (low >>> 8) & 255, (low >>> 16) & 255, low >>> 24]
  switch (size) {
    case 1:
      return String.fromCharCode(a)
    case 2:
      return String.fromCharCode(a, b)
    case 3:
      return String.fromCharCode(a, b, c)
    case 4:
      return String.fromCharCode(a, b, c, d)
    case 5:
      return String.fromCharCode(a, b, c, d, high & 255)
    default:
      return String.fromCharCode(a, b, c, d, high & 255, (high >>> 8) & 255)
  }
}
