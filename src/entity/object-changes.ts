import type { EntityTransaction } from './database'
import type { EntityMapping } from './mapping'
import { withDefaults } from './property-values'
import type { Scope } from './scope'
import type { EntityObject, Source } from './source'
import type { EntityClass } from './types'
import { validated } from './validation'

type Values = Record<string, unknown>

/** Makes, changes and deletes the objects of one transaction: with defaults, by the class's schema, and telling hooks. */
export class ObjectChanges {
  private failure: { readonly error: unknown } | undefined

  constructor(
    private readonly transaction: EntityTransaction,
    private readonly scope: Scope,
  ) {}

  create(type: EntityClass, given: object): object {
    const source = this.scope.source(type)
    const { mapping } = source
    const values = this.checked(source, withDefaults(mapping, source.ensureProperties(given)))
    const row = this.transaction.insert(mapping.tableName, source.columnValues(values))
    const object = source.object(row)
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
    const before = this.hooks.wants(mapping, 'updated') ? source.plain(object as EntityObject) : undefined
    const changes = this.checkedChanges(source, object, source.ensureProperties(given))
    const { removals } = source.table
    const newRow = this.transaction.writer(mapping.tableName).update(row, source.columnValues(changes))
    // where its key changed its row was made anew, under another number or the same
    if (source.table.wasRemovedSince(row, removals)) source.take(object as EntityObject, newRow)
    if (before !== undefined) this.tell(mapping, 'updated', object, before)
  }

  delete(object: object): void {
    const { source, row } = this.scope.locate(object)
    const { mapping } = source
    const before = this.hooks.wants(mapping, 'deleted') ? source.plain(object as EntityObject) : undefined
    this.transaction.writer(mapping.tableName).delete(row)
    if (before !== undefined) this.tell(mapping, 'deleted', before)
  }

  /** Throws what a hook has thrown, should anybody have caught it. */
  ensureNoneFailed(): void {
    if (this.failure !== undefined) throw this.failure.error
  }

  private get hooks(): Scope['registry']['hooks'] {
    return this.scope.registry.hooks
  }

  private tell(mapping: EntityMapping, name: 'created' | 'updated' | 'deleted', ...given: readonly unknown[]): void {
    try {
      this.hooks.run(mapping, name, ...given, this.transaction)
    } catch (error) {
      this.failure ??= { error }
      throw error
    }
  }

  /** The values of a new object as its schema leaves them. */
  private checked(source: Source, values: Values): Values {
    const { mapping } = source
    if (mapping.schema === undefined) return values
    const whole = source.withKeys(values)
    for (const { name, nullable } of mapping.properties) if (nullable) whole[name] ??= null
    return own(mapping, validated(mapping, whole))
  }

  /** Changes of an object as its schema leaves them. */
  private checkedChanges(source: Source, object: object, changes: Values): Values {
    const { mapping } = source
    if (mapping.schema === undefined) return changes
    const given = Object.entries(source.withKeys(changes)).filter(([, value]) => value !== undefined)
    const result = validated(mapping, { ...source.plain(object as EntityObject), ...Object.fromEntries(given) })
    return Object.fromEntries(given.map(([name]) => [name, result[name]]))
  }
}

/** What of these values are properties of the class. */
function own(mapping: EntityMapping, values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => mapping.findProperty(name) !== undefined))
}
