import { ensure, ensureOptions, FUNCTION, PATH, TEXT } from '../arguments'
import { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import type { CommitSync } from '../heap/journal'
import type { Kernels } from '../heap/kernels'
import { ROOT } from '../heap/layout'
import type { Scrub } from '../heap/scrub'
import type { HeapSnapshot } from '../heap/snapshots'
import type { SaveOptions } from '../heap/storage'
import type { View } from '../heap/view'
import { Following } from '../log/following'
import type { Point } from '../log/history'
import { ensureApart } from '../log/log'
import type { Durability } from '../log/log-options'
import type { LogWriter } from '../log/log-writer'
import type { Recovery } from '../log/recovery'
import { Catalogue } from '../table/catalogue'
import type { IndexDefinition } from '../table/index-definition'
import { type SchemaVersions, SchemaWriter } from '../table/schema-writer'
import type { Table } from '../table/table'
import { Interner } from '../value/interner'
import { type Backup, type BackupOptions, backUp } from './backup'
import { scrubOf } from './block-check'
import { changeDurability, ensureLogged } from './change-durability'
import { type CheckReport, checkHeap } from './check'
import { Checkpointer, checkpointAgeMs } from './checkpointer'
import { CommitFeed } from './commit-feed'
import { runDetached } from './detached-write'
import { buildInSlices } from './index-building'
import {
  ensureDurability,
  failureListener,
  type OpenedHeap,
  openHeap,
  openHeapAt,
  realPathOf,
  type StoreOptions,
} from './open-heap'
import { PinWatch } from './pin-watch'
import { releaseOnceForgotten, Snapshot } from './snapshot'
import { type StoreStatistics, storeStatistics } from './statistics'
import { Transaction } from './transaction'
import {
  BULK_WRITE_RULES,
  type BulkWriteOptions,
  CHECKPOINT_RULES,
  DEFAULT_WRITE_OPTIONS,
  ensureChange,
  ensureSynchronous,
  SAVE_RULES,
  type WriteOptions,
} from './write-options'

/**
 * A database without classes: tables, transactions, snapshots and the file. Reads are synchronous and see the newest
 * committed version.
 */
export class Store {
  protected readonly catalogue: Catalogue
  private readonly schema: SchemaWriter | undefined
  private readonly schemaVersions: SchemaVersions = { newest: 0 }
  private readonly log: LogWriter | undefined
  private readonly checkpointer: Checkpointer | undefined
  private readonly pinWatch: PinWatch
  private readonly scrub: Scrub | undefined
  /** Result of reading the log at opening. */
  readonly recovery: Recovery
  /** How the database stays in step with its writer; undefined unless it was opened with `follow`. */
  readonly following: Following | undefined
  protected readonly heap: Heap
  /** Tells of every commit that this database shows: its own, or those of the writer that it follows. */
  protected readonly feed = new CommitFeed<Snapshot>(() => this.snapshot('watch'))

  protected constructor({ heap, log, recovery, options, reader }: OpenedHeap) {
    this.heap = heap
    this.log = log
    this.pinWatch = new PinWatch(heap.pins, options.snapshotWarningMs, heap.world)
    this.recovery = recovery
    if (reader !== undefined) {
      const followingOptions = { isUnsynced: options.showUnsynced === true, onFailure: failureListener(options) }
      this.following = new Following(heap, reader, followingOptions)
    }
    if (log !== undefined) {
      log.onReturned(() => {
        this.schema!.rolledBack()
        this.feed.committed()
      })
      this.checkpointer = new Checkpointer(
        options.checkpoint ?? {},
        () => this.checkpoint(),
        failureListener(options),
        heap.world,
        checkpointAgeMs(heap, log),
      )
    }
    this.scrub = scrubOf(heap, options.verify, failureListener(options))
    this.following?.on('change', () => this.feed.committed())
    this.catalogue = new Catalogue(heap.live)
    if (!heap.isReadOnly) this.schema = new SchemaWriter(heap, new Interner(heap), this.catalogue, this.schemaVersions)
  }

  /**
   * Opens the database in a file, or one in memory without a path. Throws `NOT_FOUND`, `LOCKED` (naming the other
   * process), `CORRUPT`, `VERSION`, `IO`.
   */
  static open(path?: string, options: StoreOptions = {}): Store {
    return new Store(openHeap(path, options))
  }

  /** The database in a file as it was at a point in time, for reading. Throws `NOT_FOUND`, `CORRUPT`, `IO`. */
  static openAt(path: string, point: Point, options: Pick<StoreOptions, 'memory'> = {}): Store {
    return new Store(openHeapAt(path, point, options))
  }

  /** The file's absolute path, undefined for a database in memory. */
  get path(): string | undefined {
    return this.heap.path
  }

  /** The newest commit's version: rises by one with every commit, over restarts too. */
  get version(): number {
    return this.heap.version
  }

  /** Native loops for the layers above, where there are any. */
  get kernels(): Kernels | undefined {
    return this.heap.live.kernels
  }

  /** `Heap.readPinned`: for work on the newest version that goes on in other threads. @internal */
  readPinned<T>(work: (view: View) => Promise<T>): Promise<T> {
    this.ensureOpen()
    return this.heap.readPinned(work)
  }

  /** The seed of all hashes in the heap, of 32 bits. @internal */
  get hashSeed(): number {
    return this.heap.live.low(ROOT.seed) >>> 0
  }

  /**
   * Whether the newest state in the file is damaged and the database began with the one before: the next checkpoint
   * takes the place of the damaged one. @internal
   */
  get isRebuilt(): boolean {
    return this.heap.mapped?.file.skipped !== undefined
  }

  get isReadOnly(): boolean {
    return this.heap.isReadOnly
  }

  /** A table at the newest version: the handle follows later commits. Throws `NOT_FOUND`. */
  table(name: string): Table {
    this.ensureOpen()
    return this.catalogue.table(name)
  }

  get tableNames(): string[] {
    this.ensureOpen()
    return this.catalogue.names()
  }

  /**
   * Runs `change` and commits what it did, all or nothing; when it throws, nothing has happened. It must not be async.
   * Returns what it returned. Throws `BUSY` inside another transaction, `READ_ONLY`.
   */
  write<T>(change: (transaction: Transaction) => T, options: WriteOptions = DEFAULT_WRITE_OPTIONS): T {
    ensureChange('db.write()', change, options)
    return this.commitOf(change, options.sync === false ? 'unawaited' : 'before')
  }

  /** Begins a higher epoch with an empty commit, on the device when this returns. Throws as `write`. @internal */
  claimEpoch(epoch: number, annotation = ''): void {
    ensureLogged(this.log)
    this.commitOf((tx) => void (tx.annotation = annotation), 'before', epoch)
  }

  private commitOf<T>(change: (transaction: Transaction) => T, sync: CommitSync, claimedEpoch?: number): T {
    this.heap.begin()
    const transaction = this.transactionOn(this.schema!)
    let isCommitted = false
    try {
      const result = change(transaction)
      ensureSynchronous(result)
      transaction.complete()
      this.heap.commit({ annotation: transaction.annotation, sync, claimedEpoch })
      isCommitted = true
      return result
    } catch (error) {
      if (!isCommitted) {
        this.heap.rollback()
        this.schema!.rolledBack()
      }
      throw error
    } finally {
      transaction.end(isCommitted)
      if (isCommitted) this.committed()
    }
  }

  /**
   * As `write`, but resolves when the commit is as durable as the database promises: calls at the same time share one
   * sync, and the event loop does not wait for it. The change itself is made, and can be read, at once. When it rejects
   * with `IO`, the change is taken back, and so are the commits made since.
   */
  async writeAsync<T>(
    change: (transaction: Transaction) => T,
    options: WriteOptions = DEFAULT_WRITE_OPTIONS,
  ): Promise<T> {
    ensureChange('db.writeAsync()', change, options)
    const isAwaited = options.sync !== false
    const result = this.commitOf(change, isAwaited ? 'after' : 'unawaited')
    if (isAwaited) await this.durable()
    return result
  }

  /**
   * Runs an asynchronous change and commits it, all or nothing: for many rows, over many event-loop ticks. Readers see
   * the version before it until it is whole, and `write` throws `BUSY` meanwhile. Waits for a running checkpoint and
   * for earlier bulk writes. What would wait for this one (`checkpoint`, `close`, another bulk write …) throws `BUSY`
   * inside `change`.
   *
   * With `log: false` nothing is logged, and the commit is a checkpoint: half the bytes for a load that is larger than
   * what is in the file. Interrupted at any moment, the database is what it was before.
   *
   * Returns what `change` returned, once the commit is as durable as the database promises. Throws `IO`, and what
   * `change` throws.
   */
  async bulkWrite<T>(change: (transaction: Transaction) => Promise<T>, options: BulkWriteOptions = {}): Promise<T> {
    ensureChange('db.bulkWrite()', change, options, BULK_WRITE_RULES)
    if (options.log === false && this.path !== undefined) return this.detached(change, () => this.heap.commitIntoFile())
    const isAwaited = options.sync !== false
    let durable: Promise<void> | undefined
    const result = await this.detached(change, async (annotation) => {
      this.heap.commit({ annotation, sync: isAwaited ? 'after' : 'unawaited' })
      if (isAwaited) durable = this.durable()
      durable?.catch(() => undefined) // awaited below
    })
    await durable
    return result
  }

  /** Resolves when the newest commit is as durable as the database promises. */
  private async durable(): Promise<void> {
    if (this.log?.durability === 'commit') await this.log.durable(this.heap.version)
  }

  /**
   * Builds an index beside reads and commits, which wait for a few milliseconds at most. Resolves when it is whole and
   * as durable as the database promises; it is not used before. Throws `EXISTS` for a name that is taken, `UNIQUE` for
   * rows that it does not allow, `BUSY` inside `bulkWrite`; then nothing of it is left. After a crash it begins anew.
   */
  async buildIndex(table: string, definition: IndexDefinition): Promise<void> {
    this.heap.queue.ensureOutside('db.buildIndex()')
    await buildInSlices((change, options) => this.write(change, options), table, definition)
    await this.durable()
  }

  /** Calls `listener` after commits were taken back and an earlier version is shown. Returns what ends it. @internal */
  onReturned(listener: () => void): () => void {
    return this.log?.onReturned(listener) ?? (() => undefined)
  }

  /** Pins the newest committed version. `owner` is what `stats` calls it. O(1). */
  snapshot(owner = 'snapshot'): Snapshot {
    ensure('db.snapshot()', owner, TEXT)
    const pinned = this.heap.snapshot(owner)
    const snapshot = this.snapshotOf(pinned)
    releaseOnceForgotten(snapshot, this.heap, pinned.pin)
    return snapshot
  }

  /**
   * Writes the newest version into the database's own file, at a cost that follows the change, so that the log before
   * it is not needed any more. Works beside commits; resolves when the data is on the device. With durability `none`,
   * only this makes commits durable. Throws `IO`, `READ_ONLY`; `BUSY` inside `bulkWrite`.
   */
  async checkpoint(options: Omit<SaveOptions, 'replace'> = {}): Promise<void> {
    ensureOptions('db.checkpoint()', options, CHECKPOINT_RULES)
    this.heap.queue.ensureOutside('db.checkpoint()')
    await this.heap.save(options)
  }

  /**
   * Writes the newest version into another file, without free space and without a log. Works beside commits; resolves
   * when the data is on the device. Throws `EXISTS` (pass `replace`, or remove the file's log), `LOCKED` for a file
   * open for writing, `IO`.
   */
  async saveAs(path: string, options: SaveOptions = {}): Promise<void> {
    ensureOptions('db.saveAs()', options, SAVE_RULES)
    this.heap.queue.ensureOutside('db.saveAs()')
    await this.heap.saveAs(realPathOf(path), options, (target) => ensureApart(this.heap.files, target))
  }

  /** Rewrites the database's own file into its smallest form, beside reads and commits. Throws `IO`, `READ_ONLY`. */
  async compact(): Promise<void> {
    this.heap.queue.ensureOutside('db.compact()')
    await this.heap.compact()
  }

  /**
   * Copies file and log into a new folder, beside commits, checkpoints and rewrites, and proves that the copy is sound.
   * The folder appears when it is whole: `db.backup('/backups/monday')`, then `open('/backups/monday/quotes.heap')`
   * shows one commit, not older than the newest when `backup` was called; points in time work in it as far back as in
   * the database. Returns that commit's version, the size, and the path to open. Throws `EXISTS`, `NOT_FOUND` where the
   * folder's parent is missing, `CORRUPT` where the database is damaged, `READ_ONLY`, `IO`; then no folder is left.
   */
  async backup(folder: string, options: BackupOptions = {}): Promise<Backup> {
    ensure('db.backup()', folder, PATH)
    ensureOptions('db.backup()', options, { onProgress: FUNCTION })
    this.ensureOpen()
    this.heap.queue.ensureOutside('db.backup()')
    return backUp(this.heap, this.log, folder, options)
  }

  /** Resolves when every commit so far is on the device, with every durability. Throws `IO`. */
  async sync(): Promise<void> {
    if (this.path === undefined) return
    if (this.log !== undefined && this.log.durability !== 'none') return this.log.sync()
    this.heap.queue.ensureOutside('db.sync()')
    await this.checkpoint()
  }

  /** When commits are on the device from now on. Resolves when those made so far are, where they were not logged. */
  async setDurability(durability: Durability): Promise<void> {
    const log = ensureLogged(this.log)
    ensureDurability(durability)
    if (log.durability === 'none' && durability !== 'none') this.heap.queue.ensureOutside('db.setDurability()')
    await changeDurability(log, durability, () => this.checkpoint())
  }

  /**
   * The database as it was at a point in time, for reading: after exactly that commit. Close it like any other. Throws
   * `NOT_FOUND` for a point that file and log do not reach back to (see `retain`).
   */
  asOf(point: Point): Store {
    return new Store(this.heapAt(point))
  }

  /** Proves every invariant of the newest version. For tests and for doubts: it walks everything. */
  check(): CheckReport {
    this.ensureOpen()
    return checkHeap(this.heap)
  }

  /** Sizes and snapshots, as they are now. */
  stats(): StoreStatistics {
    this.ensureOpen()
    return storeStatistics(this.heap, this.log, this.scrub?.report)
  }

  /**
   * Waits for a running checkpoint, syncs the log and releases all resources. With durability `none`, commits since the
   * last checkpoint are lost. Throws `IO`, once, after the release, when commits could not be made durable. Idempotent.
   */
  async close(): Promise<void> {
    this.ensureCloseable()
    this.checkpointer?.stop()
    this.following?.close()
    this.feed.close()
    await Promise.all([this.scrub?.stop(), this.heap.close()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Makes the transaction that `write` hands out: a layer above may hand out more. */
  protected transactionOn(schema: SchemaWriter): Transaction {
    return new Transaction(schema)
  }

  protected snapshotOf(pinned: HeapSnapshot): Snapshot {
    return new Snapshot(pinned)
  }

  /** Throws `CLOSED`. @internal */
  ensureOpen(): void {
    if (this.heap.isClosed)
      throw new SnapheapError('CLOSED', 'The database is closed. Open it again.', { path: this.path })
  }

  /** Throws `BUSY` inside a change that `close` would wait for. */
  protected ensureCloseable(): void {
    this.heap.queue.ensureOutside('db.close()')
  }

  private detached<T>(
    change: (transaction: Transaction) => Promise<T>,
    commit: (annotation: string) => Promise<void>,
  ): Promise<T> {
    const begin = (): Transaction => {
      const catalogue = new Catalogue(this.heap.writer.view)
      return this.transactionOn(new SchemaWriter(this.heap, new Interner(this.heap), catalogue, this.schemaVersions))
    }
    return runDetached(this.heap, begin, change, commit, () => this.committed())
  }

  protected heapAt(point: Point): OpenedHeap {
    this.ensureOpen()
    if (this.path === undefined)
      throw new SnapheapError('INVALID_ARGUMENT', 'A database in memory has no past. Open one in a file.')
    this.log?.flush()
    return openHeapAt(this.path, point, {
      memory: this.heap.memory,
      files: this.heap.files,
      world: this.heap.world,
    })
  }

  private committed(): void {
    this.feed.committed()
    if (this.log !== undefined) this.checkpointer!.committed(this.log.bytesSinceCheckpoint)
    this.pinWatch.committed()
  }
}
