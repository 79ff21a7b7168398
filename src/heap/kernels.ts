/** Every window's memory, by slot. */
export type WindowBuffers = readonly (ArrayBuffer | undefined)[]

/**
 * Loops over many words that native code runs faster than an engine does (docs/decisions.md has the figures). Each has
 * its equal in JavaScript, in the layer that knows what the words mean: that is what it is tested against, and what
 * runs where there is no native code.
 *
 * The heap is handed over as its block table and its windows. Kernels write only into arrays that they are handed as
 * such: a new object, or a range of the heap that the writer has opened. One that is led outside the heap, or whose
 * arguments do not fit each other, throws `CORRUPT`; one that cannot get memory to work in throws `IO`.
 */
export interface Kernels {
  /** `TextGrouper.group` (value/texts.ts). */
  groupTexts(
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

  /** `TextGrouper.find`, where the table of strings is at `address`. */
  findTexts(
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    groups: Int32Array,
    count: number,
    table: Uint32Array,
    windows: WindowBuffers,
    address: number,
  ): void

  /**
   * `TextCreator.order` (value/text-creator.ts): orders those of the first `count` groups that have no address. In
   * `limits` the groups of each number of words end, up to `mostWords`, and all of more words behind them. Returns how
   * many there are.
   */
  orderTexts(
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    groups: Int32Array,
    count: number,
    mostWords: number,
    ordered: Uint32Array,
    limits: Uint32Array,
  ): number

  /** `TextCreator.lay`: lays the objects of the ordered groups [from, to) out and gives the groups their addresses. */
  layTexts(
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    groups: Int32Array,
    ordered: Uint32Array,
    addresses: Uint32Array,
    from: number,
    to: number,
    step: number,
    objects: Int32Array,
  ): void

  /**
   * Puts the addresses of their groups into `count` words from `at` on, those of strings that have the number of a
   * group.
   */
  settleTexts(groups: Int32Array, words: Int32Array, at: number, count: number): void

  /**
   * Splits messages of the copy protocol that each hold one line into fields (mirror/copy.ts), from `position` on.
   * Field `f` of line `r`, counted from `first`, goes to `[f * capacity + r]`. Leaves in `totals` the position and
   * number of lines where it stopped: at the capacity, or before a message that is something else.
   */
  splitLines(
    bytes: Uint8Array,
    position: number,
    fields: number,
    capacity: number,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    totals: Int32Array,
  ): void

  /**
   * Splits as `splitLines` does, the first line going to number 0, and does of each field what needs nothing but its
   * bytes, in a thread of its own: `kinds` says whether it is 1 a number, 2 an integer, 3 text, or 0 something else.
   * Words go to `words`, those of field `f` and line `r` to `[(f * capacity + r) * 2]`; the groups of the `t`th field
   * of text to `[t * capacity * GROUP_HALVES]`. Leaves in `totals` position and number of lines, and then for each
   * field how many numbers are parsed, or how many groups there are. Until the promise is settled, the arrays must not
   * be used.
   */
  prepareLines(
    bytes: Uint8Array,
    position: number,
    fields: number,
    capacity: number,
    starts: Int32Array,
    ends: Int32Array,
    kinds: Uint8Array,
    seed: number,
    words: Int32Array,
    groups: Int32Array,
    totals: Int32Array,
  ): Promise<void>

  /**
   * Numbers in digits to words, of integers only where `isInteger` is 1. Returns how many: it stops where the text is
   * anything less plain.
   */
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

  /**
   * Sorts records of the same words, numbered from `number` on, into the buckets from `firstBucket` on that `next` has.
   */
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

  /**
   * Groups the records [from, to) of one bucket; adds to what the arrays hold from `done` and `groups` on. Returns how
   * many groups.
   */
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
   * `IndexBuilder.sort` (table/index-builder.ts) of `limit` words, all of it, in a thread of its own. Leaves in
   * `totals` the number of words that are not absent, and of different ones. Until the promise is settled, the
   * arrays must not be used, the words not be changed and no window be released.
   */
  sortIndex(
    table: Uint32Array,
    windows: WindowBuffers,
    base: number,
    limit: number,
    seed: number,
    bucketWords: number,
    passWords: number,
    numbers: Uint32Array,
    ends: Uint32Array,
    hashes: Uint32Array,
    totals: Uint32Array,
  ): Promise<void>

  /**
   * `FlatLists.order` (struct/posting-lists.ts): tells of the groups [from, to), and orders those of 2 to `most`
   * numbers. Returns how many.
   */
  orderLists(
    numbers: Uint32Array,
    start: number,
    ends: Uint32Array,
    from: number,
    to: number,
    most: number,
    payloads: Uint32Array,
    flags: Uint32Array,
    ordered: Uint32Array,
    limits: Uint32Array,
  ): number

  /**
   * `FlatLists.lay`: lays the lists of the ordered groups [first, end) out in `halves` from `at` on, `step` words from
   * one to the next.
   */
  layLists(
    numbers: Uint32Array,
    start: number,
    ends: Uint32Array,
    from: number,
    table: Uint32Array,
    windows: WindowBuffers,
    base: number,
    ordered: Uint32Array,
    addresses: Uint32Array,
    first: number,
    end: number,
    words: number,
    step: number,
    payloads: Uint32Array,
    halves: Int32Array,
    at: number,
  ): void

  /**
   * `NewSegment.putMany` (struct/hash-segment.ts): puts entries into the segment of mask + 1 words in `halves` from
   * `at` on.
   */
  fillSegment(
    hashes: Uint32Array,
    payloads: Uint32Array,
    flags: Uint32Array,
    from: number,
    to: number,
    mask: number,
    halves: Int32Array,
    at: number,
  ): void

  /**
   * Puts the entries of a segment of so many words into two others of mask + 1 words, by a bit of their hashes; adds to
   * `counts` what each gets.
   */
  splitSegment(
    halves: Int32Array,
    at: number,
    words: number,
    bit: number,
    mask: number,
    zeros: Int32Array,
    zerosAt: number,
    ones: Int32Array,
    onesAt: number,
    counts: Uint32Array,
  ): void

  /**
   * `MutableHashTable.insertMany` (struct/hash-table.ts): has the processor fetch the places of hashes [from, to), all
   * of them at a time, so that an entry put there a moment later need not wait for memory. Changes nothing.
   */
  prefetchPlaces(
    table: Uint32Array,
    windows: WindowBuffers,
    address: number,
    hashes: Uint32Array,
    from: number,
    to: number,
  ): void

  /**
   * Finds positions whose words in some arrays pass tests (`ScanProgram`, query/scan-program.ts): those from `from`, a
   * multiple of a block's words, to before `to` whose bit in the array of bits at `bits` is set (0: in none). `arrays`
   * has an address and a size for each; behind its size every word is absent. Leaves them in `found`, where that is not
   * empty. Returns how many; -1 where a word has to be looked at by somebody who knows what it means.
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
   * `WordDictionary.number` (query/word-dictionary.ts) of an array's words at positions. Returns how many are done: it
   * stops where the dictionary has to grow. `integers` keeps what it says of small integers, for the next call.
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
   * Adds an array's numbers at positions to what their groups have (query/group.ts): 0 counts, 1 adds up, 2 keeps the
   * smallest, 3 the largest, 4 counts all positions. Returns how many are done: it stops before a word that is not a
   * number.
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
