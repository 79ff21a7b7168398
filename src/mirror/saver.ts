import type { Store } from '../db/store'
import { isBusy } from './commit'
import { type Lsn, NO_LSN } from './lsn'
import type { Session } from './session'
import { readState } from './state'

/**
 * Progress without changes is written down only after this much log: the server removes log in files of this size, so
 * that it could not do anything with less.
 */
const WAL_SEGMENT_BYTES = 1n << 24n
/** Until progress is written down again that another transaction of this process was in the way of. */
const BUSY_RETRY_MS = 20

/**
 * Has the database synced from time to time and tells the server what is durable, never more: the slot must not be
 * ahead of what a restart finds in file and log. Without a file, what is applied is as durable as it will be.
 */
export class Saver {
  private session: Session | undefined
  private timer: NodeJS.Timeout | undefined
  private isStopped = false
  /** What the server waits for is about to be made durable. */
  private isHurrying = false
  private savedVersion: number
  /** What is on the device; nothing is known of it before the first sync. */
  private durableLsn: Lsn = NO_LSN
  private saving: Promise<void> = Promise.resolve()

  constructor(
    private readonly store: Store,
    private readonly slot: string,
    private readonly intervalMs: number,
    private readonly onFailure: (error: unknown) => void,
  ) {
    this.savedVersion = store.version
    this.schedule()
  }

  /** Sets the session whose server gets the acknowledgements. */
  follow(session: Session | undefined): void {
    this.session = session
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  /** Makes durable now what has changed, and progress without changes, too. */
  save(session: Session | undefined): Promise<void> {
    this.saving = this.saving.then(() => this.saveNow(session, true))
    return this.saving
  }

  /**
   * The mirror has come further. A server that waits for it, as for a synchronous standby, gets an acknowledgement as
   * soon as that is durable.
   */
  advanced(): void {
    if (this.isHurrying || this.isStopped || this.session?.isSynchronous !== true) return
    this.isHurrying = true
    this.attempt(() => {
      this.isHurrying = false
      return this.saveNow(this.session, true)
    })
  }

  private attempt(work: () => Promise<void>): Promise<void> {
    this.saving = this.saving.then(work)
    return this.saving.catch((error) => {
      this.saving = Promise.resolve()
      this.onFailure(error)
    })
  }

  private async saveNow(session: Session | undefined, isComplete: boolean): Promise<void> {
    const { store } = this
    const follower = session?.follower
    if (store.path === undefined) {
      if (follower !== undefined) session!.stream?.acknowledge(follower.appliedLsn, follower.appliedLsn, true)
      return
    }
    try {
      const least = isComplete ? 0n : WAL_SEGMENT_BYTES
      if (follower !== undefined && follower.appliedLsn - follower.storedLsn > least) follower.storeLsn()
    } catch (error) {
      if (!isBusy(error)) throw error // else soon
      setTimeout(() => this.advanced(), BUSY_RETRY_MS).unref()
    }
    if (store.version !== this.savedVersion) {
      const version = store.version
      const lsn = readState(store, this.slot)?.lsn ?? NO_LSN
      await store.sync()
      this.savedVersion = version
      this.durableLsn = lsn
    }
    if (follower !== undefined) session!.stream?.acknowledge(follower.appliedLsn, this.durableLsn, true)
  }

  private schedule(): void {
    if (this.isStopped) return
    this.timer = setTimeout(async () => {
      await this.attempt(() => this.saveNow(this.session, false))
      this.schedule()
    }, this.intervalMs)
    this.timer.unref()
  }
}
