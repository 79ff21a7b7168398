import { ensure, ensureOptions, NAME } from '../arguments'
import { SnapheapError } from '../errors'
import type { ColumnType, ValueOf } from '../table/column-type'
import { INDEX } from '../table/definition'
import {
  CODEC,
  type ColumnOptions,
  collectionOf,
  ENUM,
  ensureTarget,
  type PropertyRecord,
  REF_RULES,
  type RefOptions,
  type ThroughOptions,
} from './class-definition'
import type { Collection } from './collection'
import type { Codec } from './property-values'
import type { Default, EntityClass } from './types'

declare const VALUE: unique symbol

/** Where a property keeps its definition: known to every copy of this library in the process. */
const DEFINITION = Symbol.for('snapheap.property')

type Definition = Partial<PropertyRecord>

/** A property of a table, as `table()` takes it. V is the type of its value. Immutable: each method returns another. */
export class Property<V> {
  declare readonly [VALUE]: V
  readonly [DEFINITION]: Definition

  /** @internal */
  constructor(definition: Definition) {
    this[DEFINITION] = definition
  }
}

/** The definition of what is given as a property, undefined for anything but one. */
export function definitionIn(given: unknown): Definition | undefined {
  return typeof given === 'object' && given !== null ? (given as Partial<Property<unknown>>)[DEFINITION] : undefined
}

/** The same property with more said of it. */
function having<P extends Property<unknown>>(property: P, more: ColumnOptions | RefOptions, isId?: true): P {
  const { options, ...definition } = property[DEFINITION]
  const said: Definition = { ...definition, ...(isId && { isId }), options: { ...options, ...more } }
  return new (property.constructor as new (said: Definition) => P)(said)
}

/** A property that is a column. */
export class ColumnProperty<V> extends Property<V> {
  /** Makes it the key, or a part of it: several are one key of several columns, in their order. */
  key(): ColumnProperty<V> {
    return having(this, {}, true)
  }

  /** Lets an object have no value here: null. */
  nullable(): ColumnProperty<V | null> {
    return having(this as ColumnProperty<V | null>, { nullable: true })
  }

  /** Keeps two objects from having the same value. */
  unique(): ColumnProperty<V> {
    return having(this, { unique: true })
  }

  /**
   * Whether objects can be found by it without a scan; 'ordered': also by ranges of it, and in its order. Default true,
   * except for booleans.
   */
  index(index: boolean | 'ordered'): ColumnProperty<V> {
    ensure('.index()', index, INDEX)
    return having(this, { index })
  }

  /**
   * What an object gets that is made without it, and what rows get that were there before the column: a value, or a
   * function that makes one.
   */
  default(value: NonNullable<V> | (() => NonNullable<V>)): ColumnProperty<Default<NonNullable<V>> | Extract<V, null>> {
    return having(this as unknown as ColumnProperty<Default<NonNullable<V>>>, { default: value })
  }

  /** The only values that it may have: an array of strings or numbers, or an enum of TypeScript. */
  enum<const E extends NonNullable<V>>(
    values: readonly E[] | Readonly<Record<string, E | string>>,
  ): ColumnProperty<E | Extract<V, null>> {
    ensure('.enum()', values, ENUM)
    return having(this as unknown as ColumnProperty<E>, { enum: values as never })
  }

  /** Keeps values of a type of your own, converted to those of the column, also in conditions and results. */
  codec<T>(codec: Codec<T, NonNullable<V>>): ColumnProperty<T | Extract<V, null>> {
    ensure('.codec()', codec, CODEC)
    return having(this as unknown as ColumnProperty<T>, { codec: codec as never })
  }

  /** The column. Default: the property's name in snake case. */
  column(name: string): ColumnProperty<V> {
    ensure('.column()', name, NAME)
    return having(this, { name })
  }

  /** Makes it a list of such values, each of which may be null. Comes first: `text().array().nullable()`. */
  array(): ColumnProperty<(V | null)[]> {
    const { type, ...others } = this[DEFINITION].options!
    if (Object.keys(others).some((each) => each !== 'enum') || type!.endsWith('[]')) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        'array() stands behind the type, before everything else but enum(). Write text().array().nullable() or alike.',
      )
    }
    return having(this as unknown as ColumnProperty<(V | null)[]>, { type: `${type}[]` as ColumnType })
  }
}

/** A property that is an object of another table, kept as its key. T is that object, or null where it can be. */
export class ReferenceProperty<T> extends Property<T> {
  /** Makes it the key, or a part of it. */
  key(): ReferenceProperty<T> {
    return having(this, {}, true)
  }

  /** Lets it refer to nothing: null. */
  nullable(): ReferenceProperty<T | null> {
    return having(this as ReferenceProperty<T | null>, { nullable: true })
  }

  /** Keeps two objects from referring to the same. */
  unique(): ReferenceProperty<T> {
    return having(this, { unique: true })
  }

  /** Whether objects can be found by what they refer to without a scan. Default true. */
  index(index: boolean | 'ordered'): ReferenceProperty<T> {
    ensure('.index()', index, INDEX)
    return having(this, { index })
  }

  /** The column that has the key. Default: the property's name in snake case. */
  column(name: string): ReferenceProperty<T> {
    ensure('.column()', name, NAME)
    return having(this, { name })
  }
}

const column =
  <T extends ColumnType>(type: T) =>
  (): ColumnProperty<ValueOf<T>> =>
    new ColumnProperty({ options: { type } })

/** A safe integer. */
export const integer = column('integer')
/** A double. */
export const number = column('number')
/** A string. */
export const text = column('string')
export const boolean = column('boolean')
/** An integer of any size, as a BigInt. */
export const bigint = column('bigint')
/** An exact decimal number, as a `Decimal`. */
export const decimal = column('decimal')
/** A moment, as a Date; as a `Timestamp` where it has microseconds. */
export const timestamp = column('timestamp')
/** A date without time: "2024-02-29". */
export const day = column('day')
/** A time of day: "23:59:59.123456". */
export const time = column('time')
/** A UUID, as text in lower case. */
export const uuid = column('uuid')
/** A Uint8Array. */
export const bytes = column('bytes')
/** Any value that a column can hold, null included, each with its own type. */
export const any = column('any')

/** What JSON can say. `json<Address>()` gives it a type, which nothing checks: see `schema` of `table()` for that. */
export function json<T = unknown>(): ColumnProperty<T> {
  return new ColumnProperty({ options: { type: 'json' } })
}

/**
 * A property that is an object of another table (or the same), kept as its key. The table is given by a function. Where
 * tables refer to each other, or to themselves, the compiler needs getters:
 * `get author() { return ref(() => user) }`.
 */
export function ref<T extends object>(
  target: () => EntityClass<T>,
  options: Pick<RefOptions, 'onDelete'> = {},
): ReferenceProperty<T> {
  ensureTarget('ref()', target)
  ensureOptions('ref()', options, { onDelete: REF_RULES.onDelete })
  return new ReferenceProperty({ target, options })
}

/**
 * A property that is the collection of the objects that refer to this one: those of another table by its reference, as
 * in `get posts() { return many(() => post, (post) => post.author) }`, or those that rows of a third table link to it.
 */
export function many<T extends object, L extends object = object>(
  target: () => EntityClass<T>,
  by: ((each: T) => unknown) | ThroughOptions<L>,
): Property<Collection<T>> {
  return new Property({ many: collectionOf('many()', target, by) })
}
