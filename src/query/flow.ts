import { SnapheapError } from '../errors'
import type { ColumnType } from '../table/column-type'
import type { Table } from '../table/table'
import type { Step } from './plan'

/** What flows out of a step: row numbers of a table, records with these members, or values of any kind. */
export type Flow =
  | { readonly kind: 'rows'; readonly table: Table }
  | {
      readonly kind: 'records'
      readonly members: readonly string[]
      /** Of members whose values are those of a column. */
      readonly types?: ReadonlyMap<string, ColumnType>
    }
  | { readonly kind: 'values' }

export const VALUES: Flow = Object.freeze({ kind: 'values' })

/** The table whose rows reach a step that needs rows. Throws `INVALID_ARGUMENT` where something else does. */
export function rowsFor(step: Step, flow: Flow): Table {
  if (flow.kind === 'rows') {
    ensureTable(step, flow.table)
    return flow.table
  }
  const what = flow.kind === 'records' ? 'records' : 'values'
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `The step ${step.kind} takes rows of a table, but ${what} reach it. Put a step before it that gives rows, ` +
      'such as rows(…) or indexLookup(…).',
    { step: step.kind },
  )
}

/** Throws `INVALID_ARGUMENT` where a step is about another table than the one whose rows reach it. */
export function ensureTable(step: Step, table: Table): void {
  const of = step.kind === 'filter' || step.kind === 'get' ? step.of : undefined
  if (of === undefined || of === table.name) return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `The step ${step.kind} is about rows of ${of}, but rows of ${table.name} reach it. Put indexLookup("${of}", ` +
      `…) or another step that gives rows of ${of} before it.`,
    { step: step.kind, table: of },
  )
}

/** Throws `NOT_FOUND` unless records have this member. */
export function ensureMember(flow: Flow, name: string): void {
  if (flow.kind !== 'records' || flow.members.includes(name)) return
  throw new SnapheapError('NOT_FOUND', `There is no "${name}" in the result. It has ${flow.members.join(', ')}.`, {
    member: name,
  })
}
