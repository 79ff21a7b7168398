import { SnapheapError } from '../errors'
import type { Changes } from '../heap/changes'
import type { FileRoot } from '../heap/file-format'
import { type HistoryPoint, newChains, newTimeline } from '../heap/history-point'
import type { CommitOptions, Journal } from '../heap/journal'
import type { Timer } from '../heap/world'
import { LogCheckpoints } from './checkpoints'
import { type BufferMark, CommitBuffer } from './commit-buffer'
import { LOG_FORMAT_VERSION } from './format'
import { LogFile } from './log-file'
import { type Durability, type FullDurability, fullDurability, type LogOptions } from './log-options'
import type { LogEndState } from './recovery'
import {
  beingTakenBack,
  closedLog,
  ensureClaimable,
  fileNotSynced,
  logNotSynced,
  lostAtClose,
  notTakenBack,
  takenBack,
  unawaitedLost,
} from './refusals'
import { RepeatedFailure } from './repeated-failure'
import { type SyncOwner, SyncQueue } from './sync-queue'

/** The newest commit that a log holds, and its chain. */
type LoggedEnd = Pick<LogEndState, 'version' | 'checksum'>

const NOTHING_LOGGED: LoggedEnd = { version: 0, checksum: 0 }
/**
 * Records wait in memory for the end of the turn, but not more than this; nor does the first one, with which the heap
 * begins: what follows may be taken back, but never to a heap that has not begun.
 */
const MOST_PENDING_BYTES = 1 << 18
/** Records that could not be written are tried again so much later, and with each commit. */
const RETRY_MS = 100

/**
 * `open`: commits are accepted. `taking back`: awaited commits could not be written; none is accepted until the heap
 * shows the last one that was written. `failed`: the contents of the device are unknown, and no commit is accepted.
 */
type State = 'open' | 'taking back' | 'failed' | 'closed'

/**
 * Writes commits to the log and has them synced as its durability says. A commit is made (its record is in `pending`),
 * then written (up to `file.written`), then on the device (up to `syncs.synced`). If either fails, it is taken back.
 */
export class LogWriter implements Journal, SyncOwner {
  /** Why no commit is taken, unless the state is `open`. */
  refusal: SnapheapError | undefined
  private state: State = 'open'
  private readonly pending: CommitBuffer
  private readonly file: LogFile
  private readonly syncs: SyncQueue
  private readonly checkpoints: LogCheckpoints
  /** What is promised for the next commit. */
  private promise: FullDurability
  /** Records wait in memory until the commits that were not logged are in the heap's file. */
  private isHeld = false
  private flushing: NodeJS.Immediate | undefined
  private timer: Timer | undefined
  private readonly unwritten: RepeatedFailure
  /** The loss of commits that were not awaited and that the heap still shows: `close` reports it. */
  private lost: SnapheapError | undefined
  private readonly returnListeners = new Set<() => void>()
  private readonly origin: { readonly timeline: string; epoch: number }
  /** For versions that are not logged. */
  private readonly nextChain: () => number
  /** The newest version that was not logged, and where the log ended before it. */
  private gap: { readonly version: number; readonly before: LoggedEnd } | undefined

  constructor(
    private readonly options: LogOptions,
    end: LogEndState,
    /** Version of the heap, which may be beyond the log's end: what is between was never logged. */
    heapVersion: number,
    /** Of the heap's file. */
    root: FileRoot | undefined,
  ) {
    const place = heapVersion > end.version ? undefined : end.place
    const isAfterGap = place === undefined && heapVersion > 0
    const begin = { version: heapVersion, checksum: isAfterGap ? (root?.point?.chain ?? 0) : end.checksum }
    if (isAfterGap) this.gap = { version: heapVersion, before: end.place === undefined ? NOTHING_LOGGED : end }
    const epoch = Math.max(end.epoch, root?.point?.epoch ?? 0)
    this.origin = { timeline: end.timeline ?? newTimeline(options.world), epoch }
    this.nextChain = newChains(options.world)
    this.promise = fullDurability(options.durability)
    this.pending = new CommitBuffer(options.memory, options.partBytes, begin.version, begin.checksum)
    this.file = new LogFile(options, begin, place, this.origin, isAfterGap)
    // at once: the log ends before the file, or with commits of an earlier format or of another timeline
    if (end.place !== undefined && (end.timeline === undefined || end.place.formatVersion !== LOG_FORMAT_VERSION))
      this.file.beginNext()
    this.syncs = new SyncQueue(this.file, this)
    this.checkpoints = new LogCheckpoints(options, end.bytes)
    this.unwritten = new RepeatedFailure(options.onFailure)
  }

  get point(): HistoryPoint {
    const { checksum } = this.pending
    const logged = this.loggedEnd
    return { ...this.origin, chain: checksum, loggedVersion: logged.version, loggedChain: logged.checksum }
  }

  /** The newest commit up to now that the log holds, or will hold before a root of the heap's file names it. */
  private get loggedEnd(): LoggedEnd {
    const { gap, pending } = this
    return gap !== undefined && (this.isHeld || gap.version === pending.version) ? gap.before : pending
  }

  /** Every commit up to this version is on the device. */
  get syncedVersion(): number {
    return this.syncs.version
  }

  /** Log written since the last checkpoint began. */
  get bytesSinceCheckpoint(): number {
    return this.checkpoints.bytesSince
  }

  /** What is promised now. */
  get durability(): 'commit' | 'interval' | 'none' {
    return this.isHeld ? 'none' : this.promise.mode
  }

  /** Applies from the next commit on. Earlier commits that were not logged become durable with the next checkpoint. */
  setDurability(durability: Durability): void {
    this.promise = fullDurability(durability)
  }

  /**
   * Begins to log, but keeps the records in memory: the log after commits that were never logged can be read only once
   * the file holds these. Then `release`; or, where that or the file fails, `drop`.
   */
  hold(durability: Durability): void {
    this.setDurability(durability)
    this.isHeld = true
  }

  /** Writes the records that were held. Throws `IO`; then they are still held. */
  release(): void {
    this.isHeld = false
    try {
      this.flush()
    } catch (error) {
      this.isHeld = true
      throw error
    }
  }

  drop(): void {
    if (!this.isHeld) return
    const { point } = this
    this.isHeld = false
    this.setDurability('none')
    try {
      this.leaveSegment()
    } catch {} // the next commit is refused for the same reason
    this.skip(this.pending.version, point)
  }

  commit(version: number, changes: Changes, { annotation = '', sync = 'before', claimedEpoch }: CommitOptions): void {
    if (this.refusal !== undefined) throw this.refusal
    const isClaim = claimedEpoch !== undefined
    if (isClaim) ensureClaimable(this.options.path, claimedEpoch, this.origin.epoch, this.durability)
    if (this.promise.mode === 'none') {
      this.skip(version, this.prepareSkip())
      return
    }
    const { pending } = this
    const isPromised = isClaim || (this.durability === 'commit' && sync !== 'unawaited')
    if (isPromised && sync === 'after' && pending.isEmpty) this.file.ensureInPlace() // later, it is taken back
    const begun = pending.mark()
    let parts = 0 // in the file already
    try {
      const timeMs = this.options.world.nowMs() // as it is: readers put the times in order
      const { syncedVersion, origin } = this
      const facts = { version, syncedVersion, timeMs, epoch: claimedEpoch ?? origin.epoch, isClaim, annotation }
      pending.append(changes, facts, () => this.writePart(begun, parts++))
      if (this.isHeld) return
      if (isPromised && sync === 'before') {
        this.flush(parts > 0)
        this.syncs.syncNow()
        if (isClaim) origin.epoch = claimedEpoch // not before: a segment begun for the claim begins in the epoch before
      } else if (parts > 0 || pending.sizeBytes > MOST_PENDING_BYTES || version === 1) this.flush(parts > 0)
      else this.flushing ??= setImmediate(() => this.writePending())
      pending.noteWaiting(isPromised)
    } catch (error) {
      this.undo(begun)
      throw error
    }
  }

  /** Resolves when every commit so far is on the device. Calls at the same time share one sync. Throws `IO`. */
  sync(): Promise<void> {
    return this.durable(this.pending.version)
  }

  async durable(version: number): Promise<void> {
    if (this.refusal !== undefined) throw this.refusal
    if (version > this.pending.version) throw takenBack(version)
    const hasNothing = this.pending.isEmpty && this.syncs.unsyncedBytes === 0
    if (!this.isHeld && !hasNothing) await this.syncs.wait(version)
  }

  prepareSkip(): HistoryPoint {
    if (this.refusal !== undefined) throw this.refusal
    this.flush()
    this.leaveSegment()
    const { timeline, epoch } = this.origin
    const { version, checksum } = this.loggedEnd
    return { timeline, epoch, chain: this.nextChain(), loggedVersion: version, loggedChain: checksum }
  }

  skip(version: number, { chain, loggedVersion, loggedChain }: HistoryPoint): void {
    this.gap = { version, before: { version: loggedVersion, checksum: loggedChain } }
    this.file.skip(version, chain)
    this.pending.continueAt(this.file.written)
  }

  checkpointBegins(): void {
    if (this.refusal !== undefined) throw this.refusal
    this.checkpoints.begins()
  }

  async checkpointed(version: number): Promise<void> {
    this.syncs.isInFile(version)
    await this.checkpoints.done(version)
  }

  replacesFile(version: number): void {
    this.checkpoints.replacesFile(version)
  }

  refuse(cause: unknown): void {
    this.refusal = fileNotSynced(this.options.path, cause)
    this.state = 'failed'
    this.syncs.end(this.refusal)
  }

  /** Has nothing removed from the log until the function returned is called. */
  holdRemoval(): () => void {
    return this.options.pruner.hold()
  }

  /** Hands everything pending to the operating system. Throws `IO`; then it stays pending. */
  flush(isWithinCommit = false): void {
    clearImmediate(this.flushing)
    this.flushing = undefined
    const { pending, promise, file } = this
    if (pending.isEmpty || this.isHeld || this.refusal !== undefined) return
    this.append(pending.bytes, isWithinCommit)
    file.wrote(pending.version, pending.checksum)
    pending.clear()
    this.unwritten.isOver()
    if (promise.mode === 'interval') this.syncLater()
  }

  writePending(): void {
    try {
      this.flush()
    } catch (error) {
      this.couldNotWrite(error as SnapheapError)
    }
  }

  /** Writes the first parts of a large commit, which need not fit into memory, after the commits before it. */
  private writePart({ version, checksum, sizeBytes }: BufferMark, part: number): void {
    if (this.isHeld) return
    const { bytes } = this.pending
    const before = part === 0 ? sizeBytes : 0
    if (before > 0) {
      this.append(bytes.subarray(0, before))
      this.file.wrote(version, checksum)
    }
    this.append(bytes.subarray(before), part > 0)
    this.pending.clear()
  }

  private append(bytes: Uint8Array, isWithinCommit = false): void {
    if (this.file.isFull && !isWithinCommit) this.leaveSegment() // a commit lies in one segment
    this.file.append(bytes, this.syncs.synced, this.promise.mode === 'commit')
    this.checkpoints.bytesSince += bytes.length
  }

  /** Ends the segment; what it holds is on the device then. */
  private leaveSegment(): void {
    if (!this.file.isOpen) return
    this.file.ensureInPlace()
    this.syncs.syncNow()
    this.file.leave()
  }

  /** Begins a sync at half of the bytes that may be lost. At all of them, the turn waits for it. */
  private syncLater(): void {
    const { intervalMs, intervalBytes } = this.promise
    if (this.syncs.unsyncedBytes >= intervalBytes) this.syncs.syncNow()
    else if (this.syncs.unsyncedBytes >= intervalBytes / 2) this.syncBehind()
    else this.timer ??= this.options.world.after(intervalMs, () => this.syncBehind())
  }

  private syncBehind(): void {
    this.timer?.cancel()
    this.timer = undefined
    this.sync().catch(() => undefined) // it has been reported
  }

  /** Takes the commit back that was begun at the mark, of which the file may hold parts, but not the end. */
  private undo(begun: BufferMark): void {
    const { written } = this.file
    this.pending.reset(begun, written.version === begun.version)
    if (this.state === 'open') this.file.tryCutTo(written)
  }

  /** Records could not be written. All are taken back if one of their commits is awaited; else they are tried again. */
  private couldNotWrite(error: SnapheapError): void {
    const { pending, file, options } = this
    if (this.state !== 'open') return
    this.syncs.reject(file.written.version, error)
    if (pending.awaitedVersion > file.written.version) this.takeBack(error)
    else {
      this.unwritten.happened(error)
      this.timer?.cancel()
      this.timer = options.world.after(RETRY_MS, () => this.syncBehind())
    }
  }

  private takeBack(cause: SnapheapError): void {
    const { pending, file, options } = this
    const { written } = file
    try {
      file.cutTo(written) // records that arrived whole before the write failed must not come back
    } catch (error) {
      this.fail(logNotSynced(options.folder, error))
      return
    }
    this.state = 'taking back'
    this.refusal = beingTakenBack(options.folder, cause)
    if (pending.unawaitedVersion > written.version) this.lose(unawaitedLost(options.folder, written.version, cause))
    pending.continueAt(written)
    options.onTakenBack()
  }

  syncFailed(cause: unknown): SnapheapError {
    if (this.state === 'failed') return this.refusal!
    return this.fail(cause instanceof SnapheapError ? cause : logNotSynced(this.options.folder, cause))
  }

  /** No commit is taken any more, and the log ends where it is on the device. */
  private fail(refusal: SnapheapError): SnapheapError {
    const { pending, file, syncs, options } = this
    this.state = 'failed'
    this.refusal = refusal
    if (pending.unawaitedVersion > syncs.version) this.lose(refusal)
    syncs.end(refusal)
    pending.continueAt(syncs.synced)
    try {
      options.ensureWriter() // or another process may be writing there
      file.tryCutTo(syncs.synced) // after a failed sync the system may count the page as written
      file.sync()
    } catch {} // a power cut may then bring rejected commits back: the contents of the device are unknown
    options.onTakenBack()
    return refusal
  }

  private lose(error: SnapheapError): void {
    this.lost = error
    this.options.onFailure(error)
  }

  /** Calls `listener` after commits were taken back and the heap shows an earlier version. Returns what ends it. */
  onReturned(listener: () => void): () => void {
    this.returnListeners.add(listener)
    return () => this.returnListeners.delete(listener)
  }

  /** The version that the heap is to show once it has returned. */
  get keptVersion(): number {
    return this.state === 'failed' ? this.syncedVersion : this.file.written.version
  }

  /** The heap shows `keptVersion`, or could not return to it. */
  returned(failure: SnapheapError | undefined): void {
    if (failure !== undefined) this.options.onFailure(failure)
    if (this.state === 'taking back') {
      if (failure !== undefined) this.fail(notTakenBack(this.options.folder, failure))
      else {
        this.state = 'open'
        this.refusal = this.lost = undefined
      }
    }
    if (failure === undefined) for (const listener of [...this.returnListeners]) listener()
  }

  /** Waits for a sync under way, writes and syncs what is pending, and ends. */
  async close(): Promise<void> {
    if (this.state === 'closed') return
    if (this.syncs.isRunning) await this.syncs.idle()
    this.attemptLast(() => this.flush())
    this.attemptLast(() => this.syncs.syncLast())
    this.timer?.cancel()
    clearImmediate(this.flushing)
    const { lost } = this
    this.state = 'closed'
    this.refusal = closedLog()
    this.file.close()
    this.syncs.end(lost ?? this.refusal)
    if (lost !== undefined) throw lostAtClose(this.options.path, this.syncedVersion, lost)
  }

  private attemptLast(work: () => void): void {
    try {
      if (this.state === 'open') work()
    } catch (error) {
      this.lost = error as SnapheapError
    }
  }
}
