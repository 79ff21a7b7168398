import type { EntityObject } from './binding'
import type { ClassRows } from './class-rows'
import type { EntityTransaction } from './entity-transaction'
import type { EntityView } from './entity-view'
import type { EntityMapping } from './mapping'
import { withDefaults } from './property-values'
import type { EntityClass } from './types'
import { validated } from './validation'

type Values = Record<string, unknown>

/**
 * Makes, changes and deletes the objects of one transaction: with defaults, by the class's schema, and telling hooks.
 */
export class ObjectWriter {
  private failure: { readonly error: unknown } | undefined

  constructor(
    private readonly transaction: EntityTransaction,
    private readonly scope: EntityView,
  ) {}

  create(type: EntityClass, given: object): object {
    const source = this.scope.source(type)
    const { mapping } = source
    const values = this.checked(source, withDefaults(mapping, source.ensureProperties(given)))
    const object = source.object(this.insert(source, values))
    this.tell(mapping, 'created', object)
    return object
  }

  /** Changes the object with the key that the values have to those, or makes it. */
  upsert(type: EntityClass, values: object): object {
    const source = this.scope.source(type)
    const { ids } = source.mapping
    source.ensureProperties(values)
    const key = ids.map(({ name }) => (values as Values)[name])
    const isWhole = key.every((each) => each !== undefined && each !== null)
    const object = isWhole ? this.scope.get(type, (key.length === 1 ? key[0] : key) as never) : undefined
    if (object === undefined) return this.create(type, values)
    const others = Object.entries(values).filter(([name]) => !ids.some((each) => each.name === name))
    this.set(object, Object.fromEntries(others))
    return object
  }

  set(object: object, given: object): void {
    const { source, row } = this.scope.locate(object)
    const { mapping } = source
    const before = this.wants(mapping, 'updated') ? source.plain(object as EntityObject) : undefined
    const changes = this.checkedChanges(source, object, source.ensureProperties(given))
    const { removals } = source.table
    const newRow = this.update(source, row, changes)
    // where its key changed its row was made anew, under another number or the same
    if (source.table.wasRemovedSince(row, removals)) source.take(object as EntityObject, newRow)
    if (before !== undefined) this.tell(mapping, 'updated', object, before)
  }

  delete(object: object): void {
    const { source, row } = this.scope.locate(object)
    const { mapping } = source
    const before = this.wants(mapping, 'deleted') ? source.plain(object as EntityObject) : undefined
    const rows = mapping.lineage.map((owner) => {
      const each = this.scope.source(owner.type)
      return { owner, at: each === source ? row : each.rowSharing(source.keyColumn, row) }
    })
    for (const { owner, at } of rows.reverse()) if (at >= 0) this.transaction.writer(owner.tableName).delete(at)
    if (before !== undefined) this.tell(mapping, 'deleted', before)
  }

  /** Adds an object's rows, that of its own class last. Returns its number. */
  private insert(source: ClassRows, values: Values): number {
    const { parent, tableName } = source.mapping
    if (parent === undefined) return this.transaction.insert(tableName, source.columnValues(values))
    let row = -1
    for (const [owner, part] of partsOf(source.mapping, values)) {
      row = this.transaction.insert(owner.tableName, this.scope.source(owner.type).columnValues(part))
    }
    return row
  }

  /** Changes an object's rows. Returns the number of that of its own class, which may be another now. */
  private update(source: ClassRows, row: number, changes: Values): number {
    const { parent, tableName } = source.mapping
    if (parent === undefined) return this.transaction.writer(tableName).update(row, source.columnValues(changes))
    let newRow = row
    const parts = partsOf(source.mapping, changes).map(([owner, values]) => {
      const each = this.scope.source(owner.type)
      const at = each === source ? row : each.rowSharing(source.keyColumn, row)
      return { owner, at, values: each.columnValues(values) }
    })
    for (const { owner, at, values } of parts) newRow = this.transaction.writer(owner.tableName).update(at, values)
    return newRow
  }

  /** Throws what a hook has thrown, should anybody have caught it. */
  ensureNoneFailed(): void {
    if (this.failure !== undefined) throw this.failure.error
  }

  private get hooks(): EntityView['registry']['hooks'] {
    return this.scope.registry.hooks
  }

  private wants(mapping: EntityMapping, name: 'updated' | 'deleted'): boolean {
    return !this.hooks.isEmpty && mapping.lineage.some((each) => this.hooks.wants(each, name))
  }

  private tell(mapping: EntityMapping, name: 'created' | 'updated' | 'deleted', ...given: readonly unknown[]): void {
    if (this.hooks.isEmpty) return
    try {
      for (const each of mapping.lineage) this.hooks.run(each, name, ...given, this.transaction)
    } catch (error) {
      this.failure ??= { error }
      throw error
    }
  }

  /** The values of a new object as the schemas of its class and its parents leave them. */
  private checked(source: ClassRows, values: Values): Values {
    const { mapping } = source
    const { schemas } = mapping
    if (schemas.length === 0) return values
    let whole = withKeys(source, values)
    for (const { name, nullable } of mapping.all) if (nullable) whole[name] ??= null
    for (const each of schemas) whole = own(mapping, validated(each, whole))
    return whole
  }

  /** Changes of an object as the schemas leave them. */
  private checkedChanges(source: ClassRows, object: object, changes: Values): Values {
    const { mapping } = source
    const { schemas } = mapping
    if (schemas.length === 0) return changes
    const given = Object.entries(withKeys(source, changes)).filter(([, value]) => value !== undefined)
    let whole: Values = { ...source.plain(object as EntityObject), ...Object.fromEntries(given) }
    for (const each of schemas) whole = validated(each, whole)
    return Object.fromEntries(given.map(([name]) => [name, whole[name]]))
  }
}

/**
 * Which of these values go into the row of each class of the lineage, the key into all. The class itself is the last.
 */
function partsOf(mapping: EntityMapping, values: Values): (readonly [EntityMapping, Values])[] {
  const entries = Object.entries(values).map(([name, value]) => ({ property: mapping.property(name), value }))
  return mapping.lineage.map((owner) => {
    const part = entries.filter(({ property }) => property.isId || owner.owns(property))
    return [owner, Object.fromEntries(part.map(({ property, value }) => [property.name, value]))]
  })
}

/** Property values with keys in place of the objects that references are given as. */
function withKeys(source: ClassRows, values: Values): Values {
  const result: Values = {}
  for (const [name, value] of Object.entries(values)) {
    const property = source.mapping.property(name)
    result[name] = property.target === undefined ? value : source.columnValue(property, value)
  }
  return result
}

/** What of these values are properties of the class. */
function own(mapping: EntityMapping, values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => mapping.findProperty(name) !== undefined))
}
