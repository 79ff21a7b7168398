import { usableWords } from '../heap/allocator'
import type { Heap } from '../heap/heap'
import type { View } from '../heap/view'
import { insertAt, numberAt, removeAt, search, wordsFor } from './packed-array'
import { atOnce, type Steps } from './steps'

/** Numbers in a posting list are below 2^31. */
export const LARGEST_POSTING = 0x7fffffff

export const HEADER_WORDS = 2
/** Up to this many numbers stand in one sorted array; more are cut into chunks of 2^16. */
export const FLAT_LIMIT = 512
const CHUNK_SHIFT = 16
const CHUNK_MASK = 0xffff
/** A chunk of up to this many numbers is a sorted array, a larger one a bitmap of 2^16 bits. */
const SPARSE_LIMIT = 2048
const BITMAP_WORDS = 1024
/** A bitmap turns back into an array at half the limit, so that one number coming and going converts nothing. */
const SPARSE_AGAIN = SPARSE_LIMIT / 2
const IS_BITMAP = 1 << 16

/** Where a chunk is laid out before it is written. */
const STAGING = new Int32Array(BITMAP_WORDS * 2)

/**
 * A sorted set of row numbers in the heap, compact for two and for millions: a sorted array while it is small, then
 * chunks of 65,536 numbers, each an array or a bitmap (S. Chambi, D. Lemire et al., "Better bitmap performance with
 * Roaring bitmaps", 2016). Adding and removing cost at most one move within a 4 KiB array.
 *
 *   word 0: the owner's (an index keeps its key here)
 *   word 1: low = count, high = 0 flat | 1 chunked
 *   flat:    words 2.. are the numbers, two in a word
 *   chunked: word 2: low = directory, high = chunks | log2(capacity) << 24
 *            directory word: low = container, high = chunk number << 17 | is bitmap << 16 | count - 1, sorted by high
 */
export class PostingList {
  constructor(protected readonly view: View) {}

  count(list: number): number {
    return this.view.low(list + 1)
  }

  /** Numbers in ascending order from the `skip`th on, at most `limit`. */
  read(list: number, skip = 0, limit = LARGEST_POSTING): number[] {
    const { view } = this
    const wanted = Math.min(limit, Math.max(0, this.count(list) - skip))
    if (view.high(list + 1) === 0) {
      const halves = view.halves[view.slotOf(list)]
      const first = (view.indexOf(list) + HEADER_WORDS) * 2 + skip
      const few: number[] = new Array(wanted)
      for (let i = 0; i < wanted; i++) few[i] = halves[first + i]
      return few
    }
    const numbers: number[] = []
    let toSkip = skip
    const directory = view.low(list + 2) >>> 0
    for (let i = 0; numbers.length < wanted; i++) {
      const count = (view.high(directory + i) & CHUNK_MASK) + 1
      if (toSkip < count) this.readChunk(directory + i, numbers, wanted, toSkip)
      toSkip = Math.max(0, toSkip - count)
    }
    return numbers
  }

  /** The smallest number. */
  first(list: number): number {
    return this.view.high(list + 1) === 0 ? numberAt(this.view, list + HEADER_WORDS, 4, 0) : this.read(list, 0, 1)[0]
  }

  has(list: number, number: number): boolean {
    const { view } = this
    if (view.high(list + 1) === 0) {
      return search(view, list + HEADER_WORDS, 4, this.count(list), number) >= 0
    }
    const at = this.findChunk(list, number >>> CHUNK_SHIFT)
    if (at < 0) return false
    const word = (view.low(list + 2) >>> 0) + at
    const high = view.high(word)
    const container = view.low(word) >>> 0
    const value = number & CHUNK_MASK
    if ((high & IS_BITMAP) === 0) return search(view, container, 2, (high & CHUNK_MASK) + 1, value) >= 0
    const address = container + (value >>> 6)
    const bits = (value & 32) === 0 ? view.low(address) : view.high(address)
    return (bits & (1 << (value & 31))) !== 0
  }

  /** Every piece of the heap that the list occupies. */
  *allocations(list: number): Generator<number> {
    yield list
    if (this.view.high(list + 1) === 0) return
    const directory = this.view.low(list + 2) >>> 0
    yield directory
    const chunks = this.view.high(list + 2) & 0xffffff
    for (let i = 0; i < chunks; i++) yield this.view.low(directory + i) >>> 0
  }

  /** Index of a chunk in the directory, or -1 - the place where it belongs. */
  protected findChunk(list: number, chunk: number): number {
    const directory = this.view.low(list + 2) >>> 0
    let from = 0
    let to = (this.view.high(list + 2) & 0xffffff) - 1
    while (from <= to) {
      const middle = (from + to) >>> 1
      const each = this.view.high(directory + middle) >>> 17
      if (each === chunk) return middle
      if (each < chunk) from = middle + 1
      else to = middle - 1
    }
    return -1 - from
  }

  /** Appends a chunk's numbers from the `skip`th on, until there are `wanted` in all. */
  protected readChunk(word: number, numbers: number[], wanted: number, skip: number): void {
    const { view } = this
    const high = view.high(word)
    const container = view.low(word) >>> 0
    const base = (high >>> 17) << CHUNK_SHIFT
    if ((high & IS_BITMAP) === 0) {
      const count = Math.min((high & CHUNK_MASK) + 1, skip + wanted - numbers.length)
      for (let i = skip; i < count; i++) numbers.push(base | numberAt(view, container, 2, i))
      return
    }
    let toSkip = skip
    for (let half = 0; half < BITMAP_WORDS * 2 && numbers.length < wanted; half++) {
      let bits = (half & 1) === 0 ? view.low(container + (half >>> 1)) : view.high(container + (half >>> 1))
      while (bits !== 0 && numbers.length < wanted) {
        if (toSkip > 0) toSkip--
        else numbers.push(base | (half << 5) | (31 - Math.clz32(bits & -bits)))
        bits &= bits - 1
      }
    }
  }
}

/** Posting lists that can be changed, within a transaction. */
export class MutablePostingList extends PostingList {
  constructor(private readonly heap: Heap) {
    super(heap.writer.view)
  }

  /** Makes a list of two different numbers. Returns its address; its word 0 is absent. */
  create(a: number, b: number): number {
    const list = this.heap.allocator.allocateZeroed(HEADER_WORDS + 1)
    this.heap.writer.set(list + 1, 2, 0)
    this.heap.writer.set(list + 2, Math.min(a, b), Math.max(a, b))
    return list
  }

  /** Makes a list of `count` >= 2 ascending numbers at once: those of `numbers` from `start` on. */
  createFrom(numbers: Uint32Array, start: number, count: number): number {
    const { allocator, writer } = this.heap
    if (count <= FLAT_LIMIT) {
      const list = allocator.allocateZeroed(HEADER_WORDS + wordsFor(count, 4))
      writer.set(list + 1, count, 0)
      writer.write(list + HEADER_WORDS, numbers, start, count)
      return list
    }
    return atOnce(this.createChunked(numbers, start, count))
  }

  /** The same for many numbers, a chunk of them in a step. */
  *createChunked(numbers: Uint32Array, start: number, count: number): Steps<number> {
    const { allocator, writer } = this.heap
    const end = start + count
    const chunkEnds: number[] = []
    for (let from = start; from < end; ) {
      const to = chunkEnd(numbers, from, end)
      chunkEnds.push(to)
      from = to
    }
    let log2 = 2
    while (chunkEnds.length > 1 << log2) log2++
    const list = allocator.allocateZeroed(HEADER_WORDS + 1)
    const directory = allocator.allocateZeroed(1 << log2)
    for (const [i, to] of chunkEnds.entries()) {
      this.createChunk(directory + i, numbers, chunkEnds[i - 1] ?? start, to)
      yield
    }
    writer.set(list + 1, count, 1)
    writer.set(list + 2, directory | 0, chunkEnds.length | (log2 << 24))
    return list
  }

  /** Makes the container for ascending numbers [from, to) of one chunk and its directory word. */
  private createChunk(word: number, numbers: Uint32Array, from: number, to: number): void {
    const { allocator, writer } = this.heap
    const count = to - from
    const isBitmap = count > SPARSE_LIMIT
    const words = isBitmap ? BITMAP_WORDS : wordsFor(count, 2)
    STAGING.fill(0, 0, words * 2)
    for (let i = 0; i < count; i++) {
      const value = numbers[from + i] & CHUNK_MASK
      if (isBitmap) STAGING[value >>> 5] |= 1 << (value & 31)
      else STAGING[i >>> 1] |= value << ((i & 1) * 16)
    }
    const container = allocator.allocate(words)
    writer.write(container, STAGING, 0, words * 2)
    const chunk = numbers[from] >>> CHUNK_SHIFT
    writer.set(word, container | 0, (chunk << 17) | (isBitmap ? IS_BITMAP : 0) | (count - 1))
  }

  /** Adds a number that is not in the list yet. Returns the list's address, which may have moved. */
  add(list: number, number: number): number {
    const count = this.count(list)
    if (this.view.high(list + 1) !== 0) {
      this.addToChunks(list, number)
      this.heap.writer.set(list + 1, count + 1, 1)
      return list
    }
    if (count === FLAT_LIMIT) return this.add(this.cut(list), number)
    const base = list + HEADER_WORDS
    const last = numberAt(this.view, base, 4, count - 1)
    const index = number > last ? count : -1 - search(this.view, base, 4, count, number)
    const room = usableWords(HEADER_WORDS + wordsFor(count, 4)) - HEADER_WORDS
    const target = wordsFor(count + 1, 4) <= room ? list : this.moveFlat(list, count)
    insertAt(this.heap.writer, target + HEADER_WORDS, 4, count, index, number)
    this.heap.writer.set(target + 1, count + 1, 0)
    return target
  }

  /** Removes a number that is in the list. The caller destroys a list that has become too short for it. */
  remove(list: number, number: number): void {
    const count = this.count(list)
    const isChunked = this.view.high(list + 1)
    if (isChunked !== 0) this.removeFromChunks(list, number)
    else {
      const base = list + HEADER_WORDS
      removeAt(this.heap.writer, base, 4, count, search(this.view, base, 4, count, number))
    }
    this.heap.writer.set(list + 1, count - 1, isChunked)
  }

  destroy(list: number): void {
    const { allocator } = this.heap
    if (this.view.high(list + 1) === 0) allocator.free(list)
    else for (const address of [...this.allocations(list)]) allocator.free(address)
  }

  private moveFlat(list: number, count: number): number {
    const { allocator, writer } = this.heap
    const words = HEADER_WORDS + wordsFor(count, 4)
    const target = allocator.allocate(words + 1)
    writer.copy(target, list, words)
    allocator.free(list)
    return target
  }

  /** Turns a flat list into a chunked one. */
  private cut(list: number): number {
    const { allocator, writer } = this.heap
    const numbers = this.read(list)
    const target = this.createEmpty()
    writer.copy(target, list, 1)
    for (const number of numbers) this.addToChunks(target, number)
    writer.set(target + 1, numbers.length, 1)
    allocator.free(list)
    return target
  }

  private createEmpty(): number {
    const { allocator, writer } = this.heap
    const list = allocator.allocateZeroed(HEADER_WORDS + 1)
    const directory = allocator.allocateZeroed(4)
    writer.set(list + 1, 0, 1)
    writer.set(list + 2, directory | 0, 2 << 24)
    return list
  }

  private addToChunks(list: number, number: number): void {
    const found = this.findChunk(list, number >>> CHUNK_SHIFT)
    if (found < 0) {
      this.insertChunk(list, -1 - found, number)
      return
    }
    const { writer } = this.heap
    const word = (this.view.low(list + 2) >>> 0) + found
    const high = this.view.high(word)
    const count = (high & CHUNK_MASK) + 1
    const value = number & CHUNK_MASK
    let container = this.view.low(word) >>> 0
    let isBitmap = high & IS_BITMAP
    if (isBitmap === 0) {
      if (count === SPARSE_LIMIT) {
        container = this.toBitmap(container, count)
        isBitmap = IS_BITMAP
      } else container = this.addToArray(container, count, value)
    }
    if (isBitmap !== 0) this.flip(container, value)
    writer.set(word, container | 0, (high & ~CHUNK_MASK) | isBitmap | count)
  }

  private removeFromChunks(list: number, number: number): void {
    const { allocator, writer } = this.heap
    const found = this.findChunk(list, number >>> CHUNK_SHIFT)
    const word = (this.view.low(list + 2) >>> 0) + found
    const high = this.view.high(word)
    const count = (high & CHUNK_MASK) + 1
    const value = number & CHUNK_MASK
    let container = this.view.low(word) >>> 0
    if (count === 1) {
      allocator.free(container)
      this.removeChunk(list, found)
      return
    }
    let isBitmap = high & IS_BITMAP
    if (isBitmap !== 0) {
      this.flip(container, value)
      if (count - 1 === SPARSE_AGAIN) {
        container = this.toArrayContainer(word, container, count - 1)
        isBitmap = 0
      }
    } else removeAt(writer, container, 2, count, search(this.view, container, 2, count, value))
    writer.set(word, container | 0, (high & ~(CHUNK_MASK | IS_BITMAP)) | isBitmap | (count - 2))
  }

  private addToArray(container: number, count: number, value: number): number {
    const { allocator, writer } = this.heap
    let target = container
    if (wordsFor(count + 1, 2) > usableWords(wordsFor(count, 2))) {
      target = allocator.allocate(wordsFor(count + 1, 2))
      writer.copy(target, container, wordsFor(count, 2))
      allocator.free(container)
    }
    const last = numberAt(this.view, target, 2, count - 1)
    const index = value > last ? count : -1 - search(this.view, target, 2, count, value)
    insertAt(writer, target, 2, count, index, value)
    return target
  }

  private toBitmap(container: number, count: number): number {
    const bitmap = this.heap.allocator.allocateZeroed(BITMAP_WORDS)
    for (let i = 0; i < count; i++) this.flip(bitmap, numberAt(this.view, container, 2, i))
    this.heap.allocator.free(container)
    return bitmap
  }

  private toArrayContainer(word: number, bitmap: number, count: number): number {
    const values: number[] = []
    this.readChunk(word, values, count, 0)
    const container = this.heap.allocator.allocate(wordsFor(count, 2))
    for (let i = 0; i < count; i++) insertAt(this.heap.writer, container, 2, i, i, values[i] & CHUNK_MASK)
    this.heap.allocator.free(bitmap)
    return container
  }

  private flip(bitmap: number, value: number): void {
    const address = bitmap + (value >>> 6)
    const bit = 1 << (value & 31)
    const low = this.view.low(address)
    const high = this.view.high(address)
    if ((value & 32) === 0) this.heap.writer.set(address, low ^ bit, high)
    else this.heap.writer.set(address, low, high ^ bit)
  }

  private insertChunk(list: number, index: number, number: number): void {
    const { allocator, writer } = this.heap
    const packed = this.view.high(list + 2)
    const chunks = packed & 0xffffff
    let log2 = packed >>> 24
    let directory = this.view.low(list + 2) >>> 0
    if (chunks === 1 << log2) {
      const larger = allocator.allocateZeroed(1 << ++log2)
      writer.copy(larger, directory, chunks)
      allocator.free(directory)
      directory = larger
    }
    for (let i = chunks; i > index; i--) {
      writer.set(directory + i, this.view.low(directory + i - 1), this.view.high(directory + i - 1))
    }
    const container = allocator.allocate(1)
    writer.set(container, number & CHUNK_MASK, 0)
    writer.set(directory + index, container | 0, (number >>> CHUNK_SHIFT) << 17)
    writer.set(list + 2, directory | 0, (chunks + 1) | (log2 << 24))
  }

  private removeChunk(list: number, index: number): void {
    const { writer } = this.heap
    const packed = this.view.high(list + 2)
    const chunks = packed & 0xffffff
    const directory = this.view.low(list + 2) >>> 0
    for (let i = index; i < chunks - 1; i++) {
      writer.set(directory + i, this.view.low(directory + i + 1), this.view.high(directory + i + 1))
    }
    writer.set(directory + chunks - 1, 0, 0)
    writer.set(list + 2, directory | 0, (chunks - 1) | (packed & ~0xffffff))
  }
}

/** Where the chunk that \`numbers[from]\` belongs to ends, among ascending numbers up to \`end\`. By bisection. */
function chunkEnd(numbers: Uint32Array, from: number, end: number): number {
  const chunk = numbers[from] >>> CHUNK_SHIFT
  let low = from + 1
  let high = Math.min(end, from + CHUNK_MASK + 1)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (numbers[middle] >>> CHUNK_SHIFT === chunk) low = middle + 1
    else high = middle
  }
  return low
}
