import { SnapheapError } from '../errors'
import type { View } from '../heap/view'
import { InternTables } from './intern-tables'
import { parseJson } from './json-text'
import { encodeObject } from './plain-data'
import { Scratch } from './scratch'
import { CONSTANT, CONSTANT_HIGH, highOf, NAN_HIGH, TAG } from './word'

const LARGEST_SMALL = 0x7fffffffffff
const LARGEST_DECIMAL = 0xffffffffff
const LARGEST_RATIONAL = 0x7fffff
/** Documents and arrays nest at most this deep. */
export const DEEPEST_NESTING = 1000
/** Documents with more members than this carry a sorted index of them. */
export const SORTED_FROM = 8

const numberScratch = new Float64Array(1)
const numberHalves = new Int32Array(numberScratch.buffer)
const textEncoder = new TextEncoder()

/**
 * Turns values into words. Every method leaves the word in `low` and `high` (signed 32-bit halves).
 *
 * This class only looks values up: a string or document that the heap does not hold makes `isMissing` true, and then no
 * word of the heap equals it. `Interner` also creates them.
 */
export class Encoder {
  low = 0
  high = 0
  /** Set when the value is not in the heap; the caller resets it. */
  isMissing = false
  protected readonly scratch = new Scratch()
  private readonly stack = new Scratch()
  private stackWords = 0
  private readonly starts: number[] = []

  constructor(protected readonly tables: InternTables) {}

  static of(view: View): Encoder {
    return new Encoder(new InternTables(view))
  }

  absent(): void {
    this.low = this.high = 0
  }

  null(): void {
    this.constant(CONSTANT.null)
  }

  boolean(value: boolean): void {
    this.constant(value ? CONSTANT.true : CONSTANT.false)
  }

  /** Any double, NaN and infinities included. */
  number(value: number): void {
    if (value === 0) this.constant(Object.is(value, -0) ? CONSTANT.minusZero : CONSTANT.zero)
    else if (value !== value) {
      this.low = 0
      this.high = NAN_HIGH
    } else {
      numberScratch[0] = value
      this.low = numberHalves[0]
      this.high = numberHalves[1]
    }
  }

  /** An integer where nothing but integers stand: a number word where a double holds it exactly. */
  integer64(value: bigint): void {
    const asNumber = Number(value)
    if (Number.isSafeInteger(asNumber)) this.number(asNumber)
    else this.boxedBigint(value)
  }

  /** A value typed bigint, whatever its size. */
  bigint(value: bigint): void {
    const asNumber = Number(value)
    if (asNumber >= -LARGEST_SMALL && asNumber <= LARGEST_SMALL) this.small(TAG.smallBigint, asNumber)
    else this.boxedBigint(value)
  }

  /** Milliseconds since 1970 (an integer) and 0..999 microseconds beyond. */
  instant(ms: number, micros = 0): void {
    if (micros === 0 && ms >= -LARGEST_SMALL && ms <= LARGEST_SMALL) {
      this.small(TAG.instant, ms)
      return
    }
    numberScratch[0] = ms
    const { halves } = this.scratch
    halves[0] = numberHalves[0]
    halves[1] = numberHalves[1]
    halves[2] = micros
    halves[3] = 0
    this.place(TAG.preciseInstant, 16)
  }

  /** Days since 1970-01-01. */
  day(days: number): void {
    this.small(TAG.day, days)
  }

  /** Microseconds since midnight. */
  timeOfDay(micros: number): void {
    this.small(TAG.timeOfDay, micros)
  }

  /** coefficient / 10^scale; the scale is part of the value. */
  decimal(coefficient: bigint, scale: number): void {
    if (coefficient >= -LARGEST_DECIMAL && coefficient <= LARGEST_DECIMAL && scale <= 127) {
      this.smallDecimal(Number(coefficient), scale)
      return
    }
    this.scratch.halves[0] = scale
    this.place(TAG.decimal, 4 + this.layBigint(4, coefficient))
  }

  /** The same for a coefficient that is a safe integer. */
  smallDecimal(coefficient: number, scale: number): void {
    if (scale > 127 || coefficient > LARGEST_DECIMAL || coefficient < -LARGEST_DECIMAL) {
      this.decimal(BigInt(coefficient), scale)
      return
    }
    this.low = coefficient | 0
    this.high = highOf(TAG.smallDecimal, (scale << 9) | (Math.floor(coefficient / 0x100000000) & 0x1ff))
  }

  rational(numerator: bigint, denominator: bigint): void {
    const [n, d] = [Number(numerator), Number(denominator)]
    if (n >= -LARGEST_RATIONAL && n <= LARGEST_RATIONAL && d <= LARGEST_RATIONAL) {
      this.low = ((n & 0xff) << 24) | d
      this.high = highOf(TAG.smallRational, n >> 8)
      return
    }
    const size = this.layBigint(4, numerator)
    this.scratch.halves[0] = size
    this.place(TAG.rational, 4 + size + this.layBigint(4 + size, denominator))
  }

  /** A string. Lone surrogates are kept. */
  string(value: string): void {
    const { length } = value
    this.scratch.reserve(length * 3 + 8)
    const { bytes } = this.scratch
    let i = 0
    for (; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 127) break
      bytes[i] = code
    }
    if (i === length) this.placeString(length)
    else if (value.isWellFormed()) this.placeString(textEncoder.encodeInto(value, bytes).written)
    else {
      for (let j = 0; j < length; j++) {
        bytes[j * 2] = value.charCodeAt(j)
        bytes[j * 2 + 1] = value.charCodeAt(j) >>> 8
      }
      this.place(TAG.string16, length * 2)
    }
  }

  /** A string given as valid UTF-8: bytes [start, end). */
  utf8(source: Uint8Array, start: number, end: number): void {
    this.lay(source, start, end)
    this.placeString(end - start)
  }

  /** A byte string: bytes [start, end). */
  bytes(source: Uint8Array, start = 0, end = source.length): void {
    if (start === end) {
      this.constant(CONSTANT.emptyBytes)
      return
    }
    this.lay(source, start, end)
    this.place(TAG.bytes, end - start)
  }

  /** A UUID given as its 16 bytes from `start` on. */
  uuid(source: Uint8Array, start = 0): void {
    this.lay(source, start, start + 16)
    this.place(TAG.uuid, 16)
  }

  /**
   * A JSON text in UTF-8: bytes [start, end). Numbers that a double cannot hold become decimals. Throws `TYPE` where it
   * is no JSON.
   */
  json(source: Uint8Array, start: number, end: number): void {
    parseJson(this, source, start, end)
  }

  /**
   * As `json`, but false, with nothing of it left behind, for a text that cannot be kept: it nests too deep, or has a
   * number beyond what a decimal holds.
   */
  tryJson(source: Uint8Array, start: number, end: number): boolean {
    const { stackWords, isMissing } = this
    const arrays = this.starts.length
    try {
      this.json(source, start, end)
      return true
    } catch (error) {
      if (!(error instanceof SnapheapError && error.code === 'TYPE')) throw error
      this.releaseElements(this.stack.halves.subarray(stackWords * 2), this.stackWords - stackWords)
      this.stackWords = stackWords
      this.starts.length = arrays
      this.isMissing = isMissing
      return false
    }
  }

  /** Begins an array: encode each item and call `element`, then `endArray`. Nests. */
  beginArray(): void {
    if (this.starts.length >= DEEPEST_NESTING) {
      throw new SnapheapError('TYPE', `A value nests deeper than ${DEEPEST_NESTING} levels. Flatten it.`)
    }
    this.starts.push(this.stackWords)
  }

  /** Takes the current word as the next element. */
  element(): void {
    this.stack.reserve((this.stackWords + 1) * 8)
    this.stack.halves[this.stackWords * 2] = this.low
    this.stack.halves[this.stackWords * 2 + 1] = this.high
    this.stackWords++
  }

  endArray(): void {
    const count = this.takeElements()
    if (count === 0) this.constant(CONSTANT.emptyArray)
    else this.place(TAG.array, count * 8)
  }

  /** Ends what `beginArray` began as a list: a chain of cells, each an item and the rest. */
  endList(): void {
    const count = this.takeElements()
    const items = this.scratch.halves.slice(0, count * 2)
    this.constant(CONSTANT.emptyList)
    for (let i = count - 1; i >= 0; i--) {
      this.scratch.halves.set([items[i * 2], items[i * 2 + 1], this.low, this.high])
      this.place(TAG.list, 16)
    }
  }

  /** Ends what `beginArray` began as a document: its elements were key, value, key, value … with distinct keys. */
  endDocument(): void {
    const words = this.dropRepeatedMembers(this.takeElements())
    if (words === 0) {
      this.constant(CONSTANT.emptyDocument)
      return
    }
    const members = words / 2
    this.place(TAG.document, members > SORTED_FROM ? this.laySortedIndex(members) : words * 8)
  }

  /** Drops everything begun and not ended, after a failure. */
  abandon(): void {
    this.releaseElements(this.stack.halves, this.stackWords)
    this.reset()
  }

  /** Forgets everything begun and not ended, after a rollback has taken it back. */
  reset(): void {
    this.stackWords = 0
    this.starts.length = 0
  }

  /** Any value of JavaScript that can be stored. Throws `TYPE` for functions, symbols and other objects. */
  value(value: unknown): void {
    switch (typeof value) {
      case 'number':
        return this.number(value)
      case 'string':
        return this.string(value)
      case 'boolean':
        return this.boolean(value)
      case 'bigint':
        return this.bigint(value)
      case 'undefined':
        return this.absent()
      case 'object':
        return value === null ? this.null() : encodeObject(this, value)
      default:
        throw new SnapheapError('TYPE', `A ${typeof value} cannot be stored. Store plain data.`)
    }
  }

  /** Finds or makes the interned object whose contents are the first `sizeBytes` of the scratch. */
  protected place(tag: number, sizeBytes: number): void {
    this.scratch.pad(sizeBytes)
    const address = this.tables.find(tag, this.scratch.halves, sizeBytes)
    if (address === 0) this.isMissing = true
    this.low = address | 0
    this.high = highOf(tag)
  }

  /** Called with references that will not be stored after all. */
  protected releaseElements(_halves: Int32Array, _count: number): void {}

  private constant(low: number): void {
    this.low = low
    this.high = CONSTANT_HIGH
  }

  private small(tag: number, value: number): void {
    this.low = value | 0
    this.high = highOf(tag, Math.floor(value / 0x100000000))
  }

  private boxedBigint(value: bigint): void {
    this.place(TAG.bigint, this.layBigint(0, value))
  }

  /**
   * Lays a bigint out as two's complement, least significant byte first, in as few bytes as hold it. Linear: shifting
   * it byte by byte would be quadratic.
   */
  private layBigint(at: number, value: bigint): number {
    const magnitude = (value < 0n ? -1n - value : value).toString(16)
    const bits = magnitude.length * 4 - (Math.clz32(Number.parseInt(magnitude[0], 16)) - 28)
    const size = (bits >>> 3) + 1
    this.scratch.reserve(at + size)
    const { bytes } = this.scratch
    const flipped = value < 0n ? 0xff : 0
    for (let i = 0, end = magnitude.length; i < size; i++, end -= 2) {
      const digits = magnitude.slice(Math.max(0, end - 2), Math.max(0, end))
      bytes[at + i] = (digits === '' ? 0 : Number.parseInt(digits, 16)) ^ flipped
    }
    return size
  }

  private lay(source: Uint8Array, start: number, end: number): void {
    const size = end - start
    this.scratch.reserve(size + 8)
    if (size >= 64) {
      this.scratch.bytes.set(source.subarray(start, end))
      return
    }
    const { halves } = this.scratch
    const wholeEnd = start + (size & ~3)
    let half = 0
    for (let at = start; at < wholeEnd; at += 4)
      halves[half++] = source[at] | (source[at + 1] << 8) | (source[at + 2] << 16) | (source[at + 3] << 24)
    let rest = 0
    for (let at = end - 1; at >= wholeEnd; at--) rest = (rest << 8) | source[at]
    halves[half] = rest
  }

  private placeString(size: number): void {
    const { bytes } = this.scratch
    if (size > 6) this.place(TAG.string, size)
    else if (size === 0) this.constant(CONSTANT.emptyString)
    else {
      for (let i = size; i < 6; i++) bytes[i] = 0
      this.low = bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (bytes[3] << 24)
      this.high = highOf(TAG.inlineString + size, bytes[4] | (bytes[5] << 8))
    }
  }

  /** Moves the elements of the innermost array to the scratch. Returns how many there are. */
  private takeElements(): number {
    const start = this.starts.pop() ?? 0
    const count = this.stackWords - start
    this.scratch.reserve(count * 8 + 8)
    this.scratch.halves.set(this.stack.halves.subarray(start * 2, this.stackWords * 2))
    this.stackWords = start
    return count
  }

  /**
   * Of members with the same name only the last one's value stays, in the place of the first. Returns the words left.
   */
  private dropRepeatedMembers(words: number): number {
    const { halves } = this.scratch
    const seen = words > SORTED_FROM * 2 ? new Map<string, number>() : undefined
    let kept = 0
    for (let i = 0; i < words * 2; i += 4) {
      const earlier = seen === undefined ? findKey(halves, kept, i) : seen.get(`${halves[i]},${halves[i + 1]}`)
      if (earlier === undefined) {
        seen?.set(`${halves[i]},${halves[i + 1]}`, kept)
        halves.copyWithin(kept, i, i + 4)
        kept += 4
      } else {
        this.releaseElements(halves.slice(i, i + 2), 1)
        this.releaseElements(halves.slice(earlier + 2, earlier + 4), 1)
        halves.copyWithin(earlier + 2, i + 2, i + 4)
      }
    }
    return kept / 2
  }

  /** Behind the members of a document in the scratch: their numbers, two in a word, in the order of their key words. */
  private laySortedIndex(members: number): number {
    const size = members * 16 + members * 4
    this.scratch.reserve(size + 8)
    const { halves } = this.scratch
    const order = Array.from({ length: members }, (_, i) => i)
    order.sort((a, b) => halves[a * 4 + 1] - halves[b * 4 + 1] || halves[a * 4] - halves[b * 4])
    for (let i = 0; i < members; i++) halves[members * 4 + i] = order[i]
    return size
  }
}

function findKey(halves: Int32Array, end: number, key: number): number | undefined {
  for (let i = 0; i < end; i += 4) if (halves[i] === halves[key] && halves[i + 1] === halves[key + 1]) return i
  return undefined
}
