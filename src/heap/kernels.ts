/** Every window's memory, by slot. */
export type WindowBuffers = readonly (ArrayBuffer | undefined)[]

/**
 * Loops over many words that native code runs faster than an engine does (docs/decisions.md has the figures). Each has its equal in JavaScript, in the
 * layer that knows what the words mean: that is what it is tested against, and what runs where there is no native code.
 *
 * The heap is handed over as its block table and its windows. Kernels change nothing in it. One that is led outside the heap
 * throws `CORRUPT`, one whose arguments do not fit each other `INVALID_ARGUMENT`.
 */
export interface Kernels {
  /** `TextGrouper.group` (value/texts.ts). `address` is where the strings are looked up, 0 for nowhere. */
  groupTexts(
    table: Uint32Array,
    windows: WindowBuffers,
    address: number,
    seed: number,
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    count: number,
    words: Int32Array,
    at: number,
    groups: Int32Array,
  ): number

  /**
   * Splits messages of the copy protocol that each hold one line into fields (mirror/copy.ts), from `position` on. Field `f` of
   * line `r`, counted from `first`, goes to `[f * capacity + r]`. Leaves in `totals` the position and number of lines where it
   * stopped: at the capacity, or before a message that is something else.
   */
  splitLines(
    bytes: Uint8Array,
    position: number,
    fields: number,
    capacity: number,
    first: number,
    starts: Int32Array,
    ends: Int32Array,
    totals: Int32Array,
  ): void

  /** Numbers in digits to words, of integers only where `isInteger` is 1. Returns how many: it stops where the text is anything less plain. */
  parseNumbers(
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    count: number,
    isInteger: number,
    words: Int32Array,
    at: number,
  ): number

  /** Counts `words` words of one block by their hashes' top bits; absent ones are left out (table/index-builder.ts). */
  countWords(
    table: Uint32Array,
    windows: WindowBuffers,
    address: number,
    words: number,
    seed: number,
    shift: number,
    sizes: Uint32Array,
  ): void

  /** Sorts records of the same words, numbered from `number` on, into the buckets from `firstBucket` on that `next` has. */
  sortWords(
    table: Uint32Array,
    windows: WindowBuffers,
    address: number,
    words: number,
    seed: number,
    shift: number,
    number: number,
    firstBucket: number,
    next: Uint32Array,
    records: Int32Array,
  ): void

  /** Groups the records [from, to) of one bucket; adds to what the arrays hold from `done` and `groups` on. Returns how many groups. */
  groupRecords(
    records: Int32Array,
    from: number,
    to: number,
    numbers: Uint32Array,
    done: number,
    ends: Uint32Array,
    hashes: Uint32Array,
    groups: number,
  ): number

  /**
   * Finds positions whose words in some arrays pass tests (`ScanProgram`, query/scan-program.ts): those from `from`, a multiple
   * of a block's words, to before `to` whose bit in the array of bits at `bits` is set (0: in none). `arrays` has an address and
   * a size for each; behind its size every word is absent. Leaves them in `found`, where that is not empty. Returns how many; -1
   * where a word has to be looked at by somebody who knows what it means.
   */
  scanWords(
    table: Uint32Array,
    windows: WindowBuffers,
    steps: Int32Array,
    words: Int32Array,
    arrays: Uint32Array,
    bits: number,
    from: number,
    to: number,
    found: Int32Array,
  ): number

  /**
   * `WordDictionary.number` (query/word-dictionary.ts) of an array's words at positions. Returns how many are done: it stops where
   * the dictionary has to grow. `integers` keeps what it says of small integers, for the next call.
   */
  numberWords(
    table: Uint32Array,
    windows: WindowBuffers,
    address: number,
    size: number,
    positions: Int32Array,
    from: number,
    to: number,
    places: Int32Array,
    count: Int32Array,
    integers: Int32Array,
    numbers: Int32Array,
  ): number

  /** The same of pairs of halves. `numbers` may be `lows`. */
  numberPairs(
    lows: Int32Array,
    highs: Int32Array,
    from: number,
    to: number,
    places: Int32Array,
    count: Int32Array,
    numbers: Int32Array,
  ): number

  /**
   * Adds an array's numbers at positions to what their groups have (query/group.ts): 0 counts, 1 adds up, 2 keeps the smallest,
   * 3 the largest, 4 counts positions, whatever their words. Returns how many are done: it stops before a word that is no number.
   */
  gatherNumbers(
    table: Uint32Array,
    windows: WindowBuffers,
    address: number,
    size: number,
    positions: Int32Array,
    groups: Int32Array,
    from: number,
    to: number,
    gathering: number,
    counts: Float64Array,
    gathered: Float64Array,
  ): number
}
