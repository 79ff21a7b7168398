import { SnapheapError } from '../errors'
import type { ColumnType } from '../table/column-type'
import type { BoundAggregate } from './aggregate'
import { compile } from './compile'
import { type Flow, rowsFor } from './flow'
import { type BoundField, Grouping } from './group'
import { BoundPath } from './path'
import type { Pipeline } from './pipeline'
import type { Aggregate, Field, StepOf } from './plan'
import { type Make, mapping, nothing, PUSHED_BETWEEN, type UnnamedStage } from './stage'

/** Rows -> records of some values. */
export function projection(
  fields: readonly Field[],
  table: Parameters<typeof boundFields>[1],
  pipeline: Pipeline,
): UnnamedStage {
  const bound = boundFields(fields, table, pipeline)
  const flow: Flow = { kind: 'records', members: fields.map(({ name }) => name), types: typesOf(bound) }
  return mapping(flow, recordMaker(bound) as Make)
}

/**
 * Makes a record of a row: as an object literal of generated code, which engines make several times faster than member
 * by member.
 */
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

/** Throws `INVALID_ARGUMENT` for a name that two members would have, or none can. */
function ensureDifferent(members: readonly string[]): void {
  const wrong = members.find((name, i) => name === '__proto__' || members.indexOf(name) < i)
  if (wrong === undefined) return
  const reason = wrong === '__proto__' ? 'No member of a result can be named' : 'Two members of a result are named'
  throw new SnapheapError('INVALID_ARGUMENT', `${reason} "${wrong}". Take another name.`, { name: wrong })
}

/** Types of values that add up, or may. */
const SUMMABLE: ReadonlySet<ColumnType> = new Set(['integer', 'number', 'bigint', 'decimal', 'any', 'json'])

/** Throws `INVALID_ARGUMENT` for a sum or mean of what is never a number. */
function ensureNumeric({ aggregate, path }: BoundAggregate): void {
  const { function: of } = aggregate
  if (path === undefined || (of !== 'sum' && of !== 'avg')) return
  const { column } = path
  if (path.path.inside.length > 0 || SUMMABLE.has(column.type)) return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `${path.path.label} is of type ${column.type}, which has no ${of}. Add numbers up, or take count, min or max.`,
    { name: path.path.label, type: column.type },
  )
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

/** Rows -> a record for each group. */
export function grouping(step: StepOf<'group'>, flow: Flow, pipeline: Pipeline): UnnamedStage {
  const table = rowsFor(step, flow)
  const keys = boundFields(step.keys, table, pipeline)
  const aggregates = step.aggregates.map((aggregate: Aggregate) => ({
    aggregate,
    path: aggregate.path === undefined ? undefined : new BoundPath(table, aggregate.path, pipeline.reader),
  }))
  for (const each of aggregates) ensureNumeric(each)
  const members = [...step.keys, ...step.aggregates].map(({ name }) => name)
  ensureDifferent(members)
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
        *end() {
          let made = 0
          for (const record of groups.records()) {
            if (next.push(record)) break
            if (++made % PUSHED_BETWEEN === 0) yield
          }
          yield* next.end()
        },
      }
    },
  }
}
