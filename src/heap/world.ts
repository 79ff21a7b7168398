import { randomBytes } from 'node:crypto'

/** Something that will happen by the clock. */
export interface Timer {
  /** Idempotent. */
  cancel(): void
}

/**
 * What a database takes from outside besides files and memory: clocks, timers and random bytes. Timers do not keep the
 * process alive. Tests hand in a world of their own, in which a seed repeats a run.
 */
export interface World {
  /** Milliseconds since 1970 by the clock on the wall, which may jump in either direction. */
  nowMs(): number
  /** Milliseconds since some moment, by a clock that never goes back. */
  elapsedMs(): number
  after(delayMs: number, work: () => void): Timer
  every(periodMs: number, work: () => void): Timer
  randomBytes(count: number): Buffer
}

/** The world as it is. */
export const realWorld: World = {
  nowMs: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs).unref()
    return { cancel: () => clearTimeout(timer) }
  },
  every(periodMs, work) {
    const timer = setInterval(work, periodMs).unref()
    return { cancel: () => clearInterval(timer) }
  },
  randomBytes,
}
