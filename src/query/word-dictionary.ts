import { finish, mix } from '../struct/hash'

const FIRST_PLACES = 64
/** Halves of a place: low, high, the pair's number plus one (0 where there is none), unused. */
const PLACE = 4

/** Numbers words, or any pairs of 32-bit halves, in the order in which they are met: 0, 1, 2 … Open addressing, at most half full. */
export class WordDictionary {
  private size = 0
  private mask = FIRST_PLACES - 1
  private places = new Int32Array(FIRST_PLACES * PLACE)

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
    this.places[at + 2] = ++this.size
    if (this.size * 2 > this.mask) this.grow()
    return this.size - 1
  }

  private grow(): void {
    const { places } = this
    this.mask = this.mask * 2 + 1
    this.places = new Int32Array((this.mask + 1) * PLACE)
    for (let at = 0; at < places.length; at += PLACE) {
      if (places[at + 2] === 0) continue
      let place = hash(places[at], places[at + 1]) & this.mask
      while (this.places[place * PLACE + 2] !== 0) place = (place + 1) & this.mask
      this.places.set(places.subarray(at, at + PLACE), place * PLACE)
    }
  }
}

function hash(low: number, high: number): number {
  return finish(mix(mix(0, low), high), 2)
}
