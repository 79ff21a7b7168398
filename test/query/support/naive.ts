import { Decimal, Timestamp } from '../../../src/index'

/** Text that is the same for equal values and for no others. */
export function canonical(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'number' || typeof value === 'bigint') return `number ${value}`
  if (value instanceof Decimal) return `number ${Number(String(value))}`
  if (value instanceof Date) return `date ${value.getTime()} ${value instanceof Timestamp ? value.microseconds : 0}`
  if (value instanceof Uint8Array) return `bytes ${[...value].join()}`
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object') return `${typeof value} ${JSON.stringify(value)}`
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join()}}`
}

/** Kinds in their order: what has no order of its own comes last but for what is missing. */
function kindOf(value: unknown): number {
  if (value === null || value === undefined) return 8
  if (typeof value === 'boolean') return 0
  if (value === Number.NEGATIVE_INFINITY) return 1
  if (value === Number.POSITIVE_INFINITY) return 4
  if (typeof value === 'number') return Number.isNaN(value) ? 5 : 2
  if (typeof value === 'bigint' || value instanceof Decimal) return 2
  if (value instanceof Date) return 3
  return typeof value === 'string' ? 6 : 7
}

const NUMERIC = [1, 2, 4, 5]

export function isComparable(a: unknown, b: unknown): boolean {
  const [x, y] = [kindOf(a), kindOf(b)].sort()
  if (y >= 7) return false
  return x === y || (NUMERIC.includes(x) && NUMERIC.includes(y)) || (x === 1 && y === 3) || (x === 3 && y === 4)
}

/** How two values sort, missing ones last. */
export function inOrder(a: unknown, b: unknown): number {
  const difference = kindOf(a) - kindOf(b)
  if (difference !== 0) return difference
  switch (kindOf(a)) {
    case 0:
      return Number(a) - Number(b)
    case 2:
      return typeof a === 'bigint' && typeof b === 'bigint' ? Number(a - b) : Number(String(a)) - Number(String(b))
    case 3:
      return Number(a) - Number(b) || microsOf(a) - microsOf(b)
    case 6:
      return (
        dayOf(a as string) - dayOf(b as string) || Buffer.compare(Buffer.from(a as string), Buffer.from(b as string))
      )
  }
  return 0
}

function microsOf(value: unknown): number {
  return value instanceof Timestamp ? value.microseconds : 0
}

/** Days sort by time; every other text sorts alike here. */
function dayOf(text: string): number {
  const parts = /^([+-]?\d+)-(\d\d)-(\d\d)$/.exec(text)
  return parts === null ? 0 : Number(parts[1]) * 10_000 + Number(parts[2]) * 100 + Number(parts[3])
}

/** The sum of integers, bigints, or decimals of one scale, rounded once. */
export function exactSum(values: readonly unknown[]): number {
  let sum = 0n
  for (const value of values) sum += value instanceof Decimal ? value.coefficient : BigInt(value as number | bigint)
  const [first] = values
  return Number(first instanceof Decimal ? new Decimal(sum, first.scale).toString() : sum)
}
