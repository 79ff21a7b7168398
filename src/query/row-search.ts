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
  TermAccess,
  UnionAccess,
} from './access'
import { Binding, type PlanRunner } from './binding'
import { definedAccesses, givesOrder, OrderedAccess } from './defined-access'
import { type Kernel, kernelOf } from './kernel'
import type { Slot, SlotValues } from './operand'
import { type BoundOrder, sortedRows } from './order'
import type { TableSource } from './path'
import { allOf, type Condition, type ConditionOf, conjuncts, type Path } from './plan'
import { type RowNumbers, TableScan } from './table-scan'

/**
 * Reading a second index pays when it has at most this many times the rows of the first: checking a row costs as much
 * as reading these.
 */
const WORTH_INTERSECTING = 4
/** Fewer rows than this are checked one by one. */
const FEW_ROWS = 256
/** Walking an ordered index costs so many times what finding, reading and sorting a row does. */
const WALKING_COSTS = 0.5

/** Rows of an ordered index that are checked together. */
const WALKED_AT_ONCE = 1024

/** Rows that an index found that are checked before other work gets its turn. */
const CHECKED_AT_ONCE = 8192
const NO_ROWS: readonly number[] = []
const NO_LIMIT = Number.POSITIVE_INFINITY
const NOTHING_COVERED: readonly number[] = []

/**
 * The rows of one table that fit all of some conditions. Which index they are found by is chosen anew for each run, by
 * what the indexes count for its values, so that the order of the conditions does not matter.
 */
export class RowSearch implements RowFinder {
  /** Rows looked at in the last run, for all of its inputs, and what those for the last one were found by. */
  examined = 0
  chosen = ''
  private readonly binding: Binding
  private readonly inner: RowSearch[] = []
  private readonly accesses: readonly Access[]
  private readonly ordered: readonly OrderedAccess[]
  private readonly conditions: readonly Condition[]
  /** What `bestAccess` found next best, where reading that too pays. */
  private second: Access | undefined
  /** By the conditions that an access has answered; undefined where nothing is left to ask. */
  private readonly kernels = new Map<string, Kernel | undefined>()
  private scanned: TableScan | undefined

  constructor(
    readonly table: Table,
    condition: Condition | undefined,
    private readonly tables: TableSource,
    private readonly run: PlanRunner,
    /** The order that rows are wanted in: what `ordered` can give. */
    private readonly order: readonly BoundOrder[] = [],
  ) {
    this.binding = new Binding(table, tables, run)
    this.conditions = condition === undefined ? [] : conjuncts(condition)
    const defined = definedAccesses(table, this.conditions, this.binding, order)
    this.ordered = defined.filter((each) => each instanceof OrderedAccess)
    const bounded = defined.filter((each) => !(each instanceof OrderedAccess) || each.isBounded)
    this.accesses = [...this.conditions.flatMap((each, i) => this.accessesFor(each, [i])), ...bounded]
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
    const found: number[] = []
    for (const rows of this.scan()) {
      for (let i = 0; i < rows.length && found.length < limit; i++) found.push(rows[i])
      if (found.length >= limit) break
    }
    return found
  }

  /**
   * The first `limit` rows in the order asked for. Where an index has that order, it is walked until there are enough,
   * if that looks at fewer rows than sorting all that fit.
   */
  orderedRows(limit: number): number[] {
    const found: number[] = []
    for (const rows of this.orderedPortions(limit, NO_LIMIT)) for (let i = 0; i < rows.length; i++) found.push(rows[i])
    return found
  }

  /**
   * The same in portions, some of them empty: other work may be done in between. `run`: as many are sorted without a
   * break.
   */
  *orderedPortions(limit: number, run?: number): Generator<RowNumbers> {
    const walk = this.worthWalking(limit)
    if (walk === undefined) {
      const all: number[] = []
      for (const rows of this.portions()) {
        for (let i = 0; i < rows.length; i++) all.push(rows[i])
        yield NO_ROWS
      }
      const steps = sortedRows(all, this.order, limit, run)
      let step = steps.next()
      for (; step.done !== true; step = steps.next()) yield NO_ROWS
      yield step.value
      return
    }
    const kernel = this.kernel(walk.covers)
    let left = limit
    this.chosen = walk.name
    for (const rows of walk.walk(this.order, Math.min(limit, WALKED_AT_ONCE))) {
      this.examined += rows.length
      const fitting = kernel === undefined ? rows : kernel.filter(rows, left)
      yield fitting.length > left ? fitting.slice(0, left) : fitting
      left -= fitting.length
      if (left <= 0) return
    }
  }

  /** The ordered index that is walked the least for so many rows, undefined where sorting all that fit is cheaper. */
  private worthWalking(limit: number): OrderedAccess | undefined {
    const fitting = this.estimate()
    let best: OrderedAccess | undefined
    let fewest = fitting / WALKING_COSTS
    for (const access of this.ordered) {
      if (!givesOrder(access, this.order)) continue
      const within = access.estimate()
      // as many as fit are spread over those that the index has within its bounds
      const walked = Math.min(within, (limit * within) / Math.max(1, Math.min(fitting, within)))
      if (!(walked <= fewest) || (walked === fewest && best !== undefined)) continue // no more than any number is NaN
      best = access
      fewest = walked
    }
    return best
  }

  /** Gives the rows in portions, ascending, until told to stop by `true`. */
  each(take: (rows: RowNumbers) => boolean): void {
    const best = this.bestAccess()
    if (best !== undefined) take(this.check(best, NO_LIMIT))
    else for (const rows of this.scan()) if (take(rows)) return
  }

  /**
   * The same portions, one by one, of at most `limit` rows where an index finds them: other work may be done in
   * between.
   */
  *portions(limit = NO_LIMIT): Generator<RowNumbers> {
    const best = this.bestAccess()
    if (best === undefined) yield* this.scan()
    else yield* this.checkInPortions(best, limit)
  }

  /** How many rows there are. */
  count(): number {
    if (this.conditions.length === 0) return this.table.rowCount
    const best = this.bestAccess()
    return best === undefined ? this.beginScan().count(this.examine) : this.check(best, NO_LIMIT).length
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
    const kernel = this.kernel(best.covers)
    const rows = this.found(best, kernel === undefined ? limit : NO_LIMIT)
    if (kernel !== undefined) return kernel.filter(rows, limit)
    return rows.length > limit ? rows.slice(0, limit) : rows
  }

  private *checkInPortions(best: Access, limit: number): Generator<RowNumbers> {
    const kernel = this.kernel(best.covers)
    const rows = this.found(best, kernel === undefined ? limit : NO_LIMIT)
    if (kernel === undefined) yield rows
    else
      for (let from = 0; from < rows.length; from += CHECKED_AT_ONCE) {
        yield kernel.filter(rows.slice(from, from + CHECKED_AT_ONCE), NO_LIMIT)
      }
  }

  /** What an access finds, and the second best where reading that too pays. */
  private found(best: Access, limit: number): number[] {
    const { second } = this
    this.chosen = second === undefined ? best.name : `${best.name} and ${second.name}`
    let rows = best.rows(second === undefined ? limit : NO_LIMIT)
    if (second !== undefined) rows = intersectionOf(rows, second.rows(NO_LIMIT))
    this.examined += rows.length
    return rows
  }

  private scan(): Iterable<RowNumbers> {
    return this.beginScan().portions(this.examine)
  }

  private beginScan(): TableScan {
    this.scanned ??= new TableScan(this.table, this.conditions, this.binding, this.kernel(NOTHING_COVERED))
    this.scanned.begin()
    this.chosen = this.scanned.name
    return this.scanned
  }

  private readonly examine = (rows: number): void => {
    this.examined += rows
  }

  private kernel(covered: readonly number[]): Kernel | undefined {
    const key = covered.length === 0 ? '' : covered.join()
    if (this.kernels.has(key)) return this.kernels.get(key)
    const left = this.conditions.filter((_, i) => !covered.includes(i))
    const kernel = left.length === 0 ? undefined : kernelOf(allOf(left), this.binding)
    this.kernels.set(key, kernel)
    return kernel
  }

  private accessesFor(condition: Condition, covers: readonly number[]): Access[] {
    switch (condition.kind) {
      case 'compare':
        return condition.operator === 'eq' ? this.accessesOf(condition, covers) : []
      case 'terms': {
        const { index, asked } = this.binding.terms(condition)
        const { hops } = this.binding.path(condition.path)
        // one of some rows only is left to the check of each row
        if (hops.length > 0 || index.conditions.length > 0 || !index.isWhole) return []
        return [new TermAccess(this.table, index, asked, covers)]
      }
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
        for (const part of parts) this.inner.push(part)
        return [new UnionAccess(parts, covers)]
      }
      default:
        return []
    }
  }

  private accessesOf(condition: ConditionOf<'compare'>, covers: readonly number[]): Access[] {
    const path = this.binding.path(condition.path)
    if (path.hops.length > 0) return this.referenceAccess(condition, covers)
    if (!path.isDirect) return []
    const operand = this.binding.operand(condition.value as Slot, condition.path)
    if (isKey(this.table, path.column)) return [new KeyAccess(this.table, operand, covers)]
    return path.column.isIndexed ? [new IndexAccess(path.column, operand, covers)] : []
  }

  /** Rows by what holds for the row that they refer to. */
  private referenceAccess(condition: ConditionOf<'compare'>, covers: readonly number[]): Access[] {
    const [hop] = this.binding.path(condition.path).hops
    if (!hop.column.isIndexed) return []
    const rest: Path = { ...condition.path, references: condition.path.references.slice(1) }
    const inner = this.sourceOf(hop.target, { ...condition, path: rest })
    if (inner.accesses.length === 0) return []
    this.inner.push(inner)
    const operand = this.binding.operand(condition.value as Slot, condition.path)
    return [new ReferenceAccess(this.table, hop.column, hop.by ?? hop.target.keyColumns[0], inner, operand, covers)]
  }

  private sourceOf(table: Table, condition: Condition): RowSearch {
    return new RowSearch(table, condition, this.tables, this.run)
  }
}

function isKey(table: Table, column: Column): boolean {
  return table.keyColumns.length === 1 && table.keyColumns[0] === column
}
