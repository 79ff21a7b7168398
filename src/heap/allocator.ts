import { assert, SnapheapError } from '../errors'
import {
  BLOCK_MASK,
  BLOCK_SHIFT,
  BLOCK_WORDS,
  DESCRIPTOR_BLOCK,
  DESCRIPTOR_WORDS,
  MAX_BLOCKS,
  RESERVED_BLOCKS,
  ROOT,
} from './layout'
import type { View } from './view'
import type { Writer } from './writer'

/** What a logical block is used for: the low four bits of its descriptor. */
export const BLOCK_KIND = { none: 0, freeRun: 1, usedRun: 2, cells: 3 } as const

/** Cell sizes in words; larger objects take runs of whole blocks. Steps of at most a quarter bound the waste. */
export const CELL_WORDS: readonly number[] = [
  1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 315,
  372, 455, 512, 682, 819, 1024, 1365, 2048,
]
const LARGEST_CELL = CELL_WORDS[CELL_WORDS.length - 1]

const CLASS_OF_WORDS = new Uint8Array(LARGEST_CELL + 1)
for (let words = 1, cellClass = 0; words <= LARGEST_CELL; words++) {
  if (words > CELL_WORDS[cellClass]) cellClass++
  CLASS_OF_WORDS[words] = cellClass
}

/** Address of the first descriptor word of a logical block. */
export function descriptorOf(block: number): number {
  return DESCRIPTOR_BLOCK * BLOCK_WORDS + block * DESCRIPTOR_WORDS
}

/** The words that an allocation of `words` really gets: its cell's size, or whole blocks. */
export function usableWords(words: number): number {
  return words <= LARGEST_CELL ? CELL_WORDS[CLASS_OF_WORDS[words]] : 2 ** runOrder(words) * BLOCK_WORDS
}

function runOrder(words: number): number {
  const blocks = Math.ceil(words / BLOCK_WORDS)
  return blocks <= 1 ? 0 : 32 - Math.clz32(blocks - 1)
}

/**
 * Space inside the heap: cells of fixed sizes within one block, and runs of 2^order whole blocks by the binary buddy
 * system (K. Knowlton, "A fast storage allocator", CACM 1965). Blocks of a run that are not written take no space, so
 * rounding up to a power of two spends addresses, not bytes.
 *
 * All state is words of the heap, so a rollback takes allocations back with everything else. A descriptor is two words:
 *   low 0:  kind (4 bits) | order or cell class (8 bits) | cells ever handed out (13 bits)
 *   high 0: cells in use (13 bits) | index of the first free cell + 1 (13 bits)
 *   low 1:  next block in its list, high 1: previous; 0 = none
 *
 * Invariants: a block of cells is in its class's list exactly when it has room, and an empty one is kept only as the
 * last of its list (so that one cell taken and given in turn does not map and unmap a block each time); two free
 * buddies are always merged; an object never straddles a block unless it begins at one.
 */
export class Allocator {
  constructor(private readonly writer: Writer) {}

  private get view(): View {
    return this.writer.view
  }

  /** Space for `words` words, contents undefined. Returns its address. Throws `HEAP_FULL`. */
  allocate(words: number): number {
    assert(words > 0, 'an allocation has at least one word')
    if (words > LARGEST_CELL) {
      const order = runOrder(words)
      const block = this.takeRun(order)
      this.count(2 ** order * BLOCK_WORDS)
      return block * BLOCK_WORDS
    }
    const cellClass = CLASS_OF_WORDS[words]
    const address = this.takeCell(cellClass)
    this.count(CELL_WORDS[cellClass])
    return address
  }

  /**
   * Space for as many objects of `words` words as `addresses` has places from `from` to `to`: each as `allocate` gives
   * it, and one behind the other as far as that goes. Cells only, so `words` is at most 2048. Throws `HEAP_FULL`.
   */
  allocateMany(words: number, addresses: Uint32Array, from: number, to: number): void {
    assert(words > 0 && words <= LARGEST_CELL, 'many objects at once are cells')
    const cellClass = CLASS_OF_WORDS[words]
    const cellWords = CELL_WORDS[cellClass]
    for (let i = from; i < to; ) {
      addresses[i] = this.takeCell(cellClass)
      i += 1 + this.takeCellsBehind(addresses[i], cellClass, addresses, i + 1, to)
    }
    this.count(cellWords * (to - from))
  }

  /** The same, reading as absent words. */
  allocateZeroed(words: number): number {
    const address = this.allocate(words)
    if (words <= LARGEST_CELL) this.writer.clear(address, words)
    return address
  }

  /** Gives an allocation back whole. `address` is what `allocate` returned. */
  free(address: number): void {
    const block = address >>> BLOCK_SHIFT
    const low = this.view.low(descriptorOf(block))
    const kind = low & 15
    if (kind === BLOCK_KIND.cells) this.giveCell(block, address, (low >>> 4) & 255)
    else if (kind === BLOCK_KIND.usedRun) {
      const order = (low >>> 4) & 255
      this.count(-(2 ** order) * BLOCK_WORDS)
      this.giveRun(block, order)
    } else {
      throw new SnapheapError('CORRUPT', `Address ${address} was freed but is not allocated. Run check().`, { address })
    }
  }

  private takeCell(cellClass: number): number {
    const head = ROOT.partialBlocks + cellClass
    let block = this.view.low(head)
    if (block === 0) {
      block = this.takeRun(0)
      this.writer.set(descriptorOf(block), BLOCK_KIND.cells | (cellClass << 4), 0)
      this.writer.set(descriptorOf(block) + 1, 0, 0)
      this.writer.set(head, block, 0)
    }
    const descriptor = descriptorOf(block)
    let low = this.view.low(descriptor)
    const high = this.view.high(descriptor)
    const used = (high & 0x1fff) + 1
    let free = (high >>> 13) & 0x1fff
    let address: number
    if (free !== 0) {
      address = block * BLOCK_WORDS + free - 1
      free = this.view.low(address)
    } else {
      address = block * BLOCK_WORDS + (low >>> 12) * CELL_WORDS[cellClass]
      low += 1 << 12
    }
    this.writer.set(descriptor, low, used | (free << 13))
    if (used === cellsPerBlock(cellClass)) this.unlink(head, block)
    return address
  }

  /** Takes the cells behind one that was just taken, as far as they were never allocated. Returns how many. */
  private takeCellsBehind(
    address: number,
    cellClass: number,
    addresses: Uint32Array,
    from: number,
    to: number,
  ): number {
    const cellWords = CELL_WORDS[cellClass]
    const block = address >>> BLOCK_SHIFT
    const descriptor = descriptorOf(block)
    const low = this.view.low(descriptor)
    const high = this.view.high(descriptor)
    const handedOut = low >>> 12
    const isNewest = (address & BLOCK_MASK) === (handedOut - 1) * cellWords && high >>> 13 === 0
    const count = isNewest ? Math.min(to - from, cellsPerBlock(cellClass) - handedOut) : 0
    if (count === 0) return 0
    for (let i = 0; i < count; i++) addresses[from + i] = address + (i + 1) * cellWords
    this.writer.set(descriptor, low + (count << 12), high + count)
    if ((high & 0x1fff) + count === cellsPerBlock(cellClass)) this.unlink(ROOT.partialBlocks + cellClass, block)
    return count
  }

  private giveCell(block: number, address: number, cellClass: number): void {
    this.count(-CELL_WORDS[cellClass])
    const head = ROOT.partialBlocks + cellClass
    const descriptor = descriptorOf(block)
    const low = this.view.low(descriptor)
    const high = this.view.high(descriptor)
    const used = (high & 0x1fff) - 1
    const links = descriptor + 1
    if (used === 0 && (this.view.low(links) !== 0 || this.view.high(links) !== 0)) {
      this.unlink(head, block)
      this.giveRun(block, 0)
      return
    }
    this.writer.set(address, (high >>> 13) & 0x1fff, 0)
    this.writer.set(descriptor, low, used | (((address & BLOCK_MASK) + 1) << 13))
    if (used + 1 === cellsPerBlock(cellClass)) this.link(head, block)
  }

  /** Takes 2^order contiguous blocks, marked as a used run. Returns the first block. */
  private takeRun(order: number): number {
    let found = order
    while (found <= 20 && this.view.low(ROOT.freeRuns + found) === 0) found++
    let block: number
    if (found > 20) block = this.extend(order)
    else {
      block = this.view.low(ROOT.freeRuns + found)
      this.unlink(ROOT.freeRuns + found, block)
      while (found > order) {
        found--
        this.addFreeRun(block + 2 ** found, found)
      }
    }
    this.writer.set(descriptorOf(block), BLOCK_KIND.usedRun | (order << 4), 0)
    this.writer.set(descriptorOf(block) + 1, 0, 0)
    return block
  }

  /** Raises the top of the heap to an aligned run of 2^order blocks; the skipped blocks become free runs. */
  private extend(order: number): number {
    const size = 2 ** order
    const top = Math.max(this.view.low(ROOT.top), RESERVED_BLOCKS)
    const block = Math.ceil(top / size) * size
    if (block + size > MAX_BLOCKS) {
      throw new SnapheapError(
        'HEAP_FULL',
        `No room for ${size} contiguous blocks: the heap has reached 32 GiB of address space. Delete data, or ` +
          'split it over several files.',
      )
    }
    this.writer.ensureBlocks(block + size)
    this.writer.set(ROOT.top, block + size, 0)
    let gap = top
    while (gap < block) {
      const gapOrder = 31 - Math.clz32(gap & -gap)
      this.mergeFreeRun(gap, gapOrder)
      gap += 2 ** gapOrder
    }
    return block
  }

  /** Frees a run: its blocks read as never written. */
  private giveRun(block: number, order: number): void {
    for (let i = 0; i < 2 ** order; i++) this.writer.discard(block + i)
    this.writer.clear(descriptorOf(block), DESCRIPTOR_WORDS)
    this.mergeFreeRun(block, order)
  }

  /** Adds a free run, merged with its buddy as far as that is free too. */
  private mergeFreeRun(block: number, order: number): void {
    const top = this.view.low(ROOT.top)
    let at = block
    let size = order
    while (size < 20) {
      const buddy = at ^ (2 ** size)
      if (buddy < RESERVED_BLOCKS || buddy + 2 ** size > top) break
      if (this.view.low(descriptorOf(buddy)) !== (BLOCK_KIND.freeRun | (size << 4))) break
      this.unlink(ROOT.freeRuns + size, buddy)
      this.writer.clear(descriptorOf(buddy), DESCRIPTOR_WORDS)
      at = Math.min(at, buddy)
      size++
    }
    this.addFreeRun(at, size)
  }

  private addFreeRun(block: number, order: number): void {
    this.writer.set(descriptorOf(block), BLOCK_KIND.freeRun | (order << 4), 0)
    this.link(ROOT.freeRuns + order, block)
  }

  private link(head: number, block: number): void {
    const next = this.view.low(head)
    this.writer.set(descriptorOf(block) + 1, next, 0)
    if (next !== 0) this.writer.set(descriptorOf(next) + 1, this.view.low(descriptorOf(next) + 1), block)
    this.writer.set(head, block, 0)
  }

  private unlink(head: number, block: number): void {
    const next = this.view.low(descriptorOf(block) + 1)
    const previous = this.view.high(descriptorOf(block) + 1)
    if (previous === 0) this.writer.set(head, next, 0)
    else this.writer.set(descriptorOf(previous) + 1, next, this.view.high(descriptorOf(previous) + 1))
    if (next !== 0) this.writer.set(descriptorOf(next) + 1, this.view.low(descriptorOf(next) + 1), previous)
    this.writer.set(descriptorOf(block) + 1, 0, 0)
  }

  private count(words: number): void {
    const total = this.view.number(ROOT.allocatedWords) + words
    if (total === 0) this.writer.set(ROOT.allocatedWords, 0, 0)
    else this.writer.setNumber(ROOT.allocatedWords, total)
  }
}

export function cellsPerBlock(cellClass: number): number {
  return Math.floor(BLOCK_WORDS / CELL_WORDS[cellClass])
}
