import type { World } from '../heap/world'

/** A clock that is set by no more is believed at once. */
const MOST_STEP_MS = 86_400_000
/** After a larger step it is believed when it has run evenly for so long. */
const STEADY_MS = 3_600_000

/**
 * The clock on the wall, for what must not happen early because it was set forward by mistake: after a step forward of
 * more than a day, it stands still for an hour. A database that was closed for longer than a day finds such a step too.
 */
export class SteadyClock {
  private lastMs: number
  private lookedMs: number
  /**
   * What it says while the clock on the wall is not believed; since when that has run evenly, by the clock that never
   * goes back.
   */
  private doubted: { readonly timeMs: number; readonly sinceMs: number } | undefined

  constructor(
    private readonly world: Pick<World, 'nowMs' | 'elapsedMs'>,
    /** What the clock said when it was last looked at, in an earlier process; undefined where that is not known. */
    lastMs: number | undefined,
  ) {
    this.lookedMs = world.elapsedMs()
    this.lastMs = lastMs ?? world.nowMs()
    if (lastMs !== undefined) this.nowMs()
  }

  nowMs(): number {
    const { world, lastMs } = this
    const now = world.nowMs()
    const looked = world.elapsedMs()
    const stepMs = now - lastMs - (looked - this.lookedMs)
    if (stepMs > MOST_STEP_MS) this.doubted = { timeMs: this.doubted?.timeMs ?? lastMs, sinceMs: looked }
    else if (
      this.doubted !== undefined &&
      (now <= this.doubted.timeMs + MOST_STEP_MS || looked - this.doubted.sinceMs >= STEADY_MS)
    )
      this.doubted = undefined
    this.lastMs = now
    this.lookedMs = looked
    return Math.min(now, this.doubted?.timeMs ?? now)
  }
}
