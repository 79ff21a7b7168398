import { dirname, join } from 'node:path'
import { SnapheapError } from '../errors'
import type { Changes } from '../heap/changes'
import type { Files } from '../heap/files'
import type { CommitOptions, Journal } from '../heap/journal'
import type { Memory } from '../heap/memory'
import { ioError } from '../heap/pool-file'
import { baseName, encodeSegmentHeader, SEGMENT, segmentName } from './format'
import { RecordBuffer } from './record'
import type { LogEndState } from './recovery'
import { keepsHistory, prune, type Retention } from './retention'

/**
 * When a commit is on the device. `commit`: before `write` returns. `interval`: at most so many milliseconds, or so many
 * bytes of log, after it. `none`: with the next checkpoint; nothing is logged.
 */
export type Durability = 'commit' | 'interval' | 'none' | { readonly everyMs?: number; readonly everyBytes?: number }

export interface LogOptions {
  readonly memory: Memory
  readonly files: Files
  /** Of the heap's file. */
  readonly path: string
  readonly folder: string
  readonly heapId: Uint8Array
  readonly durability: Durability
  readonly retention: Retention
  /** A segment is ended when it is larger. */
  readonly segmentBytes: number
  /** Hears of a failure of what was done in the background. */
  readonly onFailure: (error: SnapheapError) => void
}

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
  private fd: number | undefined
  private position = 0
  /** Checksum of the last record in the file. */
  private writtenChecksum: number
  private isAfterGap: boolean
  private unsyncedBytes = 0
  /** After a failed sync nobody knows what is on the device. */
  private failure: SnapheapError | undefined
  private running: Promise<void> | undefined
  private flushing: NodeJS.Immediate | undefined
  private timer: NodeJS.Timeout | undefined
  private everyMs = 0
  private everyBytes = 0
  private mode!: 'commit' | 'interval' | 'none'
  private previousCheckpoint: number

  constructor(
    private readonly options: LogOptions,
    end: LogEndState,
    /** Version of the heap, which may be beyond the log's end: what is between was never logged. */
    heapVersion: number,
    checkpointVersion: number,
  ) {
    this.buffer = new RecordBuffer(options.memory)
    this.version = this.writtenVersion = this.syncedVersion = heapVersion
    this.timeMs = end.timeMs
    this.isAfterGap = heapVersion > end.version || (heapVersion > 0 && end.place === undefined)
    this.buffer.checksum = this.writtenChecksum = this.isAfterGap ? 0 : end.checksum
    this.previousCheckpoint = checkpointVersion
    this.setDurability(options.durability)
    if (end.place === undefined || this.isAfterGap) return
    this.fd = this.attempt('open', () => options.files.open(end.place!.path, 'r+'))
    this.position = end.place.offsetBytes
    this.unsyncedBytes = 1 // a process that ended before the sync may have left more than the device has
    this.syncNow()
  }

  get durability(): 'commit' | 'interval' | 'none' {
    return this.mode
  }

  /** Applies from the next commit on. What was not logged before is durable with the next checkpoint. */
  setDurability(durability: Durability): void {
    this.mode = typeof durability === 'string' ? durability : 'interval'
    const given = typeof durability === 'string' ? {} : durability
    this.everyMs = given.everyMs ?? DEFAULT_INTERVAL_MS
    this.everyBytes = given.everyBytes ?? DEFAULT_INTERVAL_BYTES
  }

  commit(version: number, changes: Changes, { annotation = '', sync = true }: CommitOptions): void {
    if (this.failure !== undefined) throw this.failure
    if (this.mode === 'none') {
      this.skip(version)
      return
    }
    const mark = this.buffer.mark()
    const before = this.buffer.sizeBytes
    let size = 0
    const { timeMs } = this
    this.timeMs = Math.max(timeMs, Date.now())
    try {
      this.buffer.append(changes, { version, syncedVersion: this.syncedVersion, timeMs: this.timeMs, annotation })
      this.version = version
      if (this.mode === 'commit' && sync) {
        size = this.buffer.sizeBytes - before
        this.flush()
        this.syncNow()
      } else if (this.buffer.sizeBytes > MOST_PENDING_BYTES) this.flush()
      else this.flushSoon()
    } catch (error) {
      this.takeBack(mark, size, version - 1)
      this.timeMs = timeMs
      throw error
    }
  }

  /** Resolves when every commit so far is on the device. Calls at the same time share one sync. Throws `IO`. */
  async sync(): Promise<void> {
    const target = this.version
    while (this.syncedVersion < target) {
      if (this.failure !== undefined) throw this.failure
      this.running ??= this.syncOnce().finally(() => {
        this.running = undefined
      })
      await this.running
    }
  }

  checkpointBegins(): void {
    this.bytesAtCheckpoint = this.bytesSinceCheckpoint
  }

  checkpointed(version: number): void {
    this.bytesSinceCheckpoint -= this.bytesAtCheckpoint
    if (version > this.syncedVersion && this.mode === 'none') this.syncedVersion = version
    const { memory, files, path, folder, retention } = this.options
    const keepFrom = this.previousCheckpoint
    this.previousCheckpoint = version
    this.attempt('prune', () => prune(memory, files, path, folder, keepFrom, retention))
  }

  replacesFile(version: number): void {
    const { files, path, folder, retention } = this.options
    const kept = join(folder, baseName(version))
    if (!keepsHistory(retention) || !files.exists(path) || files.exists(kept)) return
    this.attempt('keep', () => {
      files.makeFolder(folder)
      files.link(path, kept)
    })
  }

  /** Writes and syncs what is pending, and ends. */
  close(): void {
    clearTimeout(this.timer)
    clearImmediate(this.flushing)
    try {
      if (this.failure === undefined && this.buffer.sizeBytes > 0) this.flush()
      if (this.failure === undefined && this.fd !== undefined && this.unsyncedBytes > 0) this.syncNow()
    } catch (error) {
      this.options.onFailure(error as SnapheapError)
    }
    if (this.fd !== undefined) this.options.files.close(this.fd)
    this.fd = undefined
  }

  /** A commit that is not logged: the log goes on after a gap. */
  private skip(version: number): void {
    if (this.buffer.sizeBytes > 0) this.flush()
    this.leaveSegment()
    this.version = this.writtenVersion = version
    this.buffer.checksum = this.writtenChecksum = 0
    this.isAfterGap = true
  }

  /** Hands everything pending to the operating system. Throws `IO`. */
  flush(): void {
    clearImmediate(this.flushing)
    this.flushing = undefined
    const { bytes } = this.buffer
    if (bytes.length === 0) return
    const { files, segmentBytes } = this.options
    if (this.fd !== undefined && this.position > segmentBytes) this.leaveSegment()
    if (this.fd === undefined) this.beginSegment()
    this.attempt('write', () => files.write(this.fd!, bytes, this.position))
    this.position += bytes.length
    this.unsyncedBytes += bytes.length
    this.bytesSinceCheckpoint += bytes.length
    this.writtenVersion = this.version
    this.writtenChecksum = this.buffer.checksum
    this.buffer.clear()
    if (this.mode === 'interval') this.syncLater()
  }

  private flushSoon(): void {
    this.flushing ??= setImmediate(() => {
      this.flushing = undefined
      this.inBackground(() => this.flush())
    })
  }

  private syncLater(): void {
    if (this.unsyncedBytes >= this.everyBytes) {
      clearTimeout(this.timer)
      this.timer = undefined
      this.sync().catch(this.options.onFailure)
      return
    }
    if (this.timer !== undefined) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.sync().catch(this.options.onFailure)
    }, this.everyMs)
    this.timer.unref()
  }

  private syncNow(): void {
    const { files } = this.options
    try {
      files.sync(this.fd!)
    } catch (error) {
      throw this.fail(error)
    }
    this.unsyncedBytes = 0
    this.syncedVersion = this.writtenVersion
  }

  private async syncOnce(): Promise<void> {
    await new Promise(setImmediate) // whoever commits in this turn shares it
    if (this.failure !== undefined) throw this.failure
    this.flush()
    const { fd, writtenVersion, unsyncedBytes } = this
    if (fd !== undefined && unsyncedBytes > 0) {
      try {
        await this.options.files.syncBeside(fd)
      } catch (error) {
        if (this.fd === fd) throw this.fail(error)
      }
    }
    this.unsyncedBytes -= Math.min(this.unsyncedBytes, unsyncedBytes)
    this.syncedVersion = Math.max(this.syncedVersion, writtenVersion)
  }

  private beginSegment(): void {
    const { files, folder, memory, heapId } = this.options
    const path = join(folder, segmentName(this.writtenVersion))
    const header = encodeSegmentHeader(memory, {
      heapId,
      baseVersion: this.writtenVersion,
      baseChecksum: this.writtenChecksum,
      isAfterGap: this.isAfterGap,
    })
    this.fd = this.attempt('begin', () => {
      const isNew = !files.exists(folder)
      files.makeFolder(folder)
      const fd = files.open(path, 'wx+')
      try {
        files.write(fd, header, 0)
        memory.syncFolder(folder)
        if (isNew) memory.syncFolder(dirname(folder))
      } catch (error) {
        files.close(fd)
        files.remove(path)
        throw error
      }
      return fd
    })
    this.isAfterGap = false
    this.position = SEGMENT.sizeBytes
  }

  /** Ends the segment; what it holds is on the device then. */
  private leaveSegment(): void {
    if (this.fd === undefined) return
    if (this.unsyncedBytes > 0) this.syncNow()
    this.options.files.close(this.fd)
    this.fd = undefined
  }

  /** Takes the last commit back, whether its `sizeBytes` are in the file already or not. */
  private takeBack(mark: { count: number; checksum: number }, sizeBytes: number, version: number): void {
    this.version = version
    if (this.writtenVersion > version) {
      this.writtenVersion = version
      this.writtenChecksum = this.buffer.checksum = mark.checksum
      this.position -= sizeBytes
    } else this.buffer.reset(mark)
    if (this.fd === undefined) return
    try {
      this.options.files.truncate(this.fd, this.position) // what is behind must not be taken for a commit
    } catch {} // the next record is written over it, and does not continue what is left of it
  }

  private fail(error: unknown): SnapheapError {
    const cause = ioError('sync', this.options.folder, error)
    this.failure = new SnapheapError(
      'IO',
      `The log in ${this.options.folder} could not be synced (${cause.details.systemCode ?? cause.message}), so it is not known what the device holds. Close the database, mend the cause and open it again.`,
      cause.details as Record<string, unknown>,
      error,
    )
    return this.failure
  }

  private inBackground(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.options.onFailure(error as SnapheapError)
    }
  }

  private attempt<T>(what: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw ioError(what, this.options.folder, error)
    }
  }
}
