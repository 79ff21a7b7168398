import type { CommitChange } from '../db/commit-feed'
import { SnapheapError } from '../errors'
import type { QueryReader } from '../query/pipeline'
import type { StepOf } from '../query/plan'
import { tablesOf } from '../query/plan-tables'
import type { Query } from '../query/query'
import { WatchedQuery } from '../query/query-results'
import { compareResults, type ResultChanges } from '../query/result-changes'
import type { Table } from '../table/table'
import { WatchedChange, type WatchedRows } from './watched-rows'

/** An object that was changed by a commit. */
export interface UpdatedObject<T> {
  /** As it was. Readable while the listener runs; in an iteration, until the next event is asked for. */
  readonly old: T
  readonly new: T
  /** Names of the properties that changed. */
  readonly changed: readonly string[]
}

/** What a commit did to the objects of a class, or to the rows of a table. */
export interface ObjectChanges<T> {
  /** The version that the commit made. */
  readonly version: number
  readonly inserted: readonly T[]
  readonly updated: readonly UpdatedObject<T>[]
  /** As they were, and readable as long as `UpdatedObject.old`. */
  readonly deleted: readonly T[]
}

/** What a commit did to the results of a query. */
export interface QueryChanges<R> extends ResultChanges<R> {
  readonly version: number
}

/** Rows that are watched, and how objects are made of them: in a version that is pinned, or of the newest. */
export interface WatchedObjects<S, T> {
  readonly rows: WatchedRows
  objectIn(snapshot: S, row: number): T
  object(row: number): T
}

interface Version {
  readonly version: number
  readonly tableNames: readonly string[]
  table(name: string): Table
  close(): void
}

/** Makes an event of a commit, undefined where it does not matter to the watcher. */
export type EventOf<S extends Version, E> = (change: CommitChange<S>) => E | undefined

/** Events of the objects of a class, or the rows of a table. */
export function objectEvents<S extends Version, T>(watched: WatchedObjects<S, T>): EventOf<S, ObjectChanges<T>> {
  return (change) => {
    if (!watched.rows.areTouchedBy(change)) return undefined
    const { inserted, deleted } = change.rows(watched.rows.table)
    const updated = new WatchedChange(watched.rows, change).updates().map(({ from, to, changed }) => {
      return { old: watched.objectIn(change.before, from), new: watched.object(to), changed }
    })
    if (inserted.length + updated.length + deleted.length === 0) return undefined
    return {
      version: change.after.version,
      inserted: inserted.map((row) => watched.object(row)),
      updated,
      deleted: deleted.map((row) => watched.objectIn(change.before, row)),
    }
  }
}

/**
 * Events of the results of a query. It is asked again when a table that it reads has changed. An object that is no
 * result any more is shown as it was, readable as long as `UpdatedObject.old`.
 *
 * `rowsOf` tells what the objects of a class consist of, `readerOf` where a version is read: the newest there, for what
 * reads it is planned already.
 */
export function queryEvents<S extends Version & QueryReader, R>(
  query: Query<R>,
  newest: QueryReader,
  rowsOf: (objects: StepOf<'object'>) => WatchedRows,
  readerOf: (version: S) => QueryReader,
): EventOf<S, QueryChanges<R>> {
  const watched = new WatchedQuery(query)
  const rows = watched.objects === undefined ? undefined : rowsOf(watched.objects)
  let before = watched.results()
  const tables = [...tablesOf(query.plan)] // of a plan within its limits: it was asked
  return (change) => {
    if (!tables.some((table) => change.touches(table)) && rows?.areTouchedBy(change) !== true) return undefined
    const last = watched.rowTable === undefined ? before : before.renumbered(change.rows(watched.rowTable))
    const now = watched.results(readerOf(change.after))
    before = now
    const updated = new Set<unknown>(rows && new WatchedChange(rows, change).updates().map(({ to }) => to))
    const isChanged = (identity: unknown): boolean =>
      rows === undefined ? now.look(identity) !== last.look(identity) : updated.has(identity)
    const { added, removed, changed, moved } = compareResults(last.identities, now.identities, isChanged)
    if (added.length + removed.length + changed.length + moved.length === 0) return undefined
    // objects are of the newest version, so that they can be kept; what else is a result keeps its values anyhow
    const result = (identity: unknown): R => watched.resultIn(newest, now, identity)
    return {
      version: change.after.version,
      added: added.map(result),
      removed: removed.map((identity) => watched.resultIn(change.before, last, identity)),
      changed: changed.map(result),
      moved: moved.map(result),
    }
  }
}

/** How events wait for an iteration that is slower than the commits. */
export interface IterationOptions {
  /** Commits that wait one by one. Default 64. Each keeps what it replaced from being reused. */
  readonly buffer?: number
  /**
   * What happens beyond: `merge` tells the last waiting one and what comes as one commit; `fail` ends the iteration
   * with `BUSY`. Default merge.
   */
  readonly whenFull?: 'merge' | 'fail'
}

const DEFAULT_BUFFER = 64

/** Events one after the other, as fast as they are asked for. Ends when the database closes or the loop is left. */
export class ChangeIterator<S extends Version, E> implements AsyncIterableIterator<E> {
  private readonly waiting: CommitChange<S>[] = []
  private current: CommitChange<S> | undefined
  private wake: (() => void) | undefined
  private failure: SnapheapError | undefined
  private isOver = false
  private readonly stop: () => void
  /** What was asked for last. */
  private asked: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly eventOf: EventOf<S, E>,
    listen: (take: (change: CommitChange<S>) => void) => () => void,
    private readonly options: IterationOptions,
    private readonly ended: () => void,
  ) {
    this.stop = listen((change) => this.take(change))
  }

  /** Events that are asked for at once come one after the other. */
  next(): Promise<IteratorResult<E>> {
    const event = this.asked.then(() => this.event())
    this.asked = event.catch(() => undefined)
    return event
  }

  private async event(): Promise<IteratorResult<E>> {
    for (;;) {
      this.current?.release()
      this.current = this.waiting.shift()
      if (this.current !== undefined) {
        const event = await this.eventOfCurrent(this.current)
        if (event !== undefined) return { done: false, value: event }
      } else if (this.failure !== undefined) {
        const error = this.failure
        await this.return()
        throw error
      } else if (this.isOver) return { done: true, value: undefined }
      else await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }

  /** An iteration that fails is over. */
  private async eventOfCurrent(change: CommitChange<S>): Promise<E | undefined> {
    try {
      return this.eventOf(change)
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorResult<E>> {
    this.end()
    this.current?.release()
    this.current = undefined
    for (const change of this.waiting.splice(0)) change.release()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** No more commits are told of. */
  end(): void {
    this.isOver = true
    this.stop()
    this.ended()
    this.wake?.()
  }

  private take(change: CommitChange<S>): void {
    const { buffer = DEFAULT_BUFFER, whenFull = 'merge' } = this.options
    const last = this.waiting.at(-1)
    if (this.waiting.length < buffer || last === undefined) this.waiting.push(change.share())
    else if (whenFull === 'merge') last.merge(change)
    else {
      this.failure = new SnapheapError(
        'BUSY',
        `${buffer} commits wait to be iterated over, as many as may. Take them faster, raise buffer, or let them ` +
          'merge.',
      )
      this.stop()
    }
    this.wake?.()
  }
}
