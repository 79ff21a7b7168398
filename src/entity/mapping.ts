import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { type ColumnType, isColumnType } from '../table/column-type'
import { type IndexDefinition, orderedBy } from '../table/index-definition'
import { Decimal } from '../value/decimal'
import { type ClassCode, hasAccessors, installAccessors } from './accessors'
import { CollectionMapping } from './collection-mapping'
import {
  designTypeOf,
  entityOptionsOf,
  type OnDelete,
  type PropertyRecord,
  parentOf,
  propertyRecordsOf,
} from './decorators'
import { enumValues, PropertyValues, typeOfValues } from './property-values'
import type { EntityClass } from './types'
import { ensureStandard, type StandardSchema } from './validation'

/** A property as its class describes it. */
export interface MappedProperty {
  readonly name: string
  /** Its place in `EntityMapping.properties`. */
  readonly position: number
  readonly column: string
  readonly isId: boolean
  readonly nullable: boolean
  readonly unique: boolean
  /** Undefined: the table's default. */
  readonly index: boolean | 'ordered' | undefined
  /** Undefined for a reference, whose type is that of the target's key. */
  readonly type: ColumnType | undefined
  /** Whether the type was given, not derived. */
  readonly isTypeGiven: boolean
  /** What values go through on their way to the column and back; undefined where they are the column's. */
  readonly values: PropertyValues | undefined
  /** What `@Column` was given as default, a function included; undefined for none. */
  readonly defaultValue: unknown
  /** Undefined for anything but a reference with a rule. */
  readonly onDelete: OnDelete | undefined
  /** Undefined unless it is a reference. Throws when what it leads to is no class. */
  readonly target: (() => EntityMapping) | undefined
}

/** A class and the table its objects are rows of. One for each class, for the life of the process. */
export class EntityMapping {
  readonly className: string
  readonly tableName: string
  /** What checks its objects, undefined for nothing. */
  readonly schema: StandardSchema | undefined
  readonly properties: readonly MappedProperty[]
  /**
   * The class whose objects these are, too, with a row of their own under the same key; undefined without one. What is
   * inherited from it is kept there.
   */
  readonly parent: EntityMapping | undefined
  /** It and its parents, from the first on. */
  readonly lineage: readonly EntityMapping[]
  /** Those among them that have a schema. */
  readonly schemas: readonly EntityMapping[]
  /** Every property, those that are inherited between the key and its own. */
  readonly all: readonly MappedProperty[]
  /** In the order in which they make the key. */
  readonly ids: readonly MappedProperty[]
  /** The properties that are collections, which are no columns. */
  readonly collections: readonly CollectionMapping[]
  /** Those of the class, by column names. */
  readonly ownIndexes: readonly IndexDefinition[]
  /** These, and those of its properties that are in order. */
  readonly indexes: readonly IndexDefinition[]
  /** Makes the objects of rows, without running the constructor, and what they are bound to. */
  readonly code: ClassCode
  private readonly byName: Map<string, MappedProperty>
  /** The properties that have a default. */
  readonly withDefaults: readonly MappedProperty[]

  /** Throws `SCHEMA`, naming class, property and remedy. */
  constructor(readonly type: EntityClass) {
    this.className = type.name
    const options = entityOptionsOf(type)
    if (options === undefined) {
      throw new SnapheapError('SCHEMA', `Class ${type.name} is no entity. Put @Entity() before it.`, {
        class: type.name,
      })
    }
    this.schema = options.schema
    if (this.schema !== undefined) ensureStandard(this.className, this.schema)
    this.tableName = options.name ?? snakeCase(type.name)
    if (this.tableName === '') {
      throw new SnapheapError('SCHEMA', 'A class without a name has no table. Give it one with @Entity({ name: … }).')
    }
    const parent = parentOf(type)
    this.parent = parent === undefined ? undefined : mappingOf(parent)
    this.lineage = [...(this.parent?.lineage ?? []), this]
    this.schemas = this.lineage.filter((each) => each.schema !== undefined)
    const records = this.recordsOf(this.parent)
    this.properties = records
      .filter((each) => each.many === undefined)
      .map((each, position) => this.map(each, position))
    this.collections = records.flatMap(({ property, many }) =>
      many === undefined
        ? []
        : [new CollectionMapping(this, property, many, (name, target) => this.resolve(name, target))],
    )
    this.ids = this.properties.filter((each) => each.isId)
    const inherited = this.parent?.all.filter((each) => !each.isId) ?? []
    this.all = [...this.ids, ...inherited, ...this.properties.filter((each) => !each.isId)]
    if (this.parent === undefined) this.all = this.properties
    this.withDefaults = this.all.filter((each) => each.defaultValue !== undefined)
    this.byName = new Map(this.all.map((each) => [each.name, each]))
    if (this.ids.length === 0) {
      throw new SnapheapError(
        'SCHEMA',
        `Class ${type.name} has no key. Put @Id() before the property that identifies an object.`,
        {
          class: type.name,
        },
      )
    }
    const unfit = this.ids.find(({ type }) => type === 'any' || (type === 'boolean' && this.ids.length === 1))
    if (unfit !== undefined) {
      throw this.fault(unfit.name, `is a key of type ${unfit.type}, which identifies nothing. Give it another type.`)
    }
    const columns = new Map<string, string>()
    for (const { name, column } of this.properties) {
      const other = columns.get(column)
      if (other !== undefined)
        throw this.fault(name, `uses column ${column}, and so does ${other}. Give one of them another name.`)
      columns.set(column, name)
    }
    const ordered = this.properties.filter((each) => each.index === 'ordered').map((each) => orderedBy(each.column))
    this.ownIndexes = (options.indexes ?? []).map((each) => this.mapIndex(each))
    this.indexes = [...ordered, ...this.ownIndexes]
    this.ensureNoShadows()
    this.code = installAccessors(this)
  }

  /** Throws `INVALID_ARGUMENT` for an unknown property, naming those there are. */
  property(name: string): MappedProperty {
    const property = this.byName.get(name)
    if (property !== undefined) return property
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `Class ${this.className} has no column property "${name}". It has ${[...this.byName.keys()].join(', ')}; ` +
        'decorate others with @Column().',
      { class: this.className, property: name },
    )
  }

  /** The column property with this name, undefined without one. */
  findProperty(name: string): MappedProperty | undefined {
    return this.byName.get(name)
  }

  /** Whether its objects are of this class, too. */
  isA(other: EntityMapping): boolean {
    return this.lineage.includes(other)
  }

  /** Whether a property is kept in its own table. */
  owns(property: MappedProperty): boolean {
    return this.properties[property.position] === property
  }

  /** What a property's column holds, references resolved. Throws `SCHEMA`. */
  columnType(property: MappedProperty, via: readonly MappedProperty[] = []): ColumnType {
    if (property.type !== undefined) return property.type
    const target = property.target!()
    if (target.ids.length !== 1) {
      throw this.fault(
        property.name,
        `refers to ${target.className}, whose key has ${target.ids.length} columns. Keep those as properties ` +
          'instead, and look it up with get.',
      )
    }
    if (via.includes(property))
      throw this.fault(property.name, 'is a key made of itself through references. Give one of them a key of its own.')
    return target.columnType(target.ids[0], [...via, property])
  }

  /** An error about the class itself. */
  fault(property: string, problem: string): SnapheapError {
    return new SnapheapError('SCHEMA', `${this.className}.${property} ${problem}`, { class: this.className, property })
  }

  /** A constructor that leaves a property on the object itself hides the accessor of the same name. */
  private ensureNoShadows(): void {
    let probe: object
    try {
      probe = Reflect.construct(this.type as unknown as () => void, [])
    } catch {
      return // it wants arguments; objects of rows are made without it
    }
    for (const { name } of [...this.all, ...this.collections]) {
      if (!Object.hasOwn(probe, name)) continue
      throw this.fault(
        name,
        'is also a field that the constructor makes, which would hide the column. Write it without a value, as ' +
          '`declare` or with "useDefineForClassFields": false.',
      )
    }
  }

  /** What it declares itself, behind the key that it shares with its parent. */
  private recordsOf(parent: EntityMapping | undefined): PropertyRecord[] {
    const records = propertyRecordsOf(this.type, parent?.type)
    if (parent === undefined) return records
    const key = records.find((each) => each.isId)
    if (key !== undefined)
      throw this.fault(key.property, `is a key, but ${parent.className} has one already. Leave @Id() out.`)
    if (parent.ids.length !== 1) {
      throw this.fault(
        parent.ids[0].name,
        `is part of a key of several columns, which subclasses cannot share. Give ${parent.className} a key of one.`,
      )
    }
    const again = records.find(({ property }) => parent.findProperty(property) !== undefined)
    if (again !== undefined)
      throw this.fault(
        again.property,
        `is a property of ${parent.className} already. Give it another name, or leave it to ${parent.className}.`,
      )
    return [...propertyRecordsOf(parent.type).filter((each) => each.isId), ...records]
  }

  private map(record: PropertyRecord, position: number): MappedProperty {
    const { property: name, options, isId, target } = record
    if (Object.hasOwn(record.declaredBy.prototype, name) && !hasAccessors(record.declaredBy)) {
      throw this.fault(name, 'is a method or accessor of the class, which a column cannot be. Decorate a plain field.')
    }
    if (options.type !== undefined && (target !== undefined || !isColumnType(options.type))) {
      throw this.fault(
        name,
        target === undefined
          ? `has the unknown type ${show(options.type)}. Use a column type, like 'string' or 'number[]'.`
          : 'is a reference, whose type is that of the key it refers to. Leave type out.',
      )
    }
    const values = this.valuesOf(record)
    return {
      name,
      position,
      values,
      column: options.name ?? snakeCase(name),
      isId,
      nullable: !isId && (options.nullable ?? options.type === 'any'),
      unique: options.unique ?? false,
      index: options.index,
      type: target === undefined ? (options.type ?? this.derivedType(record)) : undefined,
      isTypeGiven: options.type !== undefined,
      defaultValue: options.default,
      onDelete: options.onDelete,
      target: target === undefined ? undefined : () => this.resolve(name, target),
    }
  }

  private valuesOf({ property, options, isId }: PropertyRecord): PropertyValues | undefined {
    const { codec, enum: allowed, type } = options
    if (codec === undefined && allowed === undefined) return undefined
    if (isId) throw this.fault(property, 'is part of the key, which is kept as it is. Leave codec and enum out.')
    if (codec !== undefined && type === undefined)
      throw this.fault(
        property,
        `has a codec, but not the type of what that encodes to. Say @Column({ type: 'string', codec }) or the like.`,
      )
    if (codec !== undefined && allowed !== undefined)
      throw this.fault(property, 'has both an enum and a codec. Leave one of them out.')
    return new PropertyValues(`${this.className}.${property}`, allowed && enumValues(allowed), codec)
  }

  private mapIndex(index: IndexDefinition): IndexDefinition {
    const columnOf = (name: string): string => {
      const property = this.byName.get(name)
      if (property !== undefined && this.owns(property)) return property.column
      throw this.fault(
        name,
        `is named by an index, but ${this.className} has no column property of that name. It has ` +
          `${this.properties.map((each) => each.name).join(', ')}.`,
      )
    }
    const where = Object.entries(index.where ?? {}).map(([name, value]) => [columnOf(name), value])
    return {
      ...index,
      columns: index.columns.map(columnOf),
      ...(where.length === 0 ? {} : { where: Object.fromEntries(where) }),
    }
  }

  private resolve(property: string, target: () => unknown): EntityMapping {
    const type: unknown = target()
    if (typeof type !== 'function') throw this.fault(property, 'refers to no class. Write @Ref(() => TheClass).')
    return mappingOf(type as EntityClass)
  }

  private derivedType(record: PropertyRecord): ColumnType {
    const { property, options } = record
    if (options.enum !== undefined) {
      const type = typeOfValues(enumValues(options.enum))
      if (type !== undefined) return type
      throw this.fault(property, 'has an enum that is neither all strings nor all numbers. Give it values of one type.')
    }
    const design = designTypeOf(record)
    switch (design) {
      case Number:
        return record.isId ? 'integer' : 'number'
      case String:
        return 'string'
      case Boolean:
        return 'boolean'
      case BigInt:
        return 'bigint'
      case Date:
        return 'timestamp'
      case Decimal:
        return 'decimal'
      case Uint8Array:
      case Buffer:
        return 'bytes'
      case undefined:
        throw this.fault(
          property,
          `has no type metadata. Compile with "emitDecoratorMetadata": true, or say @Column({ type: … }).`,
        )
      case Array:
        throw this.fault(
          property,
          `is an array of what the metadata does not say. Say @Column({ type: 'string[]' }) or the like.`,
        )
      case Object:
        throw this.fault(
          property,
          'has a type that the metadata does not tell (a union, an alias or an interface). Say @Column({ type: … ' +
            '}), with nullable: true where it can be null.',
        )
      default: {
        const name = typeof design === 'function' ? design.name : String(design)
        throw this.fault(
          property,
          `has the type ${name}, which a column cannot have. Use @Ref(() => ${name}) if it is an entity, else ` +
            '@Column({ type: … }).',
        )
      }
    }
  }
}

const mappings = new WeakMap<EntityClass, EntityMapping>()
/** The mapping of a class, made the first time it is asked for. Throws `SCHEMA`. */
export function mappingOf(type: EntityClass): EntityMapping {
  let mapping = mappings.get(type)
  if (mapping === undefined) {
    mapping = new EntityMapping(type)
    mappings.set(type, mapping)
  }
  return mapping
}

/** "creationDate" -> "creation_date", "HTTPStatus" -> "http_status". */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
}
