import type { View } from '../heap/view'
import { HASH_BITS, HASH_MASK, homeOf } from './hash-segment'

/** Proves the invariants of the `HashTable` whose descriptor is at `address`. Returns what is wrong, in words. */
export function hashTableProblems(view: View, address: number): string[] {
  const problems: string[] = []
  const depth = view.high(address)
  const directory = view.low(address) >>> 0
  for (let i = 0; i < 1 << depth; i++) {
    const segment = view.low(directory + i) >>> 0
    const local = view.high(segment) & 255
    const first = (i >>> (depth - local)) << (depth - local)
    if (local > depth || view.low(directory + first) >>> 0 !== segment) problems.push(`hash segment ${i} is misplaced`)
    if (view.high(directory + i) !== view.high(segment)) problems.push(`hash segment ${i} is described wrongly`)
    if (first !== i) continue
    const words = 1 << (view.high(segment) >>> 8)
    let count = 0
    for (let slot = 1; slot < words; slot++) {
      if (view.high(segment + slot) === 0) continue
      count++
      const hash = view.high(segment + slot) & HASH_MASK
      if (local > 0 && hash >>> (HASH_BITS - local) !== i >>> (depth - local))
        problems.push('a hash entry is in a foreign segment')
      for (let at = homeOf(hash, words - 1); at !== slot; at = at === words - 1 ? 1 : at + 1) {
        if (view.high(segment + at) === 0) {
          problems.push('a hash entry cannot be reached from its home')
          break
        }
      }
    }
    if (count !== view.low(segment)) problems.push('a hash segment counts its entries wrongly')
  }
  return problems
}
