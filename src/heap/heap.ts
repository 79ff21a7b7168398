import { resolve } from 'node:path'
import { SnapheapError } from '../errors'
import { Allocator } from './allocator'
import { blockStatistics, checkBlocks } from './block-check'
import type { FileRoot } from './file-format'
import { type Files, filesWith } from './files'
import { ensureHeld, lockHeap, openForReading } from './heap-lock'
import type { HeapOptions } from './heap-options'
import { HeapSaves } from './heap-saves'
import type { HistoryPoint } from './history-point'
import { ioError } from './io-error'
import type { CommitOptions, Journal } from './journal'
import { OLDEST_LAYOUT_VERSION, RESERVED_BLOCKS, ROOT, tableLength, ZERO_BLOCK } from './layout'
import { checkLayout } from './layout-version'
import type { MappedFile } from './mapped-file'
import type { FileLock, Memory } from './memory'
import { ensureRebuilt, openOwnFile } from './own-file'
import { PinnedReaders } from './pinned-readers'
import { type Pin, Pins } from './pins'
import type { PoolFile } from './pool-file'
import { Quarantine } from './quarantine'
import { type HeapSnapshot, Snapshots } from './snapshots'
import { type SaveOptions, Storage } from './storage'
import { CLOSED_GENERATION, View } from './view'
import { Windows } from './windows'
import { WorkQueue } from './work-queue'
import { realWorld, type World } from './world'
import { Writer } from './writer'

/**
 * A persistent heap: 64-bit words by address, versions, transactions, and the file they live in. Knows nothing of what
 * the words mean.
 */
export class Heap {
  private readonly windows: Windows
  readonly pins: Pins
  /** What readers without a snapshot see: the newest committed version (and, within a transaction, its changes). */
  readonly live: View
  readonly writer: Writer
  readonly allocator: Allocator
  /** Number of the newest commit: rises by one with each, over restarts too; 0 before the heap has been begun. */
  version = 0
  /** Makes commits durable. Undefined for a heap without a log. */
  journal: Journal | undefined
  private storage: Storage
  private lock: FileLock | undefined
  private detachedPin: Pin | undefined
  private readonly snapshots: Snapshots
  private readonly saves: HeapSaves
  /** Saves and detached transactions, one after the other. */
  readonly queue = new WorkQueue()
  private readonly readers = new PinnedReaders((owner) => this.snapshot(owner))
  readonly quarantine = new Quarantine(this)
  private closed = false

  private constructor(
    readonly memory: Memory,
    readonly files: Files,
    readonly world: World,
    readonly path: string | undefined,
    readonly isReadOnly: boolean,
    initialBlocks: number,
  ) {
    this.windows = new Windows(memory)
    this.pins = new Pins(this.windows, world)
    this.snapshots = new Snapshots(this.windows, this.pins)
    this.live = new View(new Uint32Array(initialBlocks), this.windows)
    this.writer = new Writer(this.windows, this.pins, this.live, (...block) => this.quarantine.prove(...block))
    this.allocator = new Allocator(this.writer)
    this.storage = new Storage(memory, files, world, this.windows, this.pins, this.writer, world.randomBytes(16))
    this.saves = new HeapSaves(this, this.storage)
  }

  /** A heap without a file. */
  static inMemory(memory: Memory, world = realWorld): Heap {
    const heap = new Heap(memory, filesWith(memory), world, undefined, false, RESERVED_BLOCKS)
    heap.initialise()
    return heap
  }

  /**
   * Opens the heap in a file, or, with `create`, starts one that is written by the first `save`. The time it takes does
   * not depend on the amount of data. Throws `NOT_FOUND`, `LOCKED`, `CORRUPT`, `VERSION`, `IO`.
   */
  static open(memory: Memory, givenPath: string, options: HeapOptions): Heap {
    const { files = filesWith(memory), world = realWorld } = options
    const path = resolve(givenPath)
    const lock = options.readOnly ? undefined : lockHeap(memory, files, path)
    let file: PoolFile | undefined
    let heap: Heap | undefined
    try {
      file = openOwnFile(memory, files, path, options)
      const blocks = file === undefined ? RESERVED_BLOCKS : tableLength(file.root.mapEntries)
      heap = new Heap(memory, files, world, path, options.readOnly, blocks)
      heap.lock = lock
      if (file !== undefined) heap.adopt(file)
      if (!options.readOnly) heap.windows.prepareArena()
      options.recover?.(heap)
      if (file !== undefined) ensureRebuilt(file, heap.version, options)
      if (heap.version === 0) {
        if (!options.create || options.readOnly) throw ioError('open', path, { code: 'ENOENT' })
        heap.initialise()
      }
      if (!options.readOnly) heap.storage.upgrade()
      return heap
    } catch (error) {
      heap?.journal?.close().catch(() => undefined) // it closes what it has opened before it returns
      heap?.windows.close()
      if (heap?.mapped === undefined) file?.close()
      else heap.storage.close()
      lock?.release()
      throw error
    }
  }

  get isClosed(): boolean {
    return this.closed
  }

  /** 16 random bytes, the same in every copy of this heap. */
  get id(): Uint8Array {
    return this.storage.heapId
  }

  /**
   * The newest version, and which commit it is where that is known: when the heap shows a saved state as it was saved.
   */
  get point(): { readonly version: number; readonly point: HistoryPoint | undefined } {
    const { version, savedRoot } = this
    return { version, point: savedRoot?.version === version ? savedRoot.point : undefined }
  }

  /** Takes the identity that a journal gives to a heap which has no file yet. */
  identify(id: Uint8Array): void {
    this.storage.heapId = id
  }

  /** The newest durable state, undefined before the first save and for a heap in memory. */
  get savedRoot(): FileRoot | undefined {
    return this.storage.root
  }

  /** The file that holds it, as it is mapped. */
  get mapped(): MappedFile | undefined {
    return this.storage.mapped
  }

  /** Opens a transaction for one synchronous turn: the live view shows its changes. Throws `BUSY`, `READ_ONLY`. */
  begin(): void {
    this.ensureWritable()
    this.writer.begin()
  }

  /**
   * Opens a transaction beside the live view, which goes on showing the version before it until `commit`: for changes
   * spread over many turns. The writer's view is another one until then.
   */
  beginDetached(): void {
    this.ensureWritable()
    this.detachedPin = this.pins.pin(this.live.table, 'detached transaction')
    this.writer.view = new View(this.live.table, this.windows)
    this.writer.view.generation = this.live.generation + 1
    this.writer.shareTable()
    this.writer.begin()
  }

  /**
   * Makes the transaction's changes the newest version. Throws what the journal throws; then the transaction is still
   * open.
   */
  commit(options: CommitOptions = {}): void {
    this.writer.ensureUnspoiled()
    this.journal?.commit(this.version + 1, this.writer.changes(), options)
    this.writer.commit()
    this.version++
    this.attach(this.writer.view.table)
  }

  /**
   * Makes the changes of a detached transaction the newest version by way of the heap's own file, without the journal:
   * they count when the file holds them, durably. When this throws (`IO`), the transaction is still open.
   */
  async commitIntoFile(): Promise<void> {
    this.writer.ensureUnspoiled()
    const version = this.version + 1
    this.ensureWriter()
    const point = this.journal?.prepareSkip() ?? this.saves.forkPoint()
    this.journal?.checkpointBegins()
    try {
      await this.storage.save(
        this.path!,
        { table: this.writer.view.table, version, point, durable: () => this.saves.durable(version - 1) },
        {},
        {
          isCompacting: false,
          ensureWriter: () => this.ensureWriter(),
          onReplace: (earlier) => this.journal?.replacesFile(earlier.version),
          onDurable: () => {
            this.journal?.skip(version, point)
            this.writer.commit()
            this.version = version
            this.attach(this.writer.view.table)
          },
        },
      )
    } catch (error) {
      if (this.version !== version && this.storage.mayHoldNewer) this.journal?.refuse(error)
      throw error
    }
    await this.journal?.checkpointed(version)
  }

  /** Takes the transaction's changes back; the heap is byte-identical to what it was at its beginning. */
  rollback(): void {
    this.writer.rollback()
    this.live.generation++
    if (this.detachedPin !== undefined) this.writer.shareTable()
    this.attach(this.live.table)
  }

  /**
   * Pins the newest committed version. O(1), copies nothing. Throws `BUSY` inside a transaction that is not detached.
   */
  snapshot(owner: string): HeapSnapshot {
    this.ensureOpen()
    if (this.writer.isWriting && this.detachedPin === undefined) {
      throw new SnapheapError(
        'BUSY',
        'A snapshot cannot be taken inside a transaction. Take it before or after db.write.',
      )
    }
    const pin =
      this.detachedPin === undefined
        ? this.pins.pin(this.live.table, owner)
        : this.pins.pinSame(this.detachedPin, owner)
    if (this.detachedPin === undefined) this.writer.shareTable()
    return this.snapshots.of(pin, this.version)
  }

  /** Lets go of what a snapshot pinned. Idempotent. */
  release(pin: Pin): void {
    this.snapshots.release(pin)
  }

  /**
   * Makes the newest committed version durable in the heap's own file: appends the blocks changed since the last save,
   * or rewrites the file when too much of it is dead. Runs off the event loop; commits go on meanwhile. Resolves once
   * it is on the device. Throws `IO`; then the file keeps its earlier state.
   */
  async save(options: SaveOptions = {}, isCompacting = false): Promise<void> {
    await this.saves.save(options, isCompacting)
  }

  /** Rewrites the heap's own file into its smallest form, beside commits. Throws as `save`. */
  async compact(options: SaveOptions = {}): Promise<void> {
    await this.save(options, true)
  }

  /**
   * Writes the newest committed version into a new file in its densest form: temporary file, sync, rename, sync of the
   * folder. `ensureReplaceable` throws where that must not take the name. Throws `EXISTS`, `LOCKED`, `IO`.
   */
  async saveAs(givenPath: string, options: SaveOptions = {}, ensureReplaceable = (_path: string): void => {}) {
    await this.saves.saveAs(givenPath, options, ensureReplaceable)
  }

  /**
   * Throws unless this process is still the only writer and its file is where it was: what it wrote counts only then.
   * Costs two calls of the operating system. Throws `LOCKED`, `NOT_FOUND`, `EXISTS`, `CORRUPT`, each naming the file
   * that was removed, replaced or truncated.
   */
  ensureWriter(): void {
    if (this.path === undefined || this.lock === undefined) return
    ensureHeld(this.lock, this.path)
    this.storage.ensureInPlace(this.path)
  }

  /**
   * Has `work` read the newest version, from other threads too: it stays as it is, and in memory, until the promise is
   * settled, for which `close` waits. Rejects with what `work` throws, at once or later.
   */
  readPinned<T>(work: (view: View) => Promise<T>): Promise<T> {
    return this.readers.run(work)
  }

  /** Has `close` wait for work that goes on. Settles as that does. */
  keepOpen<T>(done: Promise<T>): Promise<T> {
    return this.readers.keep(done)
  }

  /** Runs `work` at once, or, where a transaction or a save is under way, as soon as that has ended. */
  whenQuiet(work: () => void): void {
    if (this.queue.isIdle && !this.writer.isWriting) work()
    else void this.queue.run(async () => work())
  }

  /**
   * Waits for a running save, gives everything back, and then throws what closing the journal has thrown. Idempotent.
   */
  async close(): Promise<void> {
    await this.queue.run(async () => {
      if (this.closed) return
      this.closed = true
      await this.readers.settled()
      try {
        await this.journal?.close()
      } finally {
        this.live.generation = CLOSED_GENERATION
        this.snapshots.releaseAll()
        this.pins.clear()
        this.windows.close()
        this.storage.close()
        this.lock?.release()
      }
    })
  }

  /** Sizes, all in blocks of 32 KiB unless named otherwise. */
  statistics() {
    return blockStatistics(this.live, this.writer, this.windows, this.pins, this.storage)
  }

  /** Proves that every physical block has one use. Returns what is wrong, in words. */
  checkBlocks(): string[] {
    return checkBlocks(this.live, this.writer, this.windows, this.pins, this.storage)
  }

  /**
   * Opens a transaction that does again what a journal recorded: `commitReplay` ends it, and, unless it `isFinal`,
   * `rollback`.
   */
  beginReplay(isFinal: boolean): void {
    this.ensureOpen()
    this.writer.begin(isFinal)
  }

  /** Commits replayed changes as the version that they had. */
  commitReplay(version: number, hasMovedAddresses: boolean): void {
    this.writer.commit()
    this.version = version
    if (hasMovedAddresses) this.live.generation++
  }

  /**
   * Takes over the newest state of the file, which another process writes; with `isDurableOnly`, when it is on the
   * device. `changedIn`: the version in which a block was last replayed, 0 for never; `isStillSo`, called with that
   * state: whether the replayed commits lead to it; if not, the heap goes back. Returns whether it shows another state.
   */
  takeNewerFile(
    changedIn: (block: number) => number,
    isStillSo: (root: FileRoot | undefined) => boolean,
    isDurableOnly: boolean,
  ): boolean {
    this.ensureOpen()
    const earlier = this.storage.root?.version ?? 0
    const taken = this.storage.takeNewer(this.path!, isDurableOnly)
    const version = taken?.root.version ?? earlier
    const isOther = !isStillSo(taken?.root) || version < earlier || version > this.version
    if (isOther) this.returnToFile()
    if (isOther || taken === undefined) return isOther
    this.writer.ensureBlocks(taken.table.length)
    const { table } = this.live
    for (let block = 0; block < table.length; block++) {
      const place = taken.table[block] ?? ZERO_BLOCK
      if (table[block] !== place && changedIn(block) <= version) this.writer.settle(block, place)
    }
    if (this.storage.reaches(table)) return false
    this.returnToFile()
    return true
  }

  /** Shows the state taken from the file; without one the empty heap of version 0, where every log begins. */
  returnToFile(): void {
    const saved = this.storage.current()
    this.writer.adopt(saved?.table ?? new Uint32Array(RESERVED_BLOCKS))
    this.version = saved?.root.version ?? 0
    this.live.generation++
  }

  private initialise(): void {
    this.writer.begin()
    this.writer.setNumber(ROOT.layoutVersion, OLDEST_LAYOUT_VERSION)
    this.writer.set(ROOT.top, RESERVED_BLOCKS, 0)
    this.writer.set(ROOT.seed, this.world.randomBytes(4).readInt32LE(0) | 1, 0)
    this.commit()
  }

  private adopt(file: PoolFile): void {
    this.version = file.root.version
    this.storage.adopt(file, this.live.table)
    checkLayout(this.live, file.path)
  }

  private attach(table: Uint32Array): void {
    if (this.detachedPin === undefined) return
    const pin = this.detachedPin
    this.detachedPin = undefined
    this.live.table = table
    this.live.generation = Math.max(this.live.generation, this.writer.view.generation) + 1
    this.writer.view.generation = CLOSED_GENERATION
    this.writer.view = this.live
    this.pins.release(pin)
  }

  private ensureWritable(): void {
    this.ensureOpen()
    if (this.isReadOnly) throw openForReading(this.path)
    if (this.journal?.refusal !== undefined) throw this.journal.refusal
    if (this.writer.isWriting) {
      throw new SnapheapError('BUSY', 'Another transaction is open. Finish it first; transactions do not nest.')
    }
  }

  private ensureOpen(): void {
    if (this.closed) throw new SnapheapError('CLOSED', 'The database is closed. Open it again.', { path: this.path })
  }
}
