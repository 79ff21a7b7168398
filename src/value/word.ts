/**
 * What the 64 bits of a word say, beyond "absent" (all zero) and plain doubles: the high 16 bits are a tag out of the
 * NaN space, the low 48 bits its payload. docs/format.md draws this; a test compares the two.
 *
 * 0x7ff0 and 0xfff0 are the infinities, 0x7ff8 with payload 0 is NaN itself and 0xfff8 what processors make for an
 * invalid operation: none of them is used as a tag.
 */
export const TAG = {
  constant: 0x7ff1,
  /** 0x7ff2..0x7ff7: strings of 1..6 bytes of UTF-8, first byte lowest. */
  inlineString: 0x7ff1,
  nan: 0x7ff8,
  /** Signed 48 bits, typed bigint. */
  smallBigint: 0x7ff9,
  /** Signed milliseconds since 1970. */
  instant: 0x7ffa,
  /** Signed days since 1970-01-01. */
  day: 0x7ffb,
  /** Microseconds since midnight. */
  timeOfDay: 0x7ffc,
  /** Scale in 7 bits (41..47), signed coefficient in 41 bits. */
  smallDecimal: 0x7ffd,
  /** Signed numerator in the high 24 bits, denominator in the low 24. */
  smallRational: 0x7ffe,

  // Pointers: the low 32 bits are a word address, what stands there is an interned object (interner.ts).
  string: 0xfff1,
  /** UTF-16, for strings with lone surrogates, which UTF-8 cannot say. */
  string16: 0xfff2,
  bytes: 0xfff3,
  bigint: 0xfff4,
  decimal: 0xfff5,
  rational: 0xfff6,
  /** Milliseconds and microseconds within. */
  preciseInstant: 0xfff7,
  uuid: 0xfff9,
  array: 0xfffa,
  list: 0xfffb,
  document: 0xfffc,
} as const

/** Low halves of constant words. */
export const CONSTANT = {
  null: 1,
  false: 2,
  true: 3,
  zero: 4,
  minusZero: 5,
  emptyString: 6,
  emptyBytes: 7,
  emptyArray: 8,
  emptyList: 9,
  emptyDocument: 10,
} as const

/** High half of a word with `tag` whose payload's high 16 bits are `payloadHigh`. */
export function highOf(tag: number, payloadHigh = 0): number {
  return (tag << 16) | (payloadHigh & 0xffff)
}

export const CONSTANT_HIGH = highOf(TAG.constant)
export const NAN_HIGH = highOf(TAG.nan)

/** The tag of a word's high half; only meaningful when the word is no number. */
export function tagOf(high: number): number {
  return high >>> 16
}

/** Whether a word with this high half points at an interned object. */
export function isPointer(high: number): boolean {
  const tag = high >>> 16
  return tag >= TAG.string && tag <= TAG.document && tag !== 0xfff8
}

/** Whether a word with this high half is a tagged word: neither a double nor an infinity. NaN counts as tagged. */
export function isTagged(high: number): boolean {
  const tag = high >>> 16
  return (tag & 0x7ff0) === 0x7ff0 && (tag & 0xf) !== 0
}

/** Whether the words of an object with this tag are words themselves, which it holds references to. */
export function isComposite(tag: number): boolean {
  return tag === TAG.array || tag === TAG.list || tag === TAG.document
}

/** The payload of a tagged word as a signed number of 48 bits. */
export function signedPayload(low: number, high: number): number {
  return ((high << 16) >> 16) * 0x100000000 + (low >>> 0)
}
