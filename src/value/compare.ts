import type { View } from '../heap/view'
import { beginsWith, compareContents, compareStrings } from './contents-order'
import { Decimal, Rational } from './decimal'
import { Decoder, smallCoefficient } from './decoder'
import { OBJECT_HEADER_WORDS } from './intern-tables'
import { LooseWord } from './loose-word'
import { CONSTANT, CONSTANT_HIGH, isPointer, isTagged, signedPayload, TAG, tagOf } from './word'

/** Kinds of value in the order in which they sort. Within a kind the values' own order decides. */
const RANK = {
  absent: 0,
  null: 1,
  boolean: 2,
  minusInfinity: 3,
  number: 4,
  instant: 5,
  day: 6,
  infinity: 7,
  nan: 8,
  time: 9,
  uuid: 10,
  string: 11,
  bytes: 12,
  other: 13,
}

/**
 * An order of words: absent, null, booleans, minus infinity, numbers of every type by their size, instants, days,
 * infinity, NaN, times, UUIDs and strings by their UTF-8 bytes (which is the order of their code points), byte strings,
 * and last arrays, lists and documents, whose order is by their address and means nothing. The infinities enclose
 * instants and days because they are values of those types too.
 *
 * Two words of the same value are equal in it; so are numbers of different types, or of different scale, that say the
 * same. `compare` tells these apart too, which makes it total.
 */
export class WordOrder {
  private readonly decoder: Decoder
  private readonly left: LooseWord
  private readonly right: LooseWord

  constructor(readonly view: View) {
    this.decoder = new Decoder(view)
    this.left = new LooseWord(view)
    this.right = new LooseWord(view)
  }

  /** Negative, zero or positive as the word at `a` sorts before, with or after the one at `b`. */
  compare(a: number, b: number): number {
    const { view, left, right } = this
    const x = view.number(a)
    const y = view.number(b)
    if (x === x && y === y && x !== 0 && y !== 0) return x < y ? -1 : x > y ? 1 : 0
    left.load(view, a)
    right.load(view, b)
    return this.compareWords(left, right) || left.high - right.high || left.low - right.low
  }

  /**
   * As an ascending order for users has it, where those without a value come last: a word before, with or after the one
   * at an address (0: absent).
   */
  compareNullsLast(word: LooseWord, address: number): number {
    const { view, right } = this
    const x = word.number
    const y = address === 0 ? 0 : view.number(address)
    if (x === x && y === y && x !== 0 && y !== 0) return x < y ? -1 : x > y ? 1 : 0
    right.load(view, address)
    const nulls = nullRank(word) - nullRank(right)
    return nulls !== 0 ? nulls : this.compareWords(word, right)
  }

  /** Whether the word at an address is a string that begins with another, which has no lone surrogates. */
  beginsWith(address: number, start: LooseWord): boolean {
    const { right, view } = this
    right.load(view, address)
    if (this.isString16(right)) return (this.read(right) as string).startsWith(this.read(start) as string)
    return rankOf(right) === RANK.string && beginsWith(right, start)
  }

  /** Zero where both say the same value. */
  private compareWords(a: LooseWord, b: LooseWord): number {
    if (a.low === b.low && a.high === b.high && (a.view === b.view || !isPointer(a.high))) return 0
    const rank = rankOf(a)
    const difference = rank - rankOf(b)
    return difference !== 0 ? difference : this.within(rank, a, b)
  }

  private within(rank: number, a: LooseWord, b: LooseWord): number {
    switch (rank) {
      case RANK.boolean:
        return a.low - b.low
      case RANK.number:
        return this.compareNumbers(a, b)
      case RANK.day:
      case RANK.time:
        return signedPayload(a.low, a.high) - signedPayload(b.low, b.high)
      case RANK.instant:
        return milliseconds(a) - milliseconds(b) || microseconds(a) - microseconds(b)
      case RANK.string:
      case RANK.uuid:
      case RANK.bytes:
        return this.isString16(a) || this.isString16(b)
          ? compareStrings(this.read(a) as string, this.read(b) as string)
          : compareContents(a, b)
    }
    return (a.low >>> 0) - (b.low >>> 0)
  }

  private compareNumbers(a: LooseWord, b: LooseWord): number {
    const isSameScale = tagOf(a.high) === TAG.smallDecimal && (a.high & ~0x1ff) === (b.high & ~0x1ff)
    if (isSameScale) return smallCoefficient(a.low, a.high) - smallCoefficient(b.low, b.high)
    return compareNumbers(this.read(a), this.read(b))
  }

  private isString16(word: LooseWord): boolean {
    return tagOf(word.high) === TAG.string16
  }

  private read(word: LooseWord): unknown {
    if (word.number === word.number) return word.number
    const decoder = word.view === this.view ? this.decoder : new Decoder(word.view)
    return decoder.tagged(word.low, word.high)
  }
}

/** 0 for a value, 1 for null as a value, 2 for none. */
function nullRank(word: LooseWord): number {
  if (word.high === CONSTANT_HIGH) return word.low === CONSTANT.null ? 1 : 0
  return word.number === 0 ? 2 : 0
}

function rankOf(word: LooseWord): number {
  const { number, high } = word
  if (number === 0) return RANK.absent
  if (!isTagged(high)) return Number.isFinite(number) ? RANK.number : number < 0 ? RANK.minusInfinity : RANK.infinity
  const tag = tagOf(high)
  switch (tag) {
    case TAG.constant:
      return rankOfConstant(word.low)
    case TAG.nan:
      return RANK.nan
    case TAG.smallBigint:
    case TAG.bigint:
    case TAG.smallDecimal:
    case TAG.decimal:
    case TAG.smallRational:
    case TAG.rational:
      return RANK.number
    case TAG.instant:
    case TAG.preciseInstant:
      return RANK.instant
    case TAG.day:
      return RANK.day
    case TAG.timeOfDay:
      return RANK.time
    case TAG.uuid:
      return RANK.uuid
    case TAG.bytes:
      return RANK.bytes
    case TAG.string:
    case TAG.string16:
      return RANK.string
  }
  return tag > TAG.inlineString && tag < TAG.nan ? RANK.string : RANK.other
}

function milliseconds(instant: LooseWord): number {
  if (tagOf(instant.high) === TAG.instant) return signedPayload(instant.low, instant.high)
  return instant.view.number((instant.low >>> 0) + OBJECT_HEADER_WORDS)
}

function microseconds(instant: LooseWord): number {
  if (tagOf(instant.high) === TAG.instant) return 0
  return instant.view.low((instant.low >>> 0) + OBJECT_HEADER_WORDS + 1)
}

function rankOfConstant(low: number): number {
  if (low === CONSTANT.null) return RANK.null
  if (low === CONSTANT.false || low === CONSTANT.true) return RANK.boolean
  if (low === CONSTANT.zero || low === CONSTANT.minusZero) return RANK.number
  if (low === CONSTANT.emptyString) return RANK.string
  return low === CONSTANT.emptyBytes ? RANK.bytes : RANK.other
}

/** Exact where either is no double; 0 where both say the same number. Both are finite. */
export function compareNumbers(a: unknown, b: unknown): number {
  // the language compares bigints with doubles by their exact size
  if (isPrimitive(a) && isPrimitive(b)) return a < b ? -1 : a > b ? 1 : 0
  if (a instanceof Decimal && b instanceof Decimal) return a.compare(b)
  const x = fractionOf(a)
  const y = fractionOf(b)
  const difference = x.numerator * y.denominator - y.numerator * x.denominator
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

function isPrimitive(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function fractionOf(value: unknown): Rational {
  if (value instanceof Rational) return value
  if (typeof value === 'bigint') return new Rational(value, 1n)
  if (value instanceof Decimal) return new Rational(value.coefficient, 10n ** BigInt(value.scale))
  let denominator = 1n
  let scaled = value as number
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    denominator *= 2n
  }
  return new Rational(BigInt(scaled), denominator)
}
