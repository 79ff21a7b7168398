import type { View } from '../heap/view'
import { childAt, keyAt, numberAt, type Sought, slotAt, slotsOf } from './ordered-node'
import { TreePath } from './ordered-path'

/** Words that a tree's descriptor takes. */
export const TREE_WORDS = 2

/** Makes what is sought of the entry with a number, whose key word is at an address. */
export type SoughtOf = (keyAddress: number, number: number) => Sought

/**
 * A B+ tree in the heap (Bayer, McCreight, Acta Informatica 1, 1972; Comer, ACM Computing Surveys 11(2), 1979): numbers
 * in the order of keys that only the owner understands. An entry is a number and one word of its key, so that most
 * comparisons of a descent need nothing but the node; what that word leaves open the owner decides (`Sought`).
 *
 *   descriptor: word 0: low = root, high = its level; word 1: low = entries, high = changes made so far
 *   nodes:      ordered-node.ts
 *
 * Invariants: entries ascend and no two are equal; every leaf has level 0 and the same depth; the key of a child, but
 * for a node's first, is exactly the first entry below it (so no key outlives its entry, and with it what a key word
 * points at); no node but an empty root is empty, and a root above the leaves has more than one child.
 */
export class OrderedTree {
  private readonly from: TreePath
  private readonly to: TreePath

  constructor(
    protected readonly view: View,
    /** Where the descriptor is: fixed for the tree's life. */
    readonly address: number,
  ) {
    this.from = new TreePath(view, this)
    this.to = new TreePath(view, this)
  }

  get size(): number {
    return this.view.low(this.address + 1) >>> 0
  }

  get root(): number {
    return this.view.low(this.address) >>> 0
  }

  get height(): number {
    return this.view.high(this.address)
  }

  /** Counts changes, so that a reader can tell whether there were any. */
  get changes(): number {
    return this.view.high(this.address + 1)
  }

  /** A way through the tree, at its first entry. */
  path(): TreePath {
    const path = new TreePath(this.view, this)
    path.toFirst()
    return path
  }

  /**
   * The number of entries between two places (undefined: the beginning, the end): exact where few nodes lie between
   * them, else by their share of the children on the way. O(log n).
   */
  estimate(lower: Sought | undefined, upper: Sought | undefined): number {
    if (lower === undefined && upper === undefined) return this.size
    const { from, to } = this
    if (lower === undefined) from.toFirst()
    else from.seek(lower)
    if (upper === undefined) to.toEnd()
    else to.seek(upper)
    if (from.isBehind(to)) return 0
    const exact = from.countTo(to)
    return exact >= 0 ? exact : Math.max(1, Math.round((to.share - from.share) * this.size))
  }

  /** Every entry's number, in order. The tree must not change meanwhile. */
  *numbers(): Generator<number> {
    const path = this.path()
    for (let left = this.size; left > 0; left--) {
      yield numberAt(this.view, path.leaf, path.place)
      path.advance()
    }
  }

  /** Every piece of the heap that the tree occupies: descriptor and nodes. */
  *allocations(): Generator<number> {
    yield this.address
    yield* this.nodesBelow(this.root, this.height)
  }

  /** Proves the invariants above. Returns what is wrong, in words. */
  check(soughtOf: SoughtOf): string[] {
    const problems: string[] = []
    const entries = this.checkNode(this.root, this.height, true, problems)
    if (entries !== this.size) problems.push(`an ordered tree counts ${this.size} entries and has ${entries}`)
    if (problems.length > 0) return problems
    const path = this.path()
    for (let i = 1; i < entries; i++) {
      const [leaf, place] = [path.leaf, path.place]
      path.advance()
      const sought = soughtOf(keyAt(this.view, leaf, place), numberAt(this.view, leaf, place))
      const order = sought.compare(keyAt(this.view, path.leaf, path.place), numberAt(this.view, path.leaf, path.place))
      if (!(order < 0)) problems.push(`entry ${i} of an ordered tree does not come after the one before it`)
    }
    return problems
  }

  /** Returns the number of entries below a node. */
  private checkNode(node: number, level: number, isRoot: boolean, problems: string[]): number {
    const { view } = this
    const isReadable = node > 0 && node >>> 12 < view.table.length
    if (!isReadable || view.high(node) !== level) {
      problems.push(`an ordered tree has no node of level ${level} at ${node}`)
      return 0
    }
    const count = view.low(node)
    const fewest = isRoot ? (level === 0 ? 0 : 2) : 1
    if (count < fewest || count > slotsOf(level)) {
      problems.push(`a node of an ordered tree has ${count} entries`)
      return 0
    }
    const slots = new Set(Array.from({ length: slotsOf(level) }, (_, place) => slotAt(view, node, place)))
    if (slots.size !== slotsOf(level) || Math.max(...slots) >= slotsOf(level)) {
      problems.push('a node of an ordered tree orders its slots wrongly')
      return 0
    }
    if (level === 0) return count
    let entries = 0
    for (let place = 0; place < count; place++) {
      const child = childAt(view, node, place)
      entries += this.checkNode(child, level - 1, false, problems)
      if (place > 0 && problems.length === 0) this.checkSeparator(node, place, child, level - 1, problems)
    }
    return entries
  }

  private checkSeparator(node: number, place: number, child: number, level: number, problems: string[]): void {
    const { view } = this
    let leaf = child
    for (let each = level; each > 0; each--) leaf = childAt(view, leaf, 0)
    const [key, first] = [keyAt(view, node, place), keyAt(view, leaf, 0)]
    const isSame = view.isWord(key, view.low(first), view.high(first))
    if (!isSame || numberAt(view, node, place) !== numberAt(view, leaf, 0))
      problems.push('a key of an ordered tree is not the first entry below it')
  }

  private *nodesBelow(node: number, level: number): Generator<number> {
    yield node
    if (level === 0) return
    for (let place = 0; place < this.view.low(node); place++)
      yield* this.nodesBelow(childAt(this.view, node, place), level - 1)
  }
}
