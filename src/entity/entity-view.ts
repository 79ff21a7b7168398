import { ensure, type Rule, show } from '../arguments'
import { SnapheapError } from '../errors'
import type { View } from '../heap/view'
import { CLOSED_GENERATION } from '../heap/view'
import type { Catalogue } from '../table/catalogue'
import type { Key, Table } from '../table/table'
import { BINDING, type EntityObject, ROW } from './binding'
import { ClassRows } from './class-rows'
import { readOnlySnapshot } from './entity-errors'
import { Hooks } from './hooks'
import { type EntityMapping, mappingOf } from './mapping'
import { type ReferenceRule, rulesOf } from './reference-rules'
import type { EntityClass, Row } from './types'

const KEYS: Rule = [Array.isArray, 'an array of keys']

/** The classes of one database. */
export class Registry {
  private readonly mappings = new Map<EntityClass, EntityMapping>()
  readonly rules: readonly ReferenceRule[]
  private readonly subclasses = new Map<EntityMapping, EntityMapping[]>()
  readonly hooks = new Hooks()

  /**
   * Throws `SCHEMA` for a class that is none, two classes with one table, and a reference to a class that is not among
   * them.
   */
  constructor(types: readonly EntityClass[]) {
    const tables = new Map<string, EntityMapping>()
    for (const type of ensureClasses(types)) {
      const mapping = mappingOf(type)
      const other = tables.get(mapping.tableName)
      if (other !== undefined && other !== mapping) {
        throw new SnapheapError(
          'SCHEMA',
          `Classes ${other.className} and ${mapping.className} both use table ${mapping.tableName}. Give one ` +
            `another with ${mapping.spelling.nameTable}, or register one of them only.`,
        )
      }
      tables.set(mapping.tableName, mapping)
      this.mappings.set(type, mapping)
    }
    for (const mapping of this.all()) {
      const { parent } = mapping
      if (parent !== undefined) {
        if (!this.mappings.has(parent.type)) {
          throw mapping.fault(
            mapping.ids[0].name,
            `is the key of ${parent.className}, which is not registered. Add it to entities of open.`,
          )
        }
        this.subclasses.set(parent, [...this.subclassesOf(parent), mapping])
      }
      for (const property of mapping.properties) {
        const target = property.target?.()
        if (target !== undefined && !this.mappings.has(target.type)) {
          throw mapping.fault(
            property.name,
            `refers to ${target.className}, which is not registered. Add it to entities of open.`,
          )
        }
        mapping.columnType(property)
      }
      for (const collection of mapping.collections) {
        collection.resolve()
        for (const each of [collection.target(), collection.links?.()]) {
          if (each === undefined || this.mappings.has(each.type)) continue
          throw mapping.fault(
            collection.name,
            `collects by ${each.className}, which is not registered. Add it to entities of open.`,
          )
        }
      }
    }
    this.rules = rulesOf(this.all())
  }

  /** The classes whose nearest parent a class is. */
  subclassesOf(mapping: EntityMapping): readonly EntityMapping[] {
    return this.subclasses.get(mapping) ?? []
  }

  all(): EntityMapping[] {
    return [...this.mappings.values()]
  }

  /** Throws `INVALID_ARGUMENT` for a class that is not registered. */
  mapping(type: EntityClass): EntityMapping {
    const mapping = this.mappings.get(type)
    if (mapping !== undefined) return mapping
    const name = typeof type === 'function' ? type.name : show(type)
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `Class ${name} is not registered with this database. Add it to entities of open.`,
      {
        class: name,
      },
    )
  }
}

function ensureClasses(types: readonly unknown[]): readonly EntityClass[] {
  if (Array.isArray(types) && types.every((type) => typeof type === 'function')) return types
  throw new SnapheapError(
    'SCHEMA',
    'The entities of open are not all classes. Pass an array of classes; one that is undefined there is not ' +
      'declared yet, as when two files import each other.',
  )
}

/** Throws `INVALID_ARGUMENT` for anything but an array. */
export function ensureKeys(keys: unknown): void {
  ensure('getMany()', keys, KEYS)
}

/** What changes objects: an open transaction. */
export interface EntityWriter {
  update(object: object, changes: object): void
}

/** One way of seeing the database through classes: its newest version, a snapshot, or an open transaction. */
export class EntityView {
  private readonly sources = new Map<EntityClass, ClassRows>()
  /** Every source made so far: those of tables that were replaced are no longer in `sources`. */
  private readonly made: ClassRows[] = []
  readonly view: View
  /** The source asked for last: one look-up in a loop is much like the next. */
  private last: ClassRows | undefined
  /** In the scope of the newest version: that of the transaction which is changing it now. */
  transaction: EntityView | undefined
  /** In the scope of an open transaction: what it changes objects through. */
  writer: EntityWriter | undefined

  constructor(
    readonly registry: Registry,
    readonly catalogue: Catalogue,
    /** Kept from being collected while objects read through it are in use; undefined but for a snapshot. */
    readonly snapshot?: object,
  ) {
    this.view = catalogue.context.view
  }

  /** Where look-ups go: to the open transaction, when it changes what this scope sees. */
  get reader(): EntityView {
    return this.transaction ?? this
  }

  /** A table as look-ups see it. Throws `NOT_FOUND`. */
  table(name: string): Table {
    return this.reader.catalogue.table(name)
  }

  /** The object of a class that a row is. */
  objectOf(type: unknown, row: number): object {
    return this.reader.source(type as EntityClass).object(row)
  }

  /** Whether no open transaction changes what this scope sees. */
  get isSettled(): boolean {
    return this.transaction === undefined && this.writer === undefined
  }

  /** The source of a class. Small, so that engines inline it with all that a look-up by key goes through. */
  source(type: EntityClass): ClassRows {
    const { last } = this
    return last !== undefined && last.type === type && last.generation === this.view.generation
      ? last
      : this.seekSource(type)
  }

  private seekSource(type: EntityClass): ClassRows {
    this.ensureOpen()
    const known = this.sources.get(type)
    if (known?.isCurrent === true) {
      known.ensureBound()
      return (this.last = known)
    }
    const source = new ClassRows(this.registry.mapping(type), this)
    this.sources.set(type, source)
    this.made.push(source)
    this.last = source
    return source
  }

  /** Throws `CLOSED` once the database or the snapshot is. */
  ensureOpen(): void {
    if (this.view.generation !== CLOSED_GENERATION) return
    const what = this.snapshot === undefined ? 'database' : 'snapshot'
    throw new SnapheapError(
      'CLOSED',
      `An object was read after its ${what} was closed. Open another one and look it up there.`,
    )
  }

  /** The object of a class, or the row of a table, with a key; undefined without one. */
  get(of: EntityClass | string, key: Key): object | undefined {
    if (typeof of === 'string') return this.table(of).get(key)
    if (this.transaction !== undefined) return this.transaction.get(of, key)
    return this.source(of).currentGet(key)
  }

  getMany(of: EntityClass | string, keys: readonly Key[]): (object | undefined)[] {
    ensureKeys(keys)
    if (typeof of === 'string') {
      const table = this.table(of)
      return keys.map((key) => table.get(key))
    }
    const source = this.reader.source(of)
    return keys.map((key) => source.currentGet(key))
  }

  find(of: EntityClass | string, conditions: object): object[] {
    if (typeof of === 'string') return this.table(of).find(conditions as Row)
    const source = this.reader.source(of)
    const rows = source.find(conditions)
    const objects = new Array<object>(rows.length)
    for (let i = 0; i < rows.length; i++) objects[i] = source.object(rows[i])
    return objects
  }

  findOne(of: EntityClass | string, conditions: object): object | undefined {
    if (typeof of === 'string') {
      const table = this.table(of)
      const [row] = table.findRows(conditions as Row)
      return row === undefined ? undefined : table.read(row)
    }
    const source = this.reader.source(of)
    const rows = source.find(conditions)
    return rows.length === 0 ? undefined : source.object(rows[0])
  }

  *all(of: EntityClass | string): Generator<object> {
    for (let row = 0; ; row++) {
      // the version that is read changes between two rows when a transaction begins or ends
      const source = typeof of === 'string' ? undefined : this.reader.source(of)
      const table = source?.table ?? this.table(of as string)
      if (row >= table.rowLimit) return
      if (table.hasRow(row)) yield source === undefined ? table.read(row) : source.object(row)
    }
  }

  count(of: EntityClass | string): number {
    return typeof of === 'string' ? this.table(of).rowCount : this.reader.source(of).table.rowCount
  }

  /**
   * The source and row, as this scope sees them, of an object read from the same database. Throws `NOT_FOUND`,
   * `INVALID_ARGUMENT`.
   */
  locate(object: object): { source: ClassRows; row: number } {
    const entity = object as EntityObject
    const from: ClassRows | undefined =
      typeof object === 'object' && object !== null ? entity[BINDING]?.source : undefined
    if (from === undefined) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        'Expected an object that was read from this database. Look it up with get or find, or make it with ' +
          'tx.insert().',
      )
    }
    const { className, type } = from.mapping
    from.verify(entity)
    if (from.scope.registry !== this.registry) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `This ${className} is from another database. Look it up in this one.`,
        { class: className },
      )
    }
    if (from.scope.snapshot !== undefined) throw readOnlySnapshot(className)
    const source = this.source(type)
    if (!source.isOf(from)) throw from.gone('was in a table that has been replaced')
    source.verify(entity)
    return { source, row: entity[ROW] }
  }

  /**
   * Makes every object read through this scope one of the newest version, or nothing when the transaction was rolled
   * back.
   */
  settle(live: EntityView, isCommitted: boolean): void {
    this.writer = undefined
    for (const source of live.made) source.transactionEnded()
    for (const source of this.made) source.settle(live, isCommitted)
  }
}
