/**
 * Successive commits are one run while their clocks are within so much of the first of them: what is ordered is runs.
 */
const RUN_MS = 60_000

/**
 * Puts the times of commits in order. A record holds what the clock said, and clocks are set forward and back. Here the
 * runs of commits that agree with most others about the order of times count as they are: the heaviest sequence of runs
 * whose clocks never go back. All others are out of line, and take the time of the nearest commit before them that is
 * in line. What the clock says now counts as half of all commits, as the last of them. Memory follows the number of
 * runs: at most one for each minute and each time that the clock went back.
 */
export class Times {
  private readonly runs: Run[] = []
  private isInOrder = true

  /** Adds `commits` commits from `version` on, in ascending order, with the clock of the first. */
  add(version: number, timeMs: number, commits = 1): void {
    const last = this.runs.at(-1)
    if (last !== undefined && timeMs >= last.timeMs && timeMs < last.timeMs + RUN_MS) {
      last.commits += commits
      if (timeMs < last.newestMs) this.isInOrder = false
      last.newestMs = Math.max(last.newestMs, timeMs)
      return
    }
    if (last !== undefined && timeMs < last.newestMs) this.isInOrder = false
    this.runs.push({ version, timeMs, newestMs: timeMs, commits, isInLine: true })
  }

  /** What the times are, seen from now. */
  order(nowMs: number): OrderedTimes {
    const { runs } = this
    if (this.isInOrder && nowMs >= (runs.at(-1)?.newestMs ?? nowMs))
      return new OrderedTimes(runs, Number.POSITIVE_INFINITY)
    const weights = runs.map(({ commits }) => commits)
    const total = weights.reduce((sum, each) => sum + each, 0)
    const isInLine = heaviestAscending([...runs.map(({ timeMs }) => timeMs), nowMs], [...weights, total / 2])
    for (const [i, run] of runs.entries()) run.isInLine = isInLine[i]
    return new OrderedTimes(runs, isInLine[runs.length] ? nowMs : Number.POSITIVE_INFINITY)
  }
}

interface Run {
  /** Of its first commit. */
  readonly version: number
  readonly timeMs: number
  /** The latest clock in it. */
  newestMs: number
  commits: number
  isInLine: boolean
}

/** Times that never go back. */
export class OrderedTimes {
  private at = 0
  private timeMs: number

  constructor(
    private readonly runs: readonly Run[],
    /** No time is later. */
    private readonly latestMs: number,
  ) {
    this.timeMs = Math.min(latestMs, runs.find(({ isInLine }) => isInLine)?.timeMs ?? Number.POSITIVE_INFINITY)
  }

  /** The time of a commit, whose clock said `clockMs`. To be asked for ascending versions. */
  timeOf(version: number, clockMs: number): number {
    if (this.isInLine(version)) this.timeMs = Math.max(this.timeMs, Math.min(clockMs, this.latestMs))
    return this.timeMs
  }

  /** Whether the clock of a commit agrees with most others. To be asked for ascending versions. */
  isInLine(version: number): boolean {
    while (this.at + 1 < this.runs.length && this.runs[this.at + 1].version <= version) this.at++
    return this.runs[this.at]?.isInLine ?? true
  }
}

/**
 * Which of the values make up the heaviest sequence that never descends; of two as heavy, the one of earlier values.
 */
function heaviestAscending(values: readonly number[], weights: readonly number[]): boolean[] {
  const count = values.length
  const ascending = Array.from(values, (_, i) => i).sort((a, b) => values[a] - values[b] || a - b)
  const ranks = new Uint32Array(count)
  for (const [rank, i] of ascending.entries()) ranks[i] = rank + 1
  const sums = new Float64Array(count)
  const before = new Int32Array(count).fill(-1)
  // a Fenwick tree over ranks: where the heaviest sequence ends whose last value has at most a rank
  const ends = new Int32Array(count + 1).fill(-1)
  const heavier = (a: number, b: number): boolean => a >= 0 && (b < 0 || sums[a] > sums[b])
  let best = -1
  for (let i = 0; i < count; i++) {
    let end = -1
    for (let rank = ranks[i]; rank > 0; rank -= rank & -rank) if (heavier(ends[rank], end)) end = ends[rank]
    before[i] = end
    sums[i] = weights[i] + (end < 0 ? 0 : sums[end])
    for (let rank = ranks[i]; rank <= count; rank += rank & -rank) if (heavier(i, ends[rank])) ends[rank] = i
    if (best < 0 || sums[i] >= sums[best]) best = i
  }
  const isIn = new Array<boolean>(count).fill(false)
  for (let i = best; i >= 0; i = before[i]) isIn[i] = true
  return isIn
}
