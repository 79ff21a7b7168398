import type { Heap } from '../heap/heap'
import { WORD_BYTES } from '../heap/layout'
import type { View } from '../heap/view'
import type { Writer } from '../heap/writer'

/**
 * How the nodes of an `OrderedTree` are laid out. A node is one cell, so it never straddles a block:
 *
 *   word 0:  low = entries, high = level (0: a leaf)
 *   places:  one byte for each slot: the slots in the order of their entries, then the free ones
 *   keys:    one word for each slot
 *   numbers: leaf: two slots in a word; above: low = number, high = child
 *
 * An entry stays in its slot; only the bytes that order the slots move. So an insertion changes some six words of a
 * leaf, not half of it, and the log and a rollback keep no more than that. (The idea is the permutation of Mao, Kohler,
 * Morris, "Cache craftiness for fast multicore key-value storage", EuroSys 2012.)
 */
export const NODE_WORDS = 128
export const LEAF_SLOTS = 78
export const INNER_SLOTS = 59

const PLACES = 1
const LEAF_KEYS = PLACES + Math.ceil(LEAF_SLOTS / WORD_BYTES)
const LEAF_NUMBERS = LEAF_KEYS + LEAF_SLOTS
const INNER_KEYS = PLACES + Math.ceil(INNER_SLOTS / WORD_BYTES)
const INNER_CHILDREN = INNER_KEYS + INNER_SLOTS

/** The places of an empty node: every slot is free. */
const LEAF_PLACES = ascendingBytes(LEAF_SLOTS)
const INNER_PLACES = ascendingBytes(INNER_SLOTS)

function ascendingBytes(count: number): Int32Array {
  const bytes = new Uint8Array(Math.ceil(count / WORD_BYTES) * WORD_BYTES)
  for (let i = 0; i < count; i++) bytes[i] = i
  return new Int32Array(bytes.buffer)
}

export function slotsOf(level: number): number {
  return level === 0 ? LEAF_SLOTS : INNER_SLOTS
}

/** The slot of the entry at a place. */
export function slotAt(view: View, node: number, place: number): number {
  return view.bytes[view.slotOf(node)][(view.indexOf(node) + PLACES) * WORD_BYTES + place]
}

/** Address of the key word of the entry at a place. */
export function keyAt(view: View, node: number, place: number): number {
  return node + (view.high(node) === 0 ? LEAF_KEYS : INNER_KEYS) + slotAt(view, node, place)
}

export function numberAt(view: View, node: number, place: number): number {
  const slot = slotAt(view, node, place)
  if (view.high(node) !== 0) return view.low(node + INNER_CHILDREN + slot) >>> 0
  return view.half(node + LEAF_NUMBERS + (slot >>> 1), slot & 1) >>> 0
}

export function childAt(view: View, node: number, place: number): number {
  return view.high(node + INNER_CHILDREN + slotAt(view, node, place)) >>> 0
}

/** What a search compares entries with. */
export interface Sought {
  /** Its key as a double other than zero, NaN where it is anything else: decides most comparisons without a call. */
  readonly number: number
  /**
   * Negative, zero or positive as it comes before, with or after the entry with this number, whose key word is at an
   * address.
   */
  compare(keyAddress: number, number: number): number
}

/** How many entries of a leaf come before what is sought. */
export function placeInLeaf(view: View, leaf: number, sought: Sought): number {
  const { number: wanted } = sought
  const keys = view.numbers[view.slotOf(leaf)]
  const bytes = view.bytes[view.slotOf(leaf)]
  const index = view.indexOf(leaf)
  const places = (index + PLACES) * WORD_BYTES
  let from = 0
  let to = view.low(leaf)
  while (from < to) {
    const middle = (from + to) >>> 1
    const slot = bytes[places + middle]
    const key = keys[index + LEAF_KEYS + slot]
    if (key !== 0 && wanted < key) to = middle
    else if (key !== 0 && wanted > key) from = middle + 1
    else if (sought.compare(leaf + LEAF_KEYS + slot, numberAt(view, leaf, middle)) > 0) from = middle + 1
    else to = middle
  }
  return from
}

/**
 * The place of the child among whose entries what is sought belongs. The first child's key is not looked at: it is
 * below everything.
 */
export function placeOfChild(view: View, node: number, sought: Sought): number {
  const { number: wanted } = sought
  const keys = view.numbers[view.slotOf(node)]
  const bytes = view.bytes[view.slotOf(node)]
  const index = view.indexOf(node)
  const places = (index + PLACES) * WORD_BYTES
  let from = 1
  let to = view.low(node)
  while (from < to) {
    const middle = (from + to) >>> 1
    const slot = bytes[places + middle]
    const key = keys[index + INNER_KEYS + slot]
    if (key !== 0 && wanted < key) to = middle
    else if (key !== 0 && wanted > key) from = middle + 1
    else if (sought.compare(node + INNER_KEYS + slot, view.low(node + INNER_CHILDREN + slot) >>> 0) >= 0)
      from = middle + 1
    else to = middle
  }
  return from - 1
}

/** An entry to be written, or one read. */
export interface NodeEntry {
  low: number
  high: number
  number: number
  /** Above the leaves. */
  child: number
}

export function readEntry(view: View, node: number, place: number, entry: NodeEntry): void {
  const key = keyAt(view, node, place)
  entry.low = view.low(key)
  entry.high = view.high(key)
  entry.number = numberAt(view, node, place)
  entry.child = view.high(node) === 0 ? 0 : childAt(view, node, place)
}

/** Makes an empty node. */
export function makeNode(heap: Heap, level: number): number {
  const node = heap.allocator.allocate(NODE_WORDS)
  const places = level === 0 ? LEAF_PLACES : INNER_PLACES
  heap.writer.set(node, 0, level)
  heap.writer.write(node + PLACES, places, 0, places.length)
  return node
}

/** Puts an entry at a place of a node that has room. */
export function insertEntry(writer: Writer, node: number, place: number, entry: NodeEntry): void {
  const { view } = writer
  const level = view.high(node)
  const count = view.low(node)
  const slot = slotAt(view, node, count)
  movePlace(writer, node, count, place, slot)
  writer.set(node + (level === 0 ? LEAF_KEYS : INNER_KEYS) + slot, entry.low, entry.high)
  if (level > 0) writer.set(node + INNER_CHILDREN + slot, entry.number | 0, entry.child | 0)
  else {
    const address = node + LEAF_NUMBERS + (slot >>> 1)
    if ((slot & 1) === 0) writer.set(address, entry.number | 0, view.high(address))
    else writer.set(address, view.low(address), entry.number | 0)
  }
  writer.set(node, count + 1, level)
}

/** Takes the entry at a place out. */
export function removeEntry(writer: Writer, node: number, place: number): void {
  const { view } = writer
  const count = view.low(node)
  movePlace(writer, node, place, count - 1, slotAt(view, node, place))
  writer.set(node, count - 1, view.high(node))
}

/** Keeps the first `count` entries. */
export function cutEntries(writer: Writer, node: number, count: number): void {
  writer.set(node, count, writer.view.high(node))
}

/** Gives the entry at a place of an inner node another key and number. */
export function replaceKey(writer: Writer, node: number, place: number, entry: NodeEntry): void {
  const slot = slotAt(writer.view, node, place)
  writer.set(node + INNER_KEYS + slot, entry.low, entry.high)
  writer.set(node + INNER_CHILDREN + slot, entry.number | 0, writer.view.high(node + INNER_CHILDREN + slot))
}

/** Moves the byte of `slot` from one place to another; those between make way. */
function movePlace(writer: Writer, node: number, from: number, to: number, slot: number): void {
  const first = Math.min(from, to) >>> 3
  const last = Math.max(from, to) >>> 3
  const index = writer.open(node + PLACES + first, last - first + 1)
  const bytes = writer.view.bytes[writer.view.slotOf(node)]
  const places = (index - first) * WORD_BYTES
  if (from > to) bytes.copyWithin(places + to + 1, places + to, places + from)
  else bytes.copyWithin(places + from, places + from + 1, places + to + 1)
  bytes[places + to] = slot
}
