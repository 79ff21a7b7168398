import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { isBytes } from '../kinds'
import { type ColumnType, scalarOf } from '../table/column-type'
import { termsOf } from '../table/index-type'
import type { PathStep } from '../value/decoder'
import { List } from '../value/list'
import type { Binding } from './binding'
import {
  ANY,
  areComparableIn,
  type BoundOperand,
  compareIn,
  holdsNull,
  NULL_WORD,
  readAs,
  type Slot,
  type Typed,
} from './operand'
import type { BoundPath } from './path'
import type { Comparison, Condition, ConditionOf, Path, TextPattern } from './plan'
import { commonPath, rangesTest } from './range-set'
import { sameValue } from './values'

/** Whether a row fits. */
export type RowTest = (row: number) => boolean
/** Whether a value fits. */
export type ValueTest = (value: unknown) => boolean

/** The test of a condition on rows, as closures: what compiled code is checked against, and stands in for. */
export function rowTest(condition: Condition, binding: Binding): RowTest {
  switch (condition.kind) {
    case 'and': {
      const tests = condition.conditions.map((each) => rowTest(each, binding))
      return (row) => tests.every((test) => test(row))
    }
    case 'or': {
      const tests = condition.conditions.map((each) => rowTest(each, binding))
      const path = commonPath(condition)
      if (path === undefined) return (row) => tests.some((test) => test(row))
      const tell = rangesTest(condition, path, binding)
      return (row) => tell(row) ?? tests.some((test) => test(row))
    }
    case 'not': {
      const test = rowTest(condition.condition, binding)
      return (row) => !test(row)
    }
    case 'compare':
      return comparisonTest(condition, binding)
    case 'in': {
      const path = binding.path(condition.path)
      if (path.path.inside.length > 0) {
        const among = binding.among(condition)
        return (row) => among.value.has(path.value(row))
      }
      const operands = binding.operandsOf(condition.values as readonly Slot[] | Slot, condition.path)
      const { view } = path.start.context
      return (row) => {
        const at = path.rowAt(row)
        const address = at < 0 ? 0 : path.column.addressOf(at)
        return address === 0 ? operands.hasWord(0, 0) : operands.hasWord(view.low(address), view.high(address))
      }
    }
    case 'terms':
      return termsTest(condition, binding)
    default: {
      const path = binding.path(condition.path)
      if (condition.kind === 'text' || condition.kind === 'matches') ensureReadsAsText(path)
      const test = valueTest(condition, binding, path.path.inside.length > 0 ? ANY : path.column)
      // a scan also tests row numbers that no row has, which is nothing to ask somebody's function about
      if (condition.kind === 'satisfies') return (row) => binding.table.hasRow(row) && test(path.value(row))
      return (row) => test(path.value(row))
    }
  }
}

function comparisonTest(condition: ConditionOf<'compare'>, binding: Binding): RowTest {
  const path = binding.path(condition.path)
  const operand = binding.operand(condition.value as Slot, condition.path)
  const { operator } = condition
  if (operator === 'eq') return (row) => equals(path, row, operand)
  if (operator === 'ne') return (row) => !equals(path, row, operand)
  return (row) => {
    const value = path.value(row)
    return (
      areComparableIn(path.column, value, operand.value) &&
      holds(operator, compareIn(path.column, value, operand.value))
    )
  }
}

/** Whether a value has all terms of what is asked for. */
function termsTest(condition: ConditionOf<'terms'>, binding: Binding): RowTest {
  const path = binding.path(condition.path)
  const { index, asked } = binding.terms(condition)
  return (row) => {
    const value = path.value(row)
    if (value === null || asked.terms.length === 0) return false
    const terms = termsOf(index, value)
    return asked.terms.every((term) => terms.has(term))
  }
}

/** Whether the value at a path is the operand, by words where it is a column's whole value. */
export function equals(path: BoundPath, row: number, operand: BoundOperand): boolean {
  if (path.path.inside.length > 0) return sameValue(path.value(row), operand.value)
  const { view } = path.start.context
  const at = path.rowAt(row)
  const address = at < 0 ? 0 : path.column.addressOf(at)
  if (address === 0) return operand.isMissing
  if (view.isWord(address, operand.low, operand.high)) return true
  return operand.isMissing && holdsNull(path.column.type) && view.isWord(address, NULL_WORD.low, NULL_WORD.high)
}

/** The test of a condition on one value: a member of a record, an element of an array. Its paths are not looked at. */
export function valueTest(condition: Condition, binding: Binding, of = ANY): ValueTest {
  switch (condition.kind) {
    case 'and': {
      const tests = condition.conditions.map((each) => valueTest(each, binding, of))
      return (value) => tests.every((test) => test(value))
    }
    case 'or': {
      const tests = condition.conditions.map((each) => valueTest(each, binding, of))
      return (value) => tests.some((test) => test(value))
    }
    case 'not': {
      const test = valueTest(condition.condition, binding, of)
      return (value) => !test(value)
    }
    case 'compare': {
      const slot = condition.value as Slot
      const operand = binding.made((slots) => readAs(of, slots[slot.index]))
      const { operator } = condition
      if (operator === 'eq') return (value) => sameValue(value, operand.value)
      if (operator === 'ne') return (value) => !sameValue(value, operand.value)
      return (value) =>
        areComparableIn(of, value, operand.value) && holds(operator, compareIn(of, value, operand.value))
    }
    case 'in': {
      const among = binding.among(condition, of)
      return (value) => among.value.has(value)
    }
    case 'text': {
      const operand = binding.value(condition.value as Slot, (given) => ensureText(given, condition))
      const isStart = condition.operator === 'startsWith'
      return (value) =>
        typeof value === 'string' &&
        (isStart ? value.startsWith(operand.value as string) : value.includes(operand.value as string))
    }
    case 'matches': {
      const pattern = binding.value(condition.pattern as unknown as Slot)
      return (value) => typeof value === 'string' && (pattern.value as TextPattern).test(value)
    }
    case 'terms':
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `Terms of ${condition.path.label} cannot be asked here: a column with an index by terms has them, not a ` +
          'member or an element. Ask the rows.',
        { name: condition.path.label },
      )
    case 'satisfies': {
      const test = binding.value(condition.test as unknown as Slot)
      return (value) => Boolean((test.value as ValueTest)(value))
    }
    case 'element': {
      const test = elementTest(condition.test, binding, { type: scalarOf(of.type) })
      return (value) => isSequence(value) && [...value].some(test)
    }
    case 'among': {
      const among = binding.results(condition.plan)
      return (value) => among.set.has(value)
    }
  }
}

/** The test of a condition on one element of an array, at whose paths stand parts of the element. */
function elementTest(condition: Condition, binding: Binding, of: Typed): ValueTest {
  switch (condition.kind) {
    case 'and': {
      const tests = condition.conditions.map((each) => elementTest(each, binding, of))
      return (element) => tests.every((test) => test(element))
    }
    case 'or': {
      const tests = condition.conditions.map((each) => elementTest(each, binding, of))
      return (element) => tests.some((test) => test(element))
    }
    case 'not': {
      const test = elementTest(condition.condition, binding, of)
      return (element) => !test(element)
    }
    default: {
      const { inside } = condition.path
      if (inside.length === 0) return valueTest(condition, binding, of)
      const test = valueTest(condition, binding)
      return (element) => test(partAt(element, inside))
    }
  }
}

/** What stands at a path into a value; null where nothing does. */
function partAt(value: unknown, inside: readonly PathStep[]): unknown {
  let part = value
  for (const step of inside) {
    const within: unknown = part instanceof List ? part.items : part
    if (typeof within !== 'object' || within === null || !Object.hasOwn(within, step)) return null
    part = (within as Record<PathStep, unknown>)[step]
  }
  return part ?? null
}

/** Whether a comparison holds when the left value sorts so beside the right one. */
export function holds(operator: Comparison, order: number): boolean {
  switch (operator) {
    case 'lt':
      return order < 0
    case 'lte':
      return order <= 0
    case 'gt':
      return order > 0
    case 'gte':
      return order >= 0
    case 'eq':
      return order === 0
    case 'ne':
      return order !== 0
  }
}

function ensureText(value: unknown, { path, operator }: ConditionOf<'text'>): void {
  if (typeof value === 'string') return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `The condition ${operator} on ${path.label} takes a text, not ${show(value)}. Pass a text.`,
    { name: path.label, operator },
  )
}

/** Columns whose values read as text, or may. */
const TEXTUAL: ReadonlySet<ColumnType> = new Set(['string', 'uuid', 'day', 'time', 'any', 'json'])

/** Throws `INVALID_ARGUMENT` for a path at whose end there is never text. */
function ensureReadsAsText({ column, path }: BoundPath): void {
  if (readsAsText(column.type, path)) return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `${path.label} is of type ${column.type}, not text. Compare it with values of that type.`,
    { name: path.label, type: column.type },
  )
}

/** Whether there may be text at the end of a path to a column of a type. */
export function readsAsText(type: ColumnType, path: Path): boolean {
  return path.inside.length > 0 || TEXTUAL.has(type)
}

function isSequence(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value && !isBytes(value)
}
