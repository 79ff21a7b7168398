import type { Key } from '../table/table'
import type { Decimal, Rational } from '../value/decimal'
import type { List } from '../value/list'
import type { COLLECTION } from './collection'

/** A class with decorators, whose instances are T. */
export type EntityClass<T extends object = object> = abstract new (...args: never[]) => T

/**
 * The type of a property that refers to a class declared further down, or in a file that imports this one: it keeps the
 * compiler from writing that class into the metadata, where it does not exist yet. `Reference<Customer>` is `Customer`.
 */
export type Reference<T> = T

/**
 * Values that are no references to rows. A `Default<number>` is one, though it is an object as well to the compiler.
 */
export type PlainValue =
  | string
  | number
  | bigint
  | boolean
  | Date
  | Uint8Array
  | Decimal
  | Rational
  | List
  | readonly unknown[]

type IsReadonly<T, K extends keyof T> =
  (<X>() => X extends { [P in K]: T[P] } ? 1 : 2) extends <X>() => X extends { readonly [P in K]: T[P] } ? 1 : 2
    ? true
    : false

/** Methods and collections: what is no column. */
type NoColumn = ((...args: never[]) => unknown) | { readonly [COLLECTION]: true }

/** The names of T's properties that are neither methods nor collections. */
export type PropertyOf<T> = {
  [K in keyof T]-?: K extends string ? (NonNullable<T[K]> extends NoColumn ? never : K) : never
}[keyof T]

declare const DEFAULT: unique symbol

/**
 * The type of a property with a default: T, which `insert` can do without. `@Column({ type: 'integer', default: 0 })
 * likes!: Default<number>`.
 */
export type Default<T> = T & { readonly [DEFAULT]?: never }

/** What may be given for a property: its value, or for a reference an object or its key. */
type Given<V> = V extends PlainValue ? V : V extends object ? V | Key : V

type OptionalOf<T> = {
  [K in PropertyOf<T>]: null extends T[K]
    ? K
    : undefined extends T[K]
      ? K
      : IsReadonly<T, K> extends true
        ? K
        : typeof DEFAULT extends keyof NonNullable<T[K]>
          ? K
          : never
}[PropertyOf<T>]

/**
 * What makes a new object of class T. Properties that can be null may be left out, and so may readonly ones, since the
 * types cannot tell a column from a getter there; whatever its column requires is still required when it is made.
 */
export type InsertValues<T> = { [K in Exclude<PropertyOf<T>, OptionalOf<T>>]: Given<T[K]> } & {
  [K in OptionalOf<T>]?: Given<T[K]> | undefined
}

/** The values of an object's columns, references as keys. */
export type PlainValues<T> = { readonly [K in PropertyOf<T>]: Given<T[K]> }

/** Property values to change. */
export type UpdateValues<T> = { [K in PropertyOf<T>]?: Given<T[K]> }

/** Property values to look for; null means that there is no value. */
export type Conditions<T> = { readonly [K in PropertyOf<T>]?: Given<T[K]> }

/** A row of a table: its values by the names of the columns. */
export type Row = Record<string, unknown>

/** How objects are read: from a database (its newest version), a snapshot, or an open transaction. */
export interface EntityReader {
  /**
   * The object with this key, undefined without one. A key of several columns is an array in the order of the `@Id`s.
   * Throws `TYPE` for what cannot be a key, `INVALID_ARGUMENT` for a class that is not registered.
   */
  get<T extends object>(type: EntityClass<T>, id: Key): T | undefined
  /**
   * The row of a table with this key, as an object of its columns; undefined without one. Throws `NOT_FOUND`, `TYPE`.
   */
  get(table: string, key: Key): Row | undefined
  /** `get` for each of these keys, in their order, at one version. */
  getMany<T extends object>(type: EntityClass<T>, ids: readonly Key[]): (T | undefined)[]
  getMany(table: string, keys: readonly Key[]): (Row | undefined)[]
  /**
   * The objects whose properties have these values, by row number: by the index with the fewest hits, or by a scan
   * where no property has one. Throws `INVALID_ARGUMENT` for an unknown property, `TYPE` for a value that its column
   * cannot hold.
   */
  find<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T[]
  find(table: string, conditions: Row): Row[]
  /** The first of them, undefined without one. Throws as `find`. */
  findOne<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T | undefined
  findOne(table: string, conditions: Row): Row | undefined
  /** Every object, by row number. Those made or deleted while it runs may or may not be among them. */
  all<T extends object>(type: EntityClass<T>): Generator<T>
  all(table: string): Generator<Row>
  /** How many objects there are. O(1). */
  count(of: EntityClass | string): number
}
