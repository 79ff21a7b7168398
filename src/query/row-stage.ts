import type { Table } from '../table/table'
import type { PlanRunner } from './binding'
import type { Slot, SlotValues } from './operand'
import type { BoundOrder } from './order'
import { BoundPath, type TableSource } from './path'
import { allOf, type Condition, columnPath, type OrderKey, type StepOf } from './plan'
import { RowSearch } from './row-search'
import type { RowNumbers } from './table-scan'

/** What follows a step that gives rows, as far as it is done with the rows themselves. */
export interface RowSteps {
  readonly conditions: readonly Condition[]
  readonly order: readonly OrderKey[]
  readonly skip: Slot | undefined
  readonly limit: Slot | undefined
}

const NO_LIMIT = Number.POSITIVE_INFINITY

/** Rows of one table, found, checked, ordered and cut in one go. */
export class RowStage {
  readonly source: RowSearch
  readonly order: readonly BoundOrder[]
  private slots: SlotValues = []

  constructor(
    readonly table: Table,
    private readonly steps: RowSteps,
    /** What a look-up looks for; undefined where every row is meant. */
    private readonly lookup: { readonly step: StepOf<'lookup'>; readonly input: Slot } | undefined,
    tables: TableSource,
    run: PlanRunner,
  ) {
    const conditions = [...steps.conditions]
    if (lookup !== undefined) {
      const path = columnPath(lookup.step.column)
      conditions.unshift({ kind: 'compare', operator: 'eq', path, value: lookup.input })
    }
    this.order = steps.order.map(({ path, direction }) => ({
      path: new BoundPath(table, path, tables),
      isDescending: direction === 'desc',
    }))
    const condition = conditions.length === 0 ? undefined : allOf(conditions)
    this.source = new RowSearch(table, condition, tables, run, this.order)
  }

  begin(slots: SlotValues): void {
    this.slots = slots
    this.source.begin(slots)
  }

  /** The rows for one input, at most `wanted`. */
  rows(input: unknown, wanted: number): number[] {
    if (!this.accepts(input)) return []
    const { skip, limit } = this.bounds(wanted)
    const { order, source } = this
    const rows = order.length === 0 ? source.rows(skip + limit) : source.orderedRows(skip + limit)
    return skip === 0 ? rows : rows.slice(skip)
  }

  /** Gives the rows for one input in portions, until told to stop by `true`. */
  each(input: unknown, wanted: number, take: (rows: RowNumbers) => boolean): void {
    if (this.isBounded || wanted < NO_LIMIT) take(this.rows(input, wanted))
    else if (this.accepts(input)) this.source.each(take)
  }

  /** The same portions, one by one, some of them empty: other work may be done in between. */
  *portions(input: unknown): Generator<RowNumbers> {
    if (!this.accepts(input)) return
    const { source, order } = this
    let { skip, limit: left } = this.bounds(NO_LIMIT)
    const most = skip + left
    if (left <= 0) return
    for (const rows of order.length > 0 ? source.orderedPortions(most) : source.portions(most)) {
      const from = Math.min(skip, rows.length)
      const taken = rows.slice(from, from + left)
      skip -= from
      left -= taken.length
      yield taken
      if (left <= 0) return
    }
  }

  /** Whether it has to know all rows before it gives the first, or gives but some. */
  private get isBounded(): boolean {
    const { skip, limit } = this.steps
    return skip !== undefined || limit !== undefined || this.order.length > 0
  }

  /** How many rows there are for one input. */
  count(input: unknown): number {
    if (!this.accepts(input)) return 0
    const { skip, limit } = this.bounds(NO_LIMIT)
    return Math.max(0, Math.min(this.source.count() - skip, limit))
  }

  private accepts(input: unknown): boolean {
    if (this.lookup === undefined) return true
    if (input === null || input === undefined) return false
    this.source.set(this.lookup.input, input)
    return true
  }

  private bounds(wanted: number): { skip: number; limit: number } {
    const value = (slot: Slot | undefined, otherwise: number): number =>
      slot === undefined ? otherwise : (this.slots[slot.index] as number)
    return { skip: value(this.steps.skip, 0), limit: Math.min(wanted, value(this.steps.limit, NO_LIMIT)) }
  }
}
