import { SnapheapError } from '../errors'
import { BLOCK_MASK, BLOCK_WORDS, WORD_BYTES } from '../heap/layout'
import type { View } from '../heap/view'
import { Decimal, Rational } from './decimal'
import { Encoder, SORTED_FROM } from './encoder'
import { OBJECT_HEADER_WORDS } from './intern-tables'
import { List } from './list'
import { LONGEST_KEPT_BYTES, TextCache } from './text-cache'
import { formatDay, formatInstant, formatTimeOfDay, LARGEST_DATE_MS, Timestamp } from './timestamp'
import { CONSTANT, signedPayload, TAG, tagOf } from './word'

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/** One for all heaps of the thread: it holds only what their words say. */
const texts = new TextCache()

/** A step into a value: a member's name or an element's index. */
export type PathStep = string | number

/** Turns words into values of JavaScript, as one view of the heap has them. Makes no BigInt but for bigint values. */
export class Decoder {
  private readonly keys: Encoder

  constructor(private readonly view: View) {
    this.keys = Encoder.of(view)
  }

  /** The value of the word at `address`: undefined where it is absent. Arrays and documents are copied out whole. */
  read(address: number): unknown {
    const number = this.view.number(address)
    if (number === number) return number === 0 ? undefined : number
    return this.taggedAt(address)
  }

  /** The value of the word at `address`, which is tagged. */
  taggedAt(address: number): unknown {
    const { view } = this
    const halves = view.halves[view.slotOf(address)]
    const index = view.indexOf(address) << 1
    return this.tagged(halves[index], halves[index | 1])
  }

  /** The value of a tagged word given as its halves. Throws `CORRUPT` for a tag that does not exist. */
  tagged(low: number, high: number): unknown {
    const tag = tagOf(high)
    if (tag === TAG.string) return this.string(low >>> 0)
    if (tag > TAG.inlineString && tag < TAG.nan) return texts.inline(low, high, tag - TAG.inlineString)
    switch (tag) {
      case TAG.constant:
        return this.constant(low)
      case TAG.nan:
        return Number.NaN
      case TAG.smallBigint:
        return BigInt(signedPayload(low, high))
      case TAG.instant:
        return new Date(signedPayload(low, high))
      case TAG.day:
        return formatDay(signedPayload(low, high))
      case TAG.timeOfDay:
        return formatTimeOfDay(signedPayload(low, high))
      case TAG.smallDecimal:
        return new Decimal(BigInt(smallCoefficient(low, high)), (high & 0xffff) >>> 9)
      case TAG.smallRational:
        return new Rational(BigInt(((high << 16) >> 8) | (low >>> 24)), BigInt(low & 0xffffff))
    }
    return this.object(tag, low >>> 0)
  }

  /** Follows a path into arrays and documents, reading only the words on the way. Undefined where there is nothing. */
  path(address: number, steps: readonly PathStep[]): unknown {
    let at = address
    for (const step of steps) {
      at = this.step(this.view.low(at), this.view.high(at), step)
      if (at === 0) return undefined
    }
    return this.read(at)
  }

  /** Number of elements of an array or members of a document at the end of a path; undefined for anything else. */
  length(address: number, steps: readonly PathStep[] = []): number | undefined {
    let at = address
    for (const step of steps) {
      at = this.step(this.view.low(at), this.view.high(at), step)
      if (at === 0) return undefined
    }
    const [low, tag] = [this.view.low(at), tagOf(this.view.high(at))]
    if (tag === TAG.array) return this.view.low(low >>> 0) / WORD_BYTES
    if (tag === TAG.document) return this.members(low >>> 0)
    if (tag === TAG.constant && (low === CONSTANT.emptyArray || low === CONSTANT.emptyDocument)) return 0
    return undefined
  }

  /** Address of the word one step into a value, 0 where there is none. */
  private step(low: number, high: number, step: PathStep): number {
    const object = low >>> 0
    const tag = tagOf(high)
    if (tag === TAG.array && typeof step === 'number') {
      const count = this.view.low(object) / WORD_BYTES
      const index = step < 0 ? count + step : step
      return Number.isInteger(index) && index >= 0 && index < count ? object + OBJECT_HEADER_WORDS + index : 0
    }
    return tag === TAG.document && typeof step === 'string' ? this.member(object, step) : 0
  }

  private member(document: number, name: string): number {
    const { keys, view } = this
    keys.isMissing = false
    keys.string(name)
    if (keys.isMissing) return 0
    const count = this.members(document)
    const first = document + OBJECT_HEADER_WORDS
    if (count <= SORTED_FROM) {
      for (let i = 0; i < count; i++) {
        if (view.low(first + i * 2) === keys.low && view.high(first + i * 2) === keys.high) return first + i * 2 + 1
      }
      return 0
    }
    let from = 0
    let to = count - 1
    while (from <= to) {
      const middle = (from + to) >>> 1
      const word = first + count * 2 + (middle >>> 1)
      const index = (middle & 1) === 0 ? view.low(word) : view.high(word)
      const key = first + index * 2
      const order = view.high(key) - keys.high || view.low(key) - keys.low
      if (order === 0) return key + 1
      if (order < 0) from = middle + 1
      else to = middle - 1
    }
    return 0
  }

  private members(document: number): number {
    const size = this.view.low(document)
    return size <= SORTED_FROM * 16 ? size / 16 : size / 20
  }

  private constant(low: number): unknown {
    switch (low) {
      case CONSTANT.null:
        return null
      case CONSTANT.false:
        return false
      case CONSTANT.true:
        return true
      case CONSTANT.zero:
        return 0
      case CONSTANT.minusZero:
        return -0
      case CONSTANT.emptyString:
        return ''
      case CONSTANT.emptyBytes:
        return Buffer.alloc(0)
      case CONSTANT.emptyArray:
        return []
      case CONSTANT.emptyList:
        return new List([])
      case CONSTANT.emptyDocument:
        return {}
    }
    throw unknownWord(low, TAG.constant)
  }

  private object(tag: number, address: number): unknown {
    switch (tag) {
      case TAG.string16:
        return this.contents(address).toString('utf16le')
      case TAG.bytes:
        return Buffer.from(this.contents(address))
      case TAG.bigint:
        return bigintOf(this.contents(address))
      case TAG.decimal: {
        const bytes = this.contents(address)
        return new Decimal(bigintOf(bytes.subarray(4)), bytes.readUInt32LE(0))
      }
      case TAG.rational: {
        const bytes = this.contents(address)
        const size = bytes.readUInt32LE(0)
        return new Rational(bigintOf(bytes.subarray(4, 4 + size)), bigintOf(bytes.subarray(4 + size)))
      }
      case TAG.preciseInstant:
        return this.preciseInstant(address)
      case TAG.uuid:
        return uuidOf(this.contents(address))
      case TAG.array:
        return this.array(address)
      case TAG.list:
        return this.list(address)
      case TAG.document:
        return this.document(address)
    }
    throw unknownWord(address, tag)
  }

  private string(address: number): string {
    const size = this.view.low(address)
    if (size <= LONGEST_KEPT_BYTES) return texts.interned(this.view, address, size)
    const start = address + OBJECT_HEADER_WORDS
    if ((start & BLOCK_MASK) * WORD_BYTES + size > BLOCK_WORDS * WORD_BYTES)
      return this.contents(address).toString('utf8')
    const at = this.view.indexOf(start) * WORD_BYTES
    return this.view.bytes[this.view.slotOf(start)].toString('utf8', at, at + size)
  }

  /** A Date where one can hold it, else its text. */
  private preciseInstant(address: number): Date | string {
    const ms = this.view.number(address + OBJECT_HEADER_WORDS)
    const micros = this.view.low(address + OBJECT_HEADER_WORDS + 1)
    if (Math.abs(ms) > LARGEST_DATE_MS) return formatInstant(ms, micros)
    return micros === 0 ? new Date(ms) : new Timestamp(ms, micros)
  }

  private array(address: number): unknown[] {
    const count = this.view.low(address) / WORD_BYTES
    const items: unknown[] = new Array(count)
    for (let i = 0; i < count; i++) items[i] = this.read(address + OBJECT_HEADER_WORDS + i)
    return items
  }

  private list(address: number): List {
    const items: unknown[] = []
    let cell = address
    for (;;) {
      items.push(this.read(cell + OBJECT_HEADER_WORDS))
      const tail = cell + OBJECT_HEADER_WORDS + 1
      if (tagOf(this.view.high(tail)) !== TAG.list) return new List(items)
      cell = this.view.low(tail) >>> 0
    }
  }

  private document(address: number): Record<string, unknown> {
    const document: Record<string, unknown> = {}
    const first = address + OBJECT_HEADER_WORDS
    const count = this.members(address)
    for (let i = 0; i < count; i++) {
      const key = this.read(first + i * 2) as string
      const value = this.read(first + i * 2 + 1)
      if (key === '__proto__')
        Object.defineProperty(document, key, { value, enumerable: true, configurable: true, writable: true })
      else document[key] = value
    }
    return document
  }

  /** A copy of an object's contents. */
  private contents(address: number): Buffer {
    const size = this.view.low(address)
    const bytes = Buffer.allocUnsafe(size)
    let done = 0
    let at = address + OBJECT_HEADER_WORDS
    while (done < size) {
      const count = Math.min(size - done, (BLOCK_WORDS - (at & BLOCK_MASK)) * WORD_BYTES)
      const index = this.view.indexOf(at) * WORD_BYTES
      bytes.set(this.view.bytes[this.view.slotOf(at)].subarray(index, index + count), done)
      done += count
      at += count / WORD_BYTES
    }
    return bytes
  }
}

/** The coefficient of a small decimal word. */
export function smallCoefficient(low: number, high: number): number {
  return ((high << 23) >> 23) * 0x100000000 + (low >>> 0)
}

function bigintOf(bytes: Uint8Array): bigint {
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`))
}

function uuidOf(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < 16; i++) text += (i === 4 || i === 6 || i === 8 || i === 10 ? '-' : '') + HEX[bytes[i]]
  return text
}

function unknownWord(payload: number, tag: number): SnapheapError {
  return new SnapheapError(
    'CORRUPT',
    `A word with tag 0x${tag.toString(16)} and payload ${payload} means nothing. Run verify on the file, then check().`,
  )
}
