import type { World } from '../../../src/heap/world'

/** Between two looks at the clock that never goes back. */
const STEP_MS = 600

/** A world without chance: random bytes and the clocks follow from `random`, and nothing happens by the clock. */
export function simulatedWorld(random: () => number): World {
  let timeMs = 1_700_000_000_000
  let elapsedMs = 0
  const never = { cancel: () => undefined }
  return {
    nowMs: () => (timeMs += 1),
    elapsedMs: () => (elapsedMs += STEP_MS),
    after: () => never,
    every: () => never,
    randomBytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
  }
}
