import { finish, mix } from '../struct/hash'

const FIRST_SIZE = 64

/** Numbers words, or any pairs of 32-bit halves, in the order in which they are met: 0, 1, 2 … Open addressing, at most half full. */
export class WordDictionary {
  private size = 0
  private mask = FIRST_SIZE - 1
  /** Number of the pair in each place, plus one; 0 where there is none. */
  private places = new Int32Array(FIRST_SIZE)
  private pairs = new Int32Array(FIRST_SIZE)

  number(low: number, high: number): number {
    let place = finish(mix(mix(0, low), high), 2) & this.mask
    for (;;) {
      const known = this.places[place]
      if (known === 0) return this.add(low, high, place)
      const pair = (known - 1) << 1
      if (this.pairs[pair] === low && this.pairs[pair + 1] === high) return known - 1
      place = (place + 1) & this.mask
    }
  }

  private add(low: number, high: number, place: number): number {
    const number = this.size++
    this.places[place] = number + 1
    this.pairs[number << 1] = low
    this.pairs[(number << 1) + 1] = high
    if (this.size * 2 > this.mask) this.grow()
    return number
  }

  private grow(): void {
    const { pairs, size } = this
    this.mask = this.mask * 2 + 1
    this.places = new Int32Array(this.mask + 1)
    this.pairs = new Int32Array(this.mask + 1)
    this.pairs.set(pairs.subarray(0, size * 2))
    for (let number = 0; number < size; number++) {
      let place = finish(mix(mix(0, pairs[number << 1]), pairs[(number << 1) + 1]), 2) & this.mask
      while (this.places[place] !== 0) place = (place + 1) & this.mask
      this.places[place] = number + 1
    }
  }
}
