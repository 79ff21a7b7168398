import { SnapheapError } from '../errors'
import { formatLsn, type Lsn } from './lsn'
import type { Progress } from './state'

/**
 * Whether the server goes on with the history that was mirrored. It sends the transactions again that it
 * does not know to be durable here. If it was restored to an earlier state and has gone on, these are other ones. So
 * those from the slot's place up to the place of the tables must end with the transaction that was applied last.
 */
export class HistoryProof {
  private readonly isNeeded: boolean
  private isGiven = false

  constructor(
    private readonly slot: string,
    private readonly progress: Progress,
    /** Everything after this is sent again. */
    confirmedLsn: Lsn,
  ) {
    const { lastLsn } = progress
    this.isNeeded = lastLsn !== null && lastLsn > confirmedLsn
  }

  /** The newest transaction in the tables. */
  get last(): Pick<Progress, 'lastLsn' | 'lastXid'> {
    const { lastLsn, lastXid } = this.progress
    return { lastLsn, lastXid }
  }

  /** Takes a transaction that ended at or before where the tables are. Throws `POSTGRES`. */
  sent(endLsn: Lsn, xid: number): void {
    const { lastLsn, lastXid } = this.progress
    if (endLsn === lastLsn && xid === lastXid) this.isGiven = true
    // Nothing that was copied is sent again: the slot begins there.
    else if (lastLsn === null || endLsn >= lastLsn) throw this.otherHistory()
  }

  /** All of these have come. Throws `POSTGRES` where the last one was not among them. */
  ensureGiven(): void {
    if (this.isNeeded && !this.isGiven) throw this.otherHistory()
  }

  private otherHistory(): SnapheapError {
    const { lsn } = this.progress
    return otherHistory(`what it sends up to ${formatLsn(lsn)} is not what was mirrored`, { slot: this.slot })
  }
}

/** The error of a server that was restored to an earlier state: all tables are copied again. */
export function otherHistory(what: string, details: Record<string, unknown>): SnapheapError {
  return new SnapheapError(
    'POSTGRES',
    `Postgres: the server has another history than the mirrored tables: ${what}. The mirror copies them again by ` +
      'itself.',
    { ...details, isTransient: true, isOtherHistory: true },
  )
}
