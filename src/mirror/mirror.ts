import { EventEmitter } from 'node:events'
import type { Client } from 'pg'
import { BOOLEAN, ensure, ensureOptions, FUNCTION } from '../arguments'
import { callSafely } from '../db/commit-feed'
import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import { BackgroundVerification, NOTHING_VERIFIED } from './background-verification'
import { Backoff } from './backoff'
import { Deferred } from './deferred'
import { Doubts } from './doubts'
import { streamEnded } from './follower'
import { LagMeter, type Places } from './lag'
import { type Lsn, NO_LSN, parseLsn } from './lsn'
import { defaultSlot, ensureMirrorable, ensureWaitOptions } from './mirror-arguments'
import { closedError, reasonOf, silentError, takenBackError } from './mirror-errors'
import type {
  CloseOptions,
  MirrorEvents,
  MirroredTableStatus,
  MirrorLag,
  MirrorOptions,
  MirrorStats,
  MirrorStatus,
  WaitOptions,
} from './mirror-options'
import { removeLeftovers } from './removal'
import { ensureNotMirrored, leaveMirrored, markMirrored } from './running'
import { Saver } from './saver'
import { Session } from './session'
import { readState, servedTables } from './state'
import { unfitError } from './table-findings'
import { tableStatuses } from './table-statuses'
import { type Verification, verifyTables } from './verify'
import { type Target, Waiters } from './waiters'
import { WriteThrough } from './write-through'
import { committedUnseen } from './write-turn'

/** Faults of server, network and device, which end no mirror that was fit once. */
const PASSING: readonly string[] = ['POSTGRES', 'PREFLIGHT', 'SCHEMA', 'TIMEOUT', 'BUSY', 'IO']
/**
 * What is waited for and has not come after this long may not be on the server's device yet, and so may not be sent.
 */
const FLUSH_AFTER_MS = 100
/** `close` takes no longer, apart from what saving takes, also when the server does not answer. */
const CLOSE_WITHIN_MS = 4_000

/**
 * Mirrors tables of Postgres into `db` and keeps them in step, in the background. Resolves once server and tables are
 * found fit and, where the file already holds them, they can be read; `ready` tells when they are up to date.
 * Throws `PREFLIGHT` (with the SQL that mends it), `POSTGRES`, `EXISTS`, `INVALID_ARGUMENT`. A server that cannot be
 * reached is an error only when there is nothing to serve yet.
 */
export async function mirror(db: Store, options: MirrorOptions): Promise<Mirror> {
  ensureMirrorable(db, options)
  const slot = options.slot ?? (await defaultSlot(db, options.connection))
  ensureNotMirrored(db, slot)
  return Mirror.start(db, { ...options, slot })
}

/** Tables of Postgres, kept in step. Made by `mirror`. */
export class Mirror extends EventEmitter<MirrorEvents> {
  /**
   * Resolves when everything that Postgres had committed at the call of `mirror` can be read, of the tables that can be
   * mirrored (see `tables()`). Rejects when the mirror fails or is closed before.
   */
  readonly ready: Promise<void>
  private readonly readiness = new Deferred()
  /** Settled when the first connection has shown whether the mirror can work. */
  private readonly opened = new Deferred()
  private currentStatus: MirrorStatus
  private lastError: SnapheapError | undefined
  private session: Session | undefined
  private tableNames: ReadonlySet<string>
  private readonly waiters = new Waiters()
  private readonly saver: Saver
  private readonly verification: BackgroundVerification | undefined
  private readonly doubts = new Doubts()
  /** Server and tables were found fit, or are mirrored from before: what makes them unfit may pass. */
  private wasFit: boolean
  private readonly backoff = new Backoff()
  /** The session that has come to where the server was when it began; whether all tables are in place then. */
  private caughtUp: { session: Session; isComplete: boolean } | undefined
  private readonly lagMeter = new LagMeter()
  private closing: Promise<void> | undefined
  private readonly through: WriteThrough
  private readonly stopListening: () => void
  private readonly running: Promise<void>
  private cleaning: Promise<void> = Promise.resolve()

  private constructor(
    private readonly db: Store,
    private readonly options: MirrorOptions & { slot: string },
  ) {
    super()
    this.ready = this.readiness.promise
    this.currentStatus = this.hasData ? 'stale' : 'copying'
    this.tableNames = new Set(servedTables(db, options.slot).keys())
    this.wasFit = this.hasData && options.tables.length === this.tableNames.size
    this.verification = this.newVerification(options.verifyIntervalMs)
    this.through = new WriteThrough(options.connection)
    this.saver = new Saver(db, options.slot, options.syncIntervalMs ?? 5000, (error) => this.tell(String(error)))
    // applied changes that were not durable may be gone: the next session begins where the tables are
    this.stopListening = db.onReturned(() => {
      this.waiters.forget()
      this.session?.stop(takenBackError(this.options.slot))
    })
    markMirrored(db, options.slot)
    this.running = this.run()
  }

  /** What `mirror` does, for a slot whose name is known. */
  static async start(db: Store, options: MirrorOptions & { slot: string }): Promise<Mirror> {
    const started = new Mirror(db, options)
    await started.opened.promise
    return started
  }

  get status(): MirrorStatus {
    return this.currentStatus
  }

  /** Why the mirror is `stale` or `failed`. */
  get error(): SnapheapError | undefined {
    return this.lastError
  }

  /** Name of the replication slot. */
  get slot(): string {
    return this.options.slot
  }

  /**
   * Resolves when everything that Postgres committed before `lsn` can be read, in `tables`, or by default in all that
   * can be mirrored: to read your own writes, pass what `SELECT pg_current_wal_insert_lsn()` gives after the commit. A
   * table that is copied counts once it has joined the others: name the tables that you read in order not to wait for
   * that. While the mirror does not follow the server, this waits, since the server may come back with another history.
   * Throws `TIMEOUT` after `timeoutMs` (default 10 000), `NOT_FOUND` for a table that is not mirrored, `CLOSED`, and
   * the reason if the mirror fails.
   */
  async waitFor(lsn: string | bigint, options: WaitOptions = {}): Promise<void> {
    ensureWaitOptions('mirror.waitFor()', options, this.tableNames)
    const { timeoutMs = 10_000, tables } = options
    const target: Target = { lsn: typeof lsn === 'bigint' ? lsn : parseLsn(lsn), tables }
    if (this.closing !== undefined) throw closedError()
    if (this.currentStatus === 'failed') throw this.lastError!
    if (this.waiters.isReadable(target)) return
    this.session?.stream?.requestKeepalive()
    const flush = setTimeout(() => this.session?.flushLog(), FLUSH_AFTER_MS)
    await this.waiters.wait(target, timeoutMs).finally(() => clearTimeout(flush))
  }

  /**
   * Runs `work` as one transaction in Postgres, and resolves with what it returned once the mirror shows what it did in
   * `tables` (default: all that can be mirrored; see `waitFor`): reads after it see their own writes. The client is one
   * of `pg`, in a session that nothing of earlier transactions is left in; transactions are run one after the other.
   * What `work` throws rolls back. All of it takes `timeoutMs` at most (default 10 000): the wait for its turn, the
   * work, and the wait for the mirror.
   *
   * Throws `NOT_FOUND` for a table that is not mirrored, `BUSY` at once inside the work of another `write`. After
   * `POSTGRES`, and after `TIMEOUT` and `CLOSED` without `details.isCommitted`, the transaction has not happened; with
   * that, it has, and the mirror does not show it yet. After `OUTCOME_UNKNOWN` it may have happened:
   * `SELECT pg_xact_status(…)` of `details.xid` tells.
   */
  async write<T>(work: (client: Client) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    ensure('mirror.write()', work, FUNCTION)
    ensureWaitOptions('mirror.write()', options, this.tableNames)
    const { timeoutMs = 10_000 } = options
    if (this.closing !== undefined) throw closedError()
    if (this.currentStatus === 'failed') throw this.lastError!
    const endMs = performance.now() + timeoutMs
    const { result, lsn, xid } = await this.through.run(work, timeoutMs)
    const restMs = Math.max(Math.ceil(endMs - performance.now()), 1)
    await this.waitFor(lsn, { ...options, timeoutMs: restMs }).catch((error: SnapheapError) => {
      throw committedUnseen(error.code, `the mirror does not show it: ${error.message.replace(/\.$/, '')}`, xid, error)
    })
    return result
  }

  /** The status of each table, by its name here, and why it is stale where that concerns only this table. */
  tables(): ReadonlyMap<string, MirroredTableStatus> {
    return tableStatuses(this.db, this.slot, this.currentStatus, this.isFollowing ? this.session : undefined)
  }

  /** How far what can be read is behind Postgres. */
  lag(): MirrorLag {
    return this.lagMeter.measure(this.places, this.session?.slotStatus)
  }

  /** What the verification in the background (`verifyIntervalMs`) has found so far. */
  stats(): MirrorStats {
    return { ...NOTHING_VERIFIED, ...this.verification?.stats }
  }

  /**
   * Compares every row of every table that is followed with Postgres at one LSN. Nothing is applied while the server
   * finds that LSN, which waits for its writing transactions (at most 5 s, else `TIMEOUT`); a standby waits for none.
   * Throws `POSTGRES`, `CLOSED`, and `BUSY` unless the mirror follows the server, and stays connected meanwhile.
   */
  async verify(): Promise<Verification> {
    const { session } = this
    if (!this.isComplete || session?.follower === undefined) {
      throw new SnapheapError('BUSY', `The mirror is ${this.currentStatus}. Verify it when it is live.`)
    }
    try {
      return await verifyTables({ ...session.verifyRequest, sources: [...session.sources.values()] })
    } catch (error) {
      if (!session.signal.aborted) throw error
      throw this.closing === undefined ? streamEnded() : closedError()
    }
  }

  /**
   * Stops following, saves, and tells the server how far that is. The tables stay as they are. A transaction of `write`
   * that is under way has 2 s to end, and is given up then. Takes 5 s at most, and the time for saving, also if
   * the server does not answer. Throws `TIMEOUT` if it could not remove slot and publication in time. Idempotent.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    ensureOptions('mirror.close()', options, { dropSlot: BOOLEAN })
    this.closing ??= this.end(options)
    return this.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async end({ dropSlot = this.isVolatile }: CloseOptions): Promise<void> {
    const error = closedError()
    const endMs = performance.now() + CLOSE_WITHIN_MS
    this.stopListening()
    const { session } = this
    const written = this.through.close()
    if (session?.follower === undefined) session?.stop(error)
    else await session.follower.abandon(error)
    this.saver.stop()
    try {
      await this.saver.save(session)
    } finally {
      this.session?.stop(error)
      this.backoff.end()
      await Promise.all([this.running, this.cleaning, written])
      this.waiters.fail(error)
      this.readiness.reject(error)
      this.opened.reject(error)
      leaveMirrored(this.db, this.slot)
      if (this.currentStatus !== 'failed') this.setStatus('stale', undefined)
      if (dropSlot) await session?.dropOnServer(endMs - performance.now())
    }
  }

  /** One session after the other, until closed or failed. */
  private async run(): Promise<void> {
    while (this.closing === undefined) {
      this.clean()
      try {
        await this.runSession()
      } catch (error) {
        if (this.closing !== undefined) return
        this.waiters.forget() // the server may come back with another history
        const reason = reasonOf(this.db, error)
        if (!this.canGoOn(reason)) {
          this.fail(reason)
          return
        }
        this.caughtUp = undefined
        this.setStatus(this.hasData ? 'stale' : 'copying', reason)
        this.opened.resolve() // there is something to serve, or the server was found fit before
        await this.backoff.pause()
      } finally {
        this.saver.follow(undefined)
      }
    }
  }

  private async runSession(): Promise<void> {
    const { slot, publication = slot, checkIntervalMs = 1000, ddlTrigger = false } = this.options
    const session = new Session({
      store: this.db,
      ...this.options,
      publication,
      checkIntervalMs,
      ddlTrigger,
      doubts: this.doubts,
      onPlanned: () => {
        this.wasFit = true
        this.tableNames = session.tableNames
        this.opened.resolve()
      },
      onCopying: (isFirst) => this.setStatus(isFirst ? 'copying' : 'resyncing', undefined),
      onProgress: (state) => this.notify('progress', state),
      onNotice: (text) => this.tell(text),
      onAdvance: () => this.advanced(),
      onSilence: (isSilent) => this.silenced(isSilent),
      verification: this.verification,
    })
    this.session = session
    this.saver.follow(session)
    await session.run()
  }

  private advanced(): void {
    const session = this.session!
    this.waiters.advance(session)
    this.saver.advanced()
    this.lagMeter.note(this.places)
    if (this.isComplete || session.follower!.appliedLsn < session.endLsn!) return
    const { unfit, incomplete } = session
    this.caughtUp = { session, isComplete: incomplete.size === 0 }
    if (incomplete.size > 0) return this.setStatus(session.isFirstCopy ? 'copying' : 'resyncing', undefined)
    this.backoff.reset()
    if (unfit.size === 0) this.setStatus('live', undefined)
    else this.setStatus('stale', unfitError(unfit))
    this.readiness.resolve()
    this.clean()
  }

  /** What the server has is not known while it does not answer. */
  private silenced(isSilent: boolean): void {
    if (!isSilent) this.advanced()
    else if (this.isFollowing) {
      this.caughtUp = undefined
      this.setStatus('stale', silentError(this.slot))
    }
  }

  /** Whether another session may get further. */
  private canGoOn(error: SnapheapError): boolean {
    if (error.code === 'CLOSED') return false
    if (this.doubts.note(error, this.appliedLsn)) this.tell(error.message)
    if (this.wasFit) return PASSING.includes(error.code)
    return this.hasData && (error.details.isTransient === true || error.code === 'IO')
  }

  private fail(error: SnapheapError): void {
    if (error.code === 'CLOSED') this.saver.stop() // the database was closed under the mirror
    leaveMirrored(this.db, this.slot)
    this.setStatus('failed', error)
    this.waiters.fail(error)
    this.readiness.reject(error)
    this.opened.reject(error)
  }

  private setStatus(status: MirrorStatus, error: SnapheapError | undefined): void {
    this.lastError = error
    if (status === this.currentStatus && error === undefined) return
    this.currentStatus = status
    this.notify('status', status, error)
  }

  private newVerification(intervalMs: number | undefined): BackgroundVerification | undefined {
    if (intervalMs === undefined) return undefined
    return new BackgroundVerification(
      intervalMs,
      (found) => this.notify('difference', found),
      (text) => this.tell(text),
    )
  }

  /** Later: the caller of `mirror` has had no time to add a listener. */
  private tell(text: string): void {
    setImmediate(() => this.notify('notice', text))
  }

  /** Calls every listener. What one throws becomes an uncaught error, and does not affect the mirror. */
  private notify<Event extends keyof MirrorEvents>(event: Event, ...values: MirrorEvents[Event]): void {
    for (const listener of this.rawListeners(event)) callSafely(() => Reflect.apply(listener, this, values))
  }

  /** Removes what earlier copies left behind, in the background. */
  private clean(): void {
    const mayRemove = (name: string) => this.closing === undefined && !this.session?.copiesInUse.has(name)
    this.cleaning = this.cleaning.then(() =>
      removeLeftovers(this.db, this.options.slot, mayRemove).catch((error) => this.tell(String(error))),
    )
  }

  private get hasData(): boolean {
    return readState(this.db, this.options.slot) !== undefined
  }

  private get isVolatile(): boolean {
    return this.db.path === undefined
  }

  private get appliedLsn(): Lsn {
    return this.session?.readableLsn ?? readState(this.db, this.options.slot)?.lsn ?? NO_LSN
  }

  private get serverLsn(): Lsn {
    const heard = this.session?.stream?.walEnd ?? NO_LSN
    const atStart = this.session?.endLsn ?? NO_LSN
    if (heard < atStart) return atStart
    return heard
  }

  /** What the server commits is applied as it comes. */
  private get isFollowing(): boolean {
    return this.caughtUp !== undefined && this.caughtUp.session === this.session
  }

  /** And no table has to be copied before. */
  private get isComplete(): boolean {
    return this.isFollowing && this.caughtUp!.isComplete
  }

  private get places(): Places {
    const { appliedLsn, serverLsn } = this
    return { isLive: this.currentStatus === 'live', appliedLsn, serverLsn, heardMs: this.session?.stream?.heardMs }
  }
}
