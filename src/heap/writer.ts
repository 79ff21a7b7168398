import { assert, SnapheapError } from '../errors'
import { ChangeNotes, COPIED } from './change-notes'
import { type Changes, eachWrittenRun, NOWHERE } from './changes'
import { BLOCK_MASK, BLOCK_SHIFT, BLOCK_WORDS, MAX_BLOCKS, WINDOW_MASK, WINDOW_SHIFT, ZERO_BLOCK } from './layout'
import type { Pins } from './pins'
import { TouchedBlocks } from './touched-blocks'
import type { View } from './view'
import type { Windows } from './windows'

/**
 * Marks of a block within the open transaction; other values are 1 + its bitmap's number, with COPIED or'ed in when
 * rollback gives its place back whole. A block outside the heap has no mark at all and is treated as untouched.
 */
const UNTOUCHED = 0
const FRESH = 0xffffffff

/**
 * The one writer: changes words through its view, copying a block only if somebody else could see it, and can take
 * every change back.
 *
 * For each block touched by the transaction the block's earlier place is kept; for each touched block that existed
 * before, a bitmap of changed words; for each word changed in place, its old contents. Commit forgets them, rollback
 * puts them back, after which the heap is byte-identical.
 *
 * Invariants: `births[b]` is 0 exactly when block b is in a file or is the block of zeros; a block is written in place
 * only when `births[b] > pins.newest`.
 */
export class Writer {
  private births: Float64Array
  private marks: Uint32Array
  /** 1 for a block that is among those touched. */
  private isRecorded: Uint8Array
  private readonly touched = new TouchedBlocks()
  private readonly notes = new ChangeNotes()
  /** Pairs: block, and the block it was moved to or `NOWHERE`. */
  private moves: number[] = []
  private generationAtBegin = 0
  /** Arena blocks allocated by the open transaction, which no reader sees. */
  private readonly ownBlocks = new Set<number>()
  /** Transactions begun so far: tells one from the next. */
  transactions = 0
  private hasMoves = false
  private tableIsShared = false
  private isOpen = false
  /** Nothing is kept for a rollback. */
  private isFinal = false
  /** Why the open transaction must not be committed. */
  private spoiledBy: unknown

  constructor(
    private readonly windows: Windows,
    private readonly pins: Pins,
    /** What the writer sees. The live view too, except while a detached transaction is open. */
    public view: View,
    /** Throws where a block that is in a file cannot be copied, for its bytes are not what they were. */
    private readonly prove: (block: number, physical: number) => void,
  ) {
    this.births = new Float64Array(view.table.length)
    this.marks = new Uint32Array(view.table.length)
    this.isRecorded = new Uint8Array(view.table.length)
  }

  get isWriting(): boolean {
    return this.isOpen
  }

  /** Blocks that the open transaction has touched. */
  get touchedBlocks(): number {
    return this.touched.count
  }

  /** Opens a transaction; one that `isFinal` cannot be rolled back, and costs less. */
  begin(isFinal = false): void {
    assert(!this.isOpen, 'one transaction at a time')
    this.isOpen = true
    this.isFinal = isFinal
    this.transactions++
    this.generationAtBegin = this.view.generation
  }

  /** Says that somebody else now reads through the view's table: it is cloned before its next change. */
  shareTable(): void {
    this.tableIsShared = true
  }

  /** Writes a word given as its two halves. */
  set(address: number, low: number, high: number): void {
    const block = address >>> BLOCK_SHIFT
    let mark = this.marks[block]
    if (!mark) mark = this.touch(block)
    const physical = this.view.table[block]
    const halves = this.windows.halves[physical >>> WINDOW_SHIFT]
    const index = (((physical & WINDOW_MASK) << BLOCK_SHIFT) | (address & BLOCK_MASK)) << 1
    if (mark !== FRESH) this.notes.note(mark, physical, address, halves, index)
    halves[index] = low
    halves[index + 1] = high
  }

  /** Writes a finite or infinite double other than zero as it is: the word of that number. */
  setNumber(address: number, value: number): void {
    const block = address >>> BLOCK_SHIFT
    let mark = this.marks[block]
    if (!mark) mark = this.touch(block)
    const physical = this.view.table[block]
    const slot = physical >>> WINDOW_SHIFT
    const index = ((physical & WINDOW_MASK) << BLOCK_SHIFT) | (address & BLOCK_MASK)
    if (mark !== FRESH) this.notes.note(mark, physical, address, this.windows.halves[slot], index << 1)
    this.windows.numbers[slot][index] = value
  }

  /**
   * Makes `words` words at `address`, all in one block, writable, and notes them all as changed. Returns the word index
   * within the window whose slot is `view.slotOf(address)`; valid until the next change of another kind.
   */
  open(address: number, words: number): number {
    assert((address & BLOCK_MASK) + words <= BLOCK_WORDS, 'what is opened is in one block')
    const block = address >>> BLOCK_SHIFT
    let mark = this.marks[block]
    if (!mark) mark = this.touch(block)
    const index = this.view.indexOf(address)
    if (mark !== FRESH) {
      const physical = this.view.table[block]
      const halves = this.windows.halves[physical >>> WINDOW_SHIFT]
      this.notes.noteMany(mark, physical, address, words, halves, index << 1)
    }
    return index
  }

  /** Writes `count` halves, `from[start]` and those that follow, from `address` on, low half first. */
  write(address: number, from: Int32Array | Uint32Array, start: number, count: number): void {
    let done = 0
    while (done < count) {
      const to = address + (done >>> 1)
      const here = Math.min(count - done, (BLOCK_WORDS - (to & BLOCK_MASK)) * 2)
      const index = this.open(to, (here + 1) >>> 1) << 1
      const halves = this.windows.halves[this.view.slotOf(to)]
      if (here < 64) for (let i = 0; i < here; i++) halves[index + i] = from[start + done + i]
      else halves.set(from.subarray(start + done, start + done + here), index)
      done += here
    }
  }

  /** Zeroes `words` words from `address` on, across blocks; whole blocks become blocks that were never written. */
  clear(address: number, words: number): void {
    const end = address + words
    let at = address
    while (at < end) {
      const inBlock = Math.min(end - at, BLOCK_WORDS - (at & BLOCK_MASK))
      if (inBlock === BLOCK_WORDS) this.discard(at >>> BLOCK_SHIFT)
      else if (this.view.table[at >>> BLOCK_SHIFT] !== ZERO_BLOCK) {
        const index = this.open(at, inBlock) << 1
        this.windows.halves[this.view.slotOf(at)].fill(0, index, index + inBlock * 2)
      }
      at += inBlock
    }
  }

  /**
   * Copies `words` words between ranges that do not overlap, skipping source blocks that were never written:
   * the target must read zeros there.
   */
  copy(target: number, source: number, words: number): void {
    let done = 0
    while (done < words) {
      const to = target + done
      const from = source + done
      const count = Math.min(words - done, BLOCK_WORDS - (to & BLOCK_MASK), BLOCK_WORDS - (from & BLOCK_MASK))
      if (this.view.table[from >>> BLOCK_SHIFT] !== ZERO_BLOCK) {
        const index = this.open(to, count) << 1
        const start = this.view.indexOf(from) << 1
        const sourceHalves = this.windows.halves[this.view.slotOf(from)]
        const targetHalves = this.windows.halves[this.view.slotOf(to)]
        if (count < 64) for (let i = 0; i < count * 2; i++) targetHalves[index + i] = sourceHalves[start + i]
        else targetHalves.set(sourceHalves.subarray(start, start + count * 2), index)
      }
      done += count
    }
  }

  /** Makes a block read as never written. */
  discard(block: number): void {
    const physical = this.view.table[block]
    if (physical === ZERO_BLOCK) return
    this.record(block, physical)
    this.ownTable()
    if (this.ownBlocks.delete(physical)) this.windows.giveBlock(physical)
    this.moves.push(block, NOWHERE)
    this.marks[block] = UNTOUCHED
    this.view.table[block] = ZERO_BLOCK
    this.births[block] = 0
  }

  /**
   * Moves a block's contents to another logical block, which reads as never written, without touching them: how a large
   * object gets a larger range of addresses.
   */
  moveBlock(from: number, to: number): void {
    const physical = this.view.table[from]
    if (physical === ZERO_BLOCK) return
    assert(this.view.table[to] === ZERO_BLOCK, 'a block moves to where nothing was written')
    this.record(from, physical)
    this.record(to, ZERO_BLOCK)
    this.ownTable()
    this.hasMoves = true
    this.moves.push(from, to)
    this.view.table[to] = physical
    this.births[to] = this.births[from]
    this.marks[to] = this.marks[from]
    this.view.table[from] = ZERO_BLOCK
    this.births[from] = 0
    this.marks[from] = UNTOUCHED
  }

  /**
   * Has the open transaction end in a rollback: something could not be read or changed that a change in progress rests
   * on.
   */
  spoil(error: unknown): void {
    if (this.isOpen) this.spoiledBy ??= error
  }

  /** Throws what has spoiled the open transaction. */
  ensureUnspoiled(): void {
    if (this.spoiledBy !== undefined) throw this.spoiledBy
  }

  /** Makes logical blocks up to `count` addressable. */
  ensureBlocks(count: number): void {
    if (count <= this.view.table.length) return
    if (count > MAX_BLOCKS) {
      throw new SnapheapError(
        'HEAP_FULL',
        'The heap has reached 32 GiB of address space. Delete data, or split it over several files.',
      )
    }
    let length = this.view.table.length
    while (length < count) length *= 2
    const table = new Uint32Array(length)
    table.set(this.view.table)
    this.view.table = table
    this.tableIsShared = false
    if (length <= this.births.length) return
    this.births = grown(this.births, new Float64Array(length))
    this.marks = grown(this.marks, new Uint32Array(length))
    this.isRecorded = grown(this.isRecorded, new Uint8Array(length))
  }

  /** What the open transaction has changed so far. */
  changes(): Changes {
    return {
      moves: this.moves,
      hasMovedAddresses: this.view.generation !== this.generationAtBegin,
      eachRun: (beginBlock, visit) => {
        for (let i = 0; i < this.touched.count; i++) {
          const block = this.touched.blocks[i]
          const mark = this.marks[block]
          if (mark === UNTOUCHED) continue
          beginBlock(block)
          const physical = this.view.table[block]
          const halves = this.windows.halves[physical >>> WINDOW_SHIFT]
          const index = (physical & WINDOW_MASK) << (BLOCK_SHIFT + 1)
          if (mark === FRESH) eachWrittenRun(halves, index, visit)
          else this.notes.eachRun(mark, halves, index, visit)
        }
      },
    }
  }

  /** Keeps every change; blocks that were replaced are freed once unpinned. */
  commit(): void {
    assert(this.isOpen, 'only an open transaction is committed')
    const { count, blocks, places, births } = this.touched
    const { table } = this.view
    const moved = this.hasMoves ? new Set(Array.from(blocks.subarray(0, count), (block) => table[block])) : undefined
    for (let i = 0; i < count; i++) {
      if (births[i] !== 0 && table[blocks[i]] !== places[i] && moved?.has(places[i]) !== true) {
        this.pins.retireBlock(places[i], births[i])
      }
    }
    this.finish()
  }

  /** Takes every change back: the heap's words are as they were at `begin`. */
  rollback(): void {
    assert(!this.isFinal, 'a final transaction is not rolled back')
    this.notes.restore(this.windows)
    const { count, blocks, places, births } = this.touched
    for (let i = 0; i < count; i++) {
      if (this.view.table[blocks[i]] === places[i]) continue
      this.ownTable()
      this.view.table[blocks[i]] = places[i]
      this.births[blocks[i]] = births[i]
    }
    for (const physical of this.ownBlocks) this.windows.giveBlock(physical)
    this.finish()
  }

  /** The epoch in which a block was last copied; 0 for a block of the file. */
  birthOf(block: number): number {
    return this.births[block]
  }

  /** Points a block whose contents are now also in the file at its place there. Between transactions only. */
  settle(block: number, filePhysical: number): void {
    assert(!this.isOpen, 'blocks settle between transactions')
    const physical = this.view.table[block]
    const birth = this.births[block]
    this.view.table[block] = filePhysical
    this.births[block] = 0
    if (birth !== 0) this.pins.retireBlock(physical, birth)
  }

  /** Gives the view another state altogether, all of it in a file. Between transactions only. */
  adopt(table: Uint32Array): void {
    assert(!this.isOpen, 'another state is taken between transactions')
    const earlier = this.view.table
    const length = Math.max(earlier.length, table.length)
    const whole = new Uint32Array(length)
    whole.set(table)
    this.view.table = whole
    this.tableIsShared = false
    for (let block = 0; block < this.births.length; block++) {
      if (this.births[block] !== 0) this.pins.retireBlock(earlier[block], this.births[block])
    }
    this.births = new Float64Array(length)
    this.marks = new Uint32Array(length)
    this.isRecorded = new Uint8Array(length)
  }

  private finish(): void {
    const { count, blocks } = this.touched
    for (let i = 0; i < count; i++) {
      this.marks[blocks[i]] = UNTOUCHED
      this.isRecorded[blocks[i]] = 0
    }
    this.touched.clear()
    if (this.moves.length > 0) this.moves = []
    this.notes.clear()
    this.ownBlocks.clear()
    this.hasMoves = false
    this.isFinal = false
    this.isOpen = false
    this.spoiledBy = undefined
  }

  private touch(block: number): number {
    const physical = this.view.table[block]
    this.record(block, physical)
    if (physical === ZERO_BLOCK) {
      this.ownTable()
      const fresh = this.windows.takeZeroBlock()
      this.ownBlocks.add(fresh)
      this.view.table[block] = fresh
      this.births[block] = this.pins.epoch
      this.marks[block] = FRESH
      return FRESH
    }
    if (this.isFinal) return this.touchFinally(block, physical)
    let mark = this.notes.takeMark()
    if (this.ownBlocks.has(physical)) mark = (mark | COPIED) >>> 0
    else if (this.births[block] <= this.pins.newest || this.births[block] === 0) {
      this.copyBlock(block, physical)
      mark = (mark | COPIED) >>> 0
    }
    this.marks[block] = mark
    return mark
  }

  /** Gives a block a copy that only this transaction sees. Throws `CORRUPT`, before anything has changed. */
  private copyBlock(block: number, physical: number): void {
    if (this.births[block] === 0) this.prove(block, physical)
    this.ownTable()
    const copy = this.windows.takeBlock()
    this.ownBlocks.add(copy)
    this.windows.copyBlock(copy, physical)
    this.view.table[block] = copy
    this.births[block] = this.pins.epoch
  }

  /** Makes a block writable without keeping its earlier words. */
  private touchFinally(block: number, physical: number): number {
    if (this.births[block] <= this.pins.newest || this.births[block] === 0) {
      this.copyBlock(block, physical)
    }
    this.marks[block] = FRESH
    return FRESH
  }

  /**
   * Remembers where a block was before this transaction, once: every change begins here. Throws `NO_TRANSACTION`,
   * `CORRUPT`.
   */
  private record(block: number, physical: number): void {
    if (this.isRecorded[block] === 1) return
    if (!this.isOpen) {
      throw new SnapheapError(
        'NO_TRANSACTION',
        'A change was made outside a transaction. Make it inside db.write(tx => …).',
      )
    }
    if (block >= this.view.table.length)
      throw new SnapheapError('CORRUPT', `Block ${block} lies outside the heap. Run verify.`, { block })
    this.touched.add(block, physical, this.births[block])
    this.isRecorded[block] = 1
  }

  private ownTable(): void {
    if (!this.tableIsShared) return
    this.view.table = this.view.table.slice()
    this.tableIsShared = false
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from)
  return to
}
