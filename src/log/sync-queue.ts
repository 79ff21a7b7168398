import type { SnapheapError } from '../errors'
import type { LogFile } from './log-file'
import type { LogPosition } from './segment-file'

interface Waiter {
  readonly version: number
  resolve(): void
  reject(error: SnapheapError): void
}

/** What the queue asks of its owner. */
export interface SyncOwner {
  /** Writes what is pending, before a sync, and rejects the waiters of what cannot be written. Must not throw. */
  writePending(): void
  /** A sync has failed, or the log is not where it was: ends the queue. Returns the error for who asked. */
  syncFailed(cause: unknown): SnapheapError
}

/**
 * Tracks how much of the log is on the device, and which calls wait for it. Syncs on another thread run one at a time;
 * calls during one share the next. A synchronous sync may overtake one: each covers the bytes written before it
 * began.
 */
export class SyncQueue {
  /** Up to where the log is on the device. */
  synced: LogPosition
  private waiters: Waiter[] = []
  private running: Promise<void> | undefined
  private hasEnded = false
  /** The heap's file holds everything up to this version, durably. */
  private fileVersion = 0

  constructor(
    private readonly file: LogFile,
    private readonly owner: SyncOwner,
  ) {
    this.synced = file.written
  }

  get unsyncedBytes(): number {
    return this.file.bytes - this.synced.bytes
  }

  /** Everything up to this version is on the device. */
  get version(): number {
    return Math.max(this.synced.version, this.fileVersion)
  }

  /** Whether a sync is under way, or is about to begin. */
  get isRunning(): boolean {
    return this.running !== undefined
  }

  /** Resolves when everything up to `version` is on the device. */
  wait(version: number): Promise<void> {
    if (version <= this.version) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.waiters.push({ version, resolve, reject })
      this.running ??= this.run()
    })
  }

  /**
   * Returns when everything that is written is on the device. Throws what `syncFailed` returns. The caller has just
   * made sure that the log is where it will be looked for.
   */
  syncNow(): void {
    if (this.unsyncedBytes === 0) return
    try {
      this.file.sync()
      this.advance(this.file.written)
    } catch (error) {
      throw this.owner.syncFailed(error)
    }
  }

  /** The same for what may have been written some time ago. */
  syncLast(): void {
    if (this.unsyncedBytes > 0) this.file.ensureSegment()
    this.syncNow()
  }

  isInFile(version: number): void {
    this.fileVersion = Math.max(this.fileVersion, version)
  }

  /** Rejects everybody who waits for a version beyond one; soon, when the heap does not show it any more. */
  reject(beyond: number, error: SnapheapError): void {
    const rejected = this.waiters.filter(({ version }) => version > beyond)
    this.waiters = this.waiters.filter(({ version }) => version <= beyond)
    if (rejected.length === 0) return
    setImmediate(() => {
      for (const waiter of rejected) waiter.reject(error)
    })
  }

  /** Rejects everybody. Nothing counts as synced any more, not by a sync under way either. */
  end(error: SnapheapError): void {
    this.hasEnded = true
    this.reject(Number.NEGATIVE_INFINITY, error)
  }

  /** Resolves when no sync is under way. */
  async idle(): Promise<void> {
    await this.running
  }

  private async run(): Promise<void> {
    while (this.waiters.length > 0) {
      await new Promise(setImmediate) // who commits in this turn shares the sync
      this.owner.writePending()
      if (this.waiters.length === 0) break
      const { written } = this.file
      try {
        if (this.unsyncedBytes > 0) await this.file.syncAsync()
        if (this.hasEnded) continue
        if (written.bytes > this.synced.bytes) this.file.ensureSegment() // it was written some time ago
        this.advance(written)
      } catch (error) {
        this.owner.syncFailed(error)
      }
    }
    this.running = undefined
  }

  /** Notes that everything up to a position is on the device, and resolves its waiters. */
  private advance(position: LogPosition): void {
    if (position.bytes > this.synced.bytes) {
      this.file.isOnDevice(position)
      this.synced = position
    }
    if (this.waiters.length === 0) return
    const reached = this.waiters.filter(({ version }) => version <= position.version)
    this.waiters = this.waiters.filter(({ version }) => version > position.version)
    for (const waiter of reached) waiter.resolve()
  }
}
