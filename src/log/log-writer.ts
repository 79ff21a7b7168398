import { join } from 'node:path'
import { SnapheapError } from '../errors'
import type { Changes } from '../heap/changes'
import type { FileRoot } from '../heap/file-format'
import { type HistoryPoint, newChain, newTimeline } from '../heap/history-point'
import type { CommitOptions, Journal } from '../heap/journal'
import { ioError } from '../heap/pool-file'
import type { Timer } from '../heap/world'
import { encodeSegmentHeader, LOG_FORMAT_VERSION, segmentName } from './format'
import type { Durability, LogOptions } from './log-options'
import { RecordBuffer } from './record'
import type { LogEndState } from './recovery'
import { fileNotSynced, logNotSynced } from './refusals'
import { keepBase, keepsHistory } from './retention'
import { SegmentFile } from './segment-file'

const DEFAULT_INTERVAL_MS = 100
const DEFAULT_INTERVAL_BYTES = 1 << 20
/** Records wait in memory for the end of the turn, but not more than this. */
const MOST_PENDING_BYTES = 1 << 18

/** Writes commits to the log's segments and has them synced as its durability says. */
export class LogWriter implements Journal {
  /** Everything up to this version is on the device. */
  syncedVersion: number
  /** Log since the last checkpoint began, in this session or before it. */
  bytesSinceCheckpoint = 0
  private bytesAtCheckpoint = 0
  private readonly buffer: RecordBuffer
  private version: number
  private writtenVersion: number
  private readonly segment: SegmentFile
  /** Where in the file the commit being written begins, once any of it is there. */
  private commitStart: number | undefined
  /** The file ends within a commit, the rest of which is in the buffer: a commit lies in one segment. */
  private endsInParts = false
  /** Checksum of the last record in the file. */
  private writtenChecksum: number
  private isAfterGap: boolean
  private timeline: string
  private epoch: number
  /** The newest version that the log leads to, and its chain; both 0 without a log. */
  private logged: { version: number; chain: number }
  /** After a failed sync nobody knows what is on the device. */
  private failure: SnapheapError | undefined
  private running: Promise<void> | undefined
  private flushing: NodeJS.Immediate | undefined
  private timer: Timer | undefined
  private everyMs = 0
  private everyBytes = 0
  private mode!: 'commit' | 'interval' | 'none'
  /** Records wait in memory until the file holds what was not logged. */
  private isHeld = false
  private isClosed = false

  constructor(
    private readonly options: LogOptions,
    end: LogEndState,
    /** Version of the heap, which may be beyond the log's end: what is between was never logged. */
    heapVersion: number,
    /** Of the file. */
    root: FileRoot | undefined,
  ) {
    this.buffer = new RecordBuffer(options.memory, options.partBytes)
    this.segment = new SegmentFile(options.memory, options.files, options.segmentBytes)
    this.version = this.writtenVersion = this.syncedVersion = heapVersion
    this.bytesSinceCheckpoint = end.bytes
    this.isAfterGap = heapVersion > end.version || (heapVersion > 0 && end.place === undefined)
    const rootChain = root?.point?.chain ?? 0
    this.buffer.checksum = this.writtenChecksum = this.isAfterGap ? rootChain : end.checksum
    this.timeline = end.timeline ?? newTimeline(options.world)
    this.epoch = Math.max(end.epoch, root?.point?.epoch ?? 0)
    this.logged = { version: end.place === undefined ? 0 : end.version, chain: end.checksum }
    this.setDurability(options.durability)
    if (end.place === undefined || this.isAfterGap) {
      if (end.place !== undefined && end.timeline === undefined) this.beginSegment() // the log ends before the file from now on
      return
    }
    const { path, offsetBytes, formatVersion } = end.place
    this.attempt('open', () => this.segment.open(path, offsetBytes))
    try {
      this.segment.syncFound(options.folder)
    } catch (error) {
      throw logNotSynced(options.folder, error)
    }
    if (formatVersion === LOG_FORMAT_VERSION && end.timeline !== undefined) return
    this.leaveSegment()
    this.beginSegment()
  }

  get point(): HistoryPoint {
    const { timeline, epoch, logged } = this
    return { timeline, epoch, chain: this.buffer.checksum, loggedVersion: logged.version, loggedChain: logged.chain }
  }

  get refusal(): SnapheapError | undefined {
    return this.failure
  }

  /** What is promised now. */
  get durability(): 'commit' | 'interval' | 'none' {
    return this.isHeld ? 'none' : this.mode
  }

  /** Applies from the next commit on. What was not logged before is durable with the next checkpoint. */
  setDurability(durability: Durability): void {
    this.mode = typeof durability === 'string' ? durability : 'interval'
    const given = typeof durability === 'string' ? {} : durability
    this.everyMs = given.everyMs ?? DEFAULT_INTERVAL_MS
    this.everyBytes = given.everyBytes ?? DEFAULT_INTERVAL_BYTES
  }

  /**
   * Begins to log, but keeps the records in memory: the log after commits that were never logged can be read only once the
   * file holds these. Then `release`; or, where the file cannot be made to, `drop`.
   */
  hold(durability: Durability): void {
    this.setDurability(durability)
    this.isHeld = true
  }

  /** Writes what was held. Throws `IO`. */
  release(): void {
    this.isHeld = false
    if (this.buffer.sizeBytes > 0) this.logged = { version: this.version, chain: this.buffer.checksum }
    this.flush()
  }

  drop(): void {
    if (!this.isHeld) return
    this.isHeld = false
    this.mode = 'none'
    this.skip(this.version, this.point)
  }

  commit(version: number, changes: Changes, { annotation = '', sync = true }: CommitOptions): void {
    if (this.failure !== undefined) throw this.failure
    if (this.mode === 'none') {
      this.skip(version, this.prepareSkip())
      return
    }
    const begun = { mark: this.buffer.mark(), before: this.buffer.sizeBytes, logged: this.logged }
    const timeMs = this.options.world.nowMs() // as it is: those who read times put them in order
    const { syncedVersion, epoch } = this
    const facts = { version, syncedVersion, timeMs, epoch, isClaim: false, annotation }
    try {
      this.commitStart = undefined
      this.buffer.append(changes, facts, () => this.writePart(begun.before, version - 1, begun.mark.checksum))
      this.version = version
      if (this.isHeld) return
      this.logged = { version, chain: this.buffer.checksum }
      if (this.mode === 'commit' && sync) {
        this.flush(begun.before)
        this.syncNow()
      } else if (this.buffer.sizeBytes > MOST_PENDING_BYTES) this.flush(begun.before)
      else this.flushSoon()
    } catch (error) {
      this.takeBack(begun, version - 1)
      throw error
    }
  }

  /** Resolves when every commit so far is on the device. Calls at the same time share one sync. Throws `IO`. */
  async sync(): Promise<void> {
    const target = this.version
    if (this.failure !== undefined) throw this.failure // commits that it took back may still be shown
    while (this.syncedVersion < target) {
      if (this.isClosed) throw new SnapheapError('CLOSED', 'The database is closed. Open it again.')
      this.running ??= this.syncOnce().finally(() => {
        this.running = undefined
      })
      await this.running
    }
  }

  prepareSkip(): HistoryPoint {
    if (this.failure !== undefined) throw this.failure
    this.flush()
    this.leaveSegment()
    return { ...this.point, chain: newChain(this.options.world) }
  }

  /** A commit that is not logged: the log goes on after a gap. */
  skip(version: number, { chain }: HistoryPoint): void {
    this.buffer.clear()
    this.version = this.writtenVersion = version
    this.buffer.checksum = this.writtenChecksum = chain
    this.isAfterGap = true
  }

  checkpointBegins(): void {
    if (this.failure !== undefined) throw this.failure
    this.bytesAtCheckpoint = this.bytesSinceCheckpoint
  }

  async checkpointed(version: number): Promise<void> {
    this.bytesSinceCheckpoint -= this.bytesAtCheckpoint
    this.syncedVersion = Math.max(this.syncedVersion, version)
    await this.options.pruner.checkpointed(version)
  }

  /** Has nothing removed from the log until the function returned is called. */
  holdRemoval(): () => void {
    return this.options.pruner.hold()
  }

  replacesFile(version: number): void {
    const { files, path, folder, retention } = this.options
    if (keepsHistory(retention)) this.attempt('keep', () => keepBase(files, path, folder, version))
  }

  /** Writes and syncs what is pending, and ends. */
  close(): void {
    try {
      if (this.failure === undefined && this.buffer.sizeBytes > 0) this.flush()
      if (this.failure === undefined && this.segment.isOpen && this.segment.unsyncedBytes > 0) this.syncNow()
      this.segment.dropZeros()
    } catch (error) {
      this.options.onFailure(error as SnapheapError)
    }
    this.isClosed = true
    this.timer?.cancel()
    clearImmediate(this.flushing)
    this.segment.close()
  }

  /** Hands everything pending to the operating system. Throws `IO`. */
  flush(bytesBeforeCommit = 0): void {
    clearImmediate(this.flushing)
    this.flushing = undefined
    if (this.buffer.sizeBytes === 0 || this.isHeld || this.isClosed || this.failure !== undefined) return
    this.writeBuffer(bytesBeforeCommit)
    this.endsInParts = false
    this.writtenVersion = this.version
    this.writtenChecksum = this.buffer.checksum
    if (this.mode === 'interval') this.syncLater()
  }

  /** Writes what there is of a large commit, so that it need not all be in memory. `version` and `checksum` are those before it. */
  private writePart(bytesBeforeCommit: number, version: number, checksum: number): void {
    if (this.isHeld) return
    this.writeBuffer(bytesBeforeCommit)
    this.endsInParts = true
    this.writtenVersion = version
    this.writtenChecksum = checksum
  }

  private writeBuffer(bytesBeforeCommit: number): void {
    const { bytes } = this.buffer
    const { segment } = this
    if (segment.isOpen && !this.endsInParts && segment.isFull) this.leaveSegment()
    if (!segment.isOpen) this.beginSegment()
    const start = segment.position
    this.attempt('write', () => segment.write(bytes, this.mode === 'commit'))
    this.commitStart ??= start + bytesBeforeCommit
    this.bytesSinceCheckpoint += bytes.length
    this.buffer.clear()
  }

  private flushSoon(): void {
    this.flushing ??= setImmediate(() => {
      this.flushing = undefined
      try {
        this.flush()
      } catch (error) {
        this.options.onFailure(error as SnapheapError)
      }
    })
  }

  /** Has a sync begin when half of what may be lost is reached; where the turn leaves it no chance, all of it is the end. */
  private syncLater(): void {
    if (this.segment.unsyncedBytes >= this.everyBytes) {
      this.syncNow()
      return
    }
    if (this.segment.unsyncedBytes >= this.everyBytes / 2) this.syncBehind()
    else this.timer ??= this.options.world.after(this.everyMs, () => this.syncBehind())
  }

  private syncBehind(): void {
    this.timer?.cancel()
    this.timer = undefined
    this.sync().catch(this.options.onFailure)
  }

  private syncNow(): void {
    try {
      this.segment.sync()
    } catch (error) {
      throw this.fail(error)
    }
    this.syncedVersion = Math.max(this.syncedVersion, this.writtenVersion)
  }

  private async syncOnce(): Promise<void> {
    await new Promise(setImmediate) // whoever commits in this turn shares it
    if (this.failure !== undefined) throw this.failure
    this.flush()
    const { writtenVersion, segment } = this
    const { written } = segment
    try {
      await segment.syncBeside(written)
    } catch (error) {
      // also where the segment was left meanwhile: the sync at leaving it need not be told of what this one was
      if (!this.isClosed) throw this.fail(error)
    }
    if (this.failure !== undefined) throw this.failure // another sync has failed meanwhile, and what this one was for is cut off
    segment.synced(written)
    this.syncedVersion = Math.max(this.syncedVersion, writtenVersion)
  }

  private beginSegment(): void {
    const { folder, memory, heapId } = this.options
    const path = join(folder, segmentName(this.writtenVersion))
    const header = encodeSegmentHeader(memory, {
      heapId,
      baseVersion: this.writtenVersion,
      baseChecksum: this.writtenChecksum,
      isAfterGap: this.isAfterGap,
      timeline: this.timeline,
      epoch: this.epoch,
    })
    this.attempt('begin', () => this.segment.begin(path, header))
    this.isAfterGap = false
  }

  /** Ends the segment; what it holds is on the device then. */
  private leaveSegment(): void {
    if (!this.segment.isOpen) return
    if (this.segment.unsyncedBytes > 0) this.syncNow()
    this.segment.leave(this.running)
  }

  /** Takes the commit back that was begun last, whether any of it is in the file already or not. */
  private takeBack(
    { mark, logged }: { mark: { count: number; checksum: number }; logged: LogWriter['logged'] },
    version: number,
  ): void {
    this.version = version
    this.logged = logged
    if (this.failure !== undefined) return // nothing is left of it in the log
    const { segment } = this
    if (this.commitStart === undefined) {
      this.buffer.reset(mark)
      segment.cut(segment.position)
    } else {
      this.buffer.clear()
      this.endsInParts = false
      this.writtenVersion = version
      this.writtenChecksum = this.buffer.checksum = mark.checksum
      segment.cut(this.commitStart)
    }
  }

  refuse(cause: unknown): void {
    this.failure = fileNotSynced(this.options.path, cause)
  }

  private fail(error: unknown): SnapheapError {
    this.failure = logNotSynced(this.options.folder, error)
    // a page whose sync failed may count as written from then on: nothing must ever be built upon it
    this.segment.cutUnsynced()
    this.options.onUnsynced()
    return this.failure
  }

  private attempt<T>(what: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw ioError(what, this.options.folder, error)
    }
  }
}
