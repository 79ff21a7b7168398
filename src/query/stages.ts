import type { Steps } from '../struct/steps'
import { Binding } from './binding'
import { rowTest, valueTest } from './condition'
import type { Trace } from './explain'
import { ensureMember, type Flow, rowsFor, VALUES } from './flow'
import { compareIn, type Slot, type Typed } from './operand'
import { firstOf, picked, sortedRows } from './order'
import { BoundPath } from './path'
import type { Pipeline } from './pipeline'
import type { Condition, Path, Step, StepOf } from './plan'
import { grouping, projection } from './record-stages'
import { late, type Make, mapping, nothing, PUSHED_BETWEEN, type Stage, type Test, type UnnamedStage } from './stage'
import { ValueSet } from './values'
import { WordDictionary } from './word-dictionary'

const NO_LIMIT = Number.POSITIVE_INFINITY

/** Binds a step that rows, records or values of a kind reach. Throws where it does not take these. */
export function stageOf(step: Step, flow: Flow, pipeline: Pipeline): Stage {
  return { name: step.kind, ...bound(step, flow, pipeline) }
}

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
      const test = valueTest(condition, binding, typeOf(member, flow))
      return (record) => test(record[member])
    }
  }
}

function memberOf(path: Path, flow: Flow): string {
  ensureMember(flow, path.column)
  return path.column
}

/** Some members have the values of a column. */
function typeOf(member: string, flow: Flow): Typed {
  return { type: (flow.kind === 'records' ? flow.types?.get(member) : undefined) ?? 'any' }
}

function rowOrder(step: StepOf<'order'>, flow: Flow, pipeline: Pipeline): UnnamedStage {
  const table = rowsFor(step, flow)
  const keys = step.by.map(({ path, direction }) => ({
    path: new BoundPath(table, path, pipeline.reader),
    isDescending: direction === 'desc',
  }))
  return gathered(flow, (rows) => sortedRows(rows as number[], keys, NO_LIMIT))
}

function recordOrder(step: StepOf<'order'>, flow: Flow): UnnamedStage {
  const keys = step.by.map(({ path, direction }) => ({
    member: memberOf(path, flow),
    type: typeOf(path.column, flow),
    isDescending: direction === 'desc',
  }))
  return gathered(flow, function* (values) {
    const records = values as Record<string, unknown>[]
    const compare = (a: number, b: number): number => {
      for (const { member, type, isDescending } of keys) {
        const [x, y] = [records[a][member] ?? null, records[b][member] ?? null]
        const order = x === null || y === null ? Number(x === null) - Number(y === null) : compareIn(type, x, y)
        if (order !== 0) return isDescending ? -order : order
      }
      return a - b
    }
    return yield* picked(records, yield* firstOf(records.length, records.length, compare))
  })
}

/** A stage that needs all values before it gives any. */
function gathered(flow: Flow, make: (values: unknown[]) => Steps<readonly unknown[]>): UnnamedStage {
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
        *end() {
          const made = yield* make(values)
          for (let i = 0; i < made.length; i++) {
            if (next.push(made[i])) break
            if (i % PUSHED_BETWEEN === PUSHED_BETWEEN - 1) yield
          }
          yield* next.end()
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
  const { view } = table.context
  return {
    flow: VALUES,
    isMapping: false,
    begin: nothing,
    start: (next) => ({
      push: () => {
        const seen = new WordDictionary() // as conditions and indexes tell them apart
        for (const row of table.rows()) {
          const address = column.addressOf(row)
          const { size } = seen
          if (address === 0 || seen.number(view.low(address), view.high(address)) < size) continue
          const value = column.get(row) ?? null
          if (value !== null && next.push(value)) return true
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
    parts,
    begin: (slots) => {
      for (const part of parts) part.begin(slots)
    },
    start: (next, trace) => {
      const combine = (input: unknown, chosen: readonly unknown[]): boolean => {
        if (chosen.length === parts.length) return next.push(chosen)
        let isEnough = false
        const take = (value: unknown): boolean => (isEnough = combine(input, [...chosen, value]))
        parts[chosen.length].runWithin(input, take, trace)
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
    parts,
    begin: (slots) => {
      for (const part of parts) part.begin(slots)
    },
    start: (next, trace) => ({
      push: (input) => {
        let isEnough = false
        for (const part of parts) {
          part.runWithin(input, (value) => (isEnough = next.push(value)), trace)
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
  let results: ValueSet | undefined
  const found = (trace: Trace | undefined): ValueSet => {
    const set = new ValueSet()
    part.runWithin(undefined, (value) => set.add(value) && false, trace)
    return set
  }
  return {
    flow,
    isMapping: false,
    parts: [part],
    begin: (slots) => {
      results = undefined
      part.begin(slots)
    },
    start: (next, trace) => ({
      push: (value) => {
        results ??= found(trace)
        return results.has(value) !== step.isNegated && next.push(value)
      },
      end: () => next.end(),
    }),
  }
}
