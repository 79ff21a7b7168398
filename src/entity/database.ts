import { ensureOptions, type Rule } from '../arguments'
import { ensureNestedOptions, type OpenedHeap, openHeap, STORE_RULES, type StoreOptions } from '../db/open-heap'
import { Snapshot, Store, type WriteOptions } from '../db/store'
import { type RowValues, Transaction } from '../db/transaction'
import type { HeapSnapshot } from '../heap/heap'
import type { Point } from '../log/history'
import type { SchemaWriter } from '../table/schema-writer'
import type { Key } from '../table/table'
import { ensureEmpty, planOf, type SchemaPlan } from './drift'
import { createMissing, differences, ensureNone, lacks } from './fit'
import type { EntityHooks } from './hooks'
import { type Migration, migrate } from './migrations'
import { ObjectChanges } from './object-changes'
import { queryOf, type TableQuery } from './queries'
import type { ClassQuery } from './query-types'
import { NOBODY, ReferenceKeeper } from './reference-rules'
import { applyPlan } from './schema-apply'
import { Registry, Scope } from './scope'
import type { Changes, Conditions, EntityClass, EntityReader, NewEntity } from './types'

export interface OpenOptions extends StoreOptions {
  /** The classes that objects are read and made through, with every class that they refer to. Default none. */
  readonly entities?: readonly EntityClass[]
  /**
   * What becomes of tables that are not as the classes say. `create` (the default): missing tables and columns are made, as
   * far as rows allow, and what cannot be read is an error. `check`: any difference is an error, nothing is changed.
   * `apply`: tables are changed as the classes say, columns that no class has are dropped.
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

/**
 * Opens the database in a file, or one in memory without a path. Classes make their tables and columns where they are
 * missing. Throws `NOT_FOUND`, `LOCKED` (naming the other process), `CORRUPT`, `VERSION`, `IO`; `SCHEMA` for a class that
 * is put together wrongly, or that does not fit its table, listing every difference.
 */
export async function open(path?: string, options: OpenOptions = {}): Promise<Database> {
  ensureOptions('open', options, OPEN_RULES)
  ensureNestedOptions(options)
  const registry = new Registry(options.entities ?? [])
  const database = new Database(openHeap(path, options), registry)
  try {
    if (options.migrations !== undefined) migrate(database, options.migrations)
    database.prepare(options.schema)
  } catch (error) {
    await database.close()
    throw error
  }
  return database
}

/**
 * How the tables in a file differ from classes, without changing or keeping anything: also where `open` refuses them. Throws
 * `NOT_FOUND`, `CORRUPT`, `VERSION`, `IO`; `SCHEMA` for a class that is put together wrongly.
 */
export async function planSchema(path: string, options: Pick<OpenOptions, 'entities' | 'memory'>): Promise<SchemaPlan> {
  const registry = new Registry(options.entities ?? [])
  const { entities: _, ...others } = options
  await using database = new Database(openHeap(path, { ...others, readOnly: true, create: false }), registry)
  return database.drift()
}

/** A database with classes. Made by `open`. */
export class Database extends Store implements EntityReader {
  private readonly live: Scope

  /** @internal */
  constructor(
    opened: OpenedHeap,
    private readonly registry: Registry,
  ) {
    super(opened)
    this.live = new Scope(registry, this.catalogue)
  }

  get<T extends object>(type: EntityClass<T>, id: Key): T | undefined {
    return this.live.get(type, id)
  }

  find<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T[] {
    return this.live.find(type, conditions)
  }

  findOne<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T | undefined {
    return this.live.findOne(type, conditions)
  }

  all<T extends object>(type: EntityClass<T>): Generator<T> {
    return this.live.all(type)
  }

  count(type: EntityClass): number {
    return this.live.count(type)
  }

  /** A query over the objects of a class, or the rows of a table. Throws `INVALID_ARGUMENT` for a class that is not registered, `NOT_FOUND` for an unknown table. */
  query<T extends object>(type: EntityClass<T>): ClassQuery<T>
  query(table: string): TableQuery
  query(of: EntityClass | string): unknown {
    return queryOf(of, this, this.live)
  }

  /** The object of a class that a row is. @internal */
  objectOf(type: unknown, row: number): object {
    return this.live.reader.source(type as EntityClass).object(row)
  }

  /**
   * Has these functions called when objects of a class are made, changed or deleted through it, from now on. Returns what takes
   * them off again. Changes of rows by their table are not told. Throws `INVALID_ARGUMENT` for a class that is not registered.
   */
  on<T extends object>(type: EntityClass<T>, hooks: EntityHooks<T>): () => void {
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

  /** As `Store.writeBeside`, with a transaction that also makes, changes and deletes objects. */
  override writeBeside<T>(change: (transaction: EntityTransaction) => Promise<T>, options?: WriteOptions): Promise<T> {
    return super.writeBeside(change as (transaction: Transaction) => Promise<T>, options)
  }

  /** As `Store.bulkLoad`, with a transaction that also makes, changes and deletes objects. */
  override bulkLoad<T>(change: (transaction: EntityTransaction) => Promise<T>): Promise<T> {
    return super.bulkLoad(change as (transaction: Transaction) => Promise<T>)
  }

  /** As `Store.asOf`, with the same classes. */
  override asOf(point: Point): Database {
    return new Database(this.heapAt(point), this.registry)
  }

  override snapshot(owner?: string): EntitySnapshot {
    return super.snapshot(owner) as EntitySnapshot
  }

  /** How the tables differ from the classes, as what would have to be done to them. Changes nothing. */
  drift(): SchemaPlan {
    this.ensureOpen()
    return planOf(this.registry.all(), this.catalogue)
  }

  /** Makes of the tables what classes need, as far as `schema` allows, and makes sure that they fit. Throws `SCHEMA`. @internal */
  prepare(schema: OpenOptions['schema'] = 'create'): void {
    const mappings = this.registry.all()
    const check = (): void => {
      ensureNone(mappings.flatMap((each) => differences(each, this.catalogue.find(each.tableName))))
    }
    if (schema === 'check') return ensureEmpty(this.drift())
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

/** A snapshot whose objects keep the values of its version. They keep it from being closed as forgotten, not from being closed. */
export class EntitySnapshot extends Snapshot implements EntityReader {
  private readonly scope: Scope

  /** @internal */
  constructor(pinned: HeapSnapshot, registry: Registry) {
    super(pinned)
    this.scope = new Scope(registry, this.catalogue, this)
  }

  get<T extends object>(type: EntityClass<T>, id: Key): T | undefined {
    return this.scope.get(type, id)
  }

  find<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T[] {
    return this.scope.find(type, conditions)
  }

  findOne<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T | undefined {
    return this.scope.findOne(type, conditions)
  }

  all<T extends object>(type: EntityClass<T>): Generator<T> {
    return this.scope.all(type)
  }

  count(type: EntityClass): number {
    return this.scope.count(type)
  }

  /** As `Database.query`, of this snapshot. */
  query<T extends object>(type: EntityClass<T>): ClassQuery<T>
  query(table: string): TableQuery
  query(of: EntityClass | string): unknown {
    return queryOf(of, this, this.scope)
  }

  /** The object of a class that a row is. @internal */
  objectOf(type: unknown, row: number): object {
    return this.scope.source(type as EntityClass).object(row)
  }
}

/** A transaction that also makes, changes and deletes objects. Objects read or made in it live on when it is committed. */
export class EntityTransaction extends Transaction implements EntityReader {
  private readonly scope: Scope
  private readonly objects: ObjectChanges
  /** Whether the live scope sees this transaction's changes, so that objects of the live scope can be assigned to. */
  private readonly isLive: boolean
  /** Undefined where no class has rules, and for who manages tables. */
  private references: ReferenceKeeper | undefined

  /** @internal */
  constructor(
    schema: SchemaWriter,
    registry: Registry,
    private readonly live: Scope,
  ) {
    super(schema)
    this.scope = new Scope(registry, schema.catalogue)
    this.scope.writer = this
    this.objects = new ObjectChanges(this, this.scope)
    if (registry.rules.length > 0) {
      this.references = new ReferenceKeeper(registry.rules)
      schema.observe(this.references)
    }
    this.isLive = schema.catalogue === live.catalogue
    if (this.isLive) live.transaction = this.scope
  }

  /** The row of a table, or the object of a class, with this key as this transaction sees it; undefined without one. */
  override get(table: string, key: Key): Record<string, unknown> | undefined
  override get<T extends object>(type: EntityClass<T>, id: Key): T | undefined
  override get(from: string | EntityClass, key: Key): object | undefined {
    if (typeof from === 'string') return super.get(from, key)
    return this.opened().get(from, key)
  }

  find<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T[] {
    return this.opened().find(type, conditions)
  }

  findOne<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T | undefined {
    return this.opened().findOne(type, conditions)
  }

  all<T extends object>(type: EntityClass<T>): Generator<T> {
    return this.opened().all(type)
  }

  count(type: EntityClass): number {
    return this.opened().count(type)
  }

  /** As `Database.query`, of what this transaction sees. */
  query<T extends object>(type: EntityClass<T>): ClassQuery<T>
  query(table: string): TableQuery
  query(of: EntityClass | string): unknown {
    return queryOf(of, this, this.opened())
  }

  /** The object of a class that a row is. @internal */
  objectOf(type: unknown, row: number): object {
    return this.opened()
      .source(type as EntityClass)
      .object(row)
  }

  /**
   * Adds an object. Throws `UNIQUE`, `NOT_NULL`, `TYPE`, `VALIDATION`, `READ_ONLY`; `INVALID_ARGUMENT` for an unknown property.
   */
  create<T extends object>(type: EntityClass<T>, values: NewEntity<T>): T {
    this.opened()
    return this.objects.create(type, values) as T
  }

  /** Changes properties of an object; assigning to them does the same. Throws as `create`, and `NOT_FOUND` for a deleted object. */
  set<T extends object>(object: T, changes: Changes<T>): void {
    this.opened()
    this.objects.set(object, changes)
  }

  /** Adds the row, or changes the one with the same key to these values; with a class, an object, which it returns. Throws as `create`. */
  override upsert(table: string, values: RowValues): void
  override upsert<T extends object>(type: EntityClass<T>, values: NewEntity<T>): T
  override upsert(into: string | EntityClass, values: object): object | undefined {
    this.opened()
    if (typeof into !== 'string') return this.objects.upsert(into, values)
    super.upsert(into, values as RowValues)
    return undefined
  }

  /** Deletes an object, or the row of a table with this key (and returns whether there was one). Throws `NOT_FOUND` for an object already deleted. */
  override delete(table: string, key: Key): boolean
  override delete(object: object): void
  override delete(from: string | object, key?: Key): boolean | undefined {
    if (typeof from === 'string') return super.delete(from, key as Key)
    this.opened()
    this.objects.delete(from)
    return undefined
  }

  override manage(): void {
    super.manage()
    if (this.references !== undefined) this.open().observe(NOBODY)
    this.references = undefined
  }

  override complete(): void {
    this.references?.settle(this.scope, this)
    this.objects.ensureNoneFailed()
  }

  override end(isCommitted: boolean): void {
    super.end(isCommitted)
    if (this.isLive) this.live.transaction = undefined
    this.scope.settle(this.live, isCommitted)
  }

  private opened(): Scope {
    this.open()
    return this.scope
  }
}
