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

/**
 * Has the database synced from time to time and tells the server what is durable, never more: the slot must not be ahead of
 * what a restart finds in file and log. Without a file, what is applied is as durable as it will be.
 */
export class Saver {
  private session: Session | undefined
  private timer: NodeJS.Timeout | undefined
  private isStopped = false
  private savedVersion: number
  /** What is on the device; nothing is known of it before the first sync. */
  private durableLsn: Lsn = NO_LSN
  private saving: Promise<void> = Promise.resolve()

  constructor(
    private readonly store: Store,
    private readonly slot: string,
    private readonly everyMs: number,
    private readonly onFailure: (error: unknown) => void,
  ) {
    this.savedVersion = store.version
    this.schedule()
  }

  /** The session whose server is told. */
  follow(session: Session | undefined): void {
    this.session = session
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  /** Makes durable now what has changed. `isLast`: also progress without changes. */
  save(session: Session | undefined, isLast = false): Promise<void> {
    this.saving = this.saving.then(() => this.saveNow(session, isLast))
    return this.saving
  }

  private async saveNow(session: Session | undefined, isLast: boolean): Promise<void> {
    const { store } = this
    const follower = session?.follower
    if (store.path === undefined) {
      if (follower !== undefined) session!.stream?.acknowledge(follower.appliedLsn, follower.appliedLsn, true)
      return
    }
    try {
      const least = isLast ? 0n : WAL_SEGMENT_BYTES
      if (follower !== undefined && follower.appliedLsn - follower.storedLsn > least) follower.storeLsn()
    } catch (error) {
      if (!isBusy(error)) throw error // else next time
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
      await this.save(this.session).catch((error) => {
        this.saving = Promise.resolve()
        this.onFailure(error)
      })
      this.schedule()
    }, this.everyMs)
    this.timer.unref()
  }
}
