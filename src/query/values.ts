import { SnapheapError } from '../errors'
import { isBytes, isDate, isPlainObject } from '../kinds'
import { Decimal, Rational } from '../value/decimal'
import { DEEPEST_NESTING } from '../value/encoder'
import { List } from '../value/list'
import { Timestamp } from '../value/timestamp'
import { compareValues } from '../value/value-order'

/**
 * Whether two values are equal: numbers by their size, whatever their type; times, bytes, arrays and documents by what
 * they hold; objects of classes only themselves.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a === 'number' && typeof b === 'number') return a !== a && b !== b
  if (typeof a === 'string' || typeof b === 'string') return false
  return valueKey(a) === valueKey(b)
}

/**
 * What tells a value from every different one, as the key of a `Map`: itself where that does, else a text that no
 * string value can be taken for. Throws `TYPE` for one that nests deeper than any value can.
 */
export function valueKey(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return value.charCodeAt(0) === 0 ? `\0text ${value}` : value
    case 'number':
      return value === 0 ? 0 : value
    case 'undefined':
      return null
    case 'bigint':
      return numberKey(value)
    case 'object':
      return value === null ? null : objectKey(value, depth)
    default:
      return value
  }
}

/**
 * Numbers that doubles hold exactly have those as keys, all others their fraction in lowest terms; `Map` takes NaN for
 * equal to itself.
 */
function numberKey(value: bigint | Decimal | Rational): unknown {
  const double = typeof value === 'bigint' ? Number(value) : value.toNumber()
  if (Number.isFinite(double) && compareValues(double, value) === 0) return double === 0 ? 0 : double
  if (value instanceof Decimal) return `\0${reduced(value)}`
  return typeof value === 'bigint' ? `\0${value}/1` : `\0${value.numerator}/${value.denominator}`
}

/** A decimal as a fraction: tens have no factors but 2 and 5. */
function reduced({ coefficient, scale }: Decimal): string {
  let numerator = coefficient
  let denominator = 1n
  for (const factor of [2n, 5n]) {
    let power = scale
    for (; power > 0 && numerator % factor === 0n; power--) numerator /= factor
    denominator *= factor ** BigInt(power)
  }
  return `${numerator}/${denominator}`
}

function objectKey(value: object, depth: number): unknown {
  if (value instanceof Decimal || value instanceof Rational) return numberKey(value)
  if (isDate(value)) return `\0date ${value.getTime()} ${value instanceof Timestamp ? value.microseconds : 0}`
  if (isBytes(value)) return `\0bytes ${Buffer.from(value).toString('latin1')}`
  if (depth > DEEPEST_NESTING)
    throw new SnapheapError('TYPE', `A value nests deeper than ${DEEPEST_NESTING} levels. Flatten it.`)
  const partsOf = (items: readonly unknown[]): string => items.map((each) => part(each, depth + 1)).join()
  if (Array.isArray(value)) return `\0[${partsOf(value)}]`
  if (value instanceof List) return `\0(${partsOf(value.items)})`
  if (!isPlainObject(value)) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `\0{${members.map(([name, member]) => `${counted(name)}${part(member, depth + 1)}`).join()}}`
}

function part(value: unknown, depth: number): string {
  const key = valueKey(value, depth)
  if (typeof key === 'string') return counted(key)
  return (typeof key === 'object' && key !== null) || typeof key === 'function' ? `#${identityOf(key)}` : String(key)
}

/**
 * A text within another, told from what follows by its length: characters that stand for others would double with every
 * level.
 */
function counted(text: string): string {
  return `${text.length}:${text}`
}

const identities = new WeakMap<object, number>()
let identified = 0

/** A number for each object that is equal to itself alone. */
function identityOf(object: object): number {
  let identity = identities.get(object)
  if (identity === undefined) {
    identity = identified++
    identities.set(object, identity)
  }
  return identity
}

/** A set of values, told apart as `sameValue` does. */
export class ValueSet {
  private readonly keys = new Set<unknown>()

  constructor(values: Iterable<unknown> = []) {
    for (const value of values) this.add(value)
  }

  /** Whether the value was new. */
  add(value: unknown): boolean {
    const { size } = this.keys
    this.keys.add(valueKey(value))
    return this.keys.size > size
  }

  has(value: unknown): boolean {
    return this.keys.has(valueKey(value))
  }
}
