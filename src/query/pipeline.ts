import { assert } from '../errors'
import { atOnce, type Steps } from '../struct/steps'
import type { Trace } from './explain'
import { ensureTable, type Flow, VALUES } from './flow'
import { Slot, type SlotValues } from './operand'
import type { TableSource } from './path'
import type { Plan, Step } from './plan'
import { RowStage, type RowSteps } from './row-stage'
import type { Stage } from './stage'
import { stageOf } from './stages'
import type { RowNumbers } from './table-scan'

/** What queries read from: a database (its newest version), a snapshot, or an open transaction. */
export interface QueryReader extends TableSource {
  /** The object that a row is of a class. Only where plans have `object` steps. */
  objectOf?(type: unknown, row: number): unknown
  /**
   * A reader of the version that this one shows now, which stays as it is until it is closed. Not of an open
   * transaction.
   */
  pinnedReader?(): QueryReader & { close(): void }
}

/** Longest uninterrupted work of a run in slices, and the rows that are worked on before looking at the clock. */
const SLICE_MS = 8
const PUSHED_AT_ONCE = 1024
/** The same where rows are gathered, which is done to many at once. */
const GATHERED_AT_ONCE = 1 << 14

/** Takes values one by one. Returns true when it wants no more. */
export type Take = (value: unknown) => boolean

/**
 * A plan bound to the tables of one reader. It holds what a run needs; it does not run twice at the same time. Rows are
 * found in one go by row stages; what follows works value by value, and stops when nobody wants more.
 */
export class Pipeline {
  /** The row stage that the plan begins with, undefined where it begins otherwise. */
  readonly head: RowStage | undefined
  readonly stages: readonly Stage[]
  readonly result: Flow
  private readonly within = new Map<Plan, Pipeline>()

  /** Throws `NOT_FOUND` for an unknown table or column, `INVALID_ARGUMENT` for steps that do not fit together. */
  constructor(
    plan: Plan,
    readonly reader: QueryReader,
    /** Numbers the slots that look-ups have beside those of the shape. */
    private readonly nextSlot: { value: number },
  ) {
    const stages: Stage[] = []
    let flow: Flow = VALUES
    let at = 0
    if (plan.length > 0 && givesRows(plan[0])) {
      const taken = rowStepsAt(plan, 1, true)
      this.head = this.rowStage(plan[0], taken.steps)
      flow = { kind: 'rows', table: this.head.table }
      for (const each of plan.slice(1, taken.next)) ensureTable(each, this.head.table)
      at = taken.next
    }
    while (at < plan.length) {
      const step = plan[at++]
      if (givesRows(step)) {
        const taken = rowStepsAt(plan, at, false)
        const rows = this.rowStage(step, taken.steps)
        stages.push(rowsWithin(rows))
        flow = { kind: 'rows', table: rows.table }
        for (const each of plan.slice(at, taken.next)) ensureTable(each, rows.table)
        at = taken.next
      } else {
        const stage = stageOf(step, flow, this)
        stages.push(stage)
        flow = stage.flow
      }
    }
    this.stages = stages
    this.result = flow
  }

  /** A pipeline of a plan within this one. */
  nested(plan: Plan): Pipeline {
    return new Pipeline(plan, this.reader, this.nextSlot)
  }

  begin(slots: SlotValues): void {
    this.head?.begin(slots)
    for (const stage of this.stages) stage.begin(slots)
  }

  /** Whether there is one result for each row of the head. */
  get isMapping(): boolean {
    return this.head !== undefined && this.stages.every((each) => each.isMapping)
  }

  /** Runs it for one input. `wanted` is how many results will be taken at most. */
  run(input: unknown, wanted: number, take: Take, trace?: Trace): void {
    let sink: Sink = { push: take, end: nothingMore }
    for (let i = this.stages.length - 1; i >= 0; i--) {
      sink = this.stages[i].start(trace === undefined ? sink : counted(sink, trace, i + 1), trace)
    }
    if (trace !== undefined) sink = counted(sink, trace, 0)
    if (this.head === undefined) sink.push(input)
    else {
      this.head.each(input, this.isMapping ? wanted : Number.POSITIVE_INFINITY, (rows) => pushRows(sink, rows))
    }
    atOnce(sink.end())
  }

  /** Runs it, for every result, within a step of another, whose trace is given. */
  runWithin(input: unknown, take: Take, outer: Trace | undefined): void {
    if (outer === undefined) this.run(input, Number.POSITIVE_INFINITY, take)
    else {
      const trace = outer.within(this)
      const started = performance.now()
      this.run(input, Number.POSITIVE_INFINITY, take, trace)
      trace.elapsedMs += performance.now() - started
    }
  }

  /** The same in slices of a few milliseconds, other events in between. What it reads must not change meanwhile. */
  async runInSlices(input: unknown, take: Take): Promise<void> {
    let sink: Sink = { push: take, end: nothingMore }
    for (let i = this.stages.length - 1; i >= 0; i--) sink = this.stages[i].start(sink)
    const slices = new Slices()
    if (this.head === undefined) sink.push(input)
    else await pushInSlices(sink, this.head.portions(input), slices)
    for (const steps = sink.end(); steps.next().done !== true; ) if (slices.isOver) await slices.next()
  }

  /** Every result of a plan that stands within a condition: run without input, once for each run of this one. */
  readonly results = (plan: Plan, slots: SlotValues): unknown[] => {
    let pipeline = this.within.get(plan)
    if (pipeline === undefined) {
      pipeline = this.nested(plan)
      this.within.set(plan, pipeline)
    }
    const results: unknown[] = []
    pipeline.begin(slots)
    pipeline.run(undefined, Number.POSITIVE_INFINITY, (value) => {
      results.push(value)
      return false
    })
    return results
  }

  private rowStage(step: Step, steps: RowSteps): RowStage {
    const { reader, results } = this
    if (step.kind === 'rows') return new RowStage(reader.table(step.table), steps, undefined, reader, results)
    assert(step.kind === 'lookup', `the step ${step.kind} gives no rows`)
    const lookup = { step, input: new Slot(this.nextSlot.value++) }
    return new RowStage(reader.table(step.table), steps, lookup, reader, results)
  }
}

/** Lets other events have their turn now and then. */
class Slices {
  private started = performance.now()

  get isOver(): boolean {
    return performance.now() - this.started >= SLICE_MS
  }

  async next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.started = performance.now()
  }
}

async function pushInSlices(sink: Sink, portions: Iterable<RowNumbers>, slices: Slices): Promise<void> {
  const size = sink.pushRows === undefined ? PUSHED_AT_ONCE : GATHERED_AT_ONCE
  for (const rows of portions) {
    for (let from = 0; from < rows.length || from === 0; from += size) {
      if (pushRows(sink, rows.slice(from, from + size))) return
      if (slices.isOver) await slices.next()
    }
  }
}

function* nothingMore(): Steps {}

/** Takes values in, and is told when there are no more. */
export interface Sink {
  /** Returns true when no more are wanted. */
  push(value: unknown): boolean
  /** Takes many rows at once, where that is cheaper. They are valid until it returns. */
  pushRows?(rows: RowNumbers): void
  /** What is left to do, in steps: nothing is done before the first. */
  end(): Steps
}

function pushRows(sink: Sink, rows: RowNumbers): boolean {
  if (sink.pushRows !== undefined) {
    sink.pushRows(rows)
    return false
  }
  for (let i = 0; i < rows.length; i++) if (sink.push(rows[i])) return true
  return false
}

/** Counts what a step gives, and the time that those after it take. */
function counted(sink: Sink, trace: Trace, position: number): Sink {
  return {
    push: (value) => {
      const started = performance.now()
      const isEnough = sink.push(value)
      trace.add(position, 1, performance.now() - started)
      return isEnough
    },
    *end() {
      const started = performance.now()
      yield* sink.end()
      trace.add(position, 0, performance.now() - started)
    },
  }
}

function givesRows(step: Step): boolean {
  return step.kind === 'rows' || step.kind === 'lookup'
}

/**
 * The steps from a position on that are done with the rows themselves, and where the others begin. Order and cuts are
 * of all rows, not of those for each input, and so are done with them only at the head.
 */
function rowStepsAt(plan: Plan, from: number, isHead: boolean): { steps: RowSteps; next: number } {
  const steps: { -readonly [K in keyof RowSteps]: RowSteps[K] } = {
    conditions: [],
    order: [],
    skip: undefined,
    limit: undefined,
  }
  let at = from
  for (; at < plan.length; at++) {
    const step = plan[at]
    const isCut = steps.skip !== undefined || steps.limit !== undefined
    if (step.kind === 'filter' && steps.order.length === 0 && !isCut) {
      steps.conditions = [...steps.conditions, step.condition]
    } else if (!isHead) break
    else if (step.kind === 'order' && steps.order.length === 0 && !isCut) steps.order = step.by
    else if (step.kind === 'skip' && !isCut) steps.skip = step.count as unknown as Slot
    else if (step.kind === 'limit' && steps.limit === undefined) steps.limit = step.count as unknown as Slot
    else break
  }
  return { steps, next: at }
}

/** A row stage in the middle of a plan: rows for each value that comes. */
function rowsWithin(rows: RowStage): Stage {
  return {
    name: 'rows',
    flow: { kind: 'rows', table: rows.table },
    isMapping: false,
    begin: (slots) => rows.begin(slots),
    start: (next) => ({
      push: (value) => {
        let isEnough = false
        rows.each(value, Number.POSITIVE_INFINITY, (found) => {
          isEnough = pushRows(next, found)
          return isEnough
        })
        return isEnough
      },
      end: () => next.end(),
    }),
    rows,
  }
}
