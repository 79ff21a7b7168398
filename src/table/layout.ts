import { ROOT } from '../heap/layout'

/** Root slot of this layer: low half is the catalogue, high half the schema version. */
export const CATALOGUE_SLOT = ROOT.slots + 16

/**
 * Catalogue: word 0: low = tables; words 1.. : low = a table's descriptor. Reallocated when it must grow.
 *
 * Table descriptor, by word:
 */
export const TABLE = {
  /** String word. */
  name: 0,
  /** low = rows, high = one above the highest row number in use. */
  rows: 1,
  /** Flat array of presence bits, 64 rows in a word: low = base, high = log2(words). */
  presence: 2,
  /** low = KEY_MODE, high = row number from which free ones are sought. */
  keyMode: 3,
  /** low = hash table of composite keys or 0, high = list of indexes or 0. */
  key: 4,
  /**
   * low = array of column descriptors, high = number of columns. Word i: low = descriptor, high = 1 + position in the
   * key or 0.
   */
  columns: 5,
  /** Any value word: what the layer above keeps with the table. */
  properties: 6,
  /** low = schema version in which the table got its present columns, indexes and name, high = in which it was made. */
  shape: 7,
  /** A number: rows removed so far, a truncation counting as one. It never falls, so it dates removals. */
  removals: 8,
  /** A number: what `removals` became with the last truncation. */
  emptiedAt: 9,
  /**
   * Flat array, by row number: what `removals` became when the row was last removed. low = base, high = log2(words).
   */
  removedAt: 10,
  words: 11,
} as const

/** How keys find rows. */
export const KEY_MODE = {
  /** The row number is the key: one integer column, dense. */
  direct: 0,
  /** The unique index of the one key column. */
  column: 1,
  /** A hash table over several key columns. */
  composite: 2,
} as const

/** Column descriptor, by word. */
export const COLUMN = {
  /** String word. */
  name: 0,
  /** String word: the column type. */
  type: 1,
  /**
   * low = COLUMN_FLAG bits, and from bit SCALE_SHIFT on 0 or 1 + the scale of every decimal; high = rows without a
   * value: few columns have any, so that adding a row seldom counts.
   */
  flags: 2,
  /** Flat array of words, by row number: low = base, high = log2(words). */
  data: 3,
  /** low = hash table or 0. */
  index: 4,
  words: 5,
} as const

/**
 * List of a table's indexes: word 0: low = how many; words 1.. : low = an index descriptor. The indexes of single
 * columns are not among them: `COLUMN.index`.
 *
 * Index descriptor, by word:
 */
export const INDEX = {
  /** String word. */
  name: 0,
  /** low = INDEX_KIND, with INDEX_UNIQUE or'ed in; high = number of columns. */
  shape: 1,
  /** low = hash table or ordered tree, high = number of conditions. */
  structure: 2,
  /** low = rows with numbers below this are indexed so far: `ALL_ROWS` once it is whole. */
  builtTo: 3,
  /**
   * For each column one word: low = its descriptor. Then for each condition two words: low = a column's descriptor,
   * high = CONDITION; and the value's word. Last, for kind `terms`, a string word: the name of the index type.
   */
  parts: 4,
} as const

export const INDEX_KIND = { hash: 1, ordered: 2, terms: 3 } as const
export const INDEX_UNIQUE = 16
export const CONDITION = { equals: 1, present: 2 } as const
/** As a signed half. */
export const ALL_ROWS = -1

/** Layout of a heap whose tables have lists of indexes: what does not know them must not write to it. */
export const INDEX_LISTS_LAYOUT = 2
/** Layout of a heap that has an index by terms. */
export const TERM_INDEXES_LAYOUT = 3
export const SCALE_SHIFT = 8
export const LARGEST_SCALE = 16383

export const COLUMN_FLAG = { nullable: 1, unique: 2, indexed: 4 } as const

/** Row numbers are below 2^31, so that posting lists can hold them. */
export const MAX_ROWS = 0x7fffffff

/**
 * A direct key may be at most this, or this many times the rows there are; a larger one makes the table look keys up.
 */
export const DIRECT_AT_LEAST = 1 << 16
export const DIRECT_SPREAD = 8
