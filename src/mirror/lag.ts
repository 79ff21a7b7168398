import { formatLsn, type Lsn } from './lsn'
import type { MirrorLag } from './mirror-options'
import type { SlotStatus } from './slot'

/** The server is asked for its place every 2.5 s: being in step counts as proven until its next answer is overdue. */
const PROVEN_FOR_MS = 5_000

/** Where a mirror and its server are. */
export interface Places {
  /** Every table is followed, and has caught up. */
  readonly isLive: boolean
  readonly appliedLsn: Lsn
  /** End of the server's log as of its last message. */
  readonly serverLsn: Lsn
  /** When that came; undefined before the first. */
  readonly heardMs: number | undefined
}

/** Measures how far what can be read is behind the server. */
export class LagMeter {
  /** When the server last proved that the mirror was in step. */
  private inStepMs = Date.now()

  /** To be called whenever more has been applied. */
  note(places: Places): void {
    if (isInStep(places)) this.inStepMs = places.heardMs ?? this.inStepMs
  }

  measure(places: Places, slot: SlotStatus | undefined): MirrorLag {
    this.note(places)
    const { appliedLsn, serverLsn } = places
    const ms = Date.now() - this.inStepMs
    return {
      bytes: Number(serverLsn > appliedLsn ? serverLsn - appliedLsn : 0n),
      ms: isInStep(places) && ms < PROVEN_FOR_MS ? 0 : Math.max(1, ms),
      lsn: formatLsn(appliedLsn),
      slot: slot && {
        isActive: slot.isActive,
        isLost: slot.isLost,
        retainedBytes: slot.retainedBytes,
        safeWalSizeBytes: slot.safeWalSizeBytes,
      },
    }
  }
}

function isInStep({ isLive, appliedLsn, serverLsn }: Places): boolean {
  return isLive && appliedLsn >= serverLsn
}
