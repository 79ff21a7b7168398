import { SnapheapError } from '../errors'

/** How far a transaction of `write` has come, which decides what becomes of it when it is given up. */
export type WritePhase = 'waiting' | 'open' | 'committing' | 'committed'

/**
 * One transaction of `write`, from the call on: it has its turn, and is given up when its time is over or its mirror is
 * closed.
 */
export class WriteTurn {
  phase: WritePhase = 'waiting'
  /** Number of the transaction in Postgres; undefined before COMMIT is sent, and where it has changed nothing. */
  xid: string | undefined
  /** Rejects when the turn is given up. */
  readonly givenUp: Promise<never>
  /** Aborted when the turn is given up. */
  readonly signal: AbortSignal
  private readonly aborter = new AbortController()
  private reject!: (error: SnapheapError) => void
  private readonly timer: NodeJS.Timeout
  private readonly endMs: number

  constructor(private readonly withinMs: number) {
    this.endMs = performance.now() + withinMs
    this.signal = this.aborter.signal
    this.givenUp = new Promise((_, reject) => {
      this.reject = reject
    })
    this.givenUp.catch(() => undefined) // the caller may have got its error already
    this.timer = setTimeout(() => this.giveUp(this.outOfTime()), withinMs)
  }

  get isOver(): boolean {
    return this.signal.aborted
  }

  /** Time until it is given up. */
  get restMs(): number {
    return Math.max(this.endMs - performance.now(), 1)
  }

  giveUp(error: SnapheapError): void {
    clearTimeout(this.timer)
    if (this.isOver) return
    this.aborter.abort(error)
    this.reject(error)
  }

  /** It has ended by itself. */
  end(): void {
    clearTimeout(this.timer)
  }

  /** The error for a turn whose mirror is closed. */
  closed(patienceMs: number): SnapheapError {
    const again = 'Mirror again, and run it again.'
    if (this.phase === 'committing' && this.xid !== undefined) return this.unknown('the mirror was closed')
    if (this.phase === 'committed') return this.committed('CLOSED', 'the mirror was closed')
    const outcome =
      this.phase === 'waiting'
        ? 'The mirror was closed before the transaction began'
        : `The mirror was closed, and a transaction had not ended ${patienceMs} ms later, and is rolled back`
    return new SnapheapError('CLOSED', `${outcome}. ${again}`)
  }

  /** The error for a COMMIT that was sent, and whose answer is not known. */
  unknown(what: string, cause?: unknown): SnapheapError {
    const { xid } = this
    return new SnapheapError(
      'OUTCOME_UNKNOWN',
      `write does not know whether the transaction is committed: COMMIT was sent, and ${what} before the answer ` +
        'came. Do not run it again before you know: ask Postgres with ' +
        `SELECT pg_xact_status('${xid}'), until that is 'committed' or 'aborted'.`,
      { xid, isTransient: false },
      cause,
    )
  }

  private outOfTime(): SnapheapError {
    const { withinMs, phase } = this
    if (phase === 'committing' && this.xid !== undefined) return this.unknown(`${withinMs} ms had passed`)
    if (phase === 'committed') return this.committed('TIMEOUT', `${withinMs} ms had passed`)
    const outcome =
      phase === 'waiting'
        ? `write did not begin its transaction within ${withinMs} ms: others came first, or the server did not answer`
        : `write did not end its transaction within ${withinMs} ms, and it is rolled back`
    return new SnapheapError('TIMEOUT', `${outcome}. Run it again, or allow more time.`, {
      timeoutMs: withinMs,
      isTransient: true,
    })
  }

  private committed(code: 'CLOSED' | 'TIMEOUT', what: string): SnapheapError {
    return committedUnseen(code, `${what} before the mirror showed that`, this.xid)
  }
}

/** The error for a transaction that is committed, but that the mirror does not show. */
export function committedUnseen(
  code: SnapheapError['code'],
  what: string,
  xid: string | undefined,
  cause?: SnapheapError,
): SnapheapError {
  return new SnapheapError(
    code,
    `The transaction is committed in Postgres, but ${what}. Do not run it again: the mirror will show it once it ` +
      'is in step.',
    { ...cause?.details, xid, isCommitted: true, isTransient: false },
    cause,
  )
}
