/** How the results of a query differ after a commit. */
export interface ResultChanges<T> {
  readonly added: readonly T[]
  /** Those that are results no more, as they were. */
  readonly removed: readonly T[]
  /** Results before and after that look different now. */
  readonly changed: readonly T[]
  /** Results before and after whose place among the others is another. */
  readonly moved: readonly T[]
}

/** Compares results by what identifies each. `isChanged` is asked for those that stayed. */
export function compareResults<K>(
  before: readonly K[],
  after: readonly K[],
  isChanged: (identity: K) => boolean,
): { added: K[]; removed: K[]; changed: K[]; moved: K[] } {
  const places = new Map(before.map((identity, place) => [identity, place]))
  const now = new Set(after)
  const stayed = after.filter((identity) => places.has(identity))
  const inPlace = longestAscending(stayed.map((identity) => places.get(identity)!))
  return {
    added: after.filter((identity) => !places.has(identity)),
    removed: before.filter((identity) => !now.has(identity)),
    changed: stayed.filter(isChanged),
    moved: stayed.filter((_, i) => !inPlace.has(i)),
  }
}

/** Positions of a longest ascending subsequence of different numbers: what need not be moved (C. Schensted, 1961). */
function longestAscending(numbers: readonly number[]): Set<number> {
  const ends: number[] = []
  const before: number[] = []
  for (let i = 0; i < numbers.length; i++) {
    let from = 0
    let to = ends.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if (numbers[ends[middle]] < numbers[i]) from = middle + 1
      else to = middle
    }
    before.push(from === 0 ? -1 : ends[from - 1])
    ends[from] = i
  }
  const positions = new Set<number>()
  for (let i = ends.length === 0 ? -1 : ends[ends.length - 1]; i >= 0; i = before[i]) positions.add(i)
  return positions
}
