import type { Heap } from '../heap/heap'
import { type HashTable, MutableHashTable } from '../struct/hash-table'
import { Encoder, SORTED_FROM } from './encoder'
import { InternTables, OBJECT_HEADER_WORDS, tableSlot, wordsOf } from './intern-tables'
import { TextCreator } from './text-creator'
import { GROUP, GROUP_HALVES, STRING_HIGH, TextGrouper, type Texts } from './texts'
import { highOf, isComposite, isPointer, TAG, tagOf } from './word'

/**
 * Turns values into words and makes the interned objects they point at. Works within a transaction.
 *
 * Ownership: every word an encoding method leaves carries one reference, which the caller either stores (the place it
 * is stored in owns it then) or gives back with `release`. An object without references is freed at once, and with it
 * what only it referred to.
 */
export class Interner extends Encoder {
  private readonly mutable: MutableInternTables
  private readonly grouper = new TextGrouper()
  private readonly creator: TextCreator
  private groups = new Int32Array(0)

  constructor(private readonly heap: Heap) {
    const tables = new MutableInternTables(heap)
    super(tables)
    this.mutable = tables
    this.creator = new TextCreator(heap)
  }

  /** Adds a reference to what a word points at, if anything. */
  retain(low: number, high: number): void {
    if (isPointer(high)) this.mutable.addReferences(low >>> 0, 1)
  }

  /** Takes a reference away from what a word points at, if anything. */
  release(low: number, high: number): void {
    if (!isPointer(high)) return
    if (this.mutable.addReferences(low >>> 0, -1) === 0) this.free(tagOf(high), low >>> 0)
  }

  /** Puts the words of many strings into `words` from `at` on, low half first, one reference each. */
  texts(texts: Texts, words: Int32Array, at: number): void {
    if (this.groups.length < texts.count * GROUP_HALVES) this.groups = new Int32Array(texts.count * GROUP_HALVES)
    this.groupedTexts(texts, this.groups, this.group(texts, words, at, this.groups), words, at)
  }

  /** The same for strings of which `Kernels.prepareLines` has made `count` groups. */
  groupedTexts(texts: Texts, groups: Int32Array, count: number, words: Int32Array, at: number): void {
    this.find(texts, groups, count)
    this.mutable.referTo(groups, count)
    this.creator.create(texts, groups, count, () => this.mutable.mutableTable(TAG.string))
    this.settle(groups, words, at, texts.count)
  }

  /** Puts the addresses of their groups into the words. */
  private settle(groups: Int32Array, words: Int32Array, at: number, count: number): void {
    const { kernels } = this.heap.writer.view
    if (kernels !== undefined) {
      kernels.settleTexts(groups, words, at, count)
      return
    }
    for (let to = at, end = at + count * 2; to < end; to += 2) {
      if (words[to + 1] === STRING_HIGH) words[to] = groups[words[to] * GROUP_HALVES + GROUP.address]
    }
  }

  private group(texts: Texts, words: Int32Array, at: number, groups: Int32Array): number {
    const { kernels } = this.heap.writer.view
    const { mutable } = this
    if (kernels === undefined) return this.grouper.group(mutable, texts, words, at, groups)
    const { bytes, starts, ends, first, count } = texts
    return kernels.groupTexts(mutable.seed, bytes, starts, ends, first, count, words, at, groups)
  }

  private find(texts: Texts, groups: Int32Array, count: number): void {
    const { kernels, table, buffers } = this.heap.writer.view
    const strings = this.mutable.table(TAG.string)
    if (kernels === undefined) this.grouper.find(this.mutable, texts, groups, count)
    else if (strings !== undefined && count > 0)
      kernels.findTexts(texts.bytes, texts.starts, texts.ends, groups, count, table, buffers, strings.address)
  }

  protected override place(tag: number, sizeBytes: number): void {
    this.scratch.pad(sizeBytes)
    const { halves } = this.scratch
    const hash = this.mutable.hash(halves, sizeBytes)
    const found = this.mutable.findWithHash(tag, halves, sizeBytes, hash)
    if (found !== 0) {
      this.mutable.addReferences(found, 1)
      if (isComposite(tag)) {
        const words = wordsOf(sizeBytes)
        this.releaseElements(halves.slice(0, words * 2), elementWords(tag, words))
      }
    }
    this.low = (found === 0 ? this.mutable.create(tag, halves, sizeBytes, hash) : found) | 0
    this.high = highOf(tag)
  }

  /**
   * Frees an object that nothing refers to, and what only it referred to. No recursion: a list is as deep as it is
   * long.
   */
  private free(tag: number, address: number): void {
    const unused = [tag, address]
    while (unused.length > 0) {
      const each = unused.pop()!
      const eachTag = unused.pop()!
      const words = wordsOf(this.heap.writer.view.low(each))
      const halves = this.mutable.remove(eachTag, each, words)
      if (!isComposite(eachTag)) continue
      for (let i = 0; i < elementWords(eachTag, words); i++) {
        const element = halves[i * 2] >>> 0
        const high = halves[i * 2 + 1]
        if (isPointer(high) && this.mutable.addReferences(element, -1) === 0) unused.push(tagOf(high), element)
      }
    }
  }

  protected override releaseElements(halves: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) this.release(halves[i * 2], halves[i * 2 + 1])
  }
}

/** How many of a composite object's words refer to others; behind them a large document has its sorted index. */
export function elementWords(tag: number, words: number): number {
  if (tag !== TAG.document || words <= SORTED_FROM * 2) return words
  // 2 words per member and half a word of index, rounded up
  return Math.floor((words * 2) / 5) * 2
}

/** Contents of most objects: they are looked at where those of the one before were. */
const FEW_WORDS = 32

class MutableInternTables extends InternTables {
  private readonly fewHalves = new Int32Array(FEW_WORDS * 2)

  constructor(private readonly heap: Heap) {
    super(heap.writer.view)
  }

  /** Makes the object that `findWithHash`, called last, did not find. */
  create(tag: number, halves: Int32Array, sizeBytes: number, hash: number): number {
    const { allocator, writer } = this.heap
    const words = wordsOf(sizeBytes)
    const address = allocator.allocate(OBJECT_HEADER_WORDS + words)
    writer.set(address, sizeBytes, 1)
    writer.write(address + OBJECT_HEADER_WORDS, halves, 0, words * 2)
    const table = this.table(tag) as MutableHashTable | undefined
    if (table === undefined) this.mutableTable(tag).insert(hash, address)
    else table.insertMissed(hash, address)
    return address
  }

  /** Changes the number of references to an object by `count` and returns the new one. */
  addReferences(address: number, count: number): number {
    const references = this.view.high(address) + count
    this.heap.writer.set(address, this.view.low(address), references)
    return references
  }

  /** Frees an object and returns what its contents were: valid until the next one is freed. */
  remove(tag: number, address: number, words: number): Int32Array {
    const halves = words <= FEW_WORDS ? this.fewHalves : new Int32Array(words * 2)
    for (let i = 0; i < words; i++) {
      halves[i * 2] = this.view.low(address + OBJECT_HEADER_WORDS + i)
      halves[i * 2 + 1] = this.view.high(address + OBJECT_HEADER_WORDS + i)
    }
    const hash = this.hash(halves, this.view.low(address))
    const table = this.mutableTable(tag)
    let entry = table.seek(hash)
    while (entry !== 0 && table.foundPayload !== address) entry = table.seekNext(hash)
    if (entry !== 0) table.removeFound()
    this.heap.allocator.free(address)
    return halves
  }

  protected override openTable(address: number): HashTable {
    return new MutableHashTable(this.heap, address)
  }

  /** Adds the references of every group that has an object. */
  referTo(groups: Int32Array, count: number): void {
    for (let at = 0, end = count * GROUP_HALVES; at < end; at += GROUP_HALVES) {
      const address = groups[at + GROUP.address]
      if (address !== 0) this.addReferences(address >>> 0, groups[at + GROUP.strings])
    }
  }

  /** The table of a kind, made when it is missing. */
  mutableTable(tag: number): MutableHashTable {
    const known = this.table(tag)
    if (known !== undefined) return known as MutableHashTable
    this.heap.writer.set(tableSlot(tag), MutableHashTable.create(this.heap) | 0, 0)
    return this.table(tag) as MutableHashTable
  }
}
