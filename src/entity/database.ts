import { ensure, ensureOptions, FUNCTION, isRecord, PATH, type Rule } from '../arguments'
import { checkAsync } from '../db/block-check'
import type { CommitChange } from '../db/commit-feed'
import {
  defaultMemory,
  ensureNestedOptions,
  type OpenedHeap,
  openHeap,
  STORE_RULES,
  type StoreOptions,
} from '../db/open-heap'
import { Snapshot } from '../db/snapshot'
import { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import type { BulkWriteOptions, WriteOptions } from '../db/write-options'
import type { FileRoot } from '../heap/file-format'
import { filesWith } from '../heap/files'
import type { HeapSnapshot } from '../heap/snapshots'
import type { Point } from '../log/history'
import type { Query } from '../query/query'
import type { SchemaWriter } from '../table/schema-writer'
import type { Key } from '../table/table'
import { ensureEmpty, planOf, type SchemaPlan } from './drift'
import { EntityTransaction } from './entity-transaction'
import { EntityView, Registry } from './entity-view'
import type { EntityHooks } from './hooks'
import { type Migration, migrate } from './migrations'
import { ensureNoneRenamed } from './new-tables'
import { conflict, OptimisticTransaction, pauseAfter } from './optimistic'
import { jsonQueryOf, queryOf, type TableQuery } from './queries'
import type { ClassQuery, NameOf } from './query-types'
import { applyPlan } from './schema-apply'
import { createMissing, differences, ensureNone, lacks } from './table-match'
import type { Conditions, EntityClass, EntityReader, Row } from './types'
import { type ObjectChange, type Queryable, type Watchable, Watches, type WatchOptions } from './watches'
import type { IterationOptions, ObjectChanges, QueryChanges } from './watching'

export interface OpenOptions extends StoreOptions {
  /** The classes that objects are read and made through, with every class that they refer to. Default none. */
  readonly entities?: readonly EntityClass[]
  /**
   * What becomes of tables that are not as the classes say. `create` (the default): missing tables and columns are
   * made, as far as rows allow, and what cannot be read is an error. `check`: any difference is an error, nothing is
   * changed. `apply`: tables are changed as the classes say, columns that no class has are dropped.
   */
  readonly schema?: 'create' | 'check' | 'apply'
  /** Applied before classes are looked at, those that have not been. As `migrate` does. */
  readonly migrations?: readonly Migration[]
}

const OPEN_RULES: Readonly<Record<keyof OpenOptions, Rule>> = {
  ...STORE_RULES,
  entities: [() => true, ''], // the registry looks at each
  schema: [(value) => ['create', 'check', 'apply'].includes(value as string), "'create', 'check' or 'apply'"],
  migrations: [Array.isArray, 'an array of migrations'],
}

/** The path that stands for a database in memory, as in SQLite. */
const IN_MEMORY = ':memory:'

/**
 * Opens the database in a file, or one in memory without a path (or with ':memory:'). Classes make their tables and
 * columns where they are missing. Throws `NOT_FOUND`, `LOCKED` (naming the other process), `CORRUPT`, `VERSION`, `IO`;
 * `SCHEMA` for a class that is put together wrongly, or that does not fit its table, listing every difference.
 */
export function open(options?: OpenOptions): Promise<Database>
export function open(path: string, options?: OpenOptions): Promise<Database>
export function open(path: string | undefined, options?: OpenOptions): Promise<Database>
export async function open(first?: string | OpenOptions, second?: OpenOptions): Promise<Database> {
  const isWithoutPath = second === undefined && isRecord(first)
  const path = isWithoutPath || first === IN_MEMORY ? undefined : (first as string | undefined)
  const options = isWithoutPath ? (first as OpenOptions) : second === undefined ? {} : second
  ensureOptions('open()', options, OPEN_RULES)
  ensureNestedOptions(options)
  const registry = new Registry(options.entities ?? [])
  const database = new Database(openHeap(path, { ...options, checked: await checkedState(path, options) }), registry)
  try {
    if (database.isRebuilt && !database.isReadOnly) await database.checkpoint() // from now on it opens as it is
    if (options.migrations !== undefined) migrate(database, options.migrations)
    database.prepare(options.schema)
  } catch (error) {
    await database.close()
    throw error
  }
  return database
}

/** What `verify: 'full'` asks for, done before the file is opened: off the event loop. */
async function checkedState(path: string | undefined, options: OpenOptions): Promise<FileRoot | undefined> {
  if (path === undefined || options.verify !== 'full') return undefined
  ensure('open()', path, PATH)
  const memory = options.memory ?? defaultMemory()
  return checkAsync(memory, filesWith(memory), path, options.recovery !== undefined)
}

/**
 * How the tables in a file differ from classes, without changing or keeping anything: also where `open` refuses them.
 * Throws `NOT_FOUND`, `CORRUPT`, `VERSION`, `IO`; `SCHEMA` for a class that is put together wrongly.
 */
export async function planSchema(path: string, options: Pick<OpenOptions, 'entities' | 'memory'>): Promise<SchemaPlan> {
  const registry = new Registry(options.entities ?? [])
  const { entities: _, ...others } = options
  await using database = new Database(openHeap(path, { ...others, readOnly: true, create: false }), registry)
  return database.drift()
}

/** A database with classes. Made by `open`. */
export class Database extends Store implements EntityReader {
  private readonly live: EntityView
  private readonly watches: Watches<EntitySnapshot>

  /** @internal */
  constructor(
    opened: OpenedHeap,
    private readonly registry: Registry,
  ) {
    super(opened)
    this.live = new EntityView(registry, this.catalogue)
    this.watches = new Watches(
      this,
      registry,
      (take) => this.feed.listen((change) => take(change as CommitChange<EntitySnapshot>)),
      (version) => (version.version === this.version && this.live.isSettled ? this : version),
    )
  }

  get<T extends object>(type: EntityClass<T>, id: Key): T | undefined
  get(table: string, key: Key): Row | undefined
  get(of: EntityClass | string, key: Key): object | undefined {
    return this.live.get(of, key)
  }

  getMany<T extends object>(type: EntityClass<T>, ids: readonly Key[]): (T | undefined)[]
  getMany(table: string, keys: readonly Key[]): (Row | undefined)[]
  getMany(of: EntityClass | string, keys: readonly Key[]): unknown[] {
    return this.live.getMany(of, keys)
  }

  find<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T[]
  find(table: string, conditions: Row): Row[]
  find(of: EntityClass | string, conditions: object): object[] {
    return this.live.find(of, conditions)
  }

  findOne<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T | undefined
  findOne(table: string, conditions: Row): Row | undefined
  findOne(of: EntityClass | string, conditions: object): object | undefined {
    return this.live.findOne(of, conditions)
  }

  all<T extends object>(type: EntityClass<T>): Generator<T>
  all(table: string): Generator<Row>
  all(of: EntityClass | string): Generator<object> {
    return this.live.all(of)
  }

  count(of: EntityClass | string): number {
    return this.live.count(of)
  }

  /**
   * A query over the objects of a class, or the rows of a table. Throws `INVALID_ARGUMENT` for a class that is not
   * registered, `NOT_FOUND` for an unknown table.
   */
  query<T extends object>(type: EntityClass<T>): ClassQuery<T>
  query(table: string): TableQuery
  query(of: EntityClass | string): unknown {
    return queryOf(of, this, this.live)
  }

  /**
   * A query that arrives as JSON data, already parsed: `{ from: 'Post', where: { likes: { $gt: 3 } }, select:
   * ['title'], sort: [['date', 'desc']], limit: 20, skip: 40 }`; `from` is a class or a table. Bounded as `JSON_LIMITS`
   * says, but not in how many results it has: say `collect(limit)`. Throws `INVALID_ARGUMENT`, naming the position of
   * what is wrong.
   */
  queryJson(json: unknown): Query<Record<string, unknown>> {
    return jsonQueryOf(json, this, this.live)
  }

  /** The object of a class that a row is. @internal */
  objectOf(type: unknown, row: number): object {
    return this.live.reader.source(type as EntityClass).foundObject(row)
  }

  /** The newest version, for queries that take their time. @internal */
  pinnedReader(): EntitySnapshot {
    return this.snapshot('query')
  }

  /**
   * Has these functions called when objects of a class are made, changed or deleted through it, from now on. Returns
   * what takes them off again. Changes of rows by their table are not told. Throws `INVALID_ARGUMENT` for a class that
   * is not registered.
   */
  addHooks<T extends object>(type: EntityClass<T>, hooks: EntityHooks<T>): () => void {
    return this.registry.hooks.add(this.registry.mapping(type), hooks)
  }

  /** As `Store.write`, with a transaction that also makes, changes and deletes objects. */
  override write<T>(change: (transaction: EntityTransaction) => T, options?: WriteOptions): T {
    return super.write(change as (transaction: Transaction) => T, options)
  }

  /** As `Store.writeAsync`, with a transaction that also makes, changes and deletes objects. */
  override writeAsync<T>(change: (transaction: EntityTransaction) => T, options?: WriteOptions): Promise<T> {
    return super.writeAsync(change as (transaction: Transaction) => T, options)
  }

  /** As `Store.bulkWrite`, with a transaction that also makes, changes and deletes objects. */
  override bulkWrite<T>(
    change: (transaction: EntityTransaction) => Promise<T>,
    options?: BulkWriteOptions,
  ): Promise<T> {
    return super.bulkWrite(change as (transaction: Transaction) => Promise<T>, options)
  }

  /** As `Store.asOf`, with the same classes. */
  override asOf(point: Point): Database {
    return new Database(this.heapAt(point), this.registry)
  }

  override snapshot(owner?: string): EntitySnapshot {
    return super.snapshot(owner) as EntitySnapshot
  }

  /**
   * Calls `listener` after every commit that changed objects of a class, rows of a table, one object, or the results of
   * a query: in order, each commit as a whole. In a follower one call may tell of several commits that arrived
   * together. Returns the function that ends it. What the listener throws is an uncaught error of its own; the commit
   * stands.
   */
  watch<T extends object>(
    type: EntityClass<T>,
    listener: (changes: ObjectChanges<T>) => void,
    options?: WatchOptions<NameOf<T>>,
  ): () => void
  watch(
    table: string,
    listener: (changes: ObjectChanges<Record<string, unknown>>) => void,
    options?: WatchOptions,
  ): () => void
  watch<R>(query: Query<R> | Queryable<R>, listener: (changes: QueryChanges<R>) => void): () => void
  watch(of: Watchable, listener: (changes: never) => void, options: WatchOptions = {}): () => void {
    this.ensureOpen()
    return this.watches.watch(of, listener, options)
  }

  /**
   * Calls `listener` after every commit that changed the object with this key, made it or deleted it. As `watch`, at a
   * cost that does not grow with the objects watched.
   */
  watchOne<T extends object>(type: EntityClass<T>, id: Key, listener: (change: ObjectChange<T>) => void): () => void {
    this.ensureOpen()
    return this.watches.watchOne(type, id, listener)
  }

  /** As `watch`, for `for await`: events wait until they are asked for. */
  changes<T extends object>(
    type: EntityClass<T>,
    options?: IterationOptions & WatchOptions<NameOf<T>>,
  ): AsyncIterableIterator<ObjectChanges<T>>
  changes(
    table: string,
    options?: IterationOptions & WatchOptions,
  ): AsyncIterableIterator<ObjectChanges<Record<string, unknown>>>
  changes<R>(query: Query<R> | Queryable<R>, options?: IterationOptions): AsyncIterableIterator<QueryChanges<R>>
  changes(of: Watchable, options: IterationOptions & WatchOptions = {}): AsyncIterableIterator<unknown> {
    this.ensureOpen()
    return this.watches.changes(of, options)
  }

  /**
   * Runs a change that takes its time without keeping others from writing: it reads one version, and what it changes is
   * applied in one transaction at its end, if nothing that it read has been changed meanwhile; otherwise it runs again,
   * after a pause. Throws `CONFLICT` when it has run `attempts` times (default 8) in vain, and what `change` throws.
   */
  async transaction<T>(
    change: (transaction: OptimisticTransaction) => Promise<T> | T,
    { attempts = 8 }: { readonly attempts?: number } = {},
  ): Promise<T> {
    ensure('db.transaction()', change, FUNCTION)
    for (let attempt = 1; ; attempt++) {
      using snapshot = this.snapshot('transaction')
      const transaction = new OptimisticTransaction(snapshot, this.registry)
      const result = await change(transaction)
      if (await this.writeAsync((live) => transaction.apply(live))) return result
      if (attempt >= attempts) throw conflict(attempts)
      await pauseAfter(attempt)
    }
  }

  override async close(): Promise<void> {
    this.ensureCloseable()
    await this.watches.close()
    await super.close()
  }

  /** How the tables differ from the classes, as what would have to be done to them. Changes nothing. */
  drift(): SchemaPlan {
    this.ensureOpen()
    return planOf(this.registry.all(), this.catalogue)
  }

  /**
   * Makes of the tables what classes need, as far as `schema` allows, and makes sure that they fit. Throws `SCHEMA`.
   * @internal
   */
  prepare(schema: OpenOptions['schema'] = 'create'): void {
    const mappings = this.registry.all()
    const check = (): void => {
      ensureNone(mappings.flatMap((each) => differences(each, this.catalogue.find(each.tableName))))
    }
    if (schema === 'check') return ensureEmpty(this.drift())
    if (!this.isReadOnly) ensureNoneRenamed(mappings, this.catalogue)
    if (schema === 'apply' && !this.drift().isEmpty) {
      this.write((transaction) => {
        applyPlan(transaction, this.drift(), mappings)
        check()
      })
    }
    const wanting = mappings.filter((each) => lacks(each, this.catalogue.find(each.tableName)))
    if (wanting.length === 0 || this.isReadOnly) check()
    else {
      this.write((transaction) => {
        createMissing(transaction, wanting, this.catalogue.names())
        check()
      })
    }
  }

  protected override transactionOn(schema: SchemaWriter): Transaction {
    return new EntityTransaction(schema, this.registry, this.live)
  }

  protected override snapshotOf(pinned: HeapSnapshot): Snapshot {
    return new EntitySnapshot(pinned, this.registry)
  }
}

/**
 * A snapshot whose objects keep the values of its version. They keep it from being closed as forgotten, not from being
 * closed.
 */
export class EntitySnapshot extends Snapshot implements EntityReader {
  private readonly scope: EntityView

  /** @internal */
  constructor(pinned: HeapSnapshot, registry: Registry) {
    super(pinned)
    this.scope = new EntityView(registry, this.catalogue, this)
  }

  get<T extends object>(type: EntityClass<T>, id: Key): T | undefined
  get(table: string, key: Key): Row | undefined
  get(of: EntityClass | string, key: Key): object | undefined {
    return this.scope.get(of, key)
  }

  getMany<T extends object>(type: EntityClass<T>, ids: readonly Key[]): (T | undefined)[]
  getMany(table: string, keys: readonly Key[]): (Row | undefined)[]
  getMany(of: EntityClass | string, keys: readonly Key[]): unknown[] {
    return this.scope.getMany(of, keys)
  }

  find<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T[]
  find(table: string, conditions: Row): Row[]
  find(of: EntityClass | string, conditions: object): object[] {
    return this.scope.find(of, conditions)
  }

  findOne<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T | undefined
  findOne(table: string, conditions: Row): Row | undefined
  findOne(of: EntityClass | string, conditions: object): object | undefined {
    return this.scope.findOne(of, conditions)
  }

  all<T extends object>(type: EntityClass<T>): Generator<T>
  all(table: string): Generator<Row>
  all(of: EntityClass | string): Generator<object> {
    return this.scope.all(of)
  }

  count(of: EntityClass | string): number {
    return this.scope.count(of)
  }

  /** As `Database.query`, of this snapshot. */
  query<T extends object>(type: EntityClass<T>): ClassQuery<T>
  query(table: string): TableQuery
  query(of: EntityClass | string): unknown {
    return queryOf(of, this, this.scope)
  }

  /** As `Database.queryJson`, of this snapshot. */
  queryJson(json: unknown): Query<Record<string, unknown>> {
    return jsonQueryOf(json, this, this.scope)
  }

  /** The object of a class that a row is. @internal */
  objectOf(type: unknown, row: number): object {
    return this.scope.source(type as EntityClass).foundObject(row)
  }

  /** @internal */
  pinnedReader(): this {
    return this
  }
}
