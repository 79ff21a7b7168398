import type { Binding } from './binding'
import type { Slot } from './operand'
import { type Comparison, type Condition, type ConditionOf, conjuncts, type Path } from './plan'

/** Fewer ranges than this are asked one after the other. */
const LEAST_RANGES = 8
const COMPARISONS: ReadonlySet<Comparison> = new Set<Comparison>(['eq', 'lt', 'lte', 'gt', 'gte'])

/** The path that all parts of an `or` bound, each from one side or two, where there are many; undefined otherwise. */
export function commonPath({ conditions }: ConditionOf<'or'>): Path | undefined {
  if (conditions.length < LEAST_RANGES) return undefined
  const first = conjuncts(conditions[0])[0]
  if (first?.kind !== 'compare') return undefined
  const isBound = (each: Condition): boolean =>
    each.kind === 'compare' && COMPARISONS.has(each.operator) && isSame(each.path, first.path)
  return conditions.every((each) => conjuncts(each).every(isBound)) ? first.path : undefined
}

function isSame(a: Path, b: Path): boolean {
  return (
    a.column === b.column &&
    a.references.length === b.references.length &&
    a.inside.length === b.inside.length &&
    a.inside.every((step, i) => step === b.inside[i]) &&
    a.references.every(({ column, table, by }, i) => {
      const other = b.references[i]
      return column === other.column && table === other.table && by === other.by
    })
  )
}

/** Ranges of numbers, of which a number is looked up: those that overlap are one. */
class RangeSet {
  private constructor(
    private readonly from: Float64Array,
    private readonly to: Float64Array,
    /** Whether a range is without its first number, or without its last: 1. */
    private readonly excludesFrom: Uint8Array,
    private readonly excludesTo: Uint8Array,
  ) {}

  /** Undefined where one is not between plain numbers: what those are compared with is more than a number. */
  static of(parts: readonly (readonly Bound[])[]): RangeSet | undefined {
    const ranges: Range[] = []
    for (const bounds of parts) {
      const range = rangeOf(bounds)
      if (range === undefined) return undefined
      if (range.from < range.to || (range.from === range.to && !range.excludesFrom && !range.excludesTo))
        ranges.push(range)
    }
    ranges.sort((a, b) => a.from - b.from || Number(a.excludesFrom) - Number(b.excludesFrom))
    const apart: Range[] = []
    for (const range of ranges) {
      const last = apart.at(-1)
      const isApart =
        last === undefined || range.from > last.to || (range.from === last.to && range.excludesFrom && last.excludesTo)
      if (isApart) apart.push({ ...range })
      else if (range.to > last.to || (range.to === last.to && !range.excludesTo)) {
        last.to = range.to
        last.excludesTo = range.excludesTo
      }
    }
    return new RangeSet(
      Float64Array.from(apart, ({ from }) => from),
      Float64Array.from(apart, ({ to }) => to),
      Uint8Array.from(apart, ({ excludesFrom }) => Number(excludesFrom)),
      Uint8Array.from(apart, ({ excludesTo }) => Number(excludesTo)),
    )
  }

  has(number: number): boolean {
    const { from } = this
    let low = 0
    let high = from.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (from[middle] <= number) low = middle + 1
      else high = middle
    }
    return this.isIn(low - 1, number) // ranges that meet in a number which one of them has are one
  }

  private isIn(range: number, number: number): boolean {
    if (range < 0 || number > this.to[range]) return false
    if (number === this.from[range] && this.excludesFrom[range] === 1) return false
    return number !== this.to[range] || this.excludesTo[range] === 0
  }
}

interface Bound {
  readonly operator: Comparison
  readonly value: unknown
}

interface Range {
  from: number
  to: number
  excludesFrom: boolean
  excludesTo: boolean
}

function rangeOf(bounds: readonly Bound[]): Range | undefined {
  const range = {
    from: Number.NEGATIVE_INFINITY,
    to: Number.POSITIVE_INFINITY,
    excludesFrom: false,
    excludesTo: false,
  }
  for (const { operator, value } of bounds) {
    // zeros of different signs are two values to eq, and one in order
    if (typeof value !== 'number' || !Number.isFinite(value) || (operator === 'eq' && value === 0)) return undefined
    const isLower = operator !== 'lt' && operator !== 'lte'
    const isUpper = operator !== 'gt' && operator !== 'gte'
    if (isLower && (value > range.from || (value === range.from && operator === 'gt'))) {
      range.from = value
      range.excludesFrom = operator === 'gt'
    }
    if (isUpper && (value < range.to || (value === range.to && operator === 'lt'))) {
      range.to = value
      range.excludesTo = operator === 'lt'
    }
  }
  return range
}

/**
 * Tells of numbers at a path whether they are in one of many ranges; undefined, for each other value, that it cannot
 * tell.
 */
export function rangesTest(
  condition: ConditionOf<'or'>,
  path: Path,
  binding: Binding,
): (row: number) => boolean | undefined {
  const parts = condition.conditions.map((each) =>
    conjuncts(each).map((bound) => {
      const { operator, value } = bound as ConditionOf<'compare'>
      return { operator, slot: value as Slot }
    }),
  )
  const bound = binding.path(path)
  const held = binding.made((slots) =>
    RangeSet.of(parts.map((each) => each.map(({ operator, slot }) => ({ operator, value: slots[slot.index] })))),
  )
  return (row) => {
    const { value: ranges } = held
    if (ranges === undefined) return undefined
    const value = bound.value(row)
    return typeof value === 'number' && value === value ? ranges.has(value) : undefined
  }
}
