import { SnapheapError } from '../errors'
import type { View } from '../heap/view'
import type { Column } from '../table/column'
import type { ClassRows } from './class-rows'

/**
 * The own properties of an object: what it is bound to, and the number of its row. The values are read through
 * accessors of the prototype, so a copy by spread, `Object.assign` or `structuredClone` has none of them. The binding
 * goes into such a copy, for it is enumerable and its name is a string: that makes the mistake an error.
 */
export const BINDING = '~snapheap'
export const ROW = Symbol('snapheap.row')

/** An object of a class, as this layer sees it. It holds no values. */
export interface EntityObject {
  [BINDING]: Binding
  [ROW]: number
}

/** No view's generation: an object bound with it is verified with every read. */
export const NO_GENERATION = -3

/**
 * What objects share that were known to exist at the same time. While `generation` is the view's, their rows still
 * exist and `columns` are up to date; otherwise `source.verify` finds out. A binding made while a transaction is open,
 * which could remove their rows or be rolled back, has no generation.
 */
export class Binding {
  /** The first property that `structuredClone` comes to: it refuses a symbol, with the description as its message. */
  readonly uncloneable: symbol
  readonly source: ClassRows
  readonly view: View
  readonly generation: number
  /** By position of the property. */
  readonly columns: readonly Column[]
  /** What `Table.removals` was. */
  readonly removals: number

  constructor(source: ClassRows, view: View, generation: number, columns: readonly Column[], removals: number) {
    this.uncloneable = UNCLONEABLE
    this.source = source
    this.view = view
    this.generation = generation
    this.columns = columns
    this.removals = removals
  }

  /** Called for a copy of an object: the object itself has its own form for JSON. */
  toJSON(): never {
    throw copyHasNoValues(this.source.mapping.className, 'JSON.stringify()')
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `[row of ${this.source.mapping.className}]`
  }
}

const UNCLONEABLE = Symbol(
  'An object of a snapheap database holds no values of its own. Copy them by name, as in { id: object.id }: it',
)

/** Throws `INVALID_ARGUMENT` for an object of the database, and for a copy of one by spread or `Object.assign`. */
export function ensureNoCopy<T extends object>(values: T, className: string): T {
  if (Object.hasOwn(values, BINDING)) throw copyHasNoValues(className, className)
  return values
}

function copyHasNoValues(className: string, caller: string): SnapheapError {
  return new SnapheapError(
    'INVALID_ARGUMENT',
    `${caller} expects values, got an object of class ${className} or a copy of one. Spread, Object.assign and ` +
      'structuredClone do not copy the values of such an object. Copy them by name, as in { id: object.id }.',
    { class: className },
  )
}
