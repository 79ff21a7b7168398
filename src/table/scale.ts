import { SnapheapError } from '../errors'
import { Decimal } from '../value/decimal'

/**
 * A value for a column whose decimals all have one scale, at that scale: 1.5 and "1.500" are both 1.50. What has more
 * digits keeps its own scale, which no row of the column has; what is no decimal comes back as it is.
 */
export function atScale(value: unknown, scale: number): unknown {
  const given = decimalOf(value)
  if (given === undefined || given.scale === scale) return given ?? value
  if (given.scale < scale) return new Decimal(given.coefficient * 10n ** BigInt(scale - given.scale), scale)
  const divisor = 10n ** BigInt(given.scale - scale)
  return given.coefficient % divisor === 0n ? new Decimal(given.coefficient / divisor, scale) : given
}

/**
 * Whether `atScale` has found a value of that scale, or there is none to be found: a number that is not finite has no
 * scale.
 */
export function fitsScale(scaled: unknown, scale: number): boolean {
  return scaled instanceof Decimal ? scaled.scale === scale : typeof scaled === 'number' && !Number.isFinite(scaled)
}

function decimalOf(value: unknown): Decimal | undefined {
  if (value instanceof Decimal) return value
  if (typeof value === 'bigint') return new Decimal(value, 0)
  if (typeof value === 'number' ? !Number.isFinite(value) : typeof value !== 'string') return undefined
  try {
    return Decimal.parse(String(value))
  } catch (error) {
    if (error instanceof SnapheapError) return undefined
    throw error
  }
}
