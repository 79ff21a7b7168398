import { finish, mix } from '../struct/hash'

const FIRST_PLACES = 64
/** Halves of a place: low, high, the pair's number plus one (0 where there is none), unused. */
const PLACE = 4

/**
 * Numbers words, or any pairs of 32-bit halves, in the order in which they are met: 0, 1, 2 … Open addressing, at most
 * half full. `Kernels.numberWords` and `numberPairs` do the same to `places` and `count`, and stop where `grow` has to
 * come first.
 */
export class WordDictionary {
  /** Its only element: how many pairs there are. */
  readonly count = new Int32Array(1)
  places = new Int32Array(FIRST_PLACES * PLACE)
  private mask = FIRST_PLACES - 1

  get size(): number {
    return this.count[0]
  }

  number(low: number, high: number): number {
    const { places, mask } = this
    let place = hash(low, high) & mask
    for (;;) {
      const at = place * PLACE
      const known = places[at + 2]
      if (known === 0) return this.add(low, high, at)
      if (places[at] === low && places[at + 1] === high) return known - 1
      place = (place + 1) & mask
    }
  }

  private add(low: number, high: number, at: number): number {
    this.places[at] = low
    this.places[at + 1] = high
    const { count } = this
    this.places[at + 2] = ++count[0]
    if (count[0] * 2 > this.mask) this.grow()
    return count[0] - 1
  }

  /** Makes four times as many places. */
  grow(): void {
    const { places } = this
    this.mask = this.mask * 4 + 3
    this.places = new Int32Array((this.mask + 1) * PLACE)
    for (let at = 0; at < places.length; at += PLACE) {
      if (places[at + 2] === 0) continue
      let place = hash(places[at], places[at + 1]) & this.mask
      while (this.places[place * PLACE + 2] !== 0) place = (place + 1) & this.mask
      const to = place * PLACE
      this.places[to] = places[at]
      this.places[to + 1] = places[at + 1]
      this.places[to + 2] = places[at + 2]
    }
  }
}

function hash(low: number, high: number): number {
  return finish(mix(mix(0, low), high), 2)
}
