import type { View } from '../heap/view'
import type { Column } from '../table/column'
import type { ClassRows } from './class-rows'

/** The hidden properties of an object: what it is bound to, and the number of its row. */
export const BINDING = Symbol('snapheap.binding')
export const ROW = Symbol('snapheap.row')

/** An object of a class, as this layer sees it. It holds no values. */
export interface EntityObject {
  [BINDING]: Binding
  [ROW]: number
}

/** No view's generation: an object bound with it is verified with every read. */
export const NO_GENERATION = -3

/**
 * What objects share that were known to exist at the same time. While `generation` is the view's, their rows still exist and
 * `columns` are up to date; otherwise `source.verify` finds out. A binding made while a transaction is open, which
 * could remove their rows or be rolled back, has no generation.
 */
export class Binding {
  constructor(
    readonly source: ClassRows,
    readonly view: View,
    readonly generation: number,
    /** By position of the property. */
    readonly columns: readonly Column[],
    /** What `Table.removals` was. */
    readonly removals: number,
  ) {}
}
