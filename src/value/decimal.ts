import { ensure, type Rule, TEXT } from '../arguments'
import { SnapheapError } from '../errors'
import { brand } from '../kinds'

const LARGEST_SCALE = 131072
/** Bounds the work that a short text like "1e999999" can cause. */
const MOST_DIGITS = 2 * LARGEST_SCALE

const DECIMAL: Rule = [(value) => value instanceof Decimal, 'a Decimal']

/**
 * An exact decimal number: `coefficient` / 10^`scale`. The scale is kept, so that 1.10 prints as it was written; equal
 * numbers with different scales are different values. Immutable.
 */
export class Decimal {
  constructor(
    readonly coefficient: bigint,
    /** Digits after the point: an integer of 0..131072. */
    readonly scale: number,
  ) {
    if (typeof coefficient !== 'bigint' || !Number.isInteger(scale) || scale < 0 || scale > LARGEST_SCALE) {
      throw new SnapheapError('INVALID_ARGUMENT', 'A Decimal takes a bigint coefficient and a scale of 0 to 131072.')
    }
  }

  /** Reads "-12.340" or "1.5e-7". Throws `INVALID_ARGUMENT` for anything else, and for more than 262144 digits. */
  static parse(text: string): Decimal {
    ensure('Decimal.parse()', text, TEXT)
    const parts = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/.exec(text.trim())
    if (parts === null || (parts[2] === '' && (parts[3] ?? '') === '')) {
      throw new SnapheapError('INVALID_ARGUMENT', `"${text}" is not a decimal number. Write it like "-12.340".`)
    }
    const fraction = parts[3] ?? ''
    const scale = fraction.length - Number(parts[4] ?? 0)
    if (parts[2].length + fraction.length - Math.min(scale, 0) > MOST_DIGITS) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `"${text.slice(0, 40)}…" has too many digits for a decimal number. Round it.`,
      )
    }
    let coefficient = BigInt(`${parts[2]}${fraction}`)
    if (parts[1] === '-') coefficient = -coefficient
    return scale >= 0 ? new Decimal(coefficient, scale) : new Decimal(coefficient * 10n ** BigInt(-scale), 0)
  }

  /** Negative, zero or positive as this number is below, equal to or above the other, whatever the scales. */
  compare(other: Decimal): number {
    ensure('decimal.compare()', other, DECIMAL)
    const scale = Math.max(this.scale, other.scale)
    const a = this.coefficient * 10n ** BigInt(scale - this.scale)
    const b = other.coefficient * 10n ** BigInt(scale - other.scale)
    return a < b ? -1 : a > b ? 1 : 0
  }

  /** The nearest double. */
  toNumber(): number {
    return Number(this.toString())
  }

  toString(): string {
    const digits = (this.coefficient < 0n ? -this.coefficient : this.coefficient)
      .toString()
      .padStart(this.scale + 1, '0')
    const sign = this.coefficient < 0n ? '-' : ''
    if (this.scale === 0) return sign + digits
    return `${sign}${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Decimal ${this.toString()}`
  }
}
brand(Decimal, 'Decimal')

/** An exact fraction in lowest terms with a positive denominator. Immutable. */
export class Rational {
  readonly numerator: bigint
  readonly denominator: bigint

  /** Reduces what it is given. Throws `INVALID_ARGUMENT` for a denominator of zero. */
  constructor(numerator: bigint, denominator: bigint) {
    if (typeof numerator !== 'bigint' || typeof denominator !== 'bigint' || denominator === 0n) {
      throw new SnapheapError('INVALID_ARGUMENT', 'A Rational takes two bigints, the second not zero.')
    }
    const sign = denominator < 0n ? -1n : 1n
    const divisor = greatestCommonDivisor(numerator, denominator)
    this.numerator = (sign * numerator) / divisor
    this.denominator = (sign * denominator) / divisor
  }

  toNumber(): number {
    return Number(this.numerator) / Number(this.denominator)
  }

  toString(): string {
    return `${this.numerator}/${this.denominator}`
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Rational ${this.toString()}`
  }
}
brand(Rational, 'Rational')

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let x = a < 0n ? -a : a
  let y = b < 0n ? -b : b
  while (y !== 0n) [x, y] = [y, x % y]
  return x === 0n ? 1n : x
}
