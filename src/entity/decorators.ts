import 'reflect-metadata'
import { BOOLEAN, ensure, ensureOptions, FUNCTION, NAME, type Rule } from '../arguments'
import { SnapheapError } from '../errors'
import type { ColumnType } from '../table/column-type'
import { INDEX, INDEXES } from '../table/definition'
import type { IndexDefinition } from '../table/index-definition'
import type { EntityClass } from './types'

export interface EntityOptions {
  /** The table. Default: the class's name in snake case. */
  readonly name?: string
  /** Further indexes, over several properties, in order, unique, or of some objects: `columns` and `where` name properties. */
  readonly indexes?: readonly IndexDefinition[]
}

export interface ColumnOptions {
  /** The column. Default: the property's name in snake case. */
  readonly name?: string
  /**
   * What the column holds. Default: by the property's type where that is bare `number`, `string`, `boolean`, `bigint`,
   * `Date`, `Uint8Array` or `Decimal`; needed for every other type, unions with null included.
   */
  readonly type?: ColumnType
  /** Whether an object may have no value here (null). Default false. */
  readonly nullable?: boolean
  /** Whether no two objects may have the same value. Default false. */
  readonly unique?: boolean
  /** Whether objects can be found by it without a scan; 'ordered': also by ranges of it, and in its order. Default true, except for booleans. */
  readonly index?: boolean | 'ordered'
}

export type IdOptions = Pick<ColumnOptions, 'name' | 'type'>
export type RefOptions = Omit<ColumnOptions, 'type'>

const REF_RULES: Readonly<Record<keyof RefOptions, Rule>> = {
  name: NAME,
  nullable: BOOLEAN,
  unique: BOOLEAN,
  index: INDEX,
}
const TYPE: Rule = [() => true, ''] // known with its class and property only
const ID_RULES = { name: NAME, type: TYPE }
const COLUMN_RULES = { ...REF_RULES, type: TYPE }
const CLASS_BY_FUNCTION: Rule = [FUNCTION[0], 'a function that returns the class, as in @Ref(() => Customer)']

/** What decorators have said of one property. */
export interface PropertyRecord {
  readonly property: string
  /** The class that declares it. */
  readonly declaredBy: EntityClass
  readonly isId: boolean
  readonly target: (() => EntityClass) | undefined
  readonly options: ColumnOptions
}

const classes = new WeakMap<object, EntityOptions>()
const properties = new WeakMap<object, Map<string, PropertyRecord>>()

/** Makes a class one whose objects are rows of a table. The decorators only record; `open` reads what they recorded. */
export function Entity(options: EntityOptions = {}): (type: EntityClass) => void {
  ensureOptions('@Entity', options, { name: NAME, indexes: INDEXES })
  return (type) => {
    classes.set(type, options)
  }
}

/** A property of the key. A class has at least one; several are one key of several columns, in their order. A number is an integer. */
export function Id(options: IdOptions = {}): (prototype: object, property: string) => void {
  ensureOptions('@Id', options, ID_RULES)
  return (prototype, property) => record(prototype, property, { isId: true, options })
}

/** A property that is a column. */
export function Column(options: ColumnOptions = {}): (prototype: object, property: string) => void {
  ensureOptions('@Column', options, COLUMN_RULES)
  return (prototype, property) => record(prototype, property, { options })
}

/** A property that is an object of another class (or the same), kept as its key. The class is given by a function, so that classes may refer to each other. */
export function Ref(
  target: () => EntityClass,
  options: RefOptions = {},
): (prototype: object, property: string) => void {
  ensure('What @Ref refers to', target, CLASS_BY_FUNCTION)
  ensureOptions('@Ref', options, REF_RULES)
  return (prototype, property) => record(prototype, property, { target, options })
}

/** What `@Entity` was given, undefined for a class without it. */
export function entityOptionsOf(type: EntityClass): EntityOptions | undefined {
  return classes.get(type)
}

/** The decorated properties of a class, those of its base classes first. */
export function propertyRecordsOf(type: EntityClass): PropertyRecord[] {
  const chain: object[] = []
  for (let each: object | null = type.prototype; each !== null; each = Object.getPrototypeOf(each)) chain.unshift(each)
  const all = new Map<string, PropertyRecord>()
  for (const prototype of chain) for (const [name, each] of properties.get(prototype) ?? []) all.set(name, each)
  return [...all.values()]
}

/** The constructor that the compiler wrote down for a property's type, undefined where it wrote none. */
export function designTypeOf({ declaredBy, property }: PropertyRecord): unknown {
  return Reflect.getMetadata('design:type', declaredBy.prototype, property)
}

function record(prototype: object, property: string, said: Partial<PropertyRecord>): void {
  if (typeof property !== 'string' || typeof prototype !== 'object' || prototype === null) {
    const context = property as { name?: unknown; kind?: unknown } | undefined
    throw new SnapheapError(
      'SCHEMA',
      `The decorator of ${String(context?.name ?? property)} was not applied to an instance property in the legacy way. ` +
        'Decorate plain fields, and compile with "experimentalDecorators": true.',
    )
  }
  let records = properties.get(prototype)
  if (records === undefined) properties.set(prototype, (records = new Map()))
  const earlier = records.get(property)
  records.set(property, {
    property,
    declaredBy: prototype.constructor as EntityClass,
    isId: (said.isId ?? false) || (earlier?.isId ?? false),
    target: said.target ?? earlier?.target,
    options: { ...earlier?.options, ...said.options },
  })
}
