import { SnapheapError } from '../errors'
import type { View } from '../heap/view'
import { numberAt, type Sought } from '../struct/ordered-node'
import type { TreePath } from '../struct/ordered-path'
import type { OrderedTree } from '../struct/ordered-tree'

/** What a cursor must know of the index it walks. */
export interface WalkedIndex {
  readonly name: string
  /** The tree as it is now. Throws when the table was closed, dropped or altered. */
  readonly tree: OrderedTree
}

/**
 * Walks the rows of a range of an ordered index, both ways, making no object. It begins before the first row; a table
 * that changes meanwhile ends it.
 */
export class OrderedCursor {
  /** Number of the row it is at, -1 before the first and behind the last. */
  row = -1
  /** Negative before the range's lower end, positive behind its upper end. */
  private side: number
  private readonly at: TreePath
  private readonly first: TreePath
  private readonly end: TreePath
  private readonly tree: OrderedTree
  private readonly changes: number
  private generation: number

  constructor(
    private readonly view: View,
    private readonly index: WalkedIndex,
    lower: Sought | undefined,
    upper: Sought | undefined,
    private readonly isDescending: boolean,
  ) {
    const { tree } = index
    this.tree = tree
    this.changes = tree.changes
    this.generation = view.generation
    this.at = tree.path()
    this.first = tree.path()
    this.end = tree.path()
    if (lower !== undefined) this.first.seek(lower)
    if (upper === undefined) this.end.toEnd()
    else this.end.seek(upper)
    if (this.first.isBehind(this.end)) this.end.copy(this.first)
    this.first.settle()
    this.end.settle()
    this.side = isDescending ? 1 : -1
  }

  /**
   * Goes to the next row in the cursor's direction. Returns whether there is one. Throws `CLOSED` when the table has
   * changed.
   */
  next(): boolean {
    return this.isDescending ? this.backward() : this.forward()
  }

  /** Goes back to the row before in the cursor's direction. Returns whether there is one. Throws as `next`. */
  previous(): boolean {
    return this.isDescending ? this.forward() : this.backward()
  }

  private forward(): boolean {
    this.ensureUnchanged()
    if (this.side > 0) return false
    if (this.side < 0) this.at.copy(this.first)
    else this.at.advance()
    return this.at.isAt(this.end) ? this.leave(1) : this.arrive()
  }

  private backward(): boolean {
    this.ensureUnchanged()
    if (this.side < 0) return false
    if (this.side > 0) this.at.copy(this.end)
    if (this.at.isAt(this.first)) return this.leave(-1)
    this.at.retreat()
    return this.arrive()
  }

  private arrive(): boolean {
    this.side = 0
    this.row = numberAt(this.view, this.at.leaf, this.at.place)
    return true
  }

  private leave(side: number): boolean {
    this.side = side
    this.row = -1
    return false
  }

  private ensureUnchanged(): void {
    if (this.generation !== this.view.generation) {
      if (this.index.tree.address !== this.tree.address) throw this.changed()
      this.generation = this.view.generation
    }
    if (this.tree.changes !== this.changes) throw this.changed()
  }

  private changed(): SnapheapError {
    return new SnapheapError(
      'CLOSED',
      `Index ${this.index.name} has changed since its cursor was opened. Open another one, or walk a snapshot.`,
      { index: this.index.name },
    )
  }
}
