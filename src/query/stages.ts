import type { ColumnType } from '../table/column-type'
import { compareValues } from '../value/value-order'
import type { BoundAggregate } from './aggregate'
import { Binding } from './binding'
import { compile } from './compile'
import { rowTest, valueTest } from './condition'
import { ensureMember, type Flow, rowsFor, VALUES } from './flow'
import { type BoundField, Grouping } from './group'
import type { Slot, SlotValues } from './operand'
import { firstOf, sortRows } from './order'
import { BoundPath } from './path'
import type { Pipeline, Sink } from './pipeline'
import type { Aggregate, Condition, Field, Path, Step, StepOf } from './plan'
import type { RowStage } from './row-stage'
import { ValueSet } from './values'

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
  start(next: Sink): Sink
  /** The rows that it finds, for explaining. */
  readonly rows?: RowStage
}

const NO_LIMIT = Number.POSITIVE_INFINITY
const nothing = (): void => {}

/** Binds a step that rows, records or values of a kind reach. Throws where it does not take these. */
export function stageOf(step: Step, flow: Flow, pipeline: Pipeline): Stage {
  return { name: step.kind, ...bound(step, flow, pipeline) }
}

type UnnamedStage = Omit<Stage, 'name'>

function bound(step: Step, flow: Flow, pipeline: Pipeline): UnnamedStage {
  switch (step.kind) {
    case 'filter':
      return flow.kind === 'records' ? recordFilter(step.condition, flow, pipeline) : rowFilter(step, flow, pipeline)
    case 'order':
      return flow.kind === 'records' ? recordOrder(step, flow) : rowOrder(step, flow, pipeline)
    case 'skip':
    case 'limit':
      return cut(step, flow)
    case 'get': {
      const path = new BoundPath(rowsFor(step, flow), step.path, pipeline.reader)
      return mapping(VALUES, (row) => path.value(row as number))
    }
    case 'project':
      return projection(step.fields, rowsFor(step, flow), pipeline)
    case 'group':
      return grouping(step, flow, pipeline)
    case 'object':
      return objects(step, flow, pipeline)
    case 'values':
      return allValues(step, pipeline)
    case 'test':
      return late(
        VALUES,
        step.test,
        false,
        (test, next) => (value) => Boolean((test as Test)(value)) && next.push(value),
      )
    case 'apply':
      return late(VALUES, step.make, true, (make, next) => (value) => next.push((make as Make)(value)))
    case 'constant':
      return late(
        VALUES,
        step.values,
        false,
        (values, next) => () => (values as unknown[]).some((each) => next.push(each)),
      )
    case 'naturals':
      return late(VALUES, step.from, false, (from, next) => () => {
        for (let number = from as number; ; number++) if (next.push(number)) return true
      })
    case 'product':
      return product(step, pipeline)
    case 'union':
      return union(step, pipeline)
    case 'among':
      return among(step, flow, pipeline)
    case 'distinct':
      return {
        flow,
        isMapping: false,
        begin: nothing,
        start: (next) => {
          const seen = new ValueSet()
          return { push: (value) => seen.add(value) && next.push(value), end: () => next.end() }
        },
      }
    default:
      return rowsFor(step, flow) as never
  }
}

type Test = (value: unknown) => boolean
type Make = (value: unknown) => unknown

function mapping(flow: Flow, make: Make): UnnamedStage {
  return {
    flow,
    isMapping: true,
    begin: nothing,
    start: (next) => ({ push: (value) => next.push(make(value)), end: () => next.end() }),
  }
}

/** A stage that works with what one slot holds. */
function late(flow: Flow, slot: unknown, isMapping: boolean, make: (held: unknown, next: Sink) => Test): UnnamedStage {
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

function rowFilter(step: StepOf<'filter'>, flow: Flow, pipeline: Pipeline): UnnamedStage {
  const binding = new Binding(rowsFor(step, flow), pipeline.reader, pipeline.results)
  const test = rowTest(step.condition, binding)
  return {
    flow,
    isMapping: false,
    begin: (slots) => binding.begin(slots),
    start: (next) => ({ push: (row) => test(row as number) && next.push(row), end: () => next.end() }),
  }
}

type RecordTest = (record: Record<string, unknown>) => boolean

function recordFilter(condition: Condition, flow: Flow, pipeline: Pipeline): UnnamedStage {
  // conditions on values need no table of their own
  const binding = new Binding(undefined as never, pipeline.reader, pipeline.results)
  const test = recordTest(condition, flow, binding)
  return {
    flow,
    isMapping: false,
    begin: (slots) => binding.begin(slots),
    start: (next) => ({
      push: (record) => test(record as Record<string, unknown>) && next.push(record),
      end: () => next.end(),
    }),
  }
}

function recordTest(condition: Condition, flow: Flow, binding: Binding): RecordTest {
  switch (condition.kind) {
    case 'and': {
      const tests = condition.conditions.map((each) => recordTest(each, flow, binding))
      return (record) => tests.every((test) => test(record))
    }
    case 'or': {
      const tests = condition.conditions.map((each) => recordTest(each, flow, binding))
      return (record) => tests.some((test) => test(record))
    }
    case 'not': {
      const test = recordTest(condition.condition, flow, binding)
      return (record) => !test(record)
    }
    default: {
      const member = memberOf(condition.path, flow)
      const test = valueTest(condition, binding)
      return (record) => test(record[member])
    }
  }
}

function memberOf(path: Path, flow: Flow): string {
  ensureMember(flow, path.column)
  return path.column
}

function rowOrder(step: StepOf<'order'>, flow: Flow, pipeline: Pipeline): UnnamedStage {
  const table = rowsFor(step, flow)
  const keys = step.by.map(({ path, direction }) => ({
    path: new BoundPath(table, path, pipeline.reader),
    isDescending: direction === 'desc',
  }))
  return gathered(flow, (rows) => sortRows(rows as number[], keys, NO_LIMIT))
}

function recordOrder(step: StepOf<'order'>, flow: Flow): UnnamedStage {
  const keys = step.by.map(({ path, direction }) => ({
    member: memberOf(path, flow),
    isDescending: direction === 'desc',
  }))
  return gathered(flow, (values) => {
    const records = values as Record<string, unknown>[]
    const compare = (a: number, b: number): number => {
      for (const { member, isDescending } of keys) {
        const [x, y] = [records[a][member] ?? null, records[b][member] ?? null]
        const order = x === null || y === null ? Number(x === null) - Number(y === null) : compareValues(x, y)
        if (order !== 0) return isDescending ? -order : order
      }
      return a - b
    }
    return firstOf(records.length, records.length, compare).map((i) => records[i])
  })
}

/** A stage that needs all values before it gives any. */
function gathered(flow: Flow, make: (values: unknown[]) => readonly unknown[]): UnnamedStage {
  return {
    flow,
    isMapping: false,
    begin: nothing,
    start: (next) => {
      const values: unknown[] = []
      return {
        push: (value) => {
          values.push(value)
          return false
        },
        end: () => {
          make(values).some((value) => next.push(value))
          next.end()
        },
      }
    },
  }
}

function cut(step: StepOf<'skip'> | StepOf<'limit'>, flow: Flow): UnnamedStage {
  let count = 0
  return {
    flow,
    isMapping: false,
    begin: (slots) => {
      count = slots[(step.count as unknown as Slot).index] as number
    },
    start: (next) => {
      let seen = 0
      const push =
        step.kind === 'skip'
          ? (value: unknown) => ++seen > count && next.push(value)
          : (value: unknown) => seen >= count || next.push(value) || ++seen >= count
      return { push, end: () => next.end() }
    },
  }
}

function projection(
  fields: readonly Field[],
  table: Parameters<typeof boundFields>[1],
  pipeline: Pipeline,
): UnnamedStage {
  const bound = boundFields(fields, table, pipeline)
  const flow: Flow = { kind: 'records', members: fields.map(({ name }) => name), types: typesOf(bound) }
  return mapping(flow, recordMaker(bound) as Make)
}

/** Makes a record of a row: as an object literal of generated code, which engines make several times faster than member by member. */
function recordMaker(fields: readonly BoundField[]): (row: number) => Record<string, unknown> {
  const members = fields.map(({ name, path }, i) => {
    const value = path.isDirect ? `columns[${i}].get(row) ?? null` : `paths[${i}].value(row)`
    return `${JSON.stringify(name)}: ${value}`
  })
  const maker = fields.some(({ name }) => name === '__proto__')
    ? undefined
    : compile(`'use strict'\nreturn (row) => ({ ${members.join(', ')} })`, ['columns', 'paths'])
  if (maker !== undefined) {
    const paths = fields.map(({ path }) => path)
    const columns = paths.map((path) => path.column)
    return maker(columns, paths) as (row: number) => Record<string, unknown>
  }
  return (row) => Object.fromEntries(fields.map(({ name, path }) => [name, path.value(row)]))
}

function typesOf(fields: readonly BoundField[]): Map<string, ColumnType> {
  const whole = fields.filter(({ path }) => path.path.inside.length === 0)
  return new Map(whole.map(({ name, path }) => [name, path.column.type]))
}

function aggregateTypes(aggregates: readonly BoundAggregate[]): Map<string, ColumnType> {
  const types = new Map<string, ColumnType>()
  for (const { aggregate, path } of aggregates) {
    if (aggregate.function === 'count' || aggregate.function === 'avg') types.set(aggregate.name, 'number')
    else if (path?.path.inside.length === 0) types.set(aggregate.name, path.column.type)
  }
  return types
}

function boundFields(fields: readonly Field[], table: BoundPath['start'], pipeline: Pipeline): BoundField[] {
  return fields.map(({ name, path }) => ({ name, path: new BoundPath(table, path, pipeline.reader) }))
}

function grouping(step: StepOf<'group'>, flow: Flow, pipeline: Pipeline): UnnamedStage {
  const table = rowsFor(step, flow)
  const keys = boundFields(step.keys, table, pipeline)
  const aggregates = step.aggregates.map((aggregate: Aggregate) => ({
    aggregate,
    path: aggregate.path === undefined ? undefined : new BoundPath(table, aggregate.path, pipeline.reader),
  }))
  const members = [...step.keys, ...step.aggregates].map(({ name }) => name)
  return {
    flow: { kind: 'records', members, types: new Map([...typesOf(keys), ...aggregateTypes(aggregates)]) },
    isMapping: false,
    begin: nothing,
    start: (next) => {
      const groups = new Grouping(keys, aggregates, table.context.view)
      return {
        push: (row) => {
          groups.add([row as number])
          return false
        },
        pushRows: (rows) => groups.add(rows),
        end: () => {
          groups.records().some((record) => next.push(record))
          next.end()
        },
      }
    },
  }
}

function objects(step: StepOf<'object'>, flow: Flow, pipeline: Pipeline): UnnamedStage {
  const table = rowsFor(step, flow)
  const { reader } = pipeline
  return late(VALUES, step.type, true, (type, next) =>
    type === undefined
      ? (row) => next.push(table.read(row as number))
      : (row) => next.push(reader.objectOf!(type, row as number)),
  )
}

function allValues(step: StepOf<'values'>, pipeline: Pipeline): UnnamedStage {
  const table = pipeline.reader.table(step.table)
  const column = table.column(step.column)
  return {
    flow: VALUES,
    isMapping: false,
    begin: nothing,
    start: (next) => ({
      push: () => {
        const seen = new ValueSet()
        for (const row of table.rows()) {
          const value = column.get(row) ?? null
          if (value !== null && seen.add(value) && next.push(value)) return true
        }
        return false
      },
      end: () => next.end(),
    }),
  }
}

function product(step: StepOf<'product'>, pipeline: Pipeline): UnnamedStage {
  const parts = step.plans.map((plan) => pipeline.nested(plan))
  return {
    flow: VALUES,
    isMapping: false,
    begin: (slots) => {
      for (const part of parts) part.begin(slots)
    },
    start: (next) => {
      const combine = (input: unknown, chosen: readonly unknown[]): boolean => {
        if (chosen.length === parts.length) return next.push(chosen)
        let isEnough = false
        parts[chosen.length].run(input, NO_LIMIT, (value) => (isEnough = combine(input, [...chosen, value])))
        return isEnough
      }
      return { push: (input) => combine(input, []), end: () => next.end() }
    },
  }
}

function union(step: StepOf<'union'>, pipeline: Pipeline): UnnamedStage {
  const parts = step.plans.map((plan) => pipeline.nested(plan))
  const [first] = parts.map((part) => part.result)
  const isOneTable = parts.every(
    ({ result }) => result.kind === 'rows' && first.kind === 'rows' && result.table === first.table,
  )
  return {
    flow: isOneTable && first !== undefined ? first : VALUES,
    isMapping: false,
    begin: (slots) => {
      for (const part of parts) part.begin(slots)
    },
    start: (next) => ({
      push: (input) => {
        let isEnough = false
        for (const part of parts) {
          part.run(input, NO_LIMIT, (value) => (isEnough = next.push(value)))
          if (isEnough) break
        }
        return isEnough
      },
      end: () => next.end(),
    }),
  }
}

function among(step: StepOf<'among'>, flow: Flow, pipeline: Pipeline): UnnamedStage {
  const part = pipeline.nested(step.plan)
  let results = new ValueSet()
  return {
    flow,
    isMapping: false,
    begin: (slots) => {
      results = new ValueSet()
      part.begin(slots)
      part.run(undefined, NO_LIMIT, (value) => {
        results.add(value)
        return false
      })
    },
    start: (next) => ({
      push: (value) => results.has(value) !== step.isNegated && next.push(value),
      end: () => next.end(),
    }),
  }
}
