import { isBytes, isDate } from '../kinds'
import { compareNumbers } from './compare'
import { compareStrings } from './contents-order'
import { Decimal, Rational } from './decimal'
import { Timestamp } from './timestamp'

/**
 * Orders values as `WordOrder` orders their words, for values that stand in no heap: the operands of a condition, the
 * members of a record. Missing values (null, undefined) come first here; whoever sorts decides where they go. Values of
 * different kinds are ordered by kind; values without an order of their own (documents, arrays) are equal.
 */
export function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return compareDoubles(a, b)
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  const rank = rankOf(a)
  const difference = rank - rankOf(b)
  if (difference !== 0) return difference
  switch (rank) {
    case RANK.boolean:
      return Number(a) - Number(b)
    case RANK.number:
      return compareNumbers(a, b)
    case RANK.instant:
      return compareInstants(a as Date, b as Date)
    case RANK.bytes:
      return Buffer.compare(a as Uint8Array, b as Uint8Array)
  }
  return 0
}

/**
 * Whether one of two values can be said to be less than the other: they are of one kind, or numbers enclosing times.
 */
export function areComparable(a: unknown, b: unknown): boolean {
  const [x, y] = [rankOf(a), rankOf(b)]
  if (x === RANK.missing || y === RANK.missing || x === RANK.other) return false
  const isInfinity = (rank: number): boolean => rank === RANK.minusInfinity || rank === RANK.infinity
  const isNumeric = (rank: number): boolean => isInfinity(rank) || rank === RANK.number || rank === RANK.nan
  if (x === y || (isNumeric(x) && isNumeric(y))) return true
  return (isInfinity(x) && y === RANK.instant) || (isInfinity(y) && x === RANK.instant)
}

const RANK = {
  missing: 0,
  boolean: 2,
  minusInfinity: 3,
  number: 4,
  instant: 5,
  infinity: 7,
  nan: 8,
  string: 11,
  bytes: 12,
  other: 13,
} as const

function rankOf(value: unknown): number {
  switch (typeof value) {
    case 'number':
      if (Number.isFinite(value)) return RANK.number
      return Number.isNaN(value) ? RANK.nan : value < 0 ? RANK.minusInfinity : RANK.infinity
    case 'string':
      return RANK.string
    case 'boolean':
      return RANK.boolean
    case 'bigint':
      return RANK.number
    case 'undefined':
      return RANK.missing
  }
  if (value === null) return RANK.missing
  if (isDate(value)) return RANK.instant
  if (value instanceof Decimal || value instanceof Rational) return RANK.number
  return isBytes(value) ? RANK.bytes : RANK.other
}

/** NaN is the greatest number. */
function compareDoubles(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  return a === b ? 0 : Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

/**
 * As an ordered index has strings: by their UTF-8 bytes, which is by their code points; lone surrogates as
 * `compareStrings` says.
 */
export function compareText(a: string, b: string): number {
  const size = Math.min(a.length, b.length)
  for (let i = 0; i < size; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return isSurrogate(x) || isSurrogate(y) ? compareStrings(a, b) : x - y
  }
  return a.length - b.length
}

/** Half of a character beyond U+FFFF, or a lone surrogate: its order is not that of its number. */
function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xe000
}

function compareInstants(a: Date, b: Date): number {
  const micros = (date: Date): number => (date instanceof Timestamp ? date.microseconds : 0)
  return a.getTime() - b.getTime() || micros(a) - micros(b)
}
