import { BLOCK_SHIFT, WORD_BYTES } from '../heap/layout'
import type { View } from '../heap/view'
import { OBJECT_HEADER_WORDS } from './intern-tables'
import { elementWords } from './interner'
import { isComposite, isPointer, tagOf } from './word'

/**
 * Whether the words at two addresses, each in a version of its own of one heap, stand for the same value. Within a
 * version equal values are equal words; between versions they need not be: an object may have been freed, and its place
 * taken by another or its like made elsewhere.
 */
export function isSameValue(a: View, x: number, b: View, y: number): boolean {
  const low = a.low(x)
  const high = a.high(x)
  const isEqual = b.isWord(y, low, high)
  if (!isPointer(high)) return isEqual
  const object = low >>> 0
  // where neither version wrote to the block of its header, it is the very object
  if (isEqual && a.table[object >>> BLOCK_SHIFT] === b.table[object >>> BLOCK_SHIFT]) return true
  return tagOf(b.high(y)) === tagOf(high) && isSameObject(tagOf(high), a, object, b, b.low(y) >>> 0)
}

function isSameObject(tag: number, a: View, x: number, b: View, y: number): boolean {
  const sizeBytes = a.low(x)
  if (b.low(y) !== sizeBytes) return false
  const words = Math.ceil(sizeBytes / WORD_BYTES)
  const elements = isComposite(tag) ? elementWords(tag, words) : 0
  for (let i = 0; i < words; i++) {
    const [left, right] = [x + OBJECT_HEADER_WORDS + i, y + OBJECT_HEADER_WORDS + i]
    if (i < elements) {
      if (!isSameValue(a, left, b, right)) return false
    } else if (!isComposite(tag) && !b.isWord(right, a.low(left), a.high(left))) return false
  }
  return true
}
