/** What a query that arrives as JSON may have at most, so that nobody outside can make it costly to read. */
export const JSON_LIMITS = Object.freeze({
  /** Objects and arrays within each other. */
  depth: 24,
  /** Values, objects and arrays, all in all. */
  nodes: 4000,
  /** Values of one `$in` or `$nin`. */
  listedValues: 1000,
  /** UTF-16 code units of one text. */
  textLength: 10_000,
  /** UTF-16 code units of one name. */
  nameLength: 200,
  /** UTF-16 code units of one regular expression. */
  patternLength: 200,
  /**
   * Instructions that one regular expression is compiled to: each may be looked at once for each character of a text.
   */
  patternProgram: 2000,
  /** Regular expressions. */
  patterns: 10,
})
