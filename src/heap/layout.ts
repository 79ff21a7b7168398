/**
 * The sizes that everything below agrees on. `docs/format.md` draws them; a test compares the two.
 */

/** A block is 4096 words of 8 bytes: the unit of copy-on-write, of checksums and of the file. */
export const BLOCK_SHIFT = 12
export const BLOCK_WORDS = 1 << BLOCK_SHIFT
export const BLOCK_MASK = BLOCK_WORDS - 1
export const WORD_BYTES = 8
export const BLOCK_BYTES = BLOCK_WORDS * WORD_BYTES

/**
 * A window of memory is numbered as if it had 65,536 blocks, 2 GiB: larger typed arrays lose small-integer indexing
 * (docs/decisions.md).
 */
export const WINDOW_SHIFT = 16
export const WINDOW_MASK = (1 << WINDOW_SHIFT) - 1

/**
 * It has 32 MiB to 1 GiB, each as much as those before it together: V8 takes all of a window for memory in use, and
 * lets a garbage collection of everything precede a larger one.
 */
export const SMALLEST_WINDOW_BLOCKS = 1 << 10
export const LARGEST_WINDOW_BLOCKS = 1 << 15

/** How many windows can be mapped at once: 256 GiB of address space, shared by files and changed blocks. */
export const WINDOW_SLOTS = 256

/**
 * How many blocks the next window has, where those before it have `covered` and it must have `needed`, as far as one
 * can.
 */
export function windowBlocks(covered: number, needed: number): number {
  let blocks = SMALLEST_WINDOW_BLOCKS
  while (blocks < LARGEST_WINDOW_BLOCKS && (blocks < covered || blocks < needed)) blocks *= 2
  return blocks
}

/** A word address is below 2^32, so a heap has at most 2^20 blocks: 32 GiB of address space. */
export const MAX_BLOCKS = 1 << 20

/** Physical block 0 is one block of zeros that stands for every block that was never written. */
export const ZERO_BLOCK = 0

/**
 * Logical blocks 0..RESERVED_BLOCKS-1 belong to the heap itself: block 0 is the root block, blocks
 * DESCRIPTOR_BLOCK.. hold two words per logical block, the allocator's descriptors.
 */
export const DESCRIPTOR_BLOCK = 1
export const DESCRIPTOR_WORDS = 2
export const RESERVED_BLOCKS = 1024

/** Word addresses inside the root block (logical block 0). Address 0 is never a valid pointer. */
export const ROOT = {
  /** Number word: version of the layout inside the heap. */
  layoutVersion: 1,
  /** Low half: first block above all that was ever allocated. */
  top: 2,
  /** Number word: words in allocated cells and block runs. */
  allocatedWords: 3,
  /** Low half: a random number chosen when the heap was made, so that hashes cannot be predicted. */
  seed: 4,
  /** 21 words: low half is the first free run of 2^order blocks. */
  freeRuns: 8,
  /** 64 words: low half is the first partly filled block of a cell class. */
  partialBlocks: 64,
  /** 64 words that belong to the layers above, one slot each. */
  slots: 128,
} as const

export const ROOT_SLOTS = 64
/** The newest layout inside the heap that this version reads and writes. */
export const LAYOUT_VERSION = 3
/** What a heap has until something is kept in it that calls for a newer one. */
export const OLDEST_LAYOUT_VERSION = 1

/** Length of a block table that has room for so many blocks. */
export function tableLength(blocks: number): number {
  let length = RESERVED_BLOCKS
  while (length < blocks) length *= 2
  return length
}
