import { SnapheapError } from '../errors'
import { BLOCK_BYTES, BLOCK_SHIFT, WINDOW_MASK, WINDOW_SHIFT, WINDOW_SLOTS, windowBlocks, ZERO_BLOCK } from './layout'
import type { Memory } from './memory'

const NO_NUMBERS = new Float64Array(0)
const NO_HALVES = new Int32Array(0)
const NO_BYTES = Buffer.alloc(0)

/** Free arena blocks up to this many keep their pages; beyond it they are given back to the kernel, some each turn. */
const KEPT_FREE_BLOCKS = 2048
const BLOCKS_PER_TURN = 64

/**
 * The slot of blocks that must not be read. It has no memory: native loops that come there report that the heap is
 * damaged.
 */
const REFUSED_SLOT = WINDOW_SLOTS - 1

/**
 * All memory of one heap, in window slots: slot 0 is the block of zeros, the last one refuses every read, the others
 * are windows of files (read-only) or of the arena (blocks changed since they were last in a file).
 *
 * Invariant: an arena block is exactly one of: in use, in `dirtyFree` (old contents), in `cleanFree` (reads as zeros),
 * or at or above `arenaNext` in the newest arena window (never used, zeros).
 */
export class Windows {
  readonly numbers: Float64Array[] = slots(NO_NUMBERS)
  readonly halves: Int32Array[] = slots(NO_HALVES)
  readonly bytes: Buffer[] = slots(NO_BYTES)
  /** Every window's memory, by slot, up to the last one in use. */
  readonly buffers: (ArrayBuffer | undefined)[] = []
  private arenaSlots: number[] = []
  /** Of the newest arena window: the next block, and how many it has. */
  private arenaNext = 0
  private arenaEnd = 0
  /** Blocks of all arena windows. */
  private arenaSize = 0
  private dirtyFree: number[] = []
  private cleanFree: number[] = []
  private trimming: NodeJS.Immediate | undefined
  /** What reads of the blocks in the refused slot throw. */
  private readonly refusals: (() => SnapheapError)[] = []
  /** Arena blocks in use. */
  arenaBlocks = 0

  constructor(readonly memory: Memory) {
    this.place(0, new ArrayBuffer(BLOCK_BYTES))
  }

  /** Maps this part of an open file and returns its slot. */
  mapFile(fd: number, offsetBytes: number, sizeBytes: number): number {
    const slot = this.freeSlot()
    this.place(slot, this.memory.mapFile(fd, offsetBytes, sizeBytes))
    return slot
  }

  /** Takes a window back. Views that still read through it see empty arrays, never foreign memory. */
  unmap(slot: number): void {
    const buffer = this.buffers[slot]
    if (buffer === undefined) return
    this.buffers[slot] = undefined
    while (this.buffers.length > 0 && this.buffers[this.buffers.length - 1] === undefined) this.buffers.pop()
    this.numbers[slot] = NO_NUMBERS
    this.halves[slot] = NO_HALVES
    this.bytes[slot] = NO_BYTES
    this.memory.unmap(buffer)
  }

  /** Makes a file's window show the bytes appended to the file in this range. */
  refresh(slot: number, fd: number, fileOffsetBytes: number, offsetBytes: number, sizeBytes: number): void {
    this.memory.refresh(this.buffer(slot), fd, fileOffsetBytes, offsetBytes, sizeBytes)
  }

  /** A physical block of which every read throws what `refusal` makes; undefined where there are too many of them. */
  refuseReads(refusal: () => SnapheapError): number | undefined {
    const { refusals } = this
    if (refusals.length > WINDOW_MASK) return undefined
    if (refusals.length === 0) {
      const refuse = (at: number): never => {
        throw (refusals[at] ?? refusals[refusals.length - 1])()
      }
      this.numbers[REFUSED_SLOT] = refusing(NO_NUMBERS, BLOCK_SHIFT, refuse)
      this.halves[REFUSED_SLOT] = refusing(NO_HALVES, BLOCK_SHIFT + 1, refuse)
      this.bytes[REFUSED_SLOT] = refusing(NO_BYTES, BLOCK_SHIFT + 3, refuse)
    }
    return (REFUSED_SLOT << WINDOW_SHIFT) | (refusals.push(refusal) - 1)
  }

  /**
   * Makes the arena's first window now: mapping one costs a garbage collection, which should not happen during a
   * request.
   */
  prepareArena(): void {
    if (this.arenaSlots.length === 0) this.addArenaWindow()
  }

  /** An arena block whose contents the caller overwrites at once. */
  takeBlock(): number {
    const block = this.dirtyFree.pop() ?? this.cleanFree.pop() ?? this.nextArenaBlock()
    this.arenaBlocks++
    return block
  }

  /** An arena block of zeros. */
  takeZeroBlock(): number {
    const clean = this.cleanFree.pop()
    const dirty = clean === undefined ? this.dirtyFree.pop() : undefined
    const block = clean ?? dirty ?? this.nextArenaBlock()
    if (dirty !== undefined) {
      const start = (dirty & WINDOW_MASK) * BLOCK_BYTES
      this.bytes[dirty >>> WINDOW_SHIFT].fill(0, start, start + BLOCK_BYTES)
    }
    this.arenaBlocks++
    return block
  }

  /** Gives an arena block back. The caller vouches that no view points at it. */
  giveBlock(physical: number): void {
    this.arenaBlocks--
    this.dirtyFree.push(physical)
    if (this.dirtyFree.length > KEPT_FREE_BLOCKS) this.trimming ??= setImmediate(() => this.trim())
  }

  copyBlock(target: number, source: number): void {
    this.memory.copy(
      this.buffer(target >>> WINDOW_SHIFT),
      (target & WINDOW_MASK) * BLOCK_BYTES,
      this.buffer(source >>> WINDOW_SHIFT),
      (source & WINDOW_MASK) * BLOCK_BYTES,
      BLOCK_BYTES,
    )
  }

  /** The bytes of one physical block, as a view: valid until the block is given back or its window unmapped. */
  blockBytes(physical: number): Uint8Array {
    const start = (physical & WINDOW_MASK) * BLOCK_BYTES
    return new Uint8Array(this.buffer(physical >>> WINDOW_SHIFT), start, BLOCK_BYTES)
  }

  /** Whether a physical block is memory of this process alone, not of a file and not the block of zeros. */
  isArena(physical: number): boolean {
    return this.arenaSlots.includes(physical >>> WINDOW_SHIFT)
  }

  /** Free arena blocks, for the check that none is both free and used. */
  freeBlocks(): readonly number[] {
    return [...this.dirtyFree, ...this.cleanFree]
  }

  close(): void {
    clearImmediate(this.trimming)
    for (let slot = 1; slot < WINDOW_SLOTS; slot++) this.unmap(slot)
    this.arenaSlots = []
    this.dirtyFree = []
    this.cleanFree = []
    this.arenaNext = this.arenaEnd = this.arenaSize = 0
    this.arenaBlocks = 0
  }

  /**
   * Gives pages of some free blocks back to the kernel, those that were freed first: neighbours together, and the rest
   * in later turns.
   */
  private trim(): void {
    const surplus = Math.min(BLOCKS_PER_TURN, this.dirtyFree.length - KEPT_FREE_BLOCKS)
    this.trimming = undefined
    if (surplus <= 0) return
    const blocks = this.dirtyFree.splice(0, surplus).sort((a, b) => a - b)
    for (let i = 0; i < surplus; ) {
      const first = blocks[i]
      const window = first >>> WINDOW_SHIFT
      let end = i + 1
      while (end < surplus && blocks[end] === first + end - i && blocks[end] >>> WINDOW_SHIFT === window) end++
      const start = (first & WINDOW_MASK) * BLOCK_BYTES
      this.memory.advise(this.buffer(window), start, (end - i) * BLOCK_BYTES, 'dontneed')
      i = end
    }
    this.cleanFree.push(...blocks)
    this.trimming = setImmediate(() => this.trim())
  }

  private nextArenaBlock(): number {
    if (this.arenaNext === this.arenaEnd) this.addArenaWindow()
    return (this.arenaSlots[this.arenaSlots.length - 1] << WINDOW_SHIFT) | this.arenaNext++
  }

  private addArenaWindow(): void {
    const slot = this.freeSlot()
    const blocks = windowBlocks(this.arenaSize, 1)
    this.place(slot, this.memory.allocate(blocks * BLOCK_BYTES))
    this.arenaSlots.push(slot)
    this.arenaNext = 0
    this.arenaEnd = blocks
    this.arenaSize += blocks
  }

  private buffer(slot: number): ArrayBuffer {
    const buffer = this.buffers[slot]
    if (buffer === undefined) {
      throw new SnapheapError('CLOSED', `Memory window ${slot} was given back. Reopen the database or snapshot.`, {
        slot,
      })
    }
    return buffer
  }

  private freeSlot(): number {
    for (let slot = ZERO_BLOCK + 1; slot < REFUSED_SLOT; slot++) if (this.buffers[slot] === undefined) return slot
    throw new SnapheapError(
      'HEAP_FULL',
      `All ${WINDOW_SLOTS} memory windows are in use. Release pinned snapshots, or save into a new file to drop ` +
        'dead blocks.',
    )
  }

  private place(slot: number, buffer: ArrayBuffer): void {
    this.buffers[slot] = buffer
    this.numbers[slot] = new Float64Array(buffer)
    this.halves[slot] = new Int32Array(buffer)
    this.bytes[slot] = Buffer.from(buffer)
  }
}

/** Stands for an array of words of which none may be read: `refuse` gets the block that was asked for, and throws. */
function refusing<T extends object>(empty: T, shift: number, refuse: (at: number) => never): T {
  // a property that is not an index, such as a method, gives NaN as the block
  const refused = (_: T, key: string | symbol) => refuse(Math.floor(Number(String(key)) / 2 ** shift))
  return new Proxy(empty, { get: refused, set: refused, has: refused })
}

/**
 * One of each slot, pushed one by one: an array made at its full length counts as one with holes, and every read looks
 * for them.
 */
function slots<T>(empty: T): T[] {
  const all: T[] = []
  while (all.length < WINDOW_SLOTS) all.push(empty)
  return all
}
