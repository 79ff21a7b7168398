import { assert } from '../errors'
import type { Heap } from '../heap/heap'
import {
  childAt,
  cutEntries,
  insertEntry,
  makeNode,
  type NodeEntry,
  readEntry,
  removeEntry,
  replaceKey,
  type Sought,
  slotsOf,
} from './ordered-node'
import { TreePath } from './ordered-path'
import { OrderedTree, TREE_WORDS } from './ordered-tree'
import type { Steps } from './steps'

/** Nodes made at once are filled to 7/8, so that the entries added first do not split every one of them. */
const FILLED = 7 / 8
/**
 * A node with fewer than a quarter of its entries is merged with a neighbour where both together take at most three
 * quarters.
 */
const SCARCE = 1 / 4
const MERGED = 3 / 4

/** The key word of each number that a tree is built of. */
export interface BuiltEntries {
  readonly count: number
  /** Leaves the `i`th entry's number and key word in `entry`. */
  read(i: number, entry: NodeEntry): void
}

/** An ordered tree that can be changed, within a transaction. */
export class MutableOrderedTree extends OrderedTree {
  private readonly way: TreePath
  private readonly entry: NodeEntry = { low: 0, high: 0, number: 0, child: 0 }
  private readonly first: NodeEntry = { low: 0, high: 0, number: 0, child: 0 }

  constructor(
    private readonly heap: Heap,
    address: number,
  ) {
    super(heap.writer.view, address)
    this.way = new TreePath(this.view, this)
  }

  /** Makes an empty tree and returns the address of its descriptor. */
  static create(heap: Heap): number {
    const address = heap.allocator.allocate(TREE_WORDS)
    heap.writer.set(address, makeNode(heap, 0) | 0, 0)
    heap.writer.set(address + 1, 0, 0)
    return address
  }

  /** Makes a tree of entries at once, which come in order. Returns the address of its descriptor. */
  static *build(heap: Heap, entries: BuiltEntries): Steps<number> {
    const address = heap.allocator.allocate(TREE_WORDS)
    const entry: NodeEntry = { low: 0, high: 0, number: 0, child: 0 }
    let below: NodeEntry[] | undefined
    let { count } = entries
    for (let level = 0; ; level++) {
      const nodes: NodeEntry[] = []
      const parts = Math.max(1, Math.ceil(count / Math.floor(slotsOf(level) * FILLED)))
      for (let part = 0; part < parts; part++) {
        const from = Math.floor((part * count) / parts)
        const to = Math.floor(((part + 1) * count) / parts)
        const node = makeNode(heap, level)
        for (let i = from; i < to; i++) {
          if (below === undefined) entries.read(i, entry)
          else Object.assign(entry, below[i])
          if (i === from) nodes.push({ ...entry, child: node })
          insertEntry(heap.writer, node, i - from, entry)
        }
        if (nodes.length === 0) nodes.push({ ...entry, child: node })
        yield
      }
      if (nodes.length === 1) {
        heap.writer.set(address, nodes[0].child | 0, level)
        heap.writer.set(address + 1, entries.count | 0, 0)
        return address
      }
      below = nodes
      count = nodes.length
    }
  }

  /** Adds a number under a key whose word is given; `sought` says where it belongs. */
  insert(sought: Sought, number: number, low: number, high: number): void {
    const { way, entry } = this
    way.seek(sought)
    entry.low = low
    entry.high = high
    entry.number = number
    entry.child = 0
    this.insertAt(0, way.place)
    this.count(1)
  }

  /** Removes an entry that is there. */
  remove(sought: Sought): void {
    const { way } = this
    way.seek(sought)
    assert(way.place < this.view.low(way.leaf), 'what is removed from an ordered tree is in it')
    this.removeAt(0, way.place)
    this.count(-1)
  }

  /** Gives all its space back. */
  destroy(): void {
    for (const address of [...this.allocations()]) this.heap.allocator.free(address)
  }

  private count(change: number): void {
    this.heap.writer.set(this.address + 1, this.size + change, (this.changes + 1) | 0)
  }

  /** Inserts `entry` into the way's node of a level, which is split when it is full. */
  private insertAt(level: number, place: number): void {
    const { view, entry } = this
    const { writer } = this.heap
    const node = this.way.nodes[level]
    const count = view.low(node)
    if (count < slotsOf(level)) {
      insertEntry(writer, node, place, entry)
      return
    }
    // entries that come in ascending order leave full nodes behind, not half full ones
    const kept = place === count && this.isRightmost(level) ? count : count >>> 1
    const { low, high, number, child } = entry
    const right = makeNode(this.heap, level)
    this.moveEntries(node, kept, count, right)
    Object.assign(entry, { low, high, number, child })
    if (place <= kept && kept < count) insertEntry(writer, node, place, entry)
    else insertEntry(writer, right, place - kept, entry)
    readEntry(view, right, 0, entry)
    entry.child = right
    if (level === this.height) this.raise(node, level)
    else this.insertAt(level + 1, this.way.places[level + 1] + 1)
  }

  /** Puts a root above the one there is, whose right half is `entry`. */
  private raise(left: number, level: number): void {
    const { writer } = this.heap
    const root = makeNode(this.heap, level + 1)
    insertEntry(writer, root, 0, { low: 0, high: 0, number: 0, child: left })
    insertEntry(writer, root, 1, this.entry)
    writer.set(this.address, root | 0, level + 1)
  }

  private isRightmost(level: number): boolean {
    const { nodes, places } = this.way
    for (let above = level + 1; above <= this.height; above++)
      if (places[above] + 1 < this.view.low(nodes[above])) return false
    return true
  }

  /** Moves the entries [from, to) of a node behind those of another. Uses `entry`. */
  private moveEntries(node: number, from: number, to: number, target: number): void {
    const { view, entry } = this
    const { writer } = this.heap
    for (let place = from; place < to; place++) {
      readEntry(view, node, place, entry)
      insertEntry(writer, target, view.low(target), entry)
    }
    cutEntries(writer, node, from)
  }

  /** Removes the entry at a place of the way's node of a level, and the node where it was the last one. */
  private removeAt(level: number, place: number): void {
    const { view, way, first } = this
    const node = way.nodes[level]
    const left = view.low(node) - 1
    if (left === 0 && level < this.height) {
      this.heap.allocator.free(node)
      this.removeAt(level + 1, way.places[level + 1])
      return
    }
    if (place === 0 && left > 0) {
      readEntry(view, node, 1, first)
      this.replaceFirst(level)
    }
    removeEntry(this.heap.writer, node, place)
    if (level === this.height) this.lower()
    else if (left < slotsOf(level) * SCARCE) this.merge(level)
  }

  /** `first` has become the first entry below the way's node of a level: whichever key says so says it now. */
  private replaceFirst(level: number): void {
    const { nodes, places } = this.way
    for (let above = level + 1; above <= this.height; above++) {
      if (places[above] === 0) continue
      replaceKey(this.heap.writer, nodes[above], places[above], this.first)
      return
    }
  }

  /** Merges the way's node of a level, which is not the root, with a neighbour if that leaves room. */
  private merge(level: number): void {
    const { view, way } = this
    const parent = way.nodes[level + 1]
    const place = way.places[level + 1]
    const right = place + 1 < view.low(parent) ? place + 1 : place
    if (right === 0) return
    const target = childAt(view, parent, right - 1)
    const source = childAt(view, parent, right)
    if (view.low(target) + view.low(source) > slotsOf(level) * MERGED) return
    if (level > 0) {
      // the first child's key stands above, with the node itself
      readEntry(view, parent, right, this.first)
      replaceKey(this.heap.writer, source, 0, this.first)
    }
    this.moveEntries(source, 0, view.low(source), target)
    this.heap.allocator.free(source)
    this.removeAt(level + 1, right)
  }

  /** Takes roots away that have a single child. */
  private lower(): void {
    const { writer } = this.heap
    for (let { root } = this; this.height > 0 && this.view.low(root) === 1; root = this.root) {
      const child = childAt(this.view, root, 0)
      writer.set(this.address, child | 0, this.height - 1)
      this.heap.allocator.free(root)
    }
  }
}
