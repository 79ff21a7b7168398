import { ensure, ensureOptions, FUNCTION, type Rule, show } from '../arguments'
import { type CommitChange, callSafely } from '../db/commit-feed'
import { SnapheapError } from '../errors'
import { QueryBuilder } from '../query/builder'
import type { QueryReader } from '../query/pipeline'
import { frozen, type Path } from '../query/plan'
import { Query } from '../query/query'
import { TablePaths } from '../query/table-paths'
import { valueKey } from '../query/values'
import type { Key, Table } from '../table/table'
import { ClassPaths } from './class-paths'
import type { Registry } from './entity-view'
import type { EntityMapping } from './mapping'
import type { EntityClass } from './types'
import { WatchedChange, WatchedRows } from './watched-rows'
import {
  ChangeIterator,
  type EventOf,
  type IterationOptions,
  objectEvents,
  queryEvents,
  type WatchedObjects,
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

const PROPERTY_RULES: Readonly<Record<keyof WatchOptions, Rule>> = {
  properties: [(names) => Array.isArray(names), 'an array of names'],
}
const CHANGES_RULES: Readonly<Record<keyof (IterationOptions & WatchOptions), Rule>> = {
  ...PROPERTY_RULES,
  buffer: [(count) => Number.isSafeInteger(count) && (count as number) > 0, 'a number of commits, 1 or more'],
  whenFull: [(policy) => policy === 'merge' || policy === 'fail', "'merge' or 'fail'"],
}

/** What can be watched: a class, a table by its name, a query. */
export type Watchable = EntityClass | string | Query<unknown> | Queryable<unknown>

export interface WatchOptions<Name extends string = string> {
  /**
   * Only updates that change one of these count, also behind references (`author.name`): then an object is told of as
   * updated when the one that it refers to was. Default: everything that the object has itself, as of its own class.
   */
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
    /** Where a version is read. */
    private readonly readerOf: (version: S) => QueryReader,
  ) {}

  watch(of: Watchable, listener: (changes: never) => void, options: WatchOptions): () => void {
    ensure('db.watch()', listener, FUNCTION)
    ensureOptions('db.watch()', options, PROPERTY_RULES)
    const { properties } = options
    const eventOf = this.eventsOf(of, properties)
    return this.listen((change) => {
      const event = eventOf(change)
      if (event !== undefined) listener(event as never)
    })
  }

  watchOne<T extends object>(type: EntityClass<T>, id: Key, listener: (change: ObjectChange<T>) => void): () => void {
    ensure('db.watchOne()', listener, FUNCTION)
    let watches = this.byKey.get(type)
    if (watches === undefined) {
      watches = new KeyWatches(this.objectsOf(type, undefined), this.listen)
      this.byKey.set(type, watches)
    }
    return watches.add(id, listener as (change: ObjectChange<unknown>) => void)
  }

  changes(of: Watchable, options: IterationOptions & WatchOptions): AsyncIterableIterator<unknown> {
    ensureOptions('db.changes()', options, CHANGES_RULES)
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
    if (of instanceof Query) return this.eventsOfQuery(of)
    if (of instanceof QueryBuilder) return this.eventsOfQuery(of.query())
    if (typeof of !== 'string' && typeof of !== 'function') {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `${show(of)} cannot be watched. Pass a class, the name of a table, or a query.`,
      )
    }
    return objectEvents(this.objectsOf(of, properties))
  }

  private eventsOfQuery(query: Query<unknown>): EventOf<S, unknown> {
    const rowsOf = ({ table, type }: { table: string; type: unknown }): WatchedRows =>
      type === undefined ? new WatchedRows(table, undefined) : this.rowsOfClass(type as EntityClass, undefined)
    return queryEvents<S, unknown>(query, this.newest, rowsOf, this.readerOf)
  }

  private objectsOf(of: EntityClass | string, properties: readonly string[] | undefined): WatchedObjects<S, unknown> {
    const { newest } = this
    if (typeof of === 'string') {
      const paths = new TablePaths(newest.table(of))
      return {
        rows: new WatchedRows(
          of,
          properties?.map((name) => paths.path(name)),
        ),
        objectIn: (version, row) => version.table(of).read(row),
        object: (row) => newest.table(of).read(row),
      }
    }
    return {
      rows: this.rowsOfClass(of, properties),
      objectIn: (version, row) => version.objectOf(of, row),
      object: (row) => newest.objectOf(of, row),
    }
  }

  /** Default: every property of the class, and of those below it. */
  private rowsOfClass(type: EntityClass, properties: readonly string[] | undefined): WatchedRows {
    const mapping = this.registry.mapping(type)
    const paths = new ClassPaths(mapping, noOperands)
    const names = properties ?? mapping.all.map(({ name }) => name)
    const below = properties === undefined ? this.pathsBelow(mapping, mapping.ids[0].column) : []
    return new WatchedRows(mapping.tableName, [...names.map((name) => paths.path(name)), ...below])
  }

  /** What subclasses keep in tables of their own, under the same key. */
  private pathsBelow(mapping: EntityMapping, key: string): Path[] {
    return this.registry
      .subclassesOf(mapping)
      .flatMap((each) => [
        ...each.properties
          .filter(({ isId }) => !isId)
          .map(({ name, column }) =>
            frozen({ references: [{ column: key, table: each.tableName }], column, inside: [], label: name }),
          ),
        ...this.pathsBelow(each, key),
      ])
  }
}

/** What is watched are values as they are stored: none is given. */
function noOperands(): never {
  throw new SnapheapError('INTERNAL', 'Nothing is compared with what is watched. This is a bug; please report it.')
}

type KeyListener = (change: ObjectChange<unknown>) => void

/** Listeners by the key of the object that they are about. */
class KeyWatches<S extends ObjectVersion> {
  private readonly listeners = new Map<unknown, Set<KeyListener>>()
  private stop: (() => void) | undefined

  constructor(
    private readonly watched: WatchedObjects<S, unknown>,
    private readonly listen: Listen<S>,
  ) {}

  add(id: Key, listener: KeyListener): () => void {
    const key = valueKey(id)
    const known = this.listeners.get(key)
    const own: KeyListener = (change) => listener(change) // the same function may listen twice
    if (known === undefined) this.listeners.set(key, new Set([own]))
    else known.add(own)
    this.stop ??= this.listen((change) => this.tell(change))
    return () => this.remove(key, own)
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
    const { rows } = watched
    if (!rows.areTouchedBy(change)) return
    const { inserted, deleted } = change.rows(rows.table)
    const within = new WatchedChange(rows, change)
    const updates = within.candidates()
    const told = new Map<unknown, { old?: number; new?: number }>()
    const note = (table: Table, row: number, rowNumbers: { old?: number; new?: number }): void => {
      const key = valueKey(table.keyOf(row))
      if (this.listeners.has(key)) told.set(key, rowNumbers)
    }
    if (deleted.length > 0) {
      const before = change.before.table(rows.table)
      for (const row of deleted) note(before, row, { old: row })
    }
    if (inserted.length + updates.length > 0) {
      const after = change.after.table(rows.table)
      for (const row of inserted) note(after, row, { new: row })
      for (const [to, from] of updates) note(after, to, { old: from, new: to })
    }
    for (const [key, { old, new: now }] of told) {
      const changed = old === undefined || now === undefined ? [] : within.changed(old, now)
      if (old !== undefined && now !== undefined && changed.length === 0) continue
      const event: ObjectChange<unknown> = {
        version: change.after.version,
        old: old === undefined ? undefined : watched.objectIn(change.before, old),
        new: now === undefined ? undefined : watched.object(now),
        changed,
      }
      for (const listener of [...(this.listeners.get(key) ?? [])]) callSafely(() => listener(event))
    }
  }
}
