import type { Pins } from '../heap/pins'
import { realWorld, type World } from '../heap/world'

const DEFAULT_TOO_LONG_MS = 300_000

/**
 * Reports snapshots that are held for too long, by a process warning with the code `SNAPHEAP_PINNED`: what they alone
 * see cannot be reused, so memory and file grow with every commit.
 */
export class PinWatch {
  private readonly reported = new Set<number>()
  private nextLookMs = 0

  constructor(
    private readonly pins: Pins,
    private readonly tooLongMs = DEFAULT_TOO_LONG_MS,
    private readonly world: World = realWorld,
  ) {}

  /** Looks, but not with every commit. */
  committed(): void {
    const now = this.world.elapsedMs()
    if (now < this.nextLookMs) return
    this.nextLookMs = now + this.tooLongMs / 10
    for (const { id, owner, sinceMs } of this.pins.all) {
      const heldMs = now - sinceMs
      if (heldMs < this.tooLongMs || this.reported.has(id)) continue
      this.reported.add(id)
      process.emitWarning(
        `A snapshot of "${owner}" has been held for ${Math.round(heldMs / 1000)} s: what it alone sees cannot be ` +
          'reused. Close it.',
        { code: 'SNAPHEAP_PINNED', type: 'SnapheapWarning' },
      )
    }
  }
}
