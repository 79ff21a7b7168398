import { SnapheapError } from '../errors'
import { structureOf } from '../table/index-definition'
import { termsOf } from '../table/index-type'
import type { Table } from '../table/table'
import type { TableIndex } from '../table/table-index'
import { ANY, BoundOperand, BoundOperands, ensureList, readAs, type Slot, type SlotValues } from './operand'
import { BoundPath, type TableSource } from './path'
import type { ConditionOf, Path, Plan } from './plan'
import { ValueSet } from './values'

export interface BoundTerms {
  readonly index: TableIndex
  /** Those of the present run. */
  readonly asked: { readonly terms: readonly string[] }
}

/** Runs a plan that stands within another: without input, with the values of the outer one's slots. */
export type PlanRunner = (plan: Plan, slots: SlotValues) => Iterable<unknown>

/**
 * What the conditions on one table share: paths and operands, each made once, and brought up to date for each run. What
 * is asked for while a run is under way is up to date at once.
 */
export class Binding {
  private slots: SlotValues | undefined
  private readonly paths = new Map<Path, BoundPath>()
  private readonly operands = new Map<number, BoundOperand>()
  private readonly takes: ((slots: SlotValues) => void)[] = []

  constructor(
    readonly table: Table,
    readonly tables: TableSource,
    readonly run: PlanRunner,
  ) {}

  /** Takes over the values of a run. Throws `TYPE` for one that its column cannot hold. */
  begin(slots: SlotValues): void {
    this.slots = slots
    for (const take of this.takes) take(slots)
  }

  /** Changes what one slot holds within a run. */
  set(slot: Slot, value: unknown): void {
    this.operands.get(slot.index)?.set(value)
  }

  path(path: Path): BoundPath {
    let bound = this.paths.get(path)
    if (bound === undefined) {
      bound = new BoundPath(this.table, path, this.tables)
      this.paths.set(path, bound)
    }
    return bound
  }

  operand(slot: Slot, path: Path): BoundOperand {
    let operand = this.operands.get(slot.index)
    if (operand === undefined) {
      operand = new BoundOperand(slot, this.path(path))
      this.operands.set(slot.index, operand)
      this.late(operand)
    }
    return operand
  }

  operandsOf(slots: readonly Slot[] | Slot, path: Path): BoundOperands {
    const operands = new BoundOperands(slots, this.path(path))
    this.late(operands)
    return operands
  }

  /** Whatever a slot holds, as it is, once `ensure` has let it through. */
  value(slot: Slot, ensure: (value: unknown) => void = () => {}): { value: unknown } {
    const late: { value: unknown } = { value: undefined }
    this.late({
      take: (slots) => {
        late.value = slots[slot.index]
        ensure(late.value)
      },
    })
    return late
  }

  /**
   * The index by terms that a condition asks, and the terms of what it asks for. Throws `NOT_FOUND` where the column
   * has no such index.
   */
  terms(condition: ConditionOf<'terms'>): BoundTerms {
    const path = this.path(condition.path)
    const index = termIndexOf(path)
    const asked: { terms: readonly string[] } = { terms: [] }
    const slot = condition.value as Slot
    this.late({
      take: (slots) => {
        const value = slots[slot.index]
        asked.terms = value === null || value === undefined ? [] : [...termsOf(index, value, true)]
      },
    })
    return { index, asked }
  }

  /** What is made of the values of each run. */
  made<T>(make: (slots: SlotValues) => T): { readonly value: T } {
    const late: { value: T } = { value: undefined as T }
    this.late({
      take: (slots) => {
        late.value = make(slots)
      },
    })
    return late
  }

  /**
   * The values of an `in`, to be looked up. Throws `INVALID_ARGUMENT` where a parameter for all of them is no array.
   */
  among({ values, path }: ConditionOf<'in'>, of = ANY): { readonly value: ValueSet } {
    return this.made((slots) => {
      if (Array.isArray(values)) return new ValueSet(values.map((slot: Slot) => readAs(of, slots[slot.index])))
      const all = slots[(values as unknown as Slot).index]
      ensureList(all, path)
      return new ValueSet(all.map((each) => readAs(of, each)))
    })
  }

  /** The results of a plan, as of the beginning of the run. */
  results(plan: Plan): { set: ValueSet } {
    const late = { set: new ValueSet() }
    this.late({
      take: (slots) => {
        late.set = new ValueSet(this.run(plan, slots))
      },
    })
    return late
  }

  private late(taker: { take(slots: SlotValues): void }): void {
    this.takes.push((slots) => taker.take(slots))
    if (this.slots !== undefined) taker.take(this.slots)
  }
}

function termIndexOf({ table, column, path }: BoundPath): TableIndex {
  const index = table.definedIndexes.find((each) => each.columns[0] === column && structureOf(each.kind) === 'terms')
  if (index !== undefined && path.inside.length === 0) return index
  throw new SnapheapError(
    'NOT_FOUND',
    `${table.name}.${path.label} has no index by terms. Define an index type by defineIndexType, and an index of ` +
      'that kind over the column.',
    { table: table.name, column: column.name },
  )
}
