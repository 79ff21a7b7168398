import type { Kernels, WindowBuffers } from './kernels'
import { BLOCK_MASK, BLOCK_SHIFT, WINDOW_MASK, WINDOW_SHIFT } from './layout'

/** Memory by window slot, and what reads much of it at once. */
export interface ViewedWindows {
  readonly numbers: readonly Float64Array[]
  readonly halves: readonly Int32Array[]
  readonly bytes: readonly Buffer[]
  readonly buffers: WindowBuffers
  readonly memory: { readonly kernels?: Kernels | undefined }
}

/** The generation of a closed view: code that has kept an address compares generations and finds it. */
export const CLOSED_GENERATION = -1

/**
 * How words are read: one version of the block table over the windows. A read is two shifts, one table load and one
 * load; it makes no object and never calls native code.
 *
 * A view of a pinned snapshot never changes. The live view's table is replaced or edited by commits; `generation` rises
 * whenever something that a reader may have remembered (an address, a capacity) could have moved.
 */
export class View {
  /** Logical block -> physical block (window slot << 16 | block in window). */
  table: Uint32Array
  generation = 1

  /** Every window as doubles, by slot. Shared by all views of a heap. */
  readonly numbers: readonly Float64Array[]
  /** Every window as signed 32-bit halves: low half first. Signed, so that V8 keeps them small integers. */
  readonly halves: readonly Int32Array[]
  /** Every window as bytes. */
  readonly bytes: readonly Buffer[]
  /** Every window as memory, which is what `kernels` reads. */
  readonly buffers: WindowBuffers
  /** Native loops over many words, where there are any. */
  readonly kernels: Kernels | undefined

  constructor(table: Uint32Array, windows: ViewedWindows) {
    this.table = table
    this.numbers = windows.numbers
    this.halves = windows.halves
    this.bytes = windows.bytes
    this.buffers = windows.buffers
    this.kernels = windows.memory.kernels
  }

  /** The word at `address` as a double: absent words read 0, tagged words NaN. */
  number(address: number): number {
    const physical = this.table[address >>> BLOCK_SHIFT]
    return this.numbers[physical >>> WINDOW_SHIFT][((physical & WINDOW_MASK) << BLOCK_SHIFT) | (address & BLOCK_MASK)]
  }

  /** The low 32 bits of the word at `address`, signed. */
  low(address: number): number {
    const physical = this.table[address >>> BLOCK_SHIFT]
    return this.halves[physical >>> WINDOW_SHIFT][
      (((physical & WINDOW_MASK) << BLOCK_SHIFT) | (address & BLOCK_MASK)) << 1
    ]
  }

  /** The high 32 bits of the word at `address`, signed. */
  high(address: number): number {
    const physical = this.table[address >>> BLOCK_SHIFT]
    return this.halves[physical >>> WINDOW_SHIFT][
      ((((physical & WINDOW_MASK) << BLOCK_SHIFT) | (address & BLOCK_MASK)) << 1) | 1
    ]
  }

  /**
   * The low (0) or high (1) 32 bits of the word at `address`, signed: for bits in no order, where a branch would be
   * guessed wrong.
   */
  half(address: number, which: number): number {
    const physical = this.table[address >>> BLOCK_SHIFT]
    return this.halves[physical >>> WINDOW_SHIFT][
      ((((physical & WINDOW_MASK) << BLOCK_SHIFT) | (address & BLOCK_MASK)) << 1) | which
    ]
  }

  /** Whether the word at `address` has these halves, signed. */
  isWord(address: number, low: number, high: number): boolean {
    const physical = this.table[address >>> BLOCK_SHIFT]
    const halves = this.halves[physical >>> WINDOW_SHIFT]
    const index = (((physical & WINDOW_MASK) << BLOCK_SHIFT) | (address & BLOCK_MASK)) << 1
    return halves[index] === low && halves[index | 1] === high
  }

  /** Whether every bit of the word at `address` is zero. */
  isAbsent(address: number): boolean {
    return this.isWord(address, 0, 0)
  }

  /** The window slot that holds `address`: index into `numbers`, `halves` and `bytes`. */
  slotOf(address: number): number {
    return this.table[address >>> BLOCK_SHIFT] >>> WINDOW_SHIFT
  }

  /** The word index of `address` within its window: valid up to the end of its block. */
  indexOf(address: number): number {
    return ((this.table[address >>> BLOCK_SHIFT] & WINDOW_MASK) << BLOCK_SHIFT) | (address & BLOCK_MASK)
  }
}
