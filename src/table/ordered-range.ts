import { SnapheapError } from '../errors'
import type { LooseEncoder, LooseWord } from '../value/loose-word'
import { CONSTANT, CONSTANT_HIGH, isComposite, isTagged, TAG, tagOf } from '../value/word'
import type { Column } from './column'
import { encodeAs } from './column-type'
import { cannotHold } from './messages'
import { BEFORE_EQUALS, BEHIND_EQUALS, type OrderedSought } from './ordered-sought'

/**
 * A range of an ordered index. Bounds are values of its first columns, as many as wanted; null stands for "no value"
 * and sorts behind every value. So `{ lower: ['ada', 5], upper: ['ada', null], excludesUpper: true }` is author = 'ada'
 * and n >= 5.
 */
export interface OrderedRange {
  /** Default: the beginning. */
  readonly lower?: readonly unknown[]
  /** Whether rows with exactly the lower bound's values are left out. Default false. */
  readonly excludesLower?: boolean
  /** Default: the end, rows without a value included. */
  readonly upper?: readonly unknown[]
  readonly excludesUpper?: boolean
  /** In place of bounds: values of the first columns, the last of them a string that the column's begins with. */
  readonly startsWith?: readonly unknown[]
}

const NUMERIC = ['integer', 'bigint', 'number', 'decimal']

/**
 * Leaves the ends of a range in `lower` and `upper`, until the encoder's next use. Throws `TYPE`, `INVALID_ARGUMENT`.
 */
export function placeRange(
  range: OrderedRange,
  columns: readonly Column[],
  lower: OrderedSought,
  upper: OrderedSought,
  encoder: LooseEncoder,
): void {
  const { startsWith } = range
  encoder.clear()
  if (startsWith !== undefined) {
    const words = boundWords(startsWith, columns, encoder)
    ensureBeginning(startsWith, columns, words)
    lower.ofWords(words, BEFORE_EQUALS, true)
    upper.ofWords(words, BEHIND_EQUALS, true)
    return
  }
  const { lower: from = [], upper: to = [] } = range
  lower.ofWords(boundWords(from, columns, encoder), range.excludesLower === true ? BEHIND_EQUALS : BEFORE_EQUALS)
  upper.ofWords(boundWords(to, columns, encoder), range.excludesUpper === true ? BEFORE_EQUALS : BEHIND_EQUALS)
  if (from.length === 0) lower.tie = BEFORE_EQUALS
  if (to.length === 0) upper.tie = BEHIND_EQUALS
}

/** The words of values of the first columns, held outside the heap. Throws `TYPE`, `INVALID_ARGUMENT`. */
export function boundWords(values: readonly unknown[], columns: readonly Column[], encoder: LooseEncoder): LooseWord[] {
  if (!Array.isArray(values) || values.length > columns.length) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `A bound has values for the first of the columns ${columns.map((each) => each.name).join(', ')}, as an ` +
        `array. Pass at most ${columns.length}.`,
    )
  }
  return values.map((value, i) => {
    encodeBound(columns[i], value, encoder)
    return encoder.word()
  })
}

function encodeBound(column: Column, value: unknown, encoder: LooseEncoder): void {
  if (value === null) {
    if (column.type === 'any') encoder.null()
    else encoder.absent()
    return
  }
  if (typeof value === 'number' && NUMERIC.includes(column.type)) {
    encoder.number(value) // 2.5 bounds integers too
    return
  }
  let cause: unknown
  try {
    if (value !== undefined && encodeAs(column.type, value, encoder) && isOrdered(encoder.low, encoder.high)) return
  } catch (error) {
    cause = error
  }
  encoder.abandon()
  throw cannotHold(column, value, cause)
}

function isOrdered(low: number, high: number): boolean {
  if (!isTagged(high)) return true
  const tag = tagOf(high)
  return !isComposite(tag) && !(tag === TAG.constant && high === CONSTANT_HIGH && low >= CONSTANT.emptyArray)
}

function ensureBeginning(values: readonly unknown[], columns: readonly Column[], words: readonly LooseWord[]): void {
  const last = values[values.length - 1]
  if (typeof last === 'string' && tagOf(words[words.length - 1].high) !== TAG.string16) return
  const column = columns[Math.max(0, values.length - 1)]
  throw new SnapheapError(
    'TYPE',
    `What ${column.table.name}.${column.name} starts with is not given as a string without lone surrogates. Pass ` +
      'one as the last value.',
    { table: column.table.name, column: column.name },
  )
}
