import { assert } from '../errors'
import { BLOCK_WORDS } from '../heap/layout'
import type { Column } from '../table/column'
import { TABLE } from '../table/layout'
import type { Table } from '../table/table'
import { TAG } from '../value/word'
import type { Binding } from './binding'
import { type BoundOperand, holdsNull, NULL_WORD, ordinalKind, type Slot } from './operand'
import type { Comparison, Condition, ConditionOf } from './plan'

/** native/word_tests.h names these. */
const STEP = { isWord: 0, isOneOf: 1, compareNumber: 2, comparePayload: 3, and: 4, or: 5, not: 6 } as const
const STEP_HALVES = 6
const COMPARISON: Partial<Record<Comparison, number>> = { lt: 0, lte: 1, gt: 2, gte: 3 }
/** Payloads are below this. */
const PAYLOADS = 2 ** 47

/** More tests than this cost more than looking a value up among ranges. */
const MOST_TESTS = 64

/** Tests that stand within so many others are left to closures: native code has memory for no more at once. */
const MOST_DEEP = 64

/** Fewer rows than this are not worth the call. */
export const LEAST_SCANNED = BLOCK_WORDS

const NOTHING = new Int32Array(0)
const bound = new Float64Array(1)
const boundHalves = new Int32Array(bound.buffer)

/** Fills in what one step compares with. Returns false where the operand of this run cannot be compared so. */
type Fill = (steps: Int32Array, at: number, words: number[]) => boolean

/**
 * A condition as tests of words that native code makes over whole blocks of columns (`Kernels.scanWords`): equality
 * with a word or one of several, bounds of numbers, instants and days, and what joins these.
 */
export class ScanProgram {
  private readonly columns: Column[] = []
  private readonly kinds: number[] = []
  private readonly fills: (Fill | undefined)[] = []
  private steps: Int32Array = NOTHING
  private words: Int32Array = NOTHING

  private constructor(private readonly binding: Binding) {}

  /** The program of a condition that native code can tell. */
  static of(condition: Condition, binding: Binding): ScanProgram {
    const program = new ScanProgram(binding)
    program.add(condition)
    return program
  }

  /** Takes over the operands of the present run. Returns whether it can be used for them. */
  begin(): boolean {
    this.steps = new Int32Array(this.kinds.length * STEP_HALVES)
    const words: number[] = []
    const isReady = this.kinds.every((kind, i) => {
      this.steps[i * STEP_HALVES] = kind
      return this.fills[i]?.(this.steps, i * STEP_HALVES, words) !== false
    })
    this.words = Int32Array.from(words)
    return isReady
  }

  /**
   * Writes into `found` the rows from `from`, a multiple of a block's words, to before `to` that fit. Returns how many;
   * -1 where the words of a column are not all of the kind that is compared here.
   */
  scan(from: number, to: number, found: Int32Array): number {
    const { table } = this.binding
    const { view } = table.context
    const arrays = new Uint32Array(this.columns.length * 2)
    for (const [i, column] of this.columns.entries()) {
      arrays[i * 2] = column.addressOf(0)
      arrays[i * 2 + 1] = column.capacity
    }
    const { steps, words } = this
    const presence = presenceOf(table)
    return view.kernels!.scanWords(view.table, view.buffers, steps, words, arrays, presence, from, to, found)
  }

  /** As `scan`, of numbers alone. */
  count(from: number, to: number): number {
    return this.scan(from, to, NOTHING)
  }

  private add(condition: Condition): void {
    switch (condition.kind) {
      case 'and':
      case 'or':
        for (const [i, each] of condition.conditions.entries()) {
          this.add(each)
          if (i > 0) this.join(STEP[condition.kind])
        }
        return
      case 'not':
        this.add(condition.condition)
        this.join(STEP.not)
        return
      case 'in': {
        const { column } = this.binding.path(condition.path)
        const operands = this.binding.operandsOf(condition.values as readonly Slot[] | Slot, condition.path)
        this.push(STEP.isOneOf, column, (steps, at, words) => fillSet(operands.each, column, steps, at, words))
        return
      }
      case 'compare':
        this.addComparison(condition)
        return
      default:
        assert(false, `native code cannot tell ${condition.kind}`)
    }
  }

  private join(kind: number): void {
    this.kinds.push(kind)
    this.fills.push(undefined)
  }

  private addComparison(condition: ConditionOf<'compare'>): void {
    const { operator } = condition
    const { column } = this.binding.path(condition.path)
    const operand = this.binding.operand(condition.value as Slot, condition.path)
    if (operator === 'eq' || operator === 'ne') {
      if (!holdsNull(column.type)) this.push(STEP.isWord, column, (steps, at) => fillWord(operand, steps, at))
      else this.push(STEP.isOneOf, column, (steps, at, words) => fillSet([operand], column, steps, at, words))
      if (operator === 'ne') this.join(STEP.not)
      return
    }
    const kind = ordinalKind(column.type)
    const tag = kind === 'instant' ? TAG.instant : kind === 'day' ? TAG.day : 0
    const step = tag === 0 ? STEP.compareNumber : STEP.comparePayload
    this.push(step, column, (steps, at) => fillBound(operand, COMPARISON[operator]!, tag, steps, at))
  }

  private push(kind: number, column: Column, fill: Fill): void {
    let place = this.columns.indexOf(column)
    if (place < 0) place = this.columns.push(column) - 1
    this.kinds.push(kind)
    this.fills.push((steps, at, words) => {
      steps[at + 1] = place
      return fill(steps, at, words)
    })
  }
}

/** Whether there is native code, and it can tell what a condition asks of rows. */
export function isForNative(condition: Condition, binding: Binding, depth = 0): boolean {
  if (binding.table.context.view.kernels === undefined || depth > MOST_DEEP) return false
  switch (condition.kind) {
    case 'and':
    case 'or':
      if (condition.conditions.length > MOST_TESTS) return false
      return (
        condition.conditions.length > 0 && condition.conditions.every((each) => isForNative(each, binding, depth + 1))
      )
    case 'not':
      return isForNative(condition.condition, binding, depth + 1)
    case 'in':
    case 'compare': {
      const path = binding.path(condition.path)
      if (!path.isDirect) return false
      const isByWord = condition.kind === 'in' || condition.operator === 'eq' || condition.operator === 'ne'
      return isByWord || ordinalKind(path.column.type) !== undefined
    }
    default:
      return false
  }
}

function fillWord(operand: BoundOperand, steps: Int32Array, at: number): boolean {
  steps[at + 4] = operand.low
  steps[at + 5] = operand.high
  return true
}

function fillSet(
  operands: readonly BoundOperand[],
  { type }: Column,
  steps: Int32Array,
  at: number,
  words: number[],
): boolean {
  const first = words.length / 2
  for (const { low, high, isMissing } of operands) {
    words.push(low, high)
    if (isMissing && holdsNull(type)) words.push(NULL_WORD.low, NULL_WORD.high)
  }
  steps[at + 4] = first
  steps[at + 5] = words.length / 2 - first
  return true
}

function fillBound(operand: BoundOperand, comparison: number, tag: number, steps: Int32Array, at: number): boolean {
  const { ordinal } = operand
  if (ordinal !== ordinal || (tag !== 0 && Math.abs(ordinal) >= PAYLOADS)) return false
  bound[0] = ordinal
  steps[at + 2] = comparison
  steps[at + 3] = tag
  steps[at + 4] = boundHalves[0]
  steps[at + 5] = boundHalves[1]
  return true
}

function presenceOf({ context, descriptor }: Table): number {
  return context.view.low(descriptor + TABLE.presence) >>> 0
}
