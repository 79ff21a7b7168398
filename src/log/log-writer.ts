import { join } from 'node:path'
import { SnapheapError } from '../errors'
import type { Changes } from '../heap/changes'
import type { CommitOptions, Journal } from '../heap/journal'
import { ioError } from '../heap/pool-file'
import type { Timer } from '../heap/world'
import { encodeSegmentHeader, segmentName } from './format'
import type { Durability, LogOptions } from './log-options'
import { RecordBuffer } from './record'
import type { LogEndState } from './recovery'
import { fileNotSynced, logNotSynced } from './refusals'
import { keepBase, keepsHistory, prune } from './retention'
import { SegmentFile } from './segment-file'

const DEFAULT_INTERVAL_MS = 100
const DEFAULT_INTERVAL_BYTES = 1 << 20
/** Records wait in memory for the end of the turn, but not more than this. */
const MOST_PENDING_BYTES = 1 << 18

/** Writes commits to the log's segments and has them synced as its durability says. */
export class LogWriter implements Journal {
  /** Everything up to this version is on the device. */
  syncedVersion: number
  /** Log written since the last checkpoint began. */
  bytesSinceCheckpoint = 0
  private bytesAtCheckpoint = 0
  private readonly buffer: RecordBuffer
  private version: number
  private writtenVersion: number
  private timeMs: number
  private readonly segment: SegmentFile
  /** Where in the file the commit being written begins, once any of it is there. */
  private commitStart: number | undefined
  /** The file ends within a commit, the rest of which is in the buffer: a commit lies in one segment. */
  private endsInParts = false
  /** Checksum of the last record in the file. */
  private writtenChecksum: number
  private isAfterGap: boolean
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
  private previousCheckpoint: number

  constructor(
    private readonly options: LogOptions,
    end: LogEndState,
    /** Version of the heap, which may be beyond the log's end: what is between was never logged. */
    heapVersion: number,
    checkpointVersion: number,
  ) {
    this.buffer = new RecordBuffer(options.memory, options.partBytes)
    this.segment = new SegmentFile(options.memory, options.files, options.segmentBytes)
    this.version = this.writtenVersion = this.syncedVersion = heapVersion
    this.timeMs = end.timeMs
    this.isAfterGap = heapVersion > end.version || (heapVersion > 0 && end.place === undefined)
    this.buffer.checksum = this.writtenChecksum = this.isAfterGap ? 0 : end.checksum
    this.previousCheckpoint = checkpointVersion
    this.setDurability(options.durability)
    if (end.place === undefined || this.isAfterGap) return
    const { path, offsetBytes } = end.place
    this.attempt('open', () => this.segment.open(path, offsetBytes))
    try {
      this.segment.syncFound(options.folder)
    } catch (error) {
      throw logNotSynced(options.folder, error)
    }
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
    this.flush()
  }

  drop(): void {
    if (!this.isHeld) return
    this.isHeld = false
    this.mode = 'none'
    this.skip(this.version)
  }

  commit(version: number, changes: Changes, { annotation = '', sync = true }: CommitOptions): void {
    if (this.failure !== undefined) throw this.failure
    if (this.mode === 'none') {
      this.prepareSkip()
      this.skip(version)
      return
    }
    const begun = { mark: this.buffer.mark(), before: this.buffer.sizeBytes, timeMs: this.timeMs }
    this.timeMs = Math.max(this.timeMs, this.options.world.nowMs())
    const facts = { version, syncedVersion: this.syncedVersion, timeMs: this.timeMs, annotation }
    try {
      this.commitStart = undefined
      this.buffer.append(changes, facts, () => this.writePart(begun.before, version - 1, begun.mark.checksum))
      this.version = version
      if (this.isHeld) return
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

  prepareSkip(): void {
    if (this.failure !== undefined) throw this.failure
    this.flush()
    this.leaveSegment()
  }

  /** A commit that is not logged: the log goes on after a gap. */
  skip(version: number): void {
    this.buffer.clear()
    this.version = this.writtenVersion = version
    this.buffer.checksum = this.writtenChecksum = 0
    this.isAfterGap = true
  }

  checkpointBegins(): void {
    if (this.failure !== undefined) throw this.failure
    this.bytesAtCheckpoint = this.bytesSinceCheckpoint
  }

  async checkpointed(version: number): Promise<void> {
    this.bytesSinceCheckpoint -= this.bytesAtCheckpoint
    this.syncedVersion = Math.max(this.syncedVersion, version)
    const { memory, files, world, path, folder, retention } = this.options
    const keepFrom = this.previousCheckpoint
    this.previousCheckpoint = version
    try {
      await prune(memory, files, world, path, folder, keepFrom, retention)
    } catch (error) {
      throw ioError('prune', folder, error)
    }
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
      if (this.failure === undefined) this.segment.dropZeros()
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
    this.ensureWriter()
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
  private takeBack(begun: { mark: { count: number; checksum: number }; timeMs: number }, version: number): void {
    const { mark, timeMs } = begun
    this.version = version
    this.timeMs = timeMs
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

  /** Before anything is written: what is in the log may be another process's by now, and stays as it is. */
  private ensureWriter(): void {
    try {
      this.options.ensureWriter()
    } catch (error) {
      this.failure = error as SnapheapError
      throw error
    }
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
