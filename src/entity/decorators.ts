import 'reflect-metadata'
import { ensureOptions } from '../arguments'
import { SnapheapError } from '../errors'
import {
  COLUMN_RULES,
  type ColumnOptions,
  collectionOf,
  type DeclaredProperty,
  defineClass,
  defineProperty,
  ENTITY_RULES,
  type EntityOptions,
  ensureTarget,
  ID_RULES,
  type PropertyRecord,
  REF_RULES,
  type RefOptions,
  type ThroughOptions,
} from './class-definition'
import type { Collection } from './collection'
import type { EntityClass } from './types'

export type IdOptions = Pick<ColumnOptions, 'name' | 'type'>

/** What a compiler tells a standard decorator of a field. */
export interface FieldContext {
  readonly kind: 'field' | 'accessor'
  readonly name: string | symbol
  readonly static: boolean
  readonly private: boolean
  readonly metadata?: object | undefined
}

/** A decorator of a field or `accessor`: standard, or legacy ("experimentalDecorators"). */
export interface FieldDecorator {
  (field: undefined, context: FieldContext & { readonly kind: 'field' }): void
  (accessor: object, context: FieldContext & { readonly kind: 'accessor' }): void
  (prototype: object, property: string): void
}

/** Makes a class one whose objects are rows of a table. The decorators only record; `open` reads what they recorded. */
export function Entity(options: EntityOptions = {}): (type: EntityClass) => void {
  ensureOptions('@Entity()', options, ENTITY_RULES)
  return (type) => defineClass(type, { options, isTable: false })
}

/**
 * A property of the key. A class has at least one; several are one key of several columns, in their order. A number is
 * an integer.
 */
export function Id(options: IdOptions = {}): FieldDecorator {
  ensureOptions('@Id()', options, ID_RULES)
  return recorder({ isId: true, options })
}

/** A property that is a column. */
export function Column(options: ColumnOptions = {}): FieldDecorator {
  ensureOptions('@Column()', options, COLUMN_RULES)
  return recorder({ options })
}

/**
 * A property that is an object of another class (or the same), kept as its key. The class is given by a function, so
 * that classes may refer to each other.
 */
export function Ref(target: () => EntityClass, options: RefOptions = {}): FieldDecorator {
  ensureTarget('@Ref()', target)
  ensureOptions('@Ref()', options, REF_RULES)
  return recorder({ target, options })
}

/**
 * A property that is the collection of the objects that refer to this one: those of another class by its reference, as
 * in `@Many(() => Post, (post) => post.author) posts!: Many<Post>`, or those that rows of a third table or class link
 * to it.
 */
export function Many<T extends object, L extends object = object>(
  target: () => EntityClass<T>,
  by: ((each: T) => unknown) | ThroughOptions<L>,
): FieldDecorator {
  return recorder({ many: collectionOf('@Many()', target, by) })
}

/**
 * The type of a property with `@Many`: the objects that refer to this one, read when they are asked for. An iterable
 * with `length`, `at` and `where`.
 */
export type Many<T extends object> = Collection<T>

/** The constructor that the compiler wrote down for a property's type, undefined where it wrote none. */
export function designTypeOf({ declaredBy, property }: DeclaredProperty): unknown {
  return Reflect.getMetadata('design:type', declaredBy.prototype, property)
}

/** A decorator that records what it says, in whichever way it is applied. */
function recorder(said: Partial<PropertyRecord>): FieldDecorator {
  return (target: unknown, context: unknown): void => {
    if (typeof context === 'object' && context !== null) recordStandard(context as FieldContext, said)
    else if (typeof context === 'string' && typeof target === 'object' && target !== null)
      defineProperty(target, context, said)
    else throw misapplied(String(context))
  }
}

function recordStandard(context: FieldContext, said: Partial<PropertyRecord>): void {
  const { kind, name, metadata } = context
  if (typeof name !== 'string' || context.static || context.private || (kind !== 'field' && kind !== 'accessor'))
    throw misapplied(String(name))
  if (typeof metadata !== 'object' || metadata === null) {
    throw new SnapheapError(
      'SCHEMA',
      `The decorator of ${name} was not told which class it stands in: the compiler passes no context.metadata. ` +
        'Compile with TypeScript 5.2 or newer, with "experimentalDecorators": true, or define the table with table().',
      { property: name },
    )
  }
  defineProperty(metadata, name, { ...said, isAccessor: kind === 'accessor' })
}

function misapplied(property: string): SnapheapError {
  return new SnapheapError(
    'SCHEMA',
    `The decorator of ${property} stands before something other than a field of instances. Decorate plain fields ` +
      'and accessor fields, which are neither static, private nor methods.',
    { property },
  )
}
