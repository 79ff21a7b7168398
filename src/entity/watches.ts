import { ensure, ensureOptions, FUNCTION, type Rule, show } from '../arguments'
import { type CommitChange, callSafely } from '../db/commit-feed'
import { SnapheapError } from '../errors'
import { QueryBuilder } from '../query/builder'
import type { QueryReader } from '../query/pipeline'
import { Query } from '../query/query'
import { valueKey } from '../query/values'
import type { Key, Table } from '../table/table'
import type { Registry } from './scope'
import type { EntityClass } from './types'
import {
  ChangeIterator,
  type ChangesOptions,
  changedProperties,
  type EventOf,
  objectEvents,
  queryEvents,
  type WatchedRows,
} from './watching'

/** A version with objects. */
interface ObjectVersion extends QueryReader {
  readonly version: number
  readonly tableNames: readonly string[]
  objectOf(type: unknown, row: number): object
  close(): void
}

/** What gives a query: a builder. */
export interface Queryable<R> {
  query(): Query<R>
}

const PROPERTY_RULES: Readonly<Record<keyof PropertyOptions, Rule>> = {
  properties: [(names) => Array.isArray(names), 'an array of names'],
}
const CHANGES_RULES: Readonly<Record<keyof (ChangesOptions & PropertyOptions), Rule>> = {
  ...PROPERTY_RULES,
  buffer: [(count) => Number.isSafeInteger(count) && (count as number) > 0, 'a number of commits, 1 or more'],
  whenFull: [(policy) => policy === 'merge' || policy === 'fail', "'merge' or 'fail'"],
}

/** What can be watched: a class, a table by its name, a query. */
export type Watchable = EntityClass | string | Query<unknown> | Queryable<unknown>

export interface PropertyOptions<Name extends string = string> {
  /** Only updates that change one of these count. Default all. */
  readonly properties?: readonly Name[]
}

/** What a commit did to one object. */
export interface ObjectChange<T> {
  readonly version: number
  /** As it was, readable while the listener runs; undefined where it was made. */
  readonly old: T | undefined
  /** As it is; undefined where it was deleted. */
  readonly new: T | undefined
  /** Names of the properties that changed; none where it was made or deleted. */
  readonly changed: readonly string[]
}

type Listen<S extends ObjectVersion> = (take: (change: CommitChange<S>) => void) => () => void

/** Everything that is watched in one database. */
export class Watches<S extends ObjectVersion> {
  private readonly iterators = new Set<ChangeIterator<S, unknown>>()
  private readonly byKey = new Map<EntityClass, KeyWatches<S>>()

  constructor(
    private readonly newest: QueryReader & { objectOf(type: unknown, row: number): object },
    private readonly registry: Registry,
    private readonly listen: Listen<S>,
  ) {}

  watch(of: Watchable, listener: (changes: never) => void, options: PropertyOptions): () => void {
    ensure('What watch calls', listener, FUNCTION)
    ensureOptions('watch', options, PROPERTY_RULES)
    const { properties } = options
    const eventOf = this.eventsOf(of, properties)
    return this.listen((change) => {
      const event = eventOf(change)
      if (event !== undefined) listener(event as never)
    })
  }

  watchOne<T extends object>(type: EntityClass<T>, id: Key, listener: (change: ObjectChange<T>) => void): () => void {
    ensure('What watchOne calls', listener, FUNCTION)
    let watches = this.byKey.get(type)
    if (watches === undefined) {
      watches = new KeyWatches(this.rowsOf(type, undefined), this.listen)
      this.byKey.set(type, watches)
    }
    return watches.add(id, listener as (change: ObjectChange<unknown>) => void)
  }

  changes(of: Watchable, options: ChangesOptions & PropertyOptions): AsyncIterableIterator<unknown> {
    ensureOptions('changes', options, CHANGES_RULES)
    const iterator = new ChangeIterator(this.eventsOf(of, options.properties), this.listen, options, () =>
      this.iterators.delete(iterator),
    )
    this.iterators.add(iterator)
    return iterator
  }

  /** Ends every iteration. */
  async close(): Promise<void> {
    for (const iterator of [...this.iterators]) await iterator.return()
  }

  private eventsOf(of: Watchable, properties: readonly string[] | undefined): EventOf<S, unknown> {
    if (of instanceof Query) return queryEvents<S, unknown>(of, this.newest)
    if (of instanceof QueryBuilder) return queryEvents<S, unknown>(of.query(), this.newest)
    if (typeof of !== 'string' && typeof of !== 'function') {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `${show(of)} cannot be watched. Pass a class, the name of a table, or a query.`,
      )
    }
    return objectEvents(this.rowsOf(of, properties))
  }

  private rowsOf(of: EntityClass | string, properties: readonly string[] | undefined): WatchedRows<S, unknown> {
    const { newest } = this
    if (typeof of === 'string') {
      const table = newest.table(of)
      for (const name of properties ?? []) table.column(name)
      return {
        table: of,
        objectIn: (version, row) => version.table(of).read(row),
        object: (row) => newest.table(of).read(row),
        properties,
        mapping: undefined,
      }
    }
    const mapping = this.registry.mapping(of)
    for (const name of properties ?? []) mapping.property(name)
    return {
      table: mapping.tableName,
      objectIn: (version, row) => version.objectOf(of, row),
      object: (row) => newest.objectOf(of, row),
      properties,
      mapping,
    }
  }
}

type KeyListener = (change: ObjectChange<unknown>) => void

/** Listeners by the key of the object that they are about. */
class KeyWatches<S extends ObjectVersion> {
  private readonly listeners = new Map<unknown, Set<KeyListener>>()
  private stop: (() => void) | undefined

  constructor(
    private readonly watched: WatchedRows<S, unknown>,
    private readonly listen: Listen<S>,
  ) {}

  add(id: Key, listener: KeyListener): () => void {
    const key = valueKey(id)
    const known = this.listeners.get(key)
    if (known === undefined) this.listeners.set(key, new Set([listener]))
    else known.add(listener)
    this.stop ??= this.listen((change) => this.tell(change))
    return () => this.remove(key, listener)
  }

  private remove(key: unknown, listener: KeyListener): void {
    const all = this.listeners.get(key)
    all?.delete(listener)
    if (all?.size === 0) this.listeners.delete(key)
    if (this.listeners.size > 0) return
    this.stop?.()
    this.stop = undefined
  }

  private tell(change: CommitChange<S>): void {
    const { watched } = this
    const { inserted, updated, updatedFrom, deleted } = change.rows(watched.table)
    const { version } = change.after
    const told = new Map<unknown, { old?: number; new?: number }>()
    const note = (table: Table, row: number, rows: { old?: number; new?: number }): void => {
      const key = valueKey(table.keyOf(row))
      if (this.listeners.has(key)) told.set(key, rows)
    }
    if (deleted.length > 0) {
      const before = change.before.table(watched.table)
      for (const row of deleted) note(before, row, { old: row })
    }
    if (inserted.length + updated.length > 0) {
      const after = change.after.table(watched.table)
      for (const row of inserted) note(after, row, { new: row })
      for (const [i, row] of updated.entries()) note(after, row, { old: updatedFrom[i], new: row })
    }
    for (const [key, rows] of told) {
      const event: ObjectChange<unknown> = {
        version,
        old: rows.old === undefined ? undefined : watched.objectIn(change.before, rows.old),
        new: rows.new === undefined ? undefined : watched.object(rows.new),
        changed:
          rows.old === undefined || rows.new === undefined
            ? []
            : changedProperties(change, watched, rows.old, rows.new),
      }
      for (const listener of [...(this.listeners.get(key) ?? [])]) callSafely(() => listener(event))
    }
  }
}
