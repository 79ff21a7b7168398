import type { CommitChange, PinnedVersion } from '../db/commit-feed'
import { SnapheapError } from '../errors'
import { BoundPath } from '../query/path'
import { columnPath, type Path, type Reference } from '../query/plan'
import { sameValue } from '../query/values'
import { hasSameValue } from '../table/row-changes'
import type { Table } from '../table/table'

/** A row that a commit changed: its numbers before and after, and the names of what is different. */
export interface UpdatedRow {
  readonly from: number
  readonly to: number
  readonly changed: readonly string[]
}

/** The rows of a table, and what of them is watched: their columns, or what paths lead to in other tables. */
export class WatchedRows {
  /** Every sequence of references by which paths lead to another table. */
  readonly ways: readonly (readonly Reference[])[]

  constructor(
    readonly table: string,
    /** Undefined: every column that the table has. */
    readonly paths: readonly Path[] | undefined,
  ) {
    const ways = new Map<string, readonly Reference[]>()
    for (const { references } of paths ?? []) {
      for (let end = 1; end <= references.length; end++) {
        const way = references.slice(0, end)
        ways.set(JSON.stringify(way), way)
      }
    }
    this.ways = [...ways.values()]
  }

  /** Whether a commit changed any row of the table, or of one that a path leads to. */
  areTouchedBy(change: CommitChange<PinnedVersion>): boolean {
    return change.touches(this.table) || this.ways.some((way) => change.touches(way[way.length - 1].table))
  }
}

/** A path in the versions before and after a commit, undefined where it leads nowhere there. */
interface PathInBoth {
  readonly name: string
  readonly before: BoundPath | undefined
  readonly after: BoundPath | undefined
}

/** What one commit did to rows that are watched. */
export class WatchedChange {
  private readonly bound: readonly PathInBoth[]

  constructor(
    private readonly watched: WatchedRows,
    private readonly change: CommitChange<PinnedVersion>,
  ) {
    const { before, after } = change
    const { table, paths = tableOf(after, watched.table)?.columnNames.map((name) => columnPath(name)) ?? [] } = watched
    this.bound = paths.map((path) => ({
      name: path.label,
      before: boundPath(before, table, path),
      after: boundPath(after, table, path),
    }))
  }

  /** Ascending by their numbers after the commit. */
  updates(): UpdatedRow[] {
    const updates: UpdatedRow[] = []
    for (const [to, from] of this.candidates()) {
      const changed = this.changed(from, to)
      if (changed.length > 0) updates.push({ from, to, changed })
    }
    return updates
  }

  /**
   * Rows that were there before and after, of which something watched may have changed: their numbers after and before.
   */
  candidates(): [to: number, from: number][] {
    const { inserted, updated, updatedFrom } = this.change.rows(this.watched.table)
    const candidates = updated.map((row, i): [number, number] => [row, updatedFrom[i]])
    const others = new Set<number>()
    for (const way of this.watched.ways) for (const row of this.rowsAlong(way)) others.add(row)
    if (others.size === 0) return candidates
    for (const rows of [inserted, updated]) for (const row of rows) others.delete(row)
    for (const row of others) candidates.push([row, row])
    return candidates.sort(([a], [b]) => a - b)
  }

  /** Names of what is watched and differs between a row before and after. */
  changed(from: number, to: number): string[] {
    const names = new Set<string>()
    for (const path of this.bound) if (!isSame(path, from, to)) names.add(path.name)
    return [...names]
  }

  /** Rows from which references lead to a row that the commit changed, made or deleted. */
  private rowsAlong(way: readonly Reference[]): readonly number[] {
    const { before, after } = this.change
    const end = way[way.length - 1].table
    const { inserted, updated, deleted } = this.change.rows(end)
    const keys = [...keysOf(after, end, inserted), ...keysOf(after, end, updated), ...keysOf(before, end, deleted)]
    return rowsLeadingTo(after, this.watched.table, way, keys)
  }
}

function tableOf(version: PinnedVersion, name: string): Table | undefined {
  return version.tableNames.includes(name) ? version.table(name) : undefined
}

/** Undefined where the version has not got such a table or column. */
function boundPath(version: PinnedVersion, table: string, path: Path): BoundPath | undefined {
  try {
    return new BoundPath(version.table(table), path, version)
  } catch (error) {
    if (error instanceof SnapheapError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

function isSame({ before, after }: PathInBoth, from: number, to: number): boolean {
  const earlier = before?.rowAt(from) ?? -1
  const later = after?.rowAt(to) ?? -1
  if (before !== undefined && after !== undefined && earlier >= 0 && later >= 0 && after.path.inside.length === 0)
    return hasSameValue(before.table, before.column, earlier, after.table, after.column, later)
  return sameValue(before?.value(from) ?? null, after?.value(to) ?? null)
}

/** A key of one column as the two halves of its word: equal keys are equal words, in whatever column they stand. */
type KeyWord = readonly [low: number, high: number]

function keysOf(version: PinnedVersion, name: string, rows: readonly number[]): KeyWord[] {
  const table = rows.length === 0 ? undefined : tableOf(version, name)
  if (table === undefined) return []
  const { view } = table.context
  const [key] = table.keyColumns
  return rows.map((row) => {
    const address = key.addressOf(row)
    return [view.low(address), view.high(address)]
  })
}

/** Rows of `start` from which a way leads to a row with one of these keys. */
function rowsLeadingTo(
  version: PinnedVersion,
  start: string,
  way: readonly Reference[],
  keys: readonly KeyWord[],
): readonly number[] {
  if (keys.length === 0) return []
  const from = way.length === 1 ? start : way[way.length - 2].table
  const rows = rowsHolding(tableOf(version, from), way[way.length - 1].column, keys)
  return way.length === 1 ? rows : rowsLeadingTo(version, start, way.slice(0, -1), keysOf(version, from, rows))
}

/** Rows that have one of these keys in a column. */
function rowsHolding(table: Table | undefined, name: string, keys: readonly KeyWord[]): number[] {
  if (table === undefined || !table.hasColumn(name)) return []
  const column = table.column(name)
  if (table.keyColumns.length === 1 && table.keyColumns[0] === column)
    return keys.map((key) => table.rowOfWords(Int32Array.from(key))).filter((row) => row >= 0)
  const { index } = column
  if (index !== undefined) return keys.flatMap(([low, high]) => index.rows(low, high))
  const sought = new Set(keys.map(([low, high]) => `${low} ${high}`))
  const { view } = table.context
  return [...table.rows()].filter((row) => {
    const address = column.addressOf(row)
    return address !== 0 && sought.has(`${view.low(address)} ${view.high(address)}`)
  })
}
