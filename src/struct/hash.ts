import { HASH_MASK } from './hash-segment'

/**
 * Mixing steps of MurmurHash3 (Austin Appleby, public domain), over 32-bit halves. `seed` makes the hashes of one heap
 * differ from those of another, so that nobody can prepare colliding values.
 */
export function hashWord(low: number, high: number, seed: number): number {
  return finish(mix(mix(seed, low), high), 8)
}

/** Hash of `count` halves from `start` on. */
export function hashHalves(halves: Int32Array, start: number, count: number, seed: number): number {
  let hash = seed
  const end = start + count
  for (let i = start; i < end; i++) hash = mix(hash, halves[i])
  return finish(hash, count)
}

export function mix(hash: number, half: number): number {
  let k = Math.imul(half, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  const mixed = hash ^ Math.imul(k, 0x1b873593)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

/** Spreads the bits of a mixed hash and cuts it to the table's 30 bits. */
export function finish(hash: number, length: number): number {
  let h = hash ^ length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) & HASH_MASK
}
