import { seeded } from '../random'

/** Random decisions, the same for the same seed. */
export class Choice {
  private readonly random: () => number

  constructor(seed: number) {
    this.random = seeded(seed)
  }

  chance(probability: number): boolean {
    return this.random() < probability
  }

  /** From 0 to below `limit`. */
  int(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  between(first: number, last: number): number {
    return first + this.int(last - first + 1)
  }

  /** One of them; undefined of none. */
  pick<T>(from: readonly T[]): T | undefined {
    return from[this.int(from.length)]
  }

  /** Up to `count` of them, in their order. */
  some<T>(from: readonly T[], count: number): T[] {
    const rest = [...from.keys()]
    while (rest.length > count) rest.splice(this.int(rest.length), 1)
    return rest.map((place) => from[place]!)
  }
}
