import type { Trace } from './explain'
import type { Flow } from './flow'
import type { Slot, SlotValues } from './operand'
import type { Pipeline, Sink } from './pipeline'
import type { RowStage } from './row-stage'

/** A step of a plan, bound: what it does with each value of a run. */
export interface Stage {
  /** What `explain` calls it. */
  readonly name: string
  /** What it gives. */
  readonly flow: Flow
  /** Whether it gives one value for each that it takes. */
  readonly isMapping: boolean
  /** Takes over the values of a run. */
  begin(slots: SlotValues): void
  /** What takes the values of one run and gives others to `next`. */
  start(next: Sink, trace?: Trace): Sink
  /** The plans within it, for explaining. */
  readonly parts?: readonly Pipeline[]
  /** The rows that it finds, for explaining. */
  readonly rows?: RowStage
}

export type UnnamedStage = Omit<Stage, 'name'>

export type Test = (value: unknown) => boolean
export type Make = (value: unknown) => unknown

/** Values that are pushed between two steps of an end. */
export const PUSHED_BETWEEN = 256

export const nothing = (): void => {}

export function mapping(flow: Flow, make: Make): UnnamedStage {
  return {
    flow,
    isMapping: true,
    begin: nothing,
    start: (next) => ({ push: (value) => next.push(make(value)), end: () => next.end() }),
  }
}

/** A stage that works with what one slot holds. */
export function late(
  flow: Flow,
  slot: unknown,
  isMapping: boolean,
  make: (held: unknown, next: Sink) => Test,
): UnnamedStage {
  let held: unknown
  return {
    flow,
    isMapping,
    begin: (slots) => {
      held = slots[(slot as Slot).index]
    },
    start: (next) => ({ push: make(held, next), end: () => next.end() }),
  }
}
