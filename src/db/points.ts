import { isDeepStrictEqual } from 'node:util'
import { BOOLEAN, ensure, ensureOptions, isRecord, PATH, type Rule } from '../arguments'
import { nodeFiles } from '../heap/files'
import type { Memory } from '../heap/memory'
import { type Commit, type Point, history as readHistory } from '../log/history'
import { ensureApart } from '../log/log'
import type { Key, Table } from '../table/table'
import { defaultMemory, FILE_MODE, MEMORY, openHeapAt, realPathOf } from './open-heap'
import { Store } from './store'

export interface RestoreOptions {
  /** A version, a moment (the last commit at or before it), or an annotation (the last commit that has it). */
  readonly to: Point
  /** The file to write. */
  readonly into: string
  /** Allow an existing file there to be replaced. Default false. */
  readonly replace?: boolean
  /** As for `open`. */
  readonly fileMode?: number
  /** As for `open`. */
  readonly memory?: Memory
}

const MEMORY_RULES = { memory: MEMORY }
const RESTORE_RULES: Readonly<Record<keyof RestoreOptions, Rule>> = {
  to: [() => true, ''], // openHeapAt looks at it, as at every point
  into: PATH,
  replace: BOOLEAN,
  fileMode: FILE_MODE,
  memory: MEMORY,
}
const STATE: Rule = [(state) => typeof state === 'string' || isRecord(state), 'the name of a file, or { path, at }']

/**
 * Writes the state after exactly one commit of the database at `path`, or of a copy of its file and log, into a file of
 * its own. Returns the commit's version. Throws `NOT_FOUND` for a point that file and log do not reach back to,
 * `EXISTS` (also for a target that has a log), `LOCKED` for one that is open for writing, `CORRUPT`, `IO`.
 */
export async function restore(path: string, options: RestoreOptions): Promise<number> {
  ensureOptions('restore()', options, RESTORE_RULES)
  const { to, into, replace = false, ...opening } = options
  ensure('restore()', into, [PATH[0], `${PATH[1]} as option "into"`])
  const { heap } = openHeapAt(path, to, opening)
  try {
    const annotation = heap.savedRoot?.annotation ?? ''
    await heap.saveAs(realPathOf(into), { replace, annotation }, (target) => ensureApart(heap.files, target))
    return heap.version
  } finally {
    await heap.close()
  }
}

/**
 * The commits that the log of the database at `path` has, ascending; read as they are asked for. Throws `CORRUPT`,
 * `IO`.
 */
export function history(path: string, options: { memory?: Memory } = {}): Generator<Commit> {
  ensure('history()', path, PATH)
  ensureOptions('history()', options, MEMORY_RULES)
  return readHistory(options.memory ?? defaultMemory(), nodeFiles, path)
}

/** What differs between two states of one table. Rows are the same when their keys are. */
export interface TableDifference {
  readonly table: string
  /** Rows in the first and in the second; undefined if the table does not exist there. */
  readonly rowsBefore: number | undefined
  readonly rowsAfter: number | undefined
  readonly added: number
  readonly removed: number
  readonly changed: number
  /** Columns that only one of them has, or that have another type. */
  readonly columns: readonly string[]
}

/** A file, or a database's state at a point in time. */
export type State = string | { readonly path: string; readonly at: Point }

/** The tables that differ between two states, with numbers of rows. Reads both whole. Throws as `open`. */
export async function diff(before: State, after: State, options: { memory?: Memory } = {}): Promise<TableDifference[]> {
  ensureOptions('diff()', options, MEMORY_RULES)
  const first = openState(before, options)
  try {
    const second = openState(after, options)
    try {
      const names = [...new Set([...first.tableNames, ...second.tableNames])].sort()
      return names.flatMap((name) => {
        const find = (store: Store): Table | undefined =>
          store.tableNames.includes(name) ? store.table(name) : undefined
        const difference = compare(name, find(first), find(second))
        return difference === undefined ? [] : [difference]
      })
    } finally {
      await second.close()
    }
  } finally {
    await first.close()
  }
}

function openState(state: State, options: { memory?: Memory }): Store {
  ensure('diff()', state, STATE)
  if (typeof state === 'string') return Store.open(state, { ...options, readOnly: true })
  return Store.openAt(state.path, state.at, options)
}

function compare(name: string, before: Table | undefined, after: Table | undefined): TableDifference | undefined {
  const columns = differentColumns(before, after)
  let removed = 0
  let changed = 0
  for (const row of before?.rows() ?? []) {
    const other = after === undefined ? -1 : rowOf(after, before!.keyOf(row))
    if (other < 0) removed++
    else if (!isSameRow(before!, row, after!, other, columns)) changed++
  }
  const rowsBefore = before?.rowCount
  const rowsAfter = after?.rowCount
  const added = (rowsAfter ?? 0) - ((rowsBefore ?? 0) - removed)
  if (rowsBefore !== undefined && rowsAfter !== undefined && columns.length + added + removed + changed === 0)
    return undefined
  return { table: name, rowsBefore, rowsAfter, added, removed, changed, columns }
}

/** The row with a key, -1 too where the table cannot have such a key. */
function rowOf(table: Table, key: unknown): number {
  try {
    return table.rowOf(key as Key)
  } catch {
    return -1
  }
}

function isSameRow(before: Table, row: number, after: Table, other: number, different: readonly string[]): boolean {
  return before.columns.every(
    ({ name }) =>
      different.includes(name) || isDeepStrictEqual(before.column(name).get(row), after.column(name).get(other)),
  )
}

function differentColumns(before: Table | undefined, after: Table | undefined): string[] {
  if (before === undefined || after === undefined) return []
  const names = new Set([...before.columnNames, ...after.columnNames])
  const typeIn = (table: Table, name: string): string | undefined =>
    table.hasColumn(name) ? table.column(name).type : undefined
  return [...names].filter((name) => typeIn(before, name) !== typeIn(after, name)).sort()
}
