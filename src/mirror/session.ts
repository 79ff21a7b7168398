import type pg from 'pg'
import { SnapheapError } from '../errors'
import { acceptLabels } from './added-labels'
import { type MirroredLeafOf, tableChanged } from './apply'
import type { BackgroundVerification } from './background-verification'
import { Backoff } from './backoff'
import { qualifiedName, type SourceTable } from './catalogue'
import { CatalogueWatch } from './catalogue-watch'
import { isBusy } from './commit'
import { connect, disconnect } from './connection'
import { Copying, type CopyingOptions, type CopyingSession } from './copying'
import { serverPid } from './cut-off'
import { Follower, type FollowerOptions, nextTick } from './follower'
import { HistoryProof } from './history-proof'
import { type JoiningRequest, joinTables } from './joining'
import { takeLosses } from './losses'
import { type Lsn, NO_LSN } from './lsn'
import { mirrorName } from './mirrored-table'
import { type PreflightRequest, preflight } from './preflight'
import { CopyMeter } from './progress'
import { type Plan, reconcile } from './reconcile'
import { removeFromServer } from './server-objects'
import { type SlotStatus, setFailover } from './slot'
import { givesUpSlot, SlotGuard, undecodable } from './slot-guard'
import {
  claimSlot,
  createStateTable,
  isOwnSlot,
  leaveBehind,
  readIdentity,
  readState,
  servedTables,
  writeProgress,
} from './state'
import { bringIntoStep } from './steps'
import { ReplicationStream, STOP_TIMEOUT_MS } from './stream'
import type { UnfitTables } from './table-findings'
import type { VerifyRequest } from './verify'

export interface SessionOptions extends CopyingOptions {
  publication: string
  tables: readonly string[]
  /** Server and tables were found fit. */
  onPlanned: () => void
  /** The heap has come further; also once when the stream begins. */
  onAdvance: () => void
  /** The server does not answer, or does again. */
  onSilence: (isSilent: boolean) => void
  verification: BackgroundVerification | undefined
  ddlTrigger: boolean
  applyIntervalMs?: number
}

/** Between two looks at what the server knows to be durable here. */
const LOOK_INTERVAL_MS = 100
/** A slot that is given up is removed within so long, or when it is met again. */
const DROP_WITHIN_MS = 5_000

/** One stretch of being connected to the server, from finding out what must be done until the connection ends. */
export class Session {
  /** Undefined until the stream begins. */
  follower: Follower | undefined
  stream: ReplicationStream | undefined
  /** End of the server's log when the session began. */
  endLsn: Lsn | undefined
  /** Tables being filled or waiting for their place. */
  readonly copiesInUse = new Set<string>()
  /** Names of tables that are not followed before they are copied. */
  readonly incomplete = new Set<string>()
  /** None of these was served when the session began. */
  isFirstCopy = false
  /** By oid. */
  readonly sources = new Map<number, SourceTable>()
  private startLsn: Lsn | undefined
  private copying: Copying | undefined
  private joining: Promise<void> | undefined
  private client: pg.Client | undefined
  private replication: pg.Client | undefined
  private interrupt: (error: Error) => void = () => undefined
  private readonly interrupted = new Promise<never>((_, reject) => {
    this.interrupt = reject
  })
  private stopped: Error | undefined
  private interruptedBy: Error | undefined
  /** Ends every wait of the session, apart from the stream, which ends in order. */
  private readonly aborter = new AbortController()
  private catalogue: CatalogueWatch | undefined
  /** Tables that are left as they are until they can be mirrored again. */
  unfit: UnfitTables = new Map()
  private readonly guard: SlotGuard

  constructor(private readonly options: SessionOptions) {
    this.interrupted.catch((error) => {
      this.interruptedBy = error
    })
    this.guard = new SlotGuard(options.slot, options.maxRetainedBytes, options.onNotice)
  }

  /**
   * Rejects when the session ends: with `POSTGRES`, `PREFLIGHT`, `SCHEMA` (see `tableChanged`), or what `stop` was
   * given.
   */
  async run(): Promise<never> {
    const { store, connection, slot, doubts, failover = false } = this.options
    let isGivenUp = false
    try {
      const lost = (error: Error) => this.interrupt(error)
      const { signal } = this
      this.client = await connect(connection, 'query', lost, signal)
      // Before the replication connection: the server would refuse that, too, but without all that is to be mended.
      const known = {
        served: servedTables(store, slot),
        isOwnSlot: isOwnSlot(store, slot),
        id: readIdentity(store, slot),
      }
      const request = { ...this.options, ...known, failover }
      const { tables, unfit, notices, isStandby } = await preflight(this.client, request)
      this.unfit = unfit
      this.replication = await connect(connection, 'replication', lost, signal)
      await createStateTable(store)
      const id = await claimSlot(store, slot)
      const plan = await reconcile(this.client, this.replication, tables, { ...this.options, id, isStandby, unfit })
      await leaveBehind(store, slot, [...unfit.keys()])
      this.endLsn = plan.endLsn
      for (const notice of notices) this.options.onNotice(notice)
      this.noteSources(plan.sources)
      this.options.onPlanned()
      await nextTick() // for the caller of `mirror` to add its listeners
      const { startLsn, rest } = await this.carryOut(plan)
      return await this.follow(plan, startLsn, rest, () => this.lookAtUnfit(request))
    } catch (error) {
      const reason = doubts.isStuck(error, slot, this.follower?.appliedLsn) ? undecodable(error, slot) : error
      isGivenUp = givesUpSlot(reason, slot)
      throw this.stopped ?? reason
    } finally {
      await this.end()
      if (isGivenUp)
        await this.dropOnServer(DROP_WITHIN_MS, true).catch((error) => this.options.onNotice(String(error)))
    }
  }

  /** Names of all tables, also of those that cannot be mirrored. */
  get tableNames(): ReadonlySet<string> {
    return new Set([...[...this.sources.values()].map(mirrorName), ...this.unfit.keys()])
  }

  /** Those of some tables, or of all that can be mirrored, that are not in step with the stream. */
  behind(tables?: readonly string[]): string[] {
    if (tables === undefined) return [...this.incomplete]
    return tables.filter((name) => this.incomplete.has(name) || this.unfit.has(name))
  }

  /**
   * Everything committed before this can be read, of the tables that are in step; undefined before the stream
   * begins.
   */
  get readableLsn(): Lsn | undefined {
    return this.incomplete.size > 0 ? this.startLsn : this.follower?.appliedLsn
  }

  /** Aborted when the session ends: for connections that must not outlive it. */
  get signal(): AbortSignal {
    return this.aborter.signal
  }

  /** Has the server make its log complete on its device, so that it sends all of it. Never rejects. */
  async flushLog(): Promise<void> {
    await this.catalogue?.flushLog()
  }

  /** Rejects when tables that cannot be mirrored can be again, or for other reasons. */
  private async lookAtUnfit(request: PreflightRequest): Promise<void> {
    if (this.unfit.size === 0 || this.incomplete.size > 0) return
    const { unfit } = await preflight(this.client!, request)
    const changed = [...this.unfit].find(
      ([name, findings]) => JSON.stringify(unfit.get(name)) !== JSON.stringify(findings),
    )
    if (changed === undefined) return
    const [name] = changed
    const what = unfit.has(name) ? 'cannot be mirrored for another reason now' : 'can be mirrored again'
    throw new SnapheapError('SCHEMA', `Table ${name} ${what}.`, { table: name, isTransient: true })
  }

  private async follow(
    plan: Plan,
    startLsn: Lsn,
    rest: SourceTable[],
    lookFurther: () => Promise<void>,
  ): Promise<never> {
    const { store, slot, publication, tables, checkIntervalMs, applyIntervalMs, ddlTrigger, onAdvance } = this.options
    const { publishedAs, confirmedLsn } = plan
    const watch = new CatalogueWatch(this.client!, this.sources, {
      slot,
      publication,
      tables,
      published: plan,
      publishedAs,
      lookFurther,
      streamPid: serverPid(this.replication!)!,
      acceptLabels: (before, source) => acceptLabels(store, slot, before, source),
    })
    this.catalogue = watch
    this.startLsn = startLsn
    this.follower = new Follower({
      store,
      startLsn,
      leaves: this.leavesInStep(plan, rest),
      history: new HistoryProof(slot, readState(store, slot)!, confirmedLsn),
      writeProgress: (transaction, progress) => writeProgress(transaction, slot, progress),
      onAdvance,
      prove: (description) => watch.prove(description),
    })
    const { onMessage, onKeepalive, onChunk } = this.follower
    const firstLsn = confirmedLsn < startLsn ? confirmedLsn : startLsn
    this.stream = new ReplicationStream(
      this.replication!,
      { slot, publication, startLsn: firstLsn, applyIntervalMs, hasMessages: ddlTrigger },
      { onMessage, onKeepalive, onChunk, onSilence: this.options.onSilence },
    )
    onAdvance()
    const watching = watch.run(checkIntervalMs, this.follower, this.stream, () => {
      store.ensureOpen()
      this.tellLosses()
      if (watch.isSynchronous) onAdvance() // it may have become so, and be waited for
      if (watch.slotStatus !== undefined) this.guard.look(watch.slotStatus)
    })
    this.joining =
      plan.settledLsn > confirmedLsn
        ? this.beginBehind(plan.settledLsn)
        : this.join(rest, (description) => watch.prove(description))
    const verifying = this.joining.then(() => this.verifyInBackground())
    const streaming = this.stream.done.then(() => this.interrupted)
    return await Promise.race([streaming, this.interrupted, watching, verifying])
  }

  /** Rejects when a table differs from Postgres: the next session copies it again. */
  private async verifyInBackground(): Promise<never> {
    const { verification } = this.options
    const different = await verification?.run(this.verifyRequest, this.sources)
    if (different === undefined) return this.interrupted
    throw tableChanged(different.oid, mirrorName(different), 'was found to differ from Postgres', true)
  }

  /** What is compared, apart from the tables. The stream must have begun. */
  get verifyRequest(): Omit<VerifyRequest, 'sources'> {
    const { follower, stream, signal } = this
    const { connection, slot } = this.options
    return { follower: follower!, stream: stream!, connection, slot, signal }
  }

  /** As of the last look. */
  get slotStatus(): SlotStatus | undefined {
    return this.catalogue?.slotStatus
  }

  /** The server waits for this mirror when it commits. */
  get isSynchronous(): boolean {
    return this.catalogue?.isSynchronous === true
  }

  /** Makes `run` end with `error`. Nothing is committed from now on. */
  stop(error: Error): void {
    this.stopped = error
    this.follower?.abandon(error).catch(() => undefined)
    this.interrupt(error)
    if (this.stream === undefined) this.aborter.abort(error)
  }

  /** Throws when the session has ended. */
  private checkpoint(): void {
    const reason = this.stopped ?? this.interruptedBy
    if (reason !== undefined) throw reason
  }

  /** Removes what the mirror has made on the server, or its slot alone. The stream must have ended. */
  dropOnServer(withinMs: number, isSlotOnly = false): Promise<void> {
    const ownPid = this.replication && serverPid(this.replication)
    return removeFromServer({ ...this.options, ownPid, withinMs, isSlotOnly })
  }

  private async end(): Promise<void> {
    const ended = new SnapheapError('CLOSED', 'The stream has ended. Await the next one.')
    await this.follower?.abandon(ended)
    const { stream, replication, client } = this
    await stream?.stopWithin(STOP_TIMEOUT_MS)
    await Promise.all([client, replication].map((each) => each && disconnect(each)))
    this.aborter.abort(ended)
    await this.joining?.catch(() => undefined)
  }

  /**
   * Brings the heap to where the stream can be taken up. Returns where that is, and the tables that have to be copied
   * beside it.
   */
  private async carryOut(plan: Plan): Promise<{ startLsn: Lsn; rest: SourceTable[] }> {
    const { store, slot, doubts, failover } = this.options
    const copying = new Copying(this.options, this.copyingSession, plan)
    this.copying = copying
    await copying.resume()
    if (plan.restart !== undefined) {
      const copies = await copying.restart(plan.restart)
      this.noteSources(copies.tables.map(({ source }) => source))
      this.copiesInUse.clear()
      return { startLsn: copies.lsn, rest: [] }
    }
    if (failover !== undefined && failover !== plan.isFailover) await setFailover(this.replication!, slot, failover)
    await bringIntoStep(store, slot, plan, () => this.checkpoint())
    doubts.clear()
    const changed = plan.changes.filter(({ plan: { copied } }) => copied.length > 0)
    const rest = [...plan.anew, ...changed.map(({ source }) => source)]
    for (const source of rest) this.incomplete.add(mirrorName(source))
    const served = servedTables(store, slot)
    this.isFirstCopy = rest.every((source) => !served.has(mirrorName(source)))
    if (rest.length > 0) this.options.onCopying(this.isFirstCopy)
    return { startLsn: readState(store, slot)!.lsn, rest }
  }

  private noteSources(sources: readonly SourceTable[]): void {
    for (const source of sources) this.sources.set(source.oid, source)
  }

  /** Ends the session once the stream of the next one begins at a place or behind it. */
  private async beginBehind(lsn: Lsn): Promise<void> {
    while ((this.slotStatus?.confirmedLsn ?? NO_LSN) < lsn) {
      this.storeProgress(lsn)
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS))
      this.signal.throwIfAborted()
    }
    const what = 'The stream begins again: before version 15 the server leaves out partitions that it knew as tables.'
    throw new SnapheapError('SCHEMA', what, { isTransient: true })
  }

  /**
   * Copies tables while the others are followed, and again later where it cannot be done now. Rejects where the session
   * must end.
   */
  private async join(rest: readonly SourceTable[], prove: FollowerOptions['prove']): Promise<void> {
    const backoff = new Backoff()
    this.signal.addEventListener('abort', () => backoff.end())
    while (this.incomplete.size > 0) {
      const missing = rest.filter((source) => this.incomplete.has(mirrorName(source)))
      try {
        await joinTables(this.joiningRequest(new CopyMeter(missing, this.options.onProgress), prove), missing)
      } catch (error) {
        this.checkpoint()
        const { code, message, details } = error as SnapheapError
        if (this.signal.aborted || (code !== 'POSTGRES' && code !== 'TIMEOUT') || details.isOtherHistory) throw error
        this.options.onNotice(`Tables wait to be copied, while the others are followed: ${message}`)
        this.copiesInUse.clear()
        await backoff.pause()
      }
    }
  }

  private joiningRequest(meter: CopyMeter, prove: FollowerOptions['prove']): JoiningRequest {
    return {
      ...this.options,
      client: this.client!,
      follower: this.follower!,
      stream: this.stream!,
      copy: (tables, copySlot, mostBytes) => this.copying!.copy(tables, copySlot, meter, mostBytes),
      prove,
      onJoined: ({ tables }) => {
        this.noteSources(tables.map(({ source }) => source))
        for (const { name } of tables) this.incomplete.delete(name)
        this.copiesInUse.clear()
        this.options.onAdvance()
      },
      signal: this.signal,
    }
  }

  private get copyingSession(): CopyingSession {
    const { copiesInUse, signal } = this
    return {
      client: this.client!,
      replication: this.replication!,
      copiesInUse,
      checkpoint: () => this.checkpoint(),
      interrupt: (error) => this.interrupt(error),
      storeProgress: (lsn) => this.storeProgress(lsn),
      signal,
    }
  }

  /** A copy can be gone on with after the session where the tables were written down to be at its place, or beyond. */
  private storeProgress(lsn: Lsn): void {
    const { follower, stream } = this
    if (follower === undefined || follower.storedLsn >= lsn) return
    stream?.requestKeepalive() // of an idle server nothing else tells that it is there
    try {
      if (follower.appliedLsn >= lsn) follower.storeLsn()
    } catch (error) {
      if (!isBusy(error)) throw error // it is written down with another commit
    }
  }

  /** Leaves whose rows are those of the place where the stream is taken up. */
  private leavesInStep(plan: Plan, rest: readonly SourceTable[]): MirroredLeafOf[] {
    const changes = plan.changes.filter(({ source }) => rest.includes(source))
    const copied = new Set(changes.flatMap(({ plan: change }) => change.copied.map(({ oid }) => oid)))
    return [...this.sources.values()].flatMap((source) =>
      source.leaves
        .filter(({ oid }) => !copied.has(oid) && !(rest.includes(source) && plan.anew.includes(source)))
        .map((leaf) => ({ source, leaf, table: mirrorName(source) })),
    )
  }

  /** Tells of values that could not be kept as they are, each kind once for a column. */
  private tellLosses(): void {
    for (const source of this.sources.values()) {
      for (const { name, type } of source.columns) {
        for (const loss of takeLosses(type)) this.options.onNotice(`${qualifiedName(source)}."${name}" ${loss}`)
      }
    }
  }
}
