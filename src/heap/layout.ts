/**
 * The sizes that everything below agrees on. `docs/format.md` draws them; a test compares the two.
 */

/** A block is 4096 words of 8 bytes: the unit of copy-on-write, of checksums and of the file. */
export const BLOCK_SHIFT = 12
export const BLOCK_WORDS = 1 << BLOCK_SHIFT
export const BLOCK_MASK = BLOCK_WORDS - 1
export const WORD_BYTES = 8
export const BLOCK_BYTES = BLOCK_WORDS * WORD_BYTES

/** A window is 2 GiB of memory: 65,536 blocks. Larger typed arrays lose small-integer indexing (docs/decisions.md). */
export const WINDOW_SHIFT = 16
export const WINDOW_BLOCKS = 1 << WINDOW_SHIFT
export const WINDOW_MASK = WINDOW_BLOCKS - 1
export const WINDOW_BYTES = WINDOW_BLOCKS * BLOCK_BYTES

/** How many windows can be mapped at once: 512 GiB of address space, shared by files and changed blocks. */
export const WINDOW_SLOTS = 256

/** A word address is below 2^32, so a heap has at most 2^20 blocks: 32 GiB of address space. */
export const MAX_BLOCKS = 1 << 20

/** Physical block 0 is one block of zeros that stands for every block nobody ever wrote. */
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
  /** Low half: a random number chosen when the heap was made, for hashes that nobody can foresee. */
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
