import type { Snapshot } from '../db/snapshot'
import type { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import { SnapheapError } from '../errors'
import { ChangeApplier, type MirroredLeafOf } from './apply'
import { isBusy, UNSYNCED } from './commit'
import type { HistoryProof } from './history-proof'
import { formatLsn, type Lsn, NO_LSN } from './lsn'
import { PgoutputDecoder } from './pgoutput'
import type { Progress } from './state'
import { type Description, TransactionBuffer } from './transaction-buffer'

/** Several transactions that have come in together become one commit, as long as that takes no longer than this. */
const SLICE_MS = 8
/** A transaction with more messages than this is applied while it comes, beside what readers see. */
const LARGE_BYTES = 1 << 20

export interface FollowerOptions {
  store: Store
  /** Where the tables stand. */
  startLsn: Lsn
  /** What is followed. */
  leaves: readonly MirroredLeafOf[]
  history: HistoryProof
  /** Writes down how far the tables are, within the transaction that brings them there. */
  writeProgress: (transaction: Transaction, progress: Progress) => void
  /** After every step forward. */
  onAdvance: () => void
  /**
   * Proves, before a transaction is applied, that relations which it describes are what they were when the catalogue
   * was read last; undefined where that is known. Rejects where they are not.
   */
  prove: (description: Description) => Promise<void> | undefined
}

/** A transaction beside the live view that stays open while its changes come in. */
interface OpenTransaction {
  transaction: Transaction
  commit: () => void
  abandon: (error: Error) => void
  /** Settled when it has been committed or taken back. */
  ended: Promise<void>
}

/** What waits for the stream to come to a place. */
interface Barrier {
  lsn: Lsn
  /** Called when all before it is applied and nothing after; a promise holds the stream there. */
  reached: () => Promise<unknown> | undefined
  failed: (error: Error) => void
}

/**
 * Takes the stream's messages and commits whole transactions to the store, in their order, each commit with the LSN it
 * brings the tables to. `onMessage`, `onKeepalive` and `onChunk` are the stream's handlers.
 */
export class Follower {
  /** Everything committed in Postgres before this can be read. */
  appliedLsn: Lsn
  /** The same, as it stands in the heap: less where nothing has changed since. */
  storedLsn: Lsn
  private readonly buffer = new TransactionBuffer()
  private readonly applier: ChangeApplier
  private readonly decoder: PgoutputDecoder
  private open: OpenTransaction | undefined
  /** Up to here the server has nothing but what is in the buffer. */
  private heardLsn: Lsn = NO_LSN
  private hold: Promise<void> | undefined
  private placing: Promise<unknown> | undefined
  private barrier: Barrier | undefined
  private isOver = false
  /** The newest transaction in the tables. */
  private last: Pick<Progress, 'lastLsn' | 'lastXid'>
  /** The newest description that was proven. */
  private proven: { finalLsn: Lsn; count: number } | undefined

  constructor(private readonly options: FollowerOptions) {
    const { startLsn, leaves, history } = options
    this.appliedLsn = this.storedLsn = startLsn
    this.last = history.last
    this.applier = new ChangeApplier({ startLsn, onKnown: (endLsn, xid) => history.sent(endLsn, xid) })
    this.applier.follow(leaves)
    this.decoder = new PgoutputDecoder(this.applier)
  }

  /**
   * Changes of these are applied from now on. Their rows must be what they were where the stream stands: see `standAt`.
   */
  follow(leaves: readonly MirroredLeafOf[]): void {
    this.applier.follow(leaves)
  }

  readonly onMessage = (bytes: Buffer, start: number, end: number): void => this.buffer.append(bytes, start, end)

  readonly onKeepalive = (walEnd: Lsn): void => {
    this.heardLsn = walEnd
  }

  /**
   * A failure ends it: the transaction that failed has left the buffer in part, and its rest must not be taken for all
   * of it.
   */
  readonly onChunk = (): Promise<void> | undefined => {
    const failed = (error: unknown): never => {
      this.isOver = true
      throw error
    }
    try {
      return this.drain()?.catch(failed)
    } catch (error) {
      return failed(error)
    }
  }

  /** The heap as it is now. */
  snapshot(): Snapshot {
    return this.options.store.snapshot('verification')
  }

  /** End of the newest transaction that was applied; where the tables stood at first before there is one. */
  get newestLsn(): Lsn {
    const { applier, options } = this
    return applier.endLsn > options.startLsn ? applier.endLsn : options.startLsn
  }

  /**
   * Does `work` where everything committed before an LSN that `choose` finds is applied, and nothing after unless it
   * was applied before; the stream stands there until its promise is settled. Nothing is applied while `choose` is
   * under way. Throws `TIMEOUT` where the stream does not come there within `withinMs`. Calls wait for each other.
   */
  async standAt<T>(choose: () => Promise<Lsn>, work: (lsn: Lsn) => T | Promise<T>, withinMs?: number): Promise<T> {
    while (this.placing !== undefined) await this.placing.catch(() => undefined)
    if (this.isOver) throw streamEnded()
    const placing = this.place(choose, work, withinMs)
    this.placing = placing
    try {
      return await placing
    } finally {
      this.placing = undefined
    }
  }

  private async place<T>(
    choose: () => Promise<Lsn>,
    work: (lsn: Lsn) => T | Promise<T>,
    withinMs?: number,
  ): Promise<T> {
    let release: () => void = () => undefined
    this.hold = new Promise((resolve) => {
      release = resolve
    })
    let timer: NodeJS.Timeout | undefined
    try {
      const lsn = await choose()
      return await new Promise((resolve, failed) => {
        if (this.isOver) throw streamEnded()
        const reached = (): Promise<unknown> | undefined => {
          clearTimeout(timer)
          const done = new Promise<T>((resolved) => resolved(work(lsn)))
          resolve(done)
          return done.catch(() => undefined)
        }
        const barrier = { lsn, reached, failed }
        this.barrier = barrier
        if (withinMs !== undefined) timer = setTimeout(() => this.giveUpBarrier(barrier, withinMs), withinMs)
        this.hold = undefined
        release()
      })
    } finally {
      clearTimeout(timer)
      this.hold = undefined
      release()
    }
  }

  private giveUpBarrier(barrier: Barrier, withinMs: number): void {
    if (this.barrier !== barrier) return
    this.barrier = undefined
    barrier.failed(notThere(barrier.lsn, withinMs))
  }

  /**
   * Commits a change of the tables, together with how far they are. Where the stream stands: within the work of
   * `standAt`.
   */
  async commitHere(change: (transaction: Transaction) => Promise<void>): Promise<void> {
    const lsn = this.appliedLsn
    await this.options.store.bulkWrite(async (transaction) => {
      transaction.manage()
      await change(transaction)
      if (this.isOver) throw streamEnded()
      this.writeProgress(transaction, lsn)
    }, UNSYNCED)
    this.storedLsn = lsn
  }

  /** Writes down how far the heap is where nothing has changed since the last commit. */
  storeLsn(): void {
    if (this.appliedLsn <= this.storedLsn) return
    const lsn = this.appliedLsn
    this.options.store.write((transaction) => {
      transaction.manage()
      this.writeProgress(transaction, lsn)
    }, UNSYNCED)
    this.storedLsn = lsn
  }

  /** Takes back what is under way; nothing may come in any more. */
  async abandon(error: Error): Promise<void> {
    const { open } = this
    this.isOver = true
    this.open = undefined
    this.barrier?.failed(streamEnded())
    open?.abandon(error)
    await open?.ended.catch(() => undefined)
  }

  /** Applies what it can. A promise where that takes more than this turn of the event loop. */
  private drain(): Promise<void> | undefined {
    if (this.isOver) return undefined
    if (this.hold !== undefined) return this.hold.then(() => this.drain())
    if (!this.passKnown()) return undefined
    if (this.open !== undefined) return this.drainDetached()
    while (this.buffer.wholeCount > 0) {
      const standing = this.passBarrier(this.buffer.nextFinalLsn!)
      if (standing !== undefined) return standing.then(() => this.drain())
      const proving = this.proving(this.buffer.nextFinalLsn!)
      if (proving !== undefined) return proving.then(() => this.drain())
      const start = performance.now()
      if (!this.applyWhole(start)) return this.drainDetached()
      if (performance.now() - start > SLICE_MS && this.buffer.wholeCount > 0) return nextTick().then(() => this.drain())
    }
    if (this.heardLsn > this.appliedLsn) this.advance(this.heardLsn)
    const standing = this.passBarrier(this.buffer.nextFinalLsn ?? this.appliedLsn)
    if (standing !== undefined) return standing.then(() => this.drain())
    return this.buffer.sizeBytes > LARGE_BYTES ? this.drainDetached() : undefined
  }

  /** Commits whole transactions until the time is up. False if another transaction of this process is in the way. */
  private applyWhole(start: number): boolean {
    const { store } = this.options
    try {
      store.write((transaction) => {
        this.begin(transaction, () => {
          do this.replayTransaction()
          while (this.canGoOn() && performance.now() - start < SLICE_MS)
        })
      }, UNSYNCED)
    } catch (error) {
      if (isBusy(error)) return false
      throw error
    }
    this.committed(this.applier.endLsn)
    return true
  }

  /** Whether another transaction may become part of the same commit. */
  private canGoOn(): boolean {
    const { buffer } = this
    return buffer.wholeCount > 0 && !this.isBarrierNext() && this.unproven(buffer.nextFinalLsn!) === undefined
  }

  private begin(transaction: Transaction, change: () => void): void {
    transaction.manage()
    this.applier.use(transaction)
    change()
    this.writeProgress(transaction, this.applier.endLsn)
  }

  private writeProgress(transaction: Transaction, lsn: Lsn): void {
    const { applier, options } = this
    if (applier.endLsn > options.startLsn) this.last = { lastLsn: applier.endLsn, lastXid: applier.xid }
    options.writeProgress(transaction, { lsn, ...this.last })
  }

  /** Passes over transactions that are in the tables already. False where the rest of one is still to come. */
  private passKnown(): boolean {
    const { buffer, applier, options } = this
    while (applier.isInside ? applier.isKnown : (buffer.nextFinalLsn ?? options.startLsn) < options.startLsn) {
      if (!buffer.shift()) return false
      this.decoder.decode(buffer.bytes, buffer.start, buffer.end)
    }
    if (applier.isInside || buffer.sizeBytes > 0 || this.heardLsn >= options.startLsn) options.history.ensureGiven()
    return true
  }

  /** What is to be proven before the transaction committed at `finalLsn` is applied, as far as it has come. */
  private unproven(finalLsn: Lsn): Description | undefined {
    const description = this.buffer.descriptionsAt(finalLsn)
    const isProven = this.proven?.finalLsn === finalLsn && this.proven.count === description?.oids.length
    return isProven ? undefined : description
  }

  private proving(finalLsn: Lsn): Promise<void> | undefined {
    const description = this.unproven(finalLsn)
    if (description === undefined) return undefined
    this.proven = { finalLsn, count: description.oids.length }
    return this.options.prove(description)
  }

  private replayTransaction(): void {
    do {
      this.buffer.shift()
      this.decoder.decode(this.buffer.bytes, this.buffer.start, this.buffer.end)
    } while (this.applier.isInside)
  }

  /**
   * Applies a transaction beside what readers see, message by message as they come: one too large to be kept until it
   * is whole, and any while another transaction of this process is open.
   */
  private async drainDetached(): Promise<void> {
    this.open ??= await this.openDetached()
    if (this.isOver) return this.abandon(new SnapheapError('CLOSED', 'The mirror was closed. Start it again.'))
    let start = performance.now()
    for (;;) {
      const proving = this.proving(this.applier.isInside ? this.applier.finalLsn : (this.buffer.nextFinalLsn ?? NO_LSN))
      if (proving !== undefined) {
        await proving
        if (this.isOver) return
      }
      if (!this.buffer.shift()) return
      this.decoder.decode(this.buffer.bytes, this.buffer.start, this.buffer.end)
      if (!this.applier.isInside) return this.endDetached()
      if (performance.now() - start < SLICE_MS) continue
      await nextTick()
      if (this.isOver) return
      start = performance.now()
    }
  }

  private openDetached(): Promise<OpenTransaction> {
    return new Promise((resolve, reject) => {
      const ended = this.options.store.bulkWrite(
        (transaction) =>
          new Promise<void>((commit, abandon) => {
            transaction.manage()
            this.applier.use(transaction)
            resolve({ transaction, commit, abandon, ended })
          }),
        UNSYNCED,
      )
      ended.catch(reject)
    })
  }

  private async endDetached(): Promise<void> {
    const { transaction, commit, ended } = this.open!
    const lsn = this.applier.endLsn
    this.writeProgress(transaction, lsn)
    commit()
    await ended
    this.open = undefined
    this.committed(lsn)
    return this.drain()
  }

  private committed(lsn: Lsn): void {
    this.storedLsn = lsn
    this.advance(lsn)
  }

  private advance(lsn: Lsn): void {
    this.appliedLsn = lsn
    this.options.onAdvance()
  }

  private isBarrierNext(): boolean {
    return this.barrier !== undefined && this.buffer.nextFinalLsn! >= this.barrier.lsn
  }

  /** Runs the work of the barrier, once all before its LSN is applied. */
  private passBarrier(nextLsn: Lsn): Promise<unknown> | undefined {
    if (this.barrier === undefined || nextLsn < this.barrier.lsn) return undefined
    const { reached } = this.barrier
    this.barrier = undefined
    return reached()
  }
}

function notThere(lsn: Lsn, withinMs: number): SnapheapError {
  return new SnapheapError(
    'TIMEOUT',
    `The stream from Postgres did not come to ${formatLsn(lsn)} within ${withinMs} ms. Try again.`,
    { isTransient: true },
  )
}

export function streamEnded(): SnapheapError {
  return new SnapheapError('BUSY', 'The stream from Postgres has ended meanwhile. Try again when the mirror is live.')
}

/** Other events first. */
export function nextTick(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
