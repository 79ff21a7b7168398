import type { RowValues } from '../db/transaction'
import { Transaction } from '../db/transaction'
import type { Query } from '../query/query'
import type { SchemaWriter } from '../table/schema-writer'
import type { Key } from '../table/table'
import { EntityView, type Registry } from './entity-view'
import { ObjectWriter } from './object-writer'
import { jsonQueryOf, queryOf, type TableQuery } from './queries'
import type { ClassQuery } from './query-types'
import { NOBODY, ReferenceKeeper } from './reference-rules'
import type { Conditions, EntityClass, EntityReader, InsertValues, Row, UpdateValues } from './types'

/**
 * A transaction that also makes, changes and deletes objects. Objects read or made in it live on when it is committed.
 */
export class EntityTransaction extends Transaction implements EntityReader {
  private readonly scope: EntityView
  private readonly objects: ObjectWriter
  /** Whether the live scope sees this transaction's changes, so that objects of the live scope can be assigned to. */
  private readonly isLive: boolean
  /** Undefined where no class has rules, and for who manages tables. */
  private references: ReferenceKeeper | undefined

  /** @internal */
  constructor(
    schema: SchemaWriter,
    registry: Registry,
    private readonly live: EntityView,
  ) {
    super(schema)
    this.scope = new EntityView(registry, schema.catalogue)
    this.scope.writer = this
    this.objects = new ObjectWriter(this, this.scope)
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

  getMany<T extends object>(type: EntityClass<T>, ids: readonly Key[]): (T | undefined)[]
  getMany(table: string, keys: readonly Key[]): (Row | undefined)[]
  getMany(of: EntityClass | string, keys: readonly Key[]): unknown[] {
    return this.opened().getMany(of, keys)
  }

  find<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T[]
  find(table: string, conditions: Row): Row[]
  find(of: EntityClass | string, conditions: object): object[] {
    return this.opened().find(of, conditions)
  }

  findOne<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T | undefined
  findOne(table: string, conditions: Row): Row | undefined
  findOne(of: EntityClass | string, conditions: object): object | undefined {
    return this.opened().findOne(of, conditions)
  }

  all<T extends object>(type: EntityClass<T>): Generator<T>
  all(table: string): Generator<Row>
  all(of: EntityClass | string): Generator<object> {
    return this.opened().all(of)
  }

  count(of: EntityClass | string): number {
    return this.opened().count(of)
  }

  /** As `Database.query`, of what this transaction sees. */
  query<T extends object>(type: EntityClass<T>): ClassQuery<T>
  query(table: string): TableQuery
  query(of: EntityClass | string): unknown {
    return queryOf(of, this, this.opened())
  }

  /** As `Database.queryJson`, of what this transaction sees. */
  queryJson(json: unknown): Query<Record<string, unknown>> {
    return jsonQueryOf(json, this, this.opened())
  }

  /** The object of a class that a row is. @internal */
  objectOf(type: unknown, row: number): object {
    return this.opened()
      .source(type as EntityClass)
      .foundObject(row)
  }

  /**
   * Adds the row to a table, and returns its row number; with a class, an object, which it returns. Throws `UNIQUE`,
   * `NOT_NULL`, `TYPE`, `VALIDATION`, `READ_ONLY`; `INVALID_ARGUMENT` for an unknown property.
   */
  override insert(table: string, values: RowValues): number
  override insert<T extends object>(type: EntityClass<T>, values: InsertValues<T>): T
  override insert(into: string | EntityClass, values: object): unknown {
    if (typeof into === 'string') return super.insert(into, values as RowValues)
    this.opened()
    return this.objects.create(into, values)
  }

  /**
   * Changes columns of the row of a table with this key, or properties of an object; assigning to them does the same.
   * Throws as `insert`, and `NOT_FOUND` for a deleted object or without the row.
   */
  override update(table: string, key: Key, changes: RowValues): void
  override update<T extends object>(object: T, changes: UpdateValues<T>): void
  override update(what: string | object, key: unknown, changes?: RowValues): void {
    if (typeof what === 'string') return super.update(what, key as Key, changes as RowValues)
    this.opened()
    this.objects.set(what, key as object)
  }

  /**
   * Adds the row, or changes the one with the same key to these values; with a class, an object, which it returns.
   * Throws as `insert`.
   */
  override upsert(table: string, values: RowValues): void
  override upsert<T extends object>(type: EntityClass<T>, values: InsertValues<T>): T
  override upsert(into: string | EntityClass, values: object): object | undefined {
    this.opened()
    if (typeof into !== 'string') return this.objects.upsert(into, values)
    super.upsert(into, values as RowValues)
    return undefined
  }

  /**
   * Deletes an object, or the row of a table with this key (and returns whether there was one). Throws `NOT_FOUND` for
   * an object already deleted.
   */
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

  private opened(): EntityView {
    this.open()
    return this.scope
  }
}
