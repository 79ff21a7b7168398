import { dirname, resolve } from 'node:path'
import { SnapheapError } from '../errors'
import { Allocator } from './allocator'
import { blockStatistics, checkBlocks } from './block-check'
import type { FileRoot } from './file-format'
import { type Files, filesWith, lockPathOf } from './files'
import type { HeapOptions } from './heap-options'
import type { CommitOptions, Journal } from './journal'
import { OLDEST_LAYOUT_VERSION, RESERVED_BLOCKS, ROOT, ZERO_BLOCK } from './layout'
import { checkLayout } from './layout-version'
import type { FileLock, Memory } from './memory'
import { type Pin, Pins } from './pins'
import { ioError, PoolFile } from './pool-file'
import { type HeapSnapshot, Snapshots } from './snapshots'
import { type PinnedState, type SaveOptions, Storage } from './storage'
import { removeAbandoned, removeLeftovers } from './temporary-files'
import { Turns } from './turns'
import { CLOSED_EPOCH, View } from './view'
import { Windows } from './windows'
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
  /** Makes commits durable. Undefined where nobody does. */
  journal: Journal | undefined
  private storage: Storage
  private lock: FileLock | undefined
  private detachedPin: Pin | undefined
  private readonly snapshots: Snapshots
  /** Saves and detached transactions, one after the other. */
  readonly turns = new Turns()
  /** Work that reads a pinned version beside everything else. */
  private readonly readers = new Set<Promise<unknown>>()
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
    this.writer = new Writer(this.windows, this.pins, this.live)
    this.allocator = new Allocator(this.writer)
    this.storage = new Storage(memory, files, world, this.windows, this.pins, this.writer, world.randomBytes(16))
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
    const lock = options.readOnly ? undefined : memory.lock(lockPathOf(path))
    let file: PoolFile | undefined
    let heap: Heap | undefined
    try {
      if (lock !== undefined) {
        removeLeftovers(files, path)
        removeAbandoned(memory, files, dirname(path))
      }
      try {
        const { from = path, accepts, readOnly } = options
        if (from !== null) file = PoolFile.open(memory, files, from, !readOnly, accepts)
      } catch (error) {
        if (!(error instanceof SnapheapError && error.code === 'NOT_FOUND')) throw error
      }
      const blocks = file === undefined ? RESERVED_BLOCKS : tableLength(file.root.mapEntries)
      heap = new Heap(memory, files, world, path, options.readOnly, blocks)
      heap.lock = lock
      if (file !== undefined) heap.adopt(file)
      if (!options.readOnly) heap.windows.prepareArena()
      options.recover?.(heap)
      if (heap.version === 0) {
        if (!options.create || options.readOnly) throw ioError('open', path, { code: 'ENOENT' })
        heap.initialise()
      }
      return heap
    } catch (error) {
      heap?.journal?.close().catch(() => undefined) // nothing is under way: it has closed what it opened when it returns
      heap?.windows.close()
      file?.close()
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

  /** Takes the identity that a journal gives to a heap which has no file yet. */
  identify(id: Uint8Array): void {
    this.storage.heapId = id
  }

  /** The newest durable state, undefined before the first save and for a heap in memory. */
  get savedRoot(): FileRoot | undefined {
    return this.storage.root
  }

  /** Opens a transaction whose changes the live view shows at once: for changes made in one synchronous turn. Throws `BUSY`, `READ_ONLY`. */
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
    this.writer.view.epoch = this.live.epoch + 1
    this.writer.shareTable()
    this.writer.begin()
  }

  /** Makes the transaction's changes the newest version. Throws what the journal throws; then the transaction is still open. */
  commit(options: CommitOptions = {}): void {
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
    const version = this.version + 1
    this.journal?.prepareSkip()
    this.journal?.checkpointBegins()
    try {
      await this.storage.save(
        this.path!,
        this.stateOf(this.writer.view.table, version, version - 1),
        {},
        {
          isCompacting: false,
          onReplace: (earlier) => this.journal?.replacesFile(earlier.version),
          onDurable: () => {
            this.journal?.skip(version)
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
    this.live.epoch++
    if (this.detachedPin !== undefined) this.writer.shareTable()
    this.attach(this.live.table)
  }

  /** Pins the newest committed version. O(1), copies nothing. Throws `BUSY` inside a transaction that is not detached. */
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
   * or rewrites the file when too much of it is dead. Runs off the event loop; commits go on meanwhile. Resolves once it
   * is on the device. Throws `IO`; then the file keeps its earlier state.
   */
  async save(options: SaveOptions = {}, isCompacting = false): Promise<void> {
    if (this.path === undefined) {
      throw new SnapheapError('INVALID_ARGUMENT', 'This heap is in memory only. Name a file: save(path).')
    }
    if (this.isReadOnly) throw readOnly(this.path)
    await this.withSnapshot(async ({ pin, version }) => {
      this.journal?.checkpointBegins()
      await this.storage.save(this.path!, this.stateOf(pin.table, version), options, {
        isCompacting,
        onReplace: (earlier) => this.journal?.replacesFile(earlier.version),
        onDurable: () => undefined,
      })
      await this.journal?.checkpointed(version)
    })
  }

  /** Rewrites the heap's own file into its smallest form, beside commits. Throws as `save`. */
  async compact(options: SaveOptions = {}): Promise<void> {
    await this.save(options, true)
  }

  /** Writes the newest committed version into a new file in its densest form: temporary file, sync, rename, sync of the folder. */
  async saveAs(givenPath: string, options: SaveOptions = {}): Promise<void> {
    const path = resolve(givenPath)
    if (path === this.path) return this.save(options)
    await this.withSnapshot(({ pin, version }) => this.storage.saveAs(path, this.stateOf(pin.table, version), options))
  }

  /**
   * Has `work` look at the newest version also after it has returned, from other threads too: what it sees stays as it is, and in
   * memory, until the promise is settled. `close` waits for that. Rejects with what `work` throws, at once or later.
   */
  async readBeside<T>(work: (view: View) => Promise<T>): Promise<T> {
    const done = this.readPinned(work)
    this.readers.add(done)
    try {
      return await done
    } finally {
      this.readers.delete(done)
    }
  }

  private async readPinned<T>(work: (view: View) => Promise<T>): Promise<T> {
    const snapshot = this.snapshot('work beside')
    try {
      return await work(snapshot.view)
    } finally {
      snapshot.release()
    }
  }

  /** Runs `work` at once, or, where a transaction or a save is under way, as soon as that has ended. */
  whenQuiet(work: () => void): void {
    if (this.turns.isIdle && !this.writer.isWriting) work()
    else void this.turns.run(async () => work())
  }

  /** Waits for a running save, gives everything back, and then throws what closing the journal has thrown. Idempotent. */
  async close(): Promise<void> {
    await this.turns.run(async () => {
      if (this.closed) return
      this.closed = true
      await Promise.allSettled(this.readers)
      try {
        await this.journal?.close()
      } finally {
        this.live.epoch = CLOSED_EPOCH
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

  /** Opens a transaction that does again what a journal recorded: `commitReplay` ends it, and, unless it `isFinal`, `rollback`. */
  beginReplay(isFinal: boolean): void {
    this.ensureOpen()
    this.writer.begin(isFinal)
  }

  /** Makes what was done again the version that it was. */
  commitReplay(version: number, hasMovedAddresses: boolean): void {
    this.writer.commit()
    this.version = version
    if (hasMovedAddresses) this.live.epoch++
  }

  /**
   * Takes over the newest state of the file, which another process writes, to see newer versions or to need less memory.
   * `changedIn` tells in which version a block was last replayed, 0 for never; `isStillSo`, asked after the file was read,
   * whether what was replayed still counts: if not, the heap goes back. Returns whether it shows another state now.
   */
  takeNewerFile(changedIn: (block: number) => number, isStillSo: () => boolean): boolean {
    this.ensureOpen()
    const earlier = this.storage.root?.version ?? 0
    const taken = this.storage.takeNewer(this.path!)
    const version = taken?.root.version ?? earlier
    const isOther = !isStillSo() || version < earlier || version > this.version
    if (isOther) this.returnToFile()
    if (isOther || taken === undefined) return isOther
    this.writer.ensureBlocks(taken.table.length)
    const { table } = this.live
    for (let block = 0; block < table.length; block++) {
      const place = taken.table[block] ?? ZERO_BLOCK
      if (table[block] !== place && changedIn(block) <= version) this.writer.settle(block, place)
    }
    return false
  }

  /** Shows the state taken from the file; without one the empty heap of version 0, where every log begins. */
  returnToFile(): void {
    const saved = this.storage.current()
    this.writer.adopt(saved?.table ?? new Uint32Array(RESERVED_BLOCKS))
    this.version = saved?.root.version ?? 0
    this.live.epoch++
  }

  private stateOf(table: Uint32Array, version: number, recorded = version): PinnedState {
    return { table, version, durable: async () => this.journal?.durable(recorded) }
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

  private async withSnapshot(work: (snapshot: HeapSnapshot) => Promise<void>): Promise<void> {
    await this.turns.run(async () => {
      const snapshot = this.snapshot('save')
      try {
        await work(snapshot)
      } finally {
        snapshot.release()
      }
    })
  }

  private attach(table: Uint32Array): void {
    if (this.detachedPin === undefined) return
    const pin = this.detachedPin
    this.detachedPin = undefined
    this.live.table = table
    this.live.epoch = Math.max(this.live.epoch, this.writer.view.epoch) + 1
    this.writer.view.epoch = CLOSED_EPOCH
    this.writer.view = this.live
    this.pins.release(pin)
  }

  private ensureWritable(): void {
    this.ensureOpen()
    if (this.isReadOnly) throw readOnly(this.path)
    if (this.journal?.refusal !== undefined) throw this.journal.refusal
    if (this.writer.isWriting) {
      throw new SnapheapError('BUSY', 'Another transaction is open. Finish it first; transactions do not nest.')
    }
  }

  private ensureOpen(): void {
    if (this.closed) throw new SnapheapError('CLOSED', 'The database is closed. Open it again.', { path: this.path })
  }
}

function tableLength(blocks: number): number {
  let length = RESERVED_BLOCKS
  while (length < blocks) length *= 2
  return length
}

function readOnly(path: string | undefined): SnapheapError {
  return new SnapheapError(
    'READ_ONLY',
    `${path ?? 'The heap'} is open for reading only. Open it without readOnly to change it.`,
  )
}
