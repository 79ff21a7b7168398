import type { SourceTable } from './catalogue'
import type { MirrorStats } from './mirror-options'
import { mirrorName } from './mirrored-table'
import { type TableVerification, type VerifyRequest, verifyTables } from './verify'

/** After a table that could not be compared, because the server was busy or the mirror not in step. */
const RETRY_MS = 5_000
/** Why a table cannot be compared now, though nothing is wrong. */
const PASSING: readonly unknown[] = ['BUSY', 'TIMEOUT', 'CLOSED']

export const NOTHING_VERIFIED: MirrorStats = {
  verifiedTables: 0,
  differentTables: 0,
  lastVerified: undefined,
  postponed: undefined,
}

/** A table that was compared with Postgres in the background, and the place in the log at which it was. */
export interface VerifiedTable extends TableVerification {
  lsn: string
}

type Request = Omit<VerifyRequest, 'sources' | 'isBackground'>

/**
 * Compares one table after the other with Postgres, for as long as a mirror runs: a round of all tables goes on in the
 * next session where the one before it ended.
 */
export class BackgroundVerification {
  readonly stats: MirrorStats = { ...NOTHING_VERIFIED }
  /** Names of the tables that are still to be compared in this round. */
  private due: string[] = []
  private nextRoundMs: number

  constructor(
    /** From the beginning of one round to that of the next. */
    private readonly intervalMs: number,
    private readonly onDifference: (found: VerifiedTable) => void,
    private readonly onNotice: (text: string) => void,
  ) {
    this.nextRoundMs = performance.now() + intervalMs
  }

  /** Returns a table that differs once there is one, undefined when the signal of `request` is aborted. */
  async run(request: Request, tables: ReadonlyMap<number, SourceTable>): Promise<SourceTable | undefined> {
    const { signal } = request
    while (!signal.aborted) {
      const source = this.nextOf(tables)
      if (source === undefined) await pause(this.nextRoundMs - performance.now(), signal)
      else {
        const found = await this.compare(source, request)
        if (found === undefined) await pause(RETRY_MS, signal)
        else if (this.note(found)) return source
      }
    }
    return undefined
  }

  /** The table to be compared now, undefined until the next round. */
  private nextOf(tables: ReadonlyMap<number, SourceTable>): SourceTable | undefined {
    const sources = new Map([...tables.values()].map((source) => [mirrorName(source), source]))
    if (this.due.length === 0 && performance.now() >= this.nextRoundMs) {
      this.due = [...sources.keys()]
      this.nextRoundMs = performance.now() + this.intervalMs
    }
    this.due = this.due.filter((name) => sources.has(name)) // others are mirrored no longer
    return this.due[0] === undefined ? undefined : sources.get(this.due[0])
  }

  /** Undefined where the table cannot be compared now. */
  private async compare(source: SourceTable, request: Request): Promise<VerifiedTable | undefined> {
    try {
      const { lsn, tables } = await verifyTables({ ...request, sources: [source], isBackground: true })
      return { ...tables[0]!, lsn }
    } catch (error) {
      if (request.signal.aborted) return undefined
      const { code, message } = error as { code?: unknown; message: string }
      const table = mirrorName(source)
      const { postponed } = this.stats
      const attempts = postponed?.table === table ? postponed.attempts + 1 : 1
      this.stats.postponed = { table, attempts, reason: message }
      if (!PASSING.includes(code))
        this.onNotice(`Table ${table} could not be verified now, and will be later: ${message}`)
      return undefined
    }
  }

  /** Returns whether the table differs. */
  private note(found: VerifiedTable): boolean {
    const { table, lsn, missingRows, extraRows, differentRows } = found
    this.due.shift()
    this.stats.verifiedTables++
    this.stats.lastVerified = { table, lsn, time: new Date() }
    this.stats.postponed = undefined
    if (missingRows + extraRows + differentRows === 0) return false
    this.stats.differentTables++
    this.onDifference(found)
    return true
  }
}

/** Returns early when `signal` is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, Math.max(ms, 0))
    timer.unref()
    signal.addEventListener('abort', end)
  })
}
