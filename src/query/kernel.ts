import { BLOCK_WORDS } from '../heap/layout'
import type { Column } from '../table/column'
import { TAG } from '../value/word'
import type { Binding } from './binding'
import { compile } from './compile'
import { type RowTest, rowTest } from './condition'
import { type BoundOperand, holdsNull, ordinalKind, type Slot } from './operand'
import type { Condition, ConditionOf } from './plan'
import { commonPath } from './range-set'
import type { RowNumbers } from './table-scan'

/** Finds the rows of one table that fit, among some or among all. Row numbers are ascending where those given are. */
export interface Kernel {
  /** Those of `rows` that fit, at most `limit`. */
  filter(rows: RowNumbers, limit: number): number[]
  /**
   * Writes into `found` the numbers from `from` to before `to` that fit; row numbers that no row has may be among them.
   * Returns how many.
   */
  scan(from: number, to: number, found: Int32Array): number
  /** The code that runs, undefined where none could be made. */
  readonly source: string | undefined
}

/** A kernel of closures: the meaning of every other, and what runs where code cannot be generated. */
export function closureKernel(test: RowTest): Kernel {
  return {
    source: undefined,
    filter: (rows, limit) => {
      const found: number[] = []
      for (let i = 0; i < rows.length && found.length < limit; i++) if (test(rows[i])) found.push(rows[i])
      return found
    },
    scan: (from, to, found) => {
      let count = 0
      for (let row = from; row < to; row++) if (test(row)) found[count++] = row
      return count
    },
  }
}

/**
 * The kernel of a condition: code generated for its shape, in which comparisons with words, numbers, instants and days
 * are a load and a compare, and everything else calls a closure. A scan goes block by block, since the words of a
 * column are contiguous only there.
 */
export function kernelOf(condition: Condition, binding: Binding): Kernel {
  const closures = closureKernel(rowTest(condition, binding))
  const writer = new KernelWriter(binding)
  const filterTest = writer.test(condition, 'row')
  const scanTest = writer.test(condition, 'block')
  if (writer.operands.length > MOST_OPERANDS) return closures
  const source = writer.source(filterTest, scanTest)
  const make = compile(source, ['view', 'columns', 'operands', 'tests'])
  if (make === undefined) return closures
  const compiled = make(binding.table.context.view, writer.columns, writer.operands, writer.tests) as CompiledKernel
  const isInlined = (): boolean => writer.ordinals.every((operand) => operand.ordinal === operand.ordinal)
  return {
    source,
    filter: (rows, limit) => (isInlined() ? compiled.filter(rows, limit) : closures.filter(rows, limit)),
    scan: (from, to, found) => {
      const isByBlock = to - from > SMALL_SCAN && isInlined() && writer.columns.every(reachesBlocks)
      return isByBlock ? compiled.scan(from, to, found) : closures.scan(from, to, found)
    },
  }
}

interface CompiledKernel {
  filter(rows: RowNumbers, limit: number): number[]
  scan(from: number, to: number, found: Int32Array): number
}

/** Each takes some of the stack: tens of thousands, all of it. */
const MOST_OPERANDS = 4096

/** Below this many rows hoisting what blocks share costs more than it saves. */
const SMALL_SCAN = 64

/** Whether a column's words are whole blocks, or none. */
function reachesBlocks(column: Column): boolean {
  return column.capacity === 0 || column.capacity >= BLOCK_WORDS
}

type Mode = 'row' | 'block'

/** Writes the tests of one kernel. Columns, operands and closures are numbered as they are met. */
class KernelWriter {
  readonly columns: Column[] = []
  readonly operands: BoundOperand[] = []
  /** Those compared by their ordinal, which therefore need one. */
  readonly ordinals: BoundOperand[] = []
  readonly tests: RowTest[] = []
  private readonly known = new Map<Condition, { operand?: number; test?: number }>()

  constructor(private readonly binding: Binding) {}

  /** An expression that is true for rows that fit. */
  test(condition: Condition, mode: Mode): string {
    switch (condition.kind) {
      case 'and':
        return `(${condition.conditions.map((each) => this.test(each, mode)).join(' && ') || 'true'})`
      case 'or':
        if (commonPath(condition) !== undefined) return this.closure(condition, mode)
        return `(${condition.conditions.map((each) => this.test(each, mode)).join(' || ') || 'false'})`
      case 'not':
        return `!${this.test(condition.condition, mode)}`
      case 'compare':
        return this.comparison(condition, mode)
      default:
        return this.closure(condition, mode)
    }
  }

  source(filterTest: string, scanTest: string): string {
    const each = (make: (i: number) => string): string => this.columns.map((_, i) => make(i)).join('')
    const operands = this.operands
      .map((_, i) => `const l${i} = operands[${i}].low, h${i} = operands[${i}].high, x${i} = operands[${i}].ordinal\n`)
      .join('')
    const rowsOf = each((i) => `const b${i} = columns[${i}].addressOf(0), n${i} = columns[${i}].capacity\n`)
    const blocks = each(
      (i) => `const s${i} = block < n${i} ? view.slotOf(b${i} + block) : 0
const i${i} = block < n${i} ? view.indexOf(b${i} + block) : 0
const d${i} = view.numbers[s${i}], w${i} = view.halves[s${i}]
`,
    )
    return `'use strict'
function filter(rows, limit) {
${operands}${rowsOf}const found = []
let v = 0, h = 0
for (let r = 0; r < rows.length && found.length < limit; r++) {
const row = rows[r]
if (${filterTest}) found.push(row)
}
return found
}
function scan(from, to, found) {
${operands}${rowsOf}let v = 0, h = 0, n = 0
for (let block = from - from % ${BLOCK_WORDS}; block < to; block += ${BLOCK_WORDS}) {
${blocks}const end = Math.min(${BLOCK_WORDS}, to - block)
for (let k = Math.max(0, from - block); k < end; k++) {
if (${scanTest}) found[n++] = block + k
}
}
return n
}
return { filter, scan }`
  }

  private comparison(condition: ConditionOf<'compare'>, mode: Mode): string {
    const path = this.binding.path(condition.path)
    if (!path.isDirect) return this.closure(condition, mode)
    const { operator } = condition
    if (operator === 'eq' || operator === 'ne') {
      if (holdsNull(path.column.type)) return this.closure(condition, mode)
      const test = this.wordTest(this.column(path.column), this.operand(condition, false), mode)
      return operator === 'eq' ? test : `!${test}`
    }
    const kind = ordinalKind(path.column.type)
    if (kind === undefined) return this.closure(condition, mode)
    const column = this.column(path.column)
    const sign = { lt: '<', lte: '<=', gt: '>', gte: '>=' }[operator]
    const operand = `x${this.operand(condition, true)}`
    const other = this.closure(condition, mode)
    if (kind === 'number') {
      // a stored zero is a tagged word, so that zero means absent
      return `((v = ${this.number(column, mode)}) === v ? v !== 0 && v ${sign} ${operand} : ${other})`
    }
    const tag = kind === 'instant' ? TAG.instant : TAG.day
    const payload = `(h << 16 >> 16) * 4294967296 + (${this.half(column, 'low', mode)} >>> 0)`
    return `((h = ${this.half(column, 'high', mode)}) >>> 16 === ${tag} ? ${payload} ${sign} ${operand} : ${other})`
  }

  private wordTest(column: number, operand: number, mode: Mode): string {
    return `(${this.half(column, 'high', mode)} === h${operand} && ${this.half(column, 'low', mode)} === l${operand})`
  }

  private number(column: number, mode: Mode): string {
    if (mode === 'block') return `d${column}[i${column} + k]`
    return `(row < n${column} ? view.number(b${column} + row) : 0)`
  }

  private half(column: number, which: 'low' | 'high', mode: Mode): string {
    if (mode === 'block') return `w${column}[(i${column} + k << 1)${which === 'low' ? '' : ' + 1'}]`
    return `(row < n${column} ? view.${which}(b${column} + row) : 0)`
  }

  private closure(condition: Condition, mode: Mode): string {
    const known = this.memory(condition)
    known.test ??= this.tests.push(rowTest(condition, this.binding)) - 1
    return `tests[${known.test}](${mode === 'row' ? 'row' : 'block + k'})`
  }

  private operand(condition: ConditionOf<'compare'>, isOrdinal: boolean): number {
    const known = this.memory(condition)
    if (known.operand === undefined) {
      const operand = this.binding.operand(condition.value as Slot, condition.path)
      known.operand = this.operands.push(operand) - 1
      if (isOrdinal) this.ordinals.push(operand)
    }
    return known.operand
  }

  private column(column: Column): number {
    const at = this.columns.indexOf(column)
    return at >= 0 ? at : this.columns.push(column) - 1
  }

  private memory(condition: Condition): { operand?: number; test?: number } {
    const known = this.known.get(condition) ?? {}
    this.known.set(condition, known)
    return known
  }
}
