import { SnapheapError } from '../errors'
import { type Lsn, NO_LSN } from './lsn'

/** As often the server is asked to decode the same part of its log. */
const DECODING_ATTEMPTS = 3

/** What was found wrong with the tables, until they are left behind or copied again. */
export class Doubts {
  /** Oids of tables that must be copied in any case. */
  readonly oids = new Set<number>()
  /** The server has another history than the tables. */
  isOtherHistory = false
  /** Where the heap stood when a table was last found changed, by the table's oid. */
  private readonly changesSeen = new Map<number, Lsn>()
  /** Where the server last failed to decode its log, and how often in succession. */
  private undecoded = { lsn: NO_LSN, attempts: 0 }
  /** By oid of a leaf: the end of the server's log when it was first seen as a leaf of its table. */
  private readonly attachedBefore = new Map<number, Lsn>()

  /** Takes leaves that were not known as such. Returns a place in the log behind all that has made them leaves. */
  noteAttached(oids: readonly number[], endLsn: Lsn): Lsn {
    let last = NO_LSN
    for (const oid of oids) {
      const lsn = this.attachedBefore.get(oid) ?? endLsn
      this.attachedBefore.set(oid, lsn)
      if (lsn > last) last = lsn
    }
    return last
  }

  /** Takes the error that has ended a session, with the tables at `appliedLsn`. True if a table was found changed. */
  note({ details }: SnapheapError, appliedLsn: Lsn): boolean {
    const { oid, mustCopy, isOtherHistory } = details
    this.isOtherHistory ||= isOtherHistory === true
    if (typeof oid !== 'number') return false
    // Seen again at the same place: it is not what the columns say that has changed.
    if (mustCopy === true || this.changesSeen.get(oid) === appliedLsn) this.oids.add(oid)
    this.changesSeen.set(oid, appliedLsn)
    return true
  }

  /**
   * Takes the error that has ended a session. True if the server fails again and again to decode the same log for the
   * slot.
   */
  isStuck(error: unknown, slot: string, appliedLsn: Lsn | undefined): error is SnapheapError {
    if (!(error instanceof SnapheapError) || error.details.undecodedSlot !== slot) return false
    if (appliedLsn === undefined) return false
    const { lsn, attempts } = this.undecoded
    this.undecoded = { lsn: appliedLsn, attempts: lsn === appliedLsn ? attempts + 1 : 1 }
    return this.undecoded.attempts >= DECODING_ATTEMPTS
  }

  /** The tables are marked, or copied. */
  clear(): void {
    this.oids.clear()
    this.isOtherHistory = false
  }
}
