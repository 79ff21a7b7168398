import { keepExisting } from '../table/presence'
import type { Table } from '../table/table'
import type { Binding } from './binding'
import { type Kernel, kernelOf } from './kernel'
import { allOf, type Condition } from './plan'
import { isForNative, LEAST_SCANNED, ScanProgram } from './scan-program'

/** Row numbers, as an index gives them or as a scan finds them. Those of a scan are valid until the next portion. */
export type RowNumbers = readonly number[] | Int32Array

/** Rows scanned at a time, a multiple of a block: what is found of them fits in a cache. */
const SCANNED_AT_ONCE = 1 << 16

/**
 * Finds the rows of a table that fit by looking at all of them. What can be asked of words alone native code answers, a
 * portion at a time; what is left is checked in the rows that it finds.
 */
export class TableScan {
  private readonly program: ScanProgram | undefined
  /** What the program does not ask. */
  private readonly rest: Kernel | undefined
  private isNative = false

  constructor(
    private readonly table: Table,
    conditions: readonly Condition[],
    binding: Binding,
    /** Of all conditions; undefined without one. */
    private readonly kernel: Kernel | undefined,
  ) {
    const asked = conditions.filter((each) => isForNative(each, binding))
    if (asked.length === 0) return
    this.program = ScanProgram.of(allOf(asked), binding)
    const left = conditions.filter((each) => !asked.includes(each))
    if (left.length > 0) this.rest = kernelOf(allOf(left), binding)
  }

  /** Takes over the operands of the present run. */
  begin(): void {
    this.isNative = this.table.rowLimit >= LEAST_SCANNED && this.program?.begin() === true
  }

  /** What `explain` calls it. */
  get name(): string {
    return `scan ${this.table.name}${this.isNative ? ', native' : ''}`
  }

  /** Gives the rows in portions, ascending; in `examined` how many were looked at so far. */
  *portions(examine: (rows: number) => void): Generator<RowNumbers> {
    const { rowLimit } = this.table
    const found = new Int32Array(Math.min(rowLimit, SCANNED_AT_ONCE))
    for (let from = 0; from < rowLimit; from += SCANNED_AT_ONCE) {
      const to = Math.min(rowLimit, from + SCANNED_AT_ONCE)
      examine(to - from)
      yield this.portion(from, to, found)
    }
  }

  /** How many rows there are. */
  count(examine: (rows: number) => void): number {
    const { rowLimit } = this.table
    const counts = this.isNative && this.rest === undefined
    let found: Int32Array | undefined
    let count = 0
    for (let from = 0; from < rowLimit; from += SCANNED_AT_ONCE) {
      const to = Math.min(rowLimit, from + SCANNED_AT_ONCE)
      examine(to - from)
      const counted = counts ? this.program!.count(from, to) : -1
      if (counted >= 0) count += counted
      else {
        found ??= new Int32Array(Math.min(rowLimit, SCANNED_AT_ONCE))
        count += this.portion(from, to, found).length
      }
    }
    return count
  }

  private portion(from: number, to: number, found: Int32Array): RowNumbers {
    const { kernel, rest, table } = this
    const count = this.isNative ? this.program!.scan(from, to, found) : -1
    if (count < 0) {
      const fitting = kernel === undefined ? everyNumber(from, to, found) : kernel.scan(from, to, found)
      return found.subarray(0, keepExisting(table, found, fitting, from, to))
    }
    const rows = found.subarray(0, count)
    return rest === undefined || count === 0 ? rows : rest.filter(rows, count)
  }
}

function everyNumber(from: number, to: number, found: Int32Array): number {
  for (let row = from; row < to; row++) found[row - from] = row
  return to - from
}
