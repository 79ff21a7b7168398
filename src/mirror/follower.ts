import type { Snapshot } from '../db/snapshot'
import type { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import { SnapheapError } from '../errors'
import { ChangeApplier } from './apply'
import type { SourceTable } from './catalogue'
import { isBusy, UNSYNCED } from './commit'
import { type Lsn, NO_LSN } from './lsn'
import { PgoutputDecoder } from './pgoutput'
import { writeLsn } from './state'
import { TransactionBuffer } from './transaction-buffer'

/** Several transactions that have come in together become one commit, as long as that takes no longer than this. */
const SLICE_MS = 8
/** A transaction with more messages than this is applied while it comes, beside what readers see. */
const LARGE_BYTES = 1 << 20

/** Tables copied ahead of the stream, which take their places when the stream has come to where they were copied. */
export interface PendingSwap {
  lsn: Lsn
  oids: ReadonlySet<number>
  /** Puts them in place, within the transaction that brings the other tables to `lsn`. */
  swap(transaction: Transaction): void
}

export interface FollowerOptions {
  store: Store
  slot: string
  /** Where the heap stands. */
  startLsn: Lsn
  /** The mirrored tables by oid. */
  sources: ReadonlyMap<number, SourceTable>
  pending: PendingSwap | undefined
  /** After every step forward. */
  onAdvance: () => void
  /** Something about a table has changed, though perhaps not its columns. */
  onDescribedAgain: () => void
}

/** A transaction beside the live view that stays open while its changes come in. */
interface OpenTransaction {
  transaction: Transaction
  commit: () => void
  abandon: (error: Error) => void
  /** Settled when it has been committed or taken back. */
  ended: Promise<void>
}

/**
 * Takes the stream's messages and commits whole transactions to the store, in their order, each commit with the LSN it
 * brings the heap to. `onMessage`, `onKeepalive` and `onChunk` are the stream's handlers.
 */
export class Follower {
  /** Everything committed in Postgres before this can be read. */
  appliedLsn: Lsn
  /** The same, as it stands in the heap: less where nothing has changed since. */
  storedLsn: Lsn
  private readonly buffer = new TransactionBuffer()
  private readonly applier: ChangeApplier
  private readonly decoder: PgoutputDecoder
  private pending: PendingSwap | undefined
  private open: OpenTransaction | undefined
  /** Up to here the server has nothing but what is in the buffer. */
  private heardLsn: Lsn = NO_LSN
  private hold: Promise<void> | undefined
  private barrier: { lsn: Lsn; reached: (snapshot: Snapshot) => void; failed: (error: Error) => void } | undefined
  private isOver = false

  constructor(private readonly options: FollowerOptions) {
    const { startLsn, pending } = options
    this.appliedLsn = this.storedLsn = startLsn
    this.pending = pending
    this.applier = new ChangeApplier(options.sources, pending, options.onDescribedAgain)
    this.decoder = new PgoutputDecoder(this.applier)
  }

  /** Copied tables still wait for the stream to come to them. */
  get isSwapPending(): boolean {
    return this.pending !== undefined
  }

  readonly onMessage = (bytes: Buffer, start: number, end: number): void => this.buffer.append(bytes, start, end)

  readonly onKeepalive = (walEnd: Lsn): void => {
    this.heardLsn = walEnd
  }

  readonly onChunk = (): Promise<void> | undefined => this.drain()

  /**
   * The data exactly as of an LSN that `choose` finds, which must lie at or after everything committed when it is
   * called. Nothing is applied while it is being found.
   */
  async snapshotAt(choose: () => Promise<Lsn>): Promise<{ lsn: Lsn; snapshot: Snapshot }> {
    if (this.hold !== undefined || this.barrier !== undefined) {
      throw new SnapheapError('BUSY', 'A verification is under way. Await it before starting another.')
    }
    let release: () => void = () => undefined
    this.hold = new Promise((resolve) => {
      release = resolve
    })
    try {
      const lsn = await choose()
      return await new Promise((resolve, failed) => {
        if (this.isOver) throw streamEnded()
        this.barrier = { lsn, reached: (snapshot) => resolve({ lsn, snapshot }), failed }
        this.hold = undefined
        release()
      })
    } finally {
      this.hold = undefined
      release()
    }
  }

  /** Writes down how far the heap is where nothing has changed since the last commit. */
  storeLsn(): void {
    if (this.appliedLsn <= this.storedLsn) return
    const lsn = this.appliedLsn
    this.options.store.write((transaction) => this.begin(transaction, () => undefined, lsn), UNSYNCED)
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
    if (this.open !== undefined || this.pending !== undefined) return this.drainBeside()
    while (this.buffer.wholeCount > 0) {
      this.passBarrier(this.buffer.nextFinalLsn!)
      const start = performance.now()
      if (!this.applyWhole(start)) return this.drainBeside()
      if (performance.now() - start > SLICE_MS && this.buffer.wholeCount > 0) return nextTurn().then(() => this.drain())
    }
    if (this.heardLsn > this.appliedLsn) this.advance(this.heardLsn)
    this.passBarrier(this.buffer.nextFinalLsn ?? this.appliedLsn)
    return this.buffer.sizeBytes > LARGE_BYTES ? this.drainBeside() : undefined
  }

  /** Commits whole transactions until the time is up. False if another transaction of this process is in the way. */
  private applyWhole(start: number): boolean {
    const { store } = this.options
    try {
      store.write((transaction) => {
        this.begin(transaction, () => {
          do this.replayTransaction()
          while (this.buffer.wholeCount > 0 && !this.isBarrierNext() && performance.now() - start < SLICE_MS)
        })
      }, UNSYNCED)
    } catch (error) {
      if (isBusy(error)) return false
      throw error
    }
    this.committed(this.applier.endLsn)
    return true
  }

  private begin(transaction: Transaction, change: () => void, lsn?: Lsn): void {
    transaction.manage()
    this.applier.use(transaction)
    change()
    writeLsn(transaction, this.options.slot, lsn ?? this.applier.endLsn)
  }

  private replayTransaction(): void {
    do {
      this.buffer.shift()
      this.decoder.decode(this.buffer.bytes, this.buffer.start, this.buffer.end)
    } while (this.applier.isInside)
  }

  /**
   * The same beside what readers see, message by message as they come: for a transaction too large to be kept until it
   * is whole, for all transactions up to where tables were copied ahead, and for when another transaction is open.
   */
  private async drainBeside(): Promise<void> {
    this.open ??= await this.openBeside()
    if (this.isOver) return this.abandon(new SnapheapError('CLOSED', 'The mirror was closed. Start it again.'))
    let start = performance.now()
    for (;;) {
      if (this.pending !== undefined && !this.applier.isInside) {
        const next = this.buffer.nextFinalLsn ?? (this.buffer.sizeBytes === 0 ? this.heardLsn : NO_LSN)
        if (next >= this.pending.lsn) return this.endBeside()
      }
      if (!this.buffer.shift()) return
      this.decoder.decode(this.buffer.bytes, this.buffer.start, this.buffer.end)
      if (this.pending === undefined && !this.applier.isInside) return this.endBeside()
      if (performance.now() - start < SLICE_MS) continue
      await nextTurn()
      if (this.isOver) return
      start = performance.now()
    }
  }

  private openBeside(): Promise<OpenTransaction> {
    return new Promise((resolve, reject) => {
      const ended = this.options.store.writeBeside(
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

  private async endBeside(): Promise<void> {
    const { transaction, commit, ended } = this.open!
    const lsn = this.pending?.lsn ?? this.applier.endLsn
    this.pending?.swap(transaction)
    writeLsn(transaction, this.options.slot, lsn)
    commit()
    await ended
    this.open = undefined
    this.pending = undefined
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

  /** Hands out the snapshot that was asked for, once nothing before its LSN can come any more. */
  private passBarrier(nextLsn: Lsn): void {
    if (this.barrier === undefined || nextLsn < this.barrier.lsn) return
    const { reached } = this.barrier
    this.barrier = undefined
    reached(this.options.store.snapshot('verification'))
  }
}

function streamEnded(): SnapheapError {
  return new SnapheapError('BUSY', 'The stream from Postgres has ended meanwhile. Try again when the mirror is live.')
}

/** Other events first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
