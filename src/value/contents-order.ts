import { OBJECT_HEADER_WORDS } from './intern-tables'
import type { LooseWord } from './loose-word'
import { TAG, tagOf } from './word'

/**
 * The order of strings in UTF-8, UUIDs and byte strings: by their bytes, unsigned, a beginning before the whole. Four
 * bytes are compared at a time, without making an object.
 */
export function compareContents(a: LooseWord, b: LooseWord): number {
  const aSize = sizeOf(a)
  const bSize = sizeOf(b)
  const halves = (Math.min(aSize, bSize) + 3) >>> 2
  for (let i = 0; i < halves; i++) {
    const x = halfOf(a, i)
    const different = x ^ halfOf(b, i)
    if (different === 0) continue
    const shift = (31 - Math.clz32(different & -different)) & 24
    return ((x >>> shift) & 255) - (((x ^ different) >>> shift) & 255)
  }
  return aSize - bSize
}

/** Whether the string `whole` begins with `start`; both are in UTF-8. */
export function beginsWith(whole: LooseWord, start: LooseWord): boolean {
  const size = sizeOf(start)
  if (sizeOf(whole) < size) return false
  for (let i = 0; i < size >>> 2; i++) if (halfOf(whole, i) !== halfOf(start, i)) return false
  const rest = size & 3
  return rest === 0 || (halfOf(whole, size >>> 2) ^ halfOf(start, size >>> 2)) << (32 - rest * 8) === 0
}

/**
 * The same for any strings: those with lone surrogates sort as if each were U+FFFD, and among themselves by code units.
 */
export function compareStrings(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) || (a < b ? -1 : a > b ? 1 : 0)
}

function sizeOf(word: LooseWord): number {
  const tag = tagOf(word.high)
  if (tag === TAG.constant) return 0
  return tag < TAG.nan ? tag - TAG.inlineString : word.view.low(word.low >>> 0)
}

/** Four bytes of the contents, the first lowest; zeros behind the end. */
function halfOf(word: LooseWord, index: number): number {
  if (tagOf(word.high) < TAG.nan) return index === 0 ? word.low : word.high & 0xffff
  const address = (word.low >>> 0) + OBJECT_HEADER_WORDS + (index >>> 1)
  return (index & 1) === 0 ? word.view.low(address) : word.view.high(address)
}
