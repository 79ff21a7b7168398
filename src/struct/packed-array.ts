import type { View } from '../heap/view'
import type { Writer } from '../heap/writer'

/**
 * Sorted unsigned numbers of 16 or 32 bits, packed into words of one block from `base` on, least significant first.
 * The functions know neither length nor capacity: the owner keeps both. `bytes` is 2 or 4.
 */
export type NumberBytes = 2 | 4

export function wordsFor(count: number, bytes: NumberBytes): number {
  return Math.ceil((count * bytes) / 8)
}

export function numberAt(view: View, base: number, bytes: NumberBytes, index: number): number {
  if (bytes === 4) {
    const address = base + (index >>> 1)
    return ((index & 1) === 0 ? view.low(address) : view.high(address)) >>> 0
  }
  const address = base + (index >>> 2)
  const half = (index & 2) === 0 ? view.low(address) : view.high(address)
  return (index & 1) === 0 ? half & 0xffff : half >>> 16
}

/** Index of `number` among the first `count`, or -1 - the index where it belongs. */
export function search(view: View, base: number, bytes: NumberBytes, count: number, number: number): number {
  let from = 0
  let to = count - 1
  while (from <= to) {
    const middle = (from + to) >>> 1
    const each = numberAt(view, base, bytes, middle)
    if (each === number) return middle
    if (each < number) from = middle + 1
    else to = middle - 1
  }
  return -1 - from
}

/** Puts `number` at `index`, moving what follows; the caller has made sure of the space. */
export function insertAt(
  writer: Writer,
  base: number,
  bytes: NumberBytes,
  count: number,
  index: number,
  number: number,
): void {
  const start = openFrom(writer, base, bytes, index, count + 1)
  const window = writer.view.bytes[writer.view.slotOf(base)]
  if (index < count) window.copyWithin(start + (index + 1) * bytes, start + index * bytes, start + count * bytes)
  putBytes(window, start + index * bytes, bytes, number)
}

/** Takes the number at `index` out, moving what follows. */
export function removeAt(writer: Writer, base: number, bytes: NumberBytes, count: number, index: number): void {
  const start = openFrom(writer, base, bytes, index, count)
  const window = writer.view.bytes[writer.view.slotOf(base)]
  window.copyWithin(start + index * bytes, start + (index + 1) * bytes, start + count * bytes)
  putBytes(window, start + (count - 1) * bytes, bytes, 0)
}

/** Makes the words of numbers [from, to) writable. Returns the byte index of number 0 in its window. */
function openFrom(writer: Writer, base: number, bytes: NumberBytes, from: number, to: number): number {
  const first = Math.floor((from * bytes) / 8)
  const index = writer.open(base + first, wordsFor(to, bytes) - first)
  return (index - first) * 8
}

function putBytes(window: Uint8Array, at: number, bytes: NumberBytes, number: number): void {
  window[at] = number
  window[at + 1] = number >>> 8
  if (bytes === 4) {
    window[at + 2] = number >>> 16
    window[at + 3] = number >>> 24
  }
}
