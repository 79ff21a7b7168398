import type { Column } from '../table/column'
import type { Table } from '../table/table'
import {
  type Access,
  IndexAccess,
  IndexInAccess,
  intersectionOf,
  KeyAccess,
  KeyInAccess,
  ReferenceAccess,
  type RowFinder,
  UnionAccess,
} from './access'
import { Binding, type PlanRunner } from './binding'
import { type Kernel, kernelOf } from './kernel'
import type { Slot, SlotValues } from './operand'
import type { TableSource } from './path'
import { allOf, type Condition, type ConditionOf, conjuncts, type Path } from './plan'

/** Reading a second index pays when it has at most this many times the rows of the first: checking a row costs as much as reading these. */
const WORTH_INTERSECTING = 4
/** Fewer rows than this are checked one by one. */
const FEW_ROWS = 256
/** Rows scanned before those that exist are picked out: what is found of them fits in a cache. */
const SCANNED_AT_ONCE = 1 << 16
const NO_LIMIT = Number.POSITIVE_INFINITY
const NOTHING_COVERED = -1

/**
 * The rows of one table that fit all of some conditions. Which index they are found by is chosen anew for each run, by
 * what the indexes count for its values, so that the order of the conditions does not matter.
 */
export class RowSource implements RowFinder {
  /** Rows looked at in the last run, for all of its inputs, and what those for the last one were found by. */
  examined = 0
  chosen = ''
  private readonly binding: Binding
  private readonly inner: RowSource[] = []
  private readonly accesses: readonly Access[]
  private readonly conditions: readonly Condition[]
  /** By the condition that an access has answered, -1 for none; undefined where nothing is left to ask. */
  private second: Access | undefined
  private readonly kernels = new Map<number, Kernel | undefined>()

  constructor(
    readonly table: Table,
    condition: Condition | undefined,
    private readonly tables: TableSource,
    private readonly run: PlanRunner,
  ) {
    this.binding = new Binding(table, tables, run)
    this.conditions = condition === undefined ? [] : conjuncts(condition)
    this.accesses = this.conditions.flatMap((each, i) => this.accessesFor(each, i))
    this.kernel(NOTHING_COVERED) // a wrong name is an error before the first run
  }

  get name(): string {
    return this.accesses.length === 0 ? `scan ${this.table.name}` : this.accesses.map((each) => each.name).join(' or ')
  }

  /** The code that checks what no index answers, undefined where there is none. */
  get code(): string | undefined {
    return this.kernel(NOTHING_COVERED)?.source
  }

  /** Takes over the values of a run. Throws `TYPE` for one that its column cannot hold. */
  begin(slots: SlotValues): void {
    this.examined = 0
    this.binding.begin(slots)
    for (const each of this.inner) each.begin(slots)
  }

  /** Changes what one slot holds within a run. */
  set(slot: Slot, value: unknown): void {
    this.binding.set(slot, value)
  }

  estimate(): number {
    let least = this.table.rowCount
    for (const access of this.accesses) least = Math.min(least, access.estimate())
    return least
  }

  rows(limit: number): number[] {
    if (limit <= 0) return []
    const best = this.bestAccess()
    if (best !== undefined) return this.check(best, limit)
    let found: number[] = []
    this.scan((rows) => {
      found = found.length === 0 ? rows : found.concat(rows)
      return found.length >= limit
    })
    if (found.length > limit) found.length = limit
    return found
  }

  /** Gives the rows in portions, ascending, until told to stop by `true`. */
  each(take: (rows: number[]) => boolean): void {
    if (this.bestAccess() !== undefined) take(this.rows(NO_LIMIT))
    else this.scan(take)
  }

  /** How many rows there are. */
  count(): number {
    return this.conditions.length === 0 ? this.table.rowCount : this.rows(NO_LIMIT).length
  }

  /** The access that finds the fewest rows, undefined where a scan looks at no more; in `second` the next best. */
  private bestAccess(): Access | undefined {
    let best: Access | undefined
    let fewest = this.table.rowCount
    let next = NO_LIMIT
    this.second = undefined
    for (const access of this.accesses) {
      const estimate = access.estimate()
      if (estimate < fewest || (best === undefined && estimate === fewest)) {
        this.second = best
        next = best === undefined ? NO_LIMIT : fewest
        best = access
        fewest = estimate
      } else if (estimate < next) {
        this.second = access
        next = estimate
      }
    }
    if (fewest <= FEW_ROWS || next > fewest * WORTH_INTERSECTING) this.second = undefined
    return best
  }

  private check(best: Access, limit: number): number[] {
    const { second } = this
    const kernel = this.kernel(best.covers)
    this.chosen = second === undefined ? best.name : `${best.name} and ${second.name}`
    let rows = best.rows(kernel === undefined ? limit : NO_LIMIT)
    if (second !== undefined) rows = intersectionOf(rows, second.rows(NO_LIMIT))
    this.examined += rows.length
    return kernel === undefined ? rows : kernel.filter(rows, limit)
  }

  private scan(take: (rows: number[]) => boolean): void {
    const { table } = this
    const kernel = this.kernel(NOTHING_COVERED)
    const { rowLimit } = table
    this.chosen = `scan ${table.name}`
    for (let from = 0; from < rowLimit; from += SCANNED_AT_ONCE) {
      const to = Math.min(rowLimit, from + SCANNED_AT_ONCE)
      const found: number[] = []
      if (kernel !== undefined) kernel.scan(from, to, NO_LIMIT, found)
      else for (let row = from; row < to; row++) found.push(row)
      keepExisting(table, found)
      this.examined += to - from
      if (found.length > 0 && take(found)) return
    }
  }

  private kernel(covered: number): Kernel | undefined {
    if (this.kernels.has(covered)) return this.kernels.get(covered)
    const left = this.conditions.filter((_, i) => i !== covered)
    const kernel = left.length === 0 ? undefined : kernelOf(allOf(left), this.binding)
    this.kernels.set(covered, kernel)
    return kernel
  }

  private accessesFor(condition: Condition, covers: number): Access[] {
    switch (condition.kind) {
      case 'compare':
        return condition.operator === 'eq' ? this.accessesOf(condition, covers) : []
      case 'in': {
        const path = this.binding.path(condition.path)
        if (!path.isDirect) return []
        const operands = this.binding.operandsOf(condition.values as readonly Slot[] | Slot, condition.path)
        if (isKey(this.table, path.column)) return [new KeyInAccess(this.table, operands, covers)]
        if (!path.column.isIndexed) return []
        return [new IndexInAccess(path.column, operands, covers)]
      }
      case 'or': {
        const parts = condition.conditions.map((each) => this.sourceOf(this.table, each))
        if (parts.some((each) => each.accesses.length === 0)) return []
        this.inner.push(...parts)
        return [new UnionAccess(parts, covers)]
      }
      default:
        return []
    }
  }

  private accessesOf(condition: ConditionOf<'compare'>, covers: number): Access[] {
    const path = this.binding.path(condition.path)
    if (path.hops.length > 0) return this.referenceAccess(condition, covers)
    if (!path.isDirect) return []
    const operand = this.binding.operand(condition.value as Slot, condition.path)
    if (isKey(this.table, path.column)) return [new KeyAccess(this.table, operand, covers)]
    return path.column.isIndexed ? [new IndexAccess(path.column, operand, covers)] : []
  }

  /** Rows by what holds for the row that they refer to. */
  private referenceAccess(condition: ConditionOf<'compare'>, covers: number): Access[] {
    const [hop] = this.binding.path(condition.path).hops
    if (!hop.column.isIndexed) return []
    const rest: Path = { ...condition.path, references: condition.path.references.slice(1) }
    const inner = this.sourceOf(hop.target, { ...condition, path: rest })
    if (inner.accesses.length === 0) return []
    this.inner.push(inner)
    const operand = this.binding.operand(condition.value as Slot, condition.path)
    return [new ReferenceAccess(this.table, hop.column, hop.by ?? hop.target.keyColumns[0], inner, operand, covers)]
  }

  private sourceOf(table: Table, condition: Condition): RowSource {
    return new RowSource(table, condition, this.tables, this.run)
  }
}

function isKey(table: Table, column: Column): boolean {
  return table.keyColumns.length === 1 && table.keyColumns[0] === column
}

/** Drops the row numbers that no row has. */
function keepExisting(table: Table, rows: number[]): void {
  let kept = 0
  for (let i = 0; i < rows.length; i++) if (table.hasRow(rows[i])) rows[kept++] = rows[i]
  rows.length = kept
}
