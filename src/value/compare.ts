import type { View } from '../heap/view'
import { Decimal, Rational } from './decimal'
import { Decoder } from './decoder'
import { CONSTANT, isTagged, signedPayload, TAG, tagOf } from './word'

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
 * A total order of words: absent, null, booleans, minus infinity, numbers of every type by their size, instants, days,
 * infinity, NaN, times, UUIDs and strings by their UTF-8 bytes, byte strings, and last arrays, lists and documents, whose
 * order is by their address and means nothing. The infinities enclose instants and days because they are values of those
 * types too.
 */
export class WordOrder {
  private readonly decoder: Decoder

  constructor(private readonly view: View) {
    this.decoder = new Decoder(view)
  }

  /** Negative, zero or positive as the word at `a` sorts before, with or after the one at `b`. */
  compare(a: number, b: number): number {
    const { view } = this
    const x = view.number(a)
    const y = view.number(b)
    if (x === x && y === y && x !== 0 && y !== 0) return x < y ? -1 : x > y ? 1 : 0
    if (view.low(a) === view.low(b) && view.high(a) === view.high(b)) return 0
    const rank = this.rank(a)
    const difference = rank - this.rank(b)
    return difference !== 0 ? difference : this.within(rank, a, b)
  }

  private rank(address: number): number {
    const { view } = this
    if (view.isAbsent(address)) return RANK.absent
    const high = view.high(address)
    if (!isTagged(high)) {
      const number = view.number(address)
      return Number.isFinite(number) ? RANK.number : number < 0 ? RANK.minusInfinity : RANK.infinity
    }
    const tag = tagOf(high)
    switch (tag) {
      case TAG.constant:
        return rankOfConstant(view.low(address))
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

  private within(rank: number, a: number, b: number): number {
    const { decoder, view } = this
    switch (rank) {
      case RANK.boolean:
        return view.low(a) - view.low(b)
      case RANK.number:
        return (
          compareNumbers(decoder.read(a), decoder.read(b)) || view.high(a) - view.high(b) || view.low(a) - view.low(b)
        )
      case RANK.day:
      case RANK.time:
        return signedPayload(view.low(a), view.high(a)) - signedPayload(view.low(b), view.high(b))
      case RANK.instant: {
        const [x, y] = [this.instant(a), this.instant(b)]
        return x.ms - y.ms || x.micros - y.micros
      }
      case RANK.uuid:
      case RANK.string:
        return (
          Buffer.compare(Buffer.from(decoder.read(a) as string), Buffer.from(decoder.read(b) as string)) ||
          this.byAddress(a, b)
        )
      case RANK.bytes:
        return Buffer.compare(decoder.read(a) as Uint8Array, decoder.read(b) as Uint8Array)
    }
    return this.byAddress(a, b)
  }

  private instant(address: number): { ms: number; micros: number } {
    const [low, high] = [this.view.low(address), this.view.high(address)]
    if (tagOf(high) === TAG.instant) return { ms: signedPayload(low, high), micros: 0 }
    const contents = (low >>> 0) + 1
    return { ms: this.view.number(contents), micros: this.view.low(contents + 1) }
  }

  private byAddress(a: number, b: number): number {
    return (this.view.low(a) >>> 0) - (this.view.low(b) >>> 0)
  }
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
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : a > b ? 1 : 0
  const x = fractionOf(a)
  const y = fractionOf(b)
  const difference = x.numerator * y.denominator - y.numerator * x.denominator
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
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
