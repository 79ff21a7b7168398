import { show } from '../arguments'
import { SnapheapError } from '../errors'
import { type ColumnType, isColumnType } from '../table/column-type'
import { type IndexDefinition, orderedBy } from '../table/index-definition'
import { type ClassCode, hasAccessors, installAccessors } from './accessors'
import {
  type DeclaredProperty,
  definitionOf,
  isDefinedElsewhere,
  type OnDelete,
  parentOf,
  propertiesOf,
} from './class-definition'
import { CollectionMapping } from './collection-mapping'
import { derivedType } from './derived-type'
import { enumValues, PropertyValues } from './property-values'
import { type Spelling, spellingOf } from './spelling'
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
  /** The class's name; that of the table where `table()` made the class. */
  readonly className: string
  readonly tableName: string
  /** Whether the table's name was given, not derived from the class's. */
  readonly isNamed: boolean
  /** How remedies are written. */
  readonly spelling: Spelling
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
    const definition = definitionOf(type)
    if (definition === undefined) {
      throw new SnapheapError(
        'SCHEMA',
        isDefinedElsewhere(type)
          ? `Class ${type.name} was defined through another copy of snapheap in this process. Install snapheap once, ` +
              'and leave it out of bundles.'
          : `Class ${type.name} is no entity. Put @Entity() before it, or make it with table().`,
        { class: type.name },
      )
    }
    const { options, isTable } = definition
    this.className = type.name.replace(/^_+(?=.)/, '') // which compilers put there
    this.spelling = spellingOf(isTable)
    this.schema = options.schema
    if (this.schema !== undefined) ensureStandard(this.className, this.schema)
    this.isNamed = options.name !== undefined
    this.tableName = options.name ?? derivedName(this.className)
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
      throw new SnapheapError('SCHEMA', `${this.spelling.kind} ${this.className} has no key. ${this.spelling.addKey}`, {
        class: this.className,
      })
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
    this.ensureNoInitialValues(records)
    this.code = installAccessors(this)
  }

  /** Throws `INVALID_ARGUMENT` for an unknown property, naming those there are. */
  property(name: string): MappedProperty {
    const property = this.byName.get(name)
    if (property !== undefined) return property
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `${this.spelling.kind} ${this.className} has no column property "${name}". It has ` +
        `${[...this.byName.keys()].join(', ')}; ${this.spelling.addProperty}`,
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

  /** Objects of rows are made without the constructor: a value that it gives a property would never be seen. */
  private ensureNoInitialValues(records: readonly DeclaredProperty[]): void {
    let probe: Record<string, unknown>
    try {
      probe = Reflect.construct(this.type as unknown as () => void, []) as Record<string, unknown>
    } catch {
      return // it wants arguments
    }
    for (const { property, isAccessor } of records) {
      const isOwn = Object.hasOwn(probe, property) || (isAccessor && !hasAccessors(this.type))
      if (!isOwn || probe[property] === undefined) continue
      throw this.fault(
        property,
        `has the initial value ${show(probe[property])}, which objects of rows never get. Leave it out, and say ` +
          '@Column({ default: … }) for what new objects get.',
      )
    }
  }

  /** What it declares itself, behind the key that it shares with its parent. */
  private recordsOf(parent: EntityMapping | undefined): DeclaredProperty[] {
    const records = propertiesOf(this.type, parent?.type)
    if (parent === undefined) return records
    const key = records.find((each) => each.isId)
    if (key !== undefined)
      throw this.fault(key.property, `is a key, but ${parent.className} has one already. ${this.spelling.leaveOutKey}`)
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
    return [...propertiesOf(parent.type).filter((each) => each.isId), ...records]
  }

  private map(record: DeclaredProperty, position: number): MappedProperty {
    const { property: name, options, isId, target } = record
    this.ensureFree(record)
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
      type: target === undefined ? (options.type ?? derivedType(this, record)) : undefined,
      isTypeGiven: options.type !== undefined,
      defaultValue: options.default,
      onDelete: options.onDelete,
      target: target === undefined ? undefined : () => this.resolve(name, target),
    }
  }

  /** Throws where the class has something else of the property's name. */
  private ensureFree({ property, declaredBy, isAccessor }: DeclaredProperty): void {
    if (property in Object.prototype || property === 'toJSON')
      throw this.fault(property, 'has a name that every object has something else under. Choose another name.')
    for (let each = this.type; ; each = Object.getPrototypeOf(each) as EntityClass) {
      const isOther = !hasAccessors(each) && !(isAccessor && each === declaredBy)
      if (isOther && Object.hasOwn(each.prototype, property))
        throw this.fault(
          property,
          'is a method or accessor of the class, which a column cannot be. Decorate a plain field.',
        )
      if (each === declaredBy) return
    }
  }

  private valuesOf({ property, options, isId }: DeclaredProperty): PropertyValues | undefined {
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
    if (typeof type !== 'function')
      throw this.fault(property, `refers to no class. Write ${this.spelling.reference('other')}.`)
    return mappingOf(type as EntityClass)
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

/**
 * The table of a class that names none. Throws `SCHEMA` where the class has no name, or one as short as builds give:
 * another build would call it, and so its table, something else.
 */
function derivedName(className: string): string {
  const problem =
    className === ''
      ? 'A class without a name has no table.'
      : `Class ${className} has a name of fewer than three letters, as builds that shorten names give.`
  if (className.length >= 3) return snakeCase(className)
  throw new SnapheapError('SCHEMA', `${problem} Give it one with @Entity({ name: … }).`, { class: className })
}
