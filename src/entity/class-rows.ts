import { isRecord, show } from '../arguments'
import { SnapheapError } from '../errors'
import type { View } from '../heap/view'
import type { Column } from '../table/column'
import type { Key, Table } from '../table/table'
import { Decimal } from '../value/decimal'
import type { Hydrator } from './accessors'
import { BINDING, type Binding, type EntityObject, ensureNoCopy, NO_GENERATION, ROW } from './binding'
import { readOnlySnapshot } from './entity-errors'
import type { EntityView } from './entity-view'
import { findShared } from './inheritance'
import type { EntityMapping, MappedProperty } from './mapping'
import { differences, ensureNone } from './table-match'
import type { EntityClass } from './types'

const sharedKey = new Int32Array(2)

/**
 * The rows of one class as one scope sees them, and all that its objects share. Bound to one table for life: a table
 * dropped and made anew under the same name gets another source, so that an object never shows a row of the other
 * table.
 */
export class ClassRows {
  readonly type: EntityClass
  view: View
  generation = -2
  /** The table it is bound to for life, as its descriptor and `Table.madeIn`. */
  readonly descriptor: number
  readonly madeIn: number
  private bound!: Table
  private binding!: Binding
  /**
   * The binding, where every object can be made with it as it is: no subclass is more specific, no transaction is open.
   */
  private settled: Binding | undefined
  private readonly hydrate: Hydrator
  private isRolledBack = false
  private targets: (ClassRows | undefined)[] = []
  private readonly relatives = new Map<EntityMapping, ClassRows>()
  private readonly subclasses: readonly EntityMapping[]

  /** Throws `NOT_FOUND` without the table, `SCHEMA` where the class does not fit it. */
  constructor(
    readonly mapping: EntityMapping,
    public scope: EntityView,
  ) {
    this.type = mapping.type
    this.view = scope.view
    this.hydrate = mapping.code.hydrate
    this.subclasses = scope.registry.subclassesOf(mapping)
    const table = scope.catalogue.table(mapping.tableName)
    this.descriptor = table.descriptor
    this.madeIn = table.madeIn
    this.bind()
  }

  get table(): Table {
    this.ensureBound()
    return this.bound!
  }

  /** Catches up with what has happened to the table. Throws as the constructor. */
  ensureBound(): void {
    if (this.generation !== this.view.generation) this.bind()
  }

  /** Whether this is still the source of the class's table. */
  get isCurrent(): boolean {
    if (this.generation === this.view.generation) return true
    const table = this.scope.catalogue.find(this.mapping.tableName)
    return table !== undefined && this.isOf(table)
  }

  /**
   * The object of a row that exists: of the most specific class that has a row with its key. Small, so that engines
   * inline it with what calls it.
   */
  object(row: number): object {
    const { settled } = this
    return settled !== undefined ? this.hydrate(settled, row) : this.specificObject(row)
  }

  private specificObject(row: number): object {
    for (const each of this.subclasses) {
      const source = this.sourceOf(each)
      const specific = source.rowSharing(this.keyColumn, row)
      if (specific >= 0) return source.object(specific)
    }
    if (this.binding.generation === NO_GENERATION) this.renewBinding()
    return this.hydrate(this.binding, row)
  }

  /** The same for a row that was found otherwise than through this source, which may have to catch up first. */
  foundObject(row: number): object {
    this.ensureBound()
    return this.object(row)
  }

  /** The object with a key, undefined without one. The key's parts are in the order of the class's ids. */
  get(id: unknown): object | undefined {
    this.ensureBound()
    return this.currentGet(id)
  }

  /** `get` where this source is known to be up to date. Small, so that engines inline it. */
  currentGet(id: unknown): object | undefined {
    const row = typeof id === 'number' ? this.bound.currentRowOf(id) : this.rowOfKey(id)
    return row < 0 ? this.missing() : this.object(row)
  }

  /** No object. As a call that is rarely made, it lets engines read a property without making the object. */
  private missing(): undefined {
    return undefined
  }

  /** The row with a key, -1 without one. */
  rowOf(key: unknown): number {
    return this.table.rowOf(key as Key)
  }

  /** The column of the key, where it has only one. */
  get keyColumn(): Column {
    return this.binding.columns[this.mapping.ids[0].position]
  }

  /** Row numbers by property values. */
  find(conditions: object): readonly number[] {
    this.ensureProperties(conditions)
    for (const [name, value] of Object.entries(conditions)) {
      if (value !== undefined) continue
      this.mapping.property(name)
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `The condition ${this.mapping.className}.${name} is undefined. Pass null to look for no value, or omit it.`,
        { class: this.mapping.className, property: name },
      )
    }
    return this.mapping.parent === undefined
      ? this.table.findRows(this.columnValues(conditions))
      : findShared(this, this.sourceOf(this.mapping.parent), conditions)
  }

  /** The row with the key that a row has in a column of another table, -1 without one. */
  rowSharing(column: Column, row: number): number {
    const address = column.addressOf(row)
    sharedKey[0] = this.view.low(address) // equal keys are equal words in whatever column they stand
    sharedKey[1] = this.view.high(address)
    return this.table.rowOfWords(sharedKey)
  }

  /** The value of a property, its own or inherited. */
  value(row: number, property: MappedProperty): unknown {
    if (!this.mapping.owns(property)) {
      const parent = this.sourceOf(this.mapping.parent!)
      const shared = parent.rowSharing(this.keyColumn, row)
      if (shared >= 0) return parent.value(shared, property)
      throw this.gone(`has lost its row in table ${parent.mapping.tableName}`)
    }
    if (property.target !== undefined) return this.reference(row, property)
    if (property.values?.isConverted === true) return this.converted(row, property)
    if (property.type === 'number' || property.type === 'integer') return this.numberAt(row, property)
    return property.type === 'bigint' ? this.bigintAt(row, property) : this.binding.columns[property.position].get(row)
  }

  /** Property values as values of columns. Throws `INVALID_ARGUMENT` for an unknown property. */
  columnValues(values: object): Record<string, unknown> {
    this.ensureProperties(values)
    const result: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(values)) {
      const property = this.mapping.property(name)
      result[property.column] = this.toColumn(property, value)
    }
    return result
  }

  /** A value for a property as its column holds it: for an object its key. Throws `TYPE`. */
  columnValue(property: MappedProperty, value: unknown): unknown {
    if (!this.mapping.owns(property)) return this.sourceOf(this.mapping.parent!).columnValue(property, value)
    return this.table === undefined ? value : this.toColumn(property, value)
  }

  /** Makes sure that an object's row still exists. Returns what to read it by. Throws `NOT_FOUND`, `CLOSED`. */
  verify(object: EntityObject): Binding {
    if (this.isRolledBack) throw this.gone('was read or made in a transaction that was rolled back')
    if (this.table.wasRemovedSince(object[ROW], object[BINDING].removals))
      throw this.gone('has been deleted, or its key changed')
    if (object[BINDING].source === this && this.binding.generation !== NO_GENERATION) object[BINDING] = this.binding
    return this.binding
  }

  /** Has an object stand for another row from now on, and end with the open transaction should that be rolled back. */
  take(object: EntityObject, row: number): void {
    this.renewBinding()
    object[BINDING] = this.binding
    object[ROW] = row
  }

  /** Sets one property, within a write. Throws `NO_TRANSACTION`, `READ_ONLY`, and what `set` throws. */
  assign(object: EntityObject, property: string, value: unknown): void {
    const { writer } = this.scope.reader
    const { className } = this.mapping
    if (writer !== undefined) {
      // `set` leaves alone what is undefined, which an assignment cannot mean.
      if (value === undefined) {
        throw new SnapheapError(
          'INVALID_ARGUMENT',
          `${className}.${property} cannot be set to undefined. Set it to null to take its value away.`,
          { class: className, property },
        )
      }
      writer.update(object, { [property]: value })
      return
    }
    if (this.scope.snapshot !== undefined) throw readOnlySnapshot(className)
    throw new SnapheapError(
      'NO_TRANSACTION',
      `${className}.${property} can only be set inside a transaction. Set it within db.write(tx => …).`,
      { class: className, property },
    )
  }

  /** A reference: null without one. Throws `NOT_FOUND` where no object has the key that it holds. */
  reference(row: number, property: MappedProperty): object | null {
    const key = this.binding.columns[property.position].get(row)
    if (key === null || key === undefined) return null
    const target = this.target(property)
    const found = target.get(key)
    if (found !== undefined) return found
    const { className } = target.mapping
    throw new SnapheapError(
      'NOT_FOUND',
      `${this.mapping.className}.${property.name} refers to ${className} ${show(key)}, which does not exist. ` +
        'Create it, or set the property to one that does.',
      { class: this.mapping.className, property: property.name, key },
    )
  }

  /** A property of type number or integer that is not just a number word. */
  numberAt(row: number, property: MappedProperty): unknown {
    const value = this.binding.columns[property.position].get(row)
    if (typeof value === 'bigint') {
      if (Number.isSafeInteger(Number(value))) return Number(value)
      throw new SnapheapError(
        'TYPE',
        `${this.mapping.className}.${property.name} is ${value}, too large for a number. Declare it as bigint.`,
        { class: this.mapping.className, property: property.name },
      )
    }
    return value instanceof Decimal ? value.toNumber() : value
  }

  /** A property of type bigint, whose column may be one of integers. */
  bigintAt(row: number, property: MappedProperty): unknown {
    const value = this.binding.columns[property.position].get(row)
    return typeof value === 'number' ? BigInt(value) : value
  }

  /** A property with a codec. */
  converted(row: number, property: MappedProperty): unknown {
    return property.values!.read(this.binding.columns[property.position].get(row))
  }

  /** The object's values by property, references as keys. */
  plain(object: EntityObject): Record<string, unknown> {
    this.verify(object)
    const result: Record<string, unknown> = {}
    for (const each of this.mapping.all) result[each.name] = this.plainValue(object[ROW], each)
    return result
  }

  /** A value, references as keys; undefined where it is inherited and the parent's row is gone. */
  private plainValue(row: number, property: MappedProperty): unknown {
    if (this.mapping.owns(property)) {
      return property.target === undefined
        ? this.value(row, property)
        : this.binding.columns[property.position].get(row)
    }
    const parent = this.sourceOf(this.mapping.parent!)
    const shared = parent.rowSharing(this.keyColumn, row)
    return shared < 0 ? undefined : parent.plainValue(shared, property)
  }

  /** Ends a transaction's source: its objects are the newest version's from now on, or nothing. */
  settle(live: EntityView, isCommitted: boolean): void {
    this.isRolledBack = !isCommitted
    this.scope = live
    this.view = live.view
    this.generation = -2
  }

  /**
   * Has a binding that was made while a transaction was open made anew, so that objects need not be verified with every
   * read.
   */
  transactionEnded(): void {
    if (this.binding.generation === NO_GENERATION) this.generation = -2
  }

  private target(property: MappedProperty): ClassRows {
    const { reader } = this.scope
    if (reader !== this.scope) return reader.source(property.target!().type)
    const known = this.targets[property.position]
    if (known?.isCurrent === true) return known
    const target = reader.source(property.target!().type)
    this.targets[property.position] = target
    return target
  }

  /** The source of a parent or subclass. */
  private sourceOf(mapping: EntityMapping): ClassRows {
    const { reader } = this.scope
    if (reader !== this.scope) return reader.source(mapping.type)
    const known = this.relatives.get(mapping)
    if (known?.isCurrent === true) return known
    const source = reader.source(mapping.type)
    this.relatives.set(mapping, source)
    return source
  }

  private rowOfKey(id: unknown): number {
    const { table } = this
    const { ids } = this.mapping
    if (ids.length === 1) return table.rowOf(this.toColumn(ids[0], id) as Key)
    if (!Array.isArray(id) || id.length !== ids.length) return table.rowOf(id as Key)
    return table.rowOf(
      table.keyColumns.map((column) => {
        const at = ids.findIndex((each) => each.column === column.name)
        return this.toColumn(ids[at], id[at])
      }),
    )
  }

  private toColumn(property: MappedProperty, value: unknown): unknown {
    if (property.target !== undefined && typeof value === 'object' && value !== null && BINDING in value) {
      return this.keyOf(value as EntityObject, property)
    }
    if (property.values !== undefined) return property.values.stored(value)
    const { type, scale } = this.binding.columns[property.position]
    if (type === 'integer' && typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return Number(value)
    if (
      type === 'decimal' &&
      scale === undefined &&
      property.type === 'number' &&
      typeof value === 'number' &&
      !Number.isInteger(value)
    ) {
      throw new SnapheapError(
        'TYPE',
        `${this.mapping.className}.${property.name} reads a column of exact decimals as numbers, which cannot be ` +
          'looked up or written that way. Declare it as Decimal.',
        { class: this.mapping.className, property: property.name },
      )
    }
    return value
  }

  private keyOf(object: EntityObject, property: MappedProperty): unknown {
    const { source } = object[BINDING]
    const expected = property.target!()
    if (!source.mapping.isA(expected)) {
      throw new SnapheapError(
        'TYPE',
        `${this.mapping.className}.${property.name} takes an object of class ${expected.className} or its key, ` +
          `not an object of class ${source.mapping.className}.`,
        { class: this.mapping.className, property: property.name },
      )
    }
    return source.verify(object).columns[source.mapping.ids[0].position].get(object[ROW])
  }

  /** Throws `INVALID_ARGUMENT` for anything but an object of property values. */
  ensureProperties(values: unknown): Record<string, unknown> {
    if (isRecord(values)) return ensureNoCopy(values as Record<string, unknown>, this.mapping.className)
    const { className, properties } = this.mapping
    const example = `{ ${properties[0].name}: … }`
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `Properties of ${className} are expected, not ${show(values)}. Pass an object, such as ${example}.`,
      { class: className },
    )
  }

  private bind(): void {
    this.scope.ensureOpen()
    const table = this.scope.catalogue.table(this.mapping.tableName)
    if (!this.isOf(table)) throw this.gone('was in a table that has been replaced')
    if (table !== this.bound) ensureNone(differences(this.mapping, table))
    table.ensureUsable()
    this.bound = table
    this.generation = this.view.generation
    const columns = this.mapping.properties.map((each) => table.column(each.column))
    for (const column of columns) column.ensureUsable()
    const generation = this.scope.isSettled ? this.generation : NO_GENERATION
    this.use(this.mapping.code.bind(this, this.view, generation, columns, table.removals))
  }

  /** Brings a transaction's binding up to date with the rows removed in it. */
  private renewBinding(): void {
    const { removals } = this.table
    if (removals === this.binding.removals) return
    const { view, generation, columns } = this.binding
    this.use(this.mapping.code.bind(this, view, generation, columns, removals))
  }

  private use(binding: Binding): void {
    this.binding = binding
    this.settled = binding.generation === NO_GENERATION || this.subclasses.length > 0 ? undefined : binding
  }

  /** Whether this is of the same table as a handle or another source: not of one made after the other was dropped. */
  isOf(other: { readonly descriptor: number; readonly madeIn: number }): boolean {
    return this.descriptor === other.descriptor && this.madeIn === other.madeIn
  }

  gone(what: string): SnapheapError {
    const { className } = this.mapping
    return new SnapheapError('NOT_FOUND', `This ${className} ${what}. Look it up again.`, { class: className })
  }
}
