import { BOOLEAN, ensure, ensureOptions, FUNCTION, isRecord, NAME, type Rule } from '../arguments'
import type { ColumnType } from '../table/column-type'
import { INDEX, INDEXES } from '../table/definition'
import type { IndexDefinition } from '../table/index-definition'
import type { AnyCodec } from './property-values'
import type { EntityClass } from './types'
import type { StandardSchema } from './validation'

export interface EntityOptions {
  /**
   * The table. Default: the class's name in snake case, without underscores at its start. Give it where a build
   * shortens names: `open` refuses classes that then look new.
   */
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
   * What the column holds. Default: by the property's type where the compiler writes that down and it is bare `number`,
   * `string`, `boolean`, `bigint`, `Date`, `Uint8Array` or `Decimal`; needed for every other type, unions with null
   * included, and wherever the compiler writes no types down.
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
   * function that makes one. With the type `Default<T>` the property may be left out of `insert`.
   */
  readonly default?: unknown
  /** The values that it may have: an enum of TypeScript, or an array of strings or numbers. Any other is refused. */
  readonly enum?: Readonly<Record<string, string | number>> | readonly (string | number)[]
  /** Converts values of a type of your own to those of the column, also in conditions and results. Needs `type`. */
  readonly codec?: AnyCodec
}

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

/** What a collection was defined by. */
export interface ManyRecord {
  readonly target: () => EntityClass
  /** What refers to the class that has the collection. */
  readonly by: unknown
  readonly through: (() => EntityClass) | string | undefined
  readonly to: unknown
}

/** The definition of one property, which decorators and `table()` write alike. */
export interface PropertyRecord {
  readonly isId: boolean
  /** Undefined unless it is a reference. */
  readonly target: (() => EntityClass) | undefined
  /** Undefined unless it is a collection, which is no column. */
  readonly many: ManyRecord | undefined
  readonly options: ColumnOptions & RefOptions
  /** Whether the class declares it with `accessor`, so that it has an accessor of its own to be replaced. */
  readonly isAccessor: boolean
}

/** The definition of a property, and where it stands. */
export interface DeclaredProperty extends PropertyRecord {
  readonly property: string
  /** The class that declares it. */
  readonly declaredBy: EntityClass
}

/** The definition of a class. */
export interface ClassDefinition {
  readonly options: EntityOptions
  /** Whether `table()` made the class; its subclasses then stand for the same table. */
  readonly isTable: boolean
}

const ON_DELETE: readonly OnDelete[] = ['restrict', 'cascade', 'setNull']
/** Known with its class and property only. */
const ANY: Rule = [() => true, '']
const ON_DELETE_RULE: Rule = [(rule) => ON_DELETE.includes(rule as OnDelete), "'restrict', 'cascade' or 'setNull'"]
export const CODEC: Rule = [
  (codec) =>
    isRecord(codec) &&
    typeof (codec as AnyCodec).encode === 'function' &&
    typeof (codec as AnyCodec).decode === 'function',
  'an object with the functions encode and decode',
]
export const ENUM: Rule = [
  (values) => typeof values === 'object' && values !== null,
  'an enum, or an array of its values',
]
export const ENTITY_RULES: Readonly<Record<keyof EntityOptions, Rule>> = { name: NAME, schema: ANY, indexes: INDEXES }
export const ID_RULES = { name: NAME, type: ANY }
const SHARED_RULES = { name: NAME, nullable: BOOLEAN, unique: BOOLEAN, index: INDEX }
export const REF_RULES: Readonly<Record<keyof RefOptions, Rule>> = { ...SHARED_RULES, onDelete: ON_DELETE_RULE }
export const COLUMN_RULES: Readonly<Record<keyof ColumnOptions, Rule>> = {
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
const CLASS_BY_FUNCTION: Rule = [
  (target) => FUNCTION[0](target) && !isClass(target),
  'a function that returns the class, as in () => Customer',
]

/**
 * The property of a class under which compilers leave what its standard decorators share. They do so where
 * `Symbol.metadata` exists; where it does not, some take the symbol registered under this name.
 */
const METADATA: symbol = (Symbol as { readonly metadata?: symbol }).metadata ?? Symbol.for('Symbol.metadata')
if (!('metadata' in Symbol) && Object.isExtensible(Symbol))
  Object.defineProperty(Symbol, 'metadata', { value: METADATA })

const classes = new WeakMap<object, ClassDefinition>()
/** By the prototype of a class, or by the object that standard decorators share (its `Symbol.metadata`). */
const properties = new WeakMap<object, Map<string, PropertyRecord>>()

const DEFINED = Symbol.for('snapheap.definedClasses')
/** The classes that any copy of this library in the process has defined. */
const defined: WeakSet<object> = ((globalThis as Record<symbol, unknown>)[DEFINED] ??= new WeakSet()) as never

/** Makes a class one whose objects are rows of a table. */
export function defineClass(type: EntityClass, definition: ClassDefinition): void {
  classes.set(type, definition)
  defined.add(type)
}

/** Whether a class without a definition here has one in another copy of this library. */
export function isDefinedElsewhere(type: EntityClass): boolean {
  return defined.has(type)
}

/** Adds to the definition of a property what one decorator, or `table()`, says of it. */
export function defineProperty(holder: object, property: string, said: Partial<PropertyRecord>): void {
  let records = properties.get(holder)
  if (records === undefined) properties.set(holder, (records = new Map()))
  const earlier = records.get(property)
  records.set(property, {
    isId: (said.isId ?? false) || (earlier?.isId ?? false),
    target: said.target ?? earlier?.target,
    many: said.many ?? earlier?.many,
    options: { ...earlier?.options, ...said.options },
    isAccessor: said.isAccessor ?? earlier?.isAccessor ?? false,
  })
}

/** The definition of a class, or of the table that it extends; undefined for any other. */
export function definitionOf(type: EntityClass): ClassDefinition | undefined {
  const owner = ownerOf(type)
  return owner === undefined ? undefined : classes.get(owner)
}

/** The nearest base class with a table of its own, undefined without one. */
export function parentOf(type: EntityClass): EntityClass | undefined {
  const owner = ownerOf(type) ?? type
  for (let each = baseOf(owner); each !== null; each = baseOf(each)) if (ownerOf(each) !== undefined) return each
  return undefined
}

/** The defined properties of a class, those of its base classes first; only up to (and without) `parent`. */
export function propertiesOf(type: EntityClass, parent?: EntityClass): DeclaredProperty[] {
  const chain: EntityClass[] = []
  for (let each: EntityClass | null = type; each !== null && each !== parent; each = baseOf(each)) chain.unshift(each)
  const all = new Map<string, DeclaredProperty>()
  for (const declaredBy of chain) {
    for (const [property, record] of recordsOf(declaredBy)) all.set(property, { ...record, property, declaredBy })
  }
  return [...all.values()]
}

/** What was defined of the properties that a class itself declares. */
function recordsOf(type: EntityClass): Iterable<[string, PropertyRecord]> {
  const shared: unknown = Object.getOwnPropertyDescriptor(type, METADATA)?.value
  return [...(properties.get(type.prototype) ?? []), ...(properties.get(shared as object) ?? [])]
}

/** The class whose definition says what table a class is of: itself, or one made by `table()` that it extends. */
function ownerOf(type: EntityClass): EntityClass | undefined {
  for (let each: EntityClass | null = type; each !== null; each = baseOf(each)) {
    const definition = classes.get(each)
    if (definition !== undefined) return each === type || definition.isTable ? each : undefined
  }
  return undefined
}

function baseOf(type: EntityClass): EntityClass | null {
  const base: unknown = Object.getPrototypeOf(type)
  return typeof base === 'function' && base.prototype !== undefined ? (base as EntityClass) : null
}

/** What a collection is defined by, from what `@Many` or `many()` was given. Throws `INVALID_ARGUMENT`. */
export function collectionOf<T extends object, L extends object>(
  what: string,
  target: () => EntityClass<T>,
  by: ((each: T) => unknown) | ThroughOptions<L>,
): ManyRecord {
  ensureTarget(what, target)
  if (typeof by === 'function') return { target, by, through: undefined, to: undefined }
  ensureOptions(what, by, LINK_RULES)
  const { through, from, to } = by
  return { target, by: from, through, to }
}

/** Throws `INVALID_ARGUMENT` for anything but a function that returns a class. */
export function ensureTarget(what: string, target: unknown): void {
  ensure(what, target, CLASS_BY_FUNCTION)
}

/** Whether it is a class, not a function that returns one. */
function isClass(value: unknown): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value))
}
