import type { View } from '../heap/view'
import { childAt, placeInLeaf, placeOfChild, type Sought } from './ordered-node'

/** The tree that a path leads through. */
export interface PathTree {
  readonly root: number
  readonly height: number
}

/**
 * A way from the root of an `OrderedTree` to a place in a leaf, which is that of an entry or, behind the last entry,
 * the end. Reused: going on to the next entry makes no object.
 */
export class TreePath {
  /** By level, 0 the leaf's. */
  readonly nodes: number[] = [0, 0, 0, 0, 0, 0]
  readonly places: number[] = [0, 0, 0, 0, 0, 0]
  private height = 0

  constructor(
    private readonly view: View,
    private readonly tree: PathTree,
  ) {}

  get leaf(): number {
    return this.nodes[0]
  }

  get place(): number {
    return this.places[0]
  }

  /**
   * To the first entry that what is sought does not come after; the leaf is the one where it belongs, so the place may
   * be behind the leaf's last entry.
   */
  seek(sought: Sought): void {
    const { nodes, places, view } = this
    this.height = this.tree.height
    let node = this.tree.root
    for (let level = this.height; level > 0; level--) {
      const place = placeOfChild(view, node, sought)
      nodes[level] = node
      places[level] = place
      node = childAt(view, node, place)
    }
    nodes[0] = node
    places[0] = placeInLeaf(view, node, sought)
  }

  /** To the first entry. */
  toFirst(): void {
    this.height = this.tree.height
    this.descend(this.tree.root, this.height, false)
  }

  /** Behind the last entry. */
  toEnd(): void {
    this.height = this.tree.height
    this.descend(this.tree.root, this.height, true)
    this.places[0] = this.view.low(this.nodes[0])
  }

  /** About to where such a share (0 to 1) of the entries come before. */
  toShare(share: number): void {
    const { nodes, places, view } = this
    this.height = this.tree.height
    let node = this.tree.root
    let rest = share
    for (let level = this.height; level >= 0; level--) {
      const count = view.low(node)
      nodes[level] = node
      places[level] = Math.min(Math.floor(rest * count), Math.max(0, count - 1))
      rest = rest * count - places[level]
      if (level > 0) node = childAt(view, node, places[level])
    }
  }

  /** From behind the last entry of a leaf to the first of the next, where there is one. */
  settle(): void {
    if (this.places[0] >= this.view.low(this.nodes[0])) this.toNextLeaf()
  }

  /** To the next entry or, behind the last one, the end. */
  advance(): void {
    if (++this.places[0] >= this.view.low(this.nodes[0])) this.toNextLeaf()
  }

  /** To the entry before. Returns false, and does not move, at the first. */
  retreat(): boolean {
    if (this.places[0] > 0) {
      this.places[0]--
      return true
    }
    const { nodes, places, view } = this
    for (let level = 1; level <= this.height; level++) {
      if (places[level] === 0) continue
      places[level]--
      this.descend(childAt(view, nodes[level], places[level]), level - 1, true)
      return true
    }
    return false
  }

  copy(other: TreePath): void {
    this.height = other.height
    for (let level = 0; level <= other.height; level++) {
      this.nodes[level] = other.nodes[level]
      this.places[level] = other.places[level]
    }
  }

  isAt(other: TreePath): boolean {
    return this.nodes[0] === other.nodes[0] && this.places[0] === other.places[0]
  }

  /** Whether this place comes after another in the same tree. */
  isBehind(other: TreePath): boolean {
    for (let level = this.height; level >= 0; level--) {
      if (this.places[level] !== other.places[level]) return this.places[level] > other.places[level]
    }
    return false
  }

  /** What share of the entries come before, if every node of a level has the same number below it. */
  get share(): number {
    let before = 0
    let each = 1
    for (let level = this.height; level >= 0; level--) {
      const count = this.view.low(this.nodes[level])
      if (count === 0) break
      each /= count
      before += each * this.places[level]
    }
    return before
  }

  /**
   * The entries from here to another place not before it, where both are below one lowest inner node or in one leaf; -1
   * where they are not.
   */
  countTo(other: TreePath): number {
    const { nodes, places, view } = this
    if (nodes[0] === other.nodes[0]) return other.places[0] - places[0]
    if (nodes[1] !== other.nodes[1]) return -1
    let count = view.low(nodes[0]) - places[0] + other.places[0]
    for (let i = places[1] + 1; i < other.places[1]; i++) count += view.low(childAt(view, nodes[1], i))
    return count
  }

  private toNextLeaf(): void {
    const { nodes, places, view } = this
    for (let level = 1; level <= this.height; level++) {
      if (places[level] + 1 >= view.low(nodes[level])) continue
      places[level]++
      this.descend(childAt(view, nodes[level], places[level]), level - 1, false)
      return
    }
    places[0] = view.low(nodes[0])
  }

  /** To the first or the last entry below a node. */
  private descend(from: number, level: number, toLast: boolean): void {
    const { nodes, places, view } = this
    let node = from
    for (let each = level; each >= 0; each--) {
      nodes[each] = node
      places[each] = toLast ? Math.max(0, view.low(node) - 1) : 0
      if (each > 0) node = childAt(view, node, places[each])
    }
  }
}
