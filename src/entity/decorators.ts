import 'reflect-metadata'
import { BOOLEAN, ensure, ensureOptions, FUNCTION, isRecord, NAME, type Rule } from '../arguments'
import { SnapheapError } from '../errors'
import type { ColumnType } from '../table/column-type'
import { INDEX, INDEXES } from '../table/definition'
import type { IndexDefinition } from '../table/index-definition'
import type { Collection } from './collection'
import type { AnyCodec } from './property-values'
import type { EntityClass } from './types'
import type { StandardSchema } from './validation'

export interface EntityOptions {
  /** The table. Default: the class's name in snake case. */
  readonly name?: string
  /**
   * What checks objects when they are made or changed, and may change their values: a schema of any library that
   * follows the Standard Schema, such as zod or valibot. It sees every property, null where there is no value,
   * references as keys.
   */
  readonly schema?: StandardSchema
  /**
   * Further indexes, over several properties, in order, unique, or of some objects: `columns` and `where` name
   * properties.
   */
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
  /**
   * Whether objects can be found by it without a scan; 'ordered': also by ranges of it, and in its order. Default true,
   * except for booleans.
   */
  readonly index?: boolean | 'ordered'
  /**
   * What an object gets that is made without it, and what rows get that were there before the column: a value, or a
   * function that makes one. With the type `Default<T>` the property may be left out of `create`.
   */
  readonly default?: unknown
  /** The values that it may have: an enum of TypeScript, or an array of strings or numbers. Any other is refused. */
  readonly enum?: Readonly<Record<string, string | number>> | readonly (string | number)[]
  /** Converts values of a type of your own to those of the column, also in conditions and results. Needs `type`. */
  readonly codec?: AnyCodec
}

export type IdOptions = Pick<ColumnOptions, 'name' | 'type'>

/**
 * What becomes of an object when what it refers to is deleted: the deletion is refused, it is deleted too, or it refers
 * to nothing.
 */
export type OnDelete = 'restrict' | 'cascade' | 'setNull'

export interface RefOptions extends Omit<ColumnOptions, 'type' | 'default' | 'enum' | 'codec'> {
  /**
   * Has the reference always lead somewhere: a commit that leaves it dangling is refused, and deletions of what it
   * refers to do as said here. Kept by whoever writes with the class registered. Default: it may lead nowhere, and says
   * so when read.
   */
  readonly onDelete?: OnDelete
}

/** How the objects of a many-to-many collection are found: by rows that each link one to the other. */
export interface ThroughOptions<L extends object = object> {
  /** The class of the links, given by a function, or the name of their table. */
  readonly through: (() => EntityClass<L>) | string
  /** The link's reference to the class that has the collection: `(link) => link.post`, or the column of the table. */
  readonly from: ((link: L) => unknown) | string
  /** The link's reference to the class that is collected. */
  readonly to: ((link: L) => unknown) | string
}

/** What `@Many` was given. */
export interface ManyRecord {
  readonly target: () => EntityClass
  /** What refers to the class that has the collection. */
  readonly by: unknown
  readonly through: (() => EntityClass) | string | undefined
  readonly to: unknown
}

const ON_DELETE: readonly OnDelete[] = ['restrict', 'cascade', 'setNull']
const REF_RULES: Readonly<Record<keyof RefOptions, Rule>> = {
  name: NAME,
  nullable: BOOLEAN,
  unique: BOOLEAN,
  index: INDEX,
  onDelete: [(rule) => ON_DELETE.includes(rule as OnDelete), "'restrict', 'cascade' or 'setNull'"],
}
const ANY: Rule = [() => true, ''] // known with its class and property only
const CODEC: Rule = [
  (codec) =>
    isRecord(codec) &&
    typeof (codec as AnyCodec).encode === 'function' &&
    typeof (codec as AnyCodec).decode === 'function',
  'an object with the functions encode and decode',
]
const ENUM: Rule = [(values) => typeof values === 'object' && values !== null, 'an enum, or an array of its values']
const ID_RULES = { name: NAME, type: ANY }
const { onDelete: _, ...SHARED_RULES } = REF_RULES
const COLUMN_RULES: Readonly<Record<keyof ColumnOptions, Rule>> = {
  ...SHARED_RULES,
  type: ANY,
  default: ANY,
  enum: ENUM,
  codec: CODEC,
}
const END: Rule = [
  (end) => typeof end === 'function' || NAME[0](end),
  'a function such as (link) => link.post, or the name of a column',
]
const LINK_RULES: Readonly<Record<keyof ThroughOptions, Rule>> = { through: END, from: END, to: END }
const CLASS_BY_FUNCTION: Rule = [FUNCTION[0], 'a function that returns the class, as in @Ref(() => Customer)']

/** What decorators have said of one property. */
export interface PropertyRecord {
  readonly property: string
  /** The class that declares it. */
  readonly declaredBy: EntityClass
  readonly isId: boolean
  readonly target: (() => EntityClass) | undefined
  /** Undefined unless it is a collection, which is no column. */
  readonly many: ManyRecord | undefined
  readonly options: ColumnOptions & RefOptions
}

const classes = new WeakMap<object, EntityOptions>()
const properties = new WeakMap<object, Map<string, PropertyRecord>>()

/** Makes a class one whose objects are rows of a table. The decorators only record; `open` reads what they recorded. */
export function Entity(options: EntityOptions = {}): (type: EntityClass) => void {
  ensureOptions('@Entity()', options, { name: NAME, schema: ANY, indexes: INDEXES })
  return (type) => {
    classes.set(type, options)
  }
}

/**
 * A property of the key. A class has at least one; several are one key of several columns, in their order. A number is
 * an integer.
 */
export function Id(options: IdOptions = {}): (prototype: object, property: string) => void {
  ensureOptions('@Id()', options, ID_RULES)
  return (prototype, property) => record(prototype, property, { isId: true, options })
}

/** A property that is a column. */
export function Column(options: ColumnOptions = {}): (prototype: object, property: string) => void {
  ensureOptions('@Column()', options, COLUMN_RULES)
  return (prototype, property) => record(prototype, property, { options })
}

/**
 * A property that is an object of another class (or the same), kept as its key. The class is given by a function, so
 * that classes may refer to each other.
 */
export function Ref(
  target: () => EntityClass,
  options: RefOptions = {},
): (prototype: object, property: string) => void {
  ensure('@Ref()', target, CLASS_BY_FUNCTION)
  ensureOptions('@Ref()', options, REF_RULES)
  return (prototype, property) => record(prototype, property, { target, options })
}

/**
 * A property that is the collection of the objects that refer to this one: those of another class by its reference, as
 * in `@Many(() => Post, (post) => post.author) posts!: Many<Post>`, or those that rows of a third table or class link
 * to it.
 */
export function Many<T extends object, L extends object = object>(
  target: () => EntityClass<T>,
  by: ((each: T) => unknown) | ThroughOptions<L>,
): (prototype: object, property: string) => void {
  ensure('@Many()', target, CLASS_BY_FUNCTION)
  if (typeof by !== 'function') ensureOptions('@Many()', by, LINK_RULES)
  const { through, from, to }: Partial<ThroughOptions<L>> = typeof by === 'function' ? { from: by as never } : by
  const many: Omit<ManyRecord, 'target'> = { by: from, through, to }
  return (prototype, property) => record(prototype, property, { many: { ...many, target } })
}

/**
 * The type of a property with `@Many`: the objects that refer to this one, read when they are asked for. An iterable
 * with `length`, `at` and `where`.
 */
export type Many<T extends object> = Collection<T>

/** What `@Entity` was given, undefined for a class without it. */
export function entityOptionsOf(type: EntityClass): EntityOptions | undefined {
  return classes.get(type)
}

/** The nearest base class with a table of its own, undefined without one. */
export function parentOf(type: EntityClass): EntityClass | undefined {
  for (
    let each = Object.getPrototypeOf(type) as EntityClass | null;
    each !== null;
    each = Object.getPrototypeOf(each)
  ) {
    if (classes.has(each)) return each
  }
  return undefined
}

/** The decorated properties of a class, those of its base classes first; only up to (and without) `parent`. */
export function propertyRecordsOf(type: EntityClass, parent?: EntityClass): PropertyRecord[] {
  const chain: object[] = []
  for (let each: object | null = type.prototype; each !== null; each = Object.getPrototypeOf(each)) {
    if (each === parent?.prototype) break
    chain.unshift(each)
  }
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
      `The decorator of ${String(context?.name ?? property)} was not applied to an instance property in the ` +
        'legacy way. ' +
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
    many: said.many ?? earlier?.many,
    options: { ...earlier?.options, ...said.options },
  })
}
