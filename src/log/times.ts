/**
 * Successive commits are one run while their clocks are within so much of the first of them: what is ordered is runs.
 */
const RUN_MS = 60_000

/**
 * Puts the times of commits in order. A record holds what the clock said, and clocks are set forward and back. Here the
 * runs of commits that agree with most others about the order of times count as they are: the heaviest sequence of runs
 * of which none both begins and ends before the one in front of it. All others are out of line, and take the time of
 * the nearest commit before them that is in line. What the clock says now counts as half of all commits, as the last of
 * them. Memory follows the number of runs: at most one for each minute and each time that the clock went back.
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
    const total = runs.reduce((sum, { commits }) => sum + commits, 0)
    const isInLine = heaviestInOrder([...runs, { timeMs: nowMs, newestMs: nowMs, commits: total / 2 }])
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

type Span = Pick<Run, 'timeMs' | 'newestMs' | 'commits'>

/**
 * Which runs make up the heaviest sequence in order: each begins, or ends, no earlier than the one before it. One wrong
 * clock at the beginning of a run, or at its end, does not put the others in it out of order. Of two sequences as
 * heavy, the one of earlier times.
 */
function heaviestInOrder(runs: readonly Span[]): boolean[] {
  const sums = new Float64Array(runs.length)
  const before = new Int32Array(runs.length).fill(-1)
  const trees = [runs.map(({ timeMs }) => timeMs), runs.map(({ newestMs }) => newestMs)].map(
    (times) => new HeaviestEnds(times, sums),
  )
  let best = -1
  for (const [i, { commits }] of runs.entries()) {
    for (const tree of trees) {
      const end = tree.upTo(i)
      if (isHeavier(sums, end, before[i])) before[i] = end
    }
    sums[i] = commits + (before[i] < 0 ? 0 : sums[before[i]])
    for (const tree of trees) tree.add(i)
    if (best < 0 || sums[i] >= sums[best]) best = i
  }
  const isIn = new Array<boolean>(runs.length).fill(false)
  for (let i = best; i >= 0; i = before[i]) isIn[i] = true
  return isIn
}

/** Where the heaviest sequence ends whose last time is at most another: a Fenwick tree over the ranks of times. */
class HeaviestEnds {
  private readonly ranks: Uint32Array
  private readonly ends: Int32Array

  constructor(
    times: readonly number[],
    /** The weights of the sequences, by where they end. */
    private readonly sums: Float64Array,
  ) {
    const ascending = Array.from(times, (_, i) => i).sort((a, b) => times[a] - times[b] || a - b)
    this.ranks = new Uint32Array(times.length)
    for (const [rank, i] of ascending.entries()) this.ranks[i] = rank + 1
    this.ends = new Int32Array(times.length + 1).fill(-1)
  }

  /** Among those added, -1 where there is none. */
  upTo(i: number): number {
    let end = -1
    for (let rank = this.ranks[i]; rank > 0; rank -= rank & -rank)
      if (isHeavier(this.sums, this.ends[rank], end)) end = this.ends[rank]
    return end
  }

  add(i: number): void {
    for (let rank = this.ranks[i]; rank < this.ends.length; rank += rank & -rank)
      if (isHeavier(this.sums, i, this.ends[rank])) this.ends[rank] = i
  }
}

function isHeavier(sums: Float64Array, a: number, b: number): boolean {
  return a >= 0 && (b < 0 || sums[a] > sums[b])
}
