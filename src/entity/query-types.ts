import type { Aggregation, QueryBuilder, RecordQuery } from '../query/builder'
import type { Composed } from '../query/conditions'
import type { Cursor } from '../query/cursor'
import type { Parameter } from '../query/plan'
import type { Query } from '../query/query'
import type { Key } from '../table/table'
import type { Decimal, Rational } from '../value/decimal'
import type { EntityClass, PlainValue, PropertyOf } from './types'

/** The names of T's properties that refer to objects of other classes. */
export type ReferenceOf<T> = {
  [K in PropertyOf<T>]: NonNullable<T[K]> extends PlainValue
    ? never
    : NonNullable<T[K]> extends object
      ? unknown extends T[K]
        ? never
        : K
      : never
}[PropertyOf<T>]

type Shallower = [never, 0, 1, 2]

/**
 * Names of properties of T, and through references ("author.name") of the classes that it refers to, up to three deep.
 */
export type NameOf<T, Depth extends number = 3> =
  | PropertyOf<T>
  | ([Depth] extends [never]
      ? never
      : {
          [K in ReferenceOf<T>]: `${K}.${NameOf<NonNullable<T[K]>, Shallower[Depth]>}`
        }[ReferenceOf<T>])

/** The value that a name leads to; null, too, where a reference on the way can be. */
export type ValueAt<T, N extends string> = N extends keyof T
  ? T[N]
  : N extends `${infer K}.${infer Rest}`
    ? K extends keyof T
      ? ValueAt<NonNullable<T[K]>, Rest> | (null extends T[K] ? null : never)
      : unknown
    : unknown

type Ordered = number | bigint | string | Date | Decimal | Rational

/** What can be asked of a value of type V. */
export type Operators<V> = {
  readonly eq?: V | Parameter
  readonly ne?: V | Parameter
  readonly in?: readonly V[] | Parameter
  readonly isNull?: boolean
  /** Has all terms of this, by the index type of the column's index by terms. */
  readonly terms?: unknown
} & (NonNullable<V> extends Ordered
  ? {
      readonly lt?: NonNullable<V> | Parameter
      readonly lte?: NonNullable<V> | Parameter
      readonly gt?: NonNullable<V> | Parameter
      readonly gte?: NonNullable<V> | Parameter
      readonly between?: readonly [NonNullable<V> | Parameter, NonNullable<V> | Parameter]
    }
  : unknown) &
  (NonNullable<V> extends string
    ? { readonly startsWith?: string | Parameter; readonly contains?: string | Parameter; readonly matches?: RegExp }
    : unknown)

/** What must hold for an object of class T. Properties that are null have no value. */
export type Where<T> =
  | Composed
  | {
      readonly [K in PropertyOf<T>]?:
        | T[K]
        | Parameter
        | (K extends ReferenceOf<T>
            ? Key | null | Where<NonNullable<T[K]>> | Operators<Key | null> | Operators<T[K]>
            : Operators<T[K]>)
    }

/** What a group adds up over T. */
export interface TypedGroup<T> {
  count(of?: NameOf<T>): Aggregation & { readonly result?: number }
  sum<N extends NameOf<T>>(of: N): Aggregation & { readonly result?: NonNullable<ValueAt<T, N>> | 0 }
  avg(of: NameOf<T>): Aggregation & { readonly result?: number | null }
  min<N extends NameOf<T>>(of: N): Aggregation & { readonly result?: NonNullable<ValueAt<T, N>> | null }
  max<N extends NameOf<T>>(of: N): Aggregation & { readonly result?: NonNullable<ValueAt<T, N>> | null }
}

type Aggregated<A> = { [K in keyof A]: A[K] extends { readonly result?: infer V } ? Exclude<V, undefined> : never }

/** `QueryBuilder` over objects of class T: names, operators and values that do not fit do not compile. */
export interface ClassQuery<T, R = T>
  extends Omit<
    QueryBuilder<T, R>,
    'where' | 'orderBy' | 'limit' | 'skip' | 'select' | 'values' | 'groupBy' | 'page' | 'join'
  > {
  where(condition: Where<T>): ClassQuery<T, R>
  orderBy(name: NameOf<T>, direction?: 'asc' | 'desc'): ClassQuery<T, R>
  limit(count: number): ClassQuery<T, R>
  skip(count: number): ClassQuery<T, R>
  select<const N extends NameOf<T>>(...names: readonly N[]): Query<{ [K in N]: ValueAt<T, K> }>
  select<const F extends Readonly<Record<string, NameOf<T>>>>(
    fields: F,
  ): Query<{ -readonly [K in keyof F]: ValueAt<T, F[K]> }>
  values<N extends NameOf<T>>(name: N): Query<ValueAt<T, N>>
  groupBy<const N extends NameOf<T>, A extends Readonly<Record<string, Aggregation>> = Record<never, never>>(
    names: N | readonly N[],
    aggregate?: (group: TypedGroup<T>) => A,
  ): RecordQuery<{ [K in N]: ValueAt<T, K> } & Aggregated<A>>
  page(sizeRows: number, after?: Cursor): { items: R[]; next: Cursor | undefined }
  /**
   * Gives every object the row of another class that a value of it refers to, under an alias; objects without one drop
   * out.
   */
  join<A extends string, J extends object>(
    alias: A,
    type: EntityClass<J>,
    on: { readonly from: NameOf<T>; readonly to?: PropertyOf<J> },
  ): ClassQuery<T & { readonly [K in A]: J }, R>
}
