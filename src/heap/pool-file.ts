import { SnapheapError } from '../errors'
import {
  damaged,
  decodeHeader,
  encodeHeader,
  encodeMap,
  encodeRoot,
  ensureFeatures,
  type FileHeader,
  type FileRoot,
  FORMAT_VERSION,
  mapBlocks,
  ROOT_SLOT_OFFSETS,
} from './file-format'
import { openFile, readState } from './file-states'
import { type Files, fileNameOf } from './files'
import type { HistoryPoint } from './history-point'
import { ioError } from './io-error'
import { BLOCK_BYTES } from './layout'
import type { FileName, Memory } from './memory'
import { type DamagedBlock, damagedBlocks, PlacedBlocks } from './placed-blocks'
import { syncForReading } from './sync-for-reading'
import type { TemporaryFile } from './temporary-files'
import { lockWritten } from './writer-lock'

/** Blocks handed to the operating system at once: bounds the time between two turns of the event loop. */
export const BLOCKS_PER_WRITE = 64

/** A block to be written: its bytes stay valid and unchanged until the write is done. */
export interface PendingBlock {
  readonly block: number
  readonly bytes: Uint8Array
  /** For a block of a file: what its bytes must match. */
  readonly source?: { readonly path: string; readonly place: number; readonly checksum: number }
}

/** What a root says of the state that it is the root of. */
export interface SavedState {
  readonly version: number
  readonly timeMs: number
  readonly annotation: string
  readonly point: HistoryPoint
}

/**
 * An open heap file. Blocks are only ever appended: what a root once described stays as it was, for every process that
 * has the file mapped and for a plain copy taken at any time.
 */
export class PoolFile {
  /** A newer state in the file, which is damaged: the next one takes its place. */
  skipped: FileRoot | undefined
  private placed: PlacedBlocks | undefined
  /** The newest request to name it. */
  private named: { readonly path: string; readonly name: FileName } | undefined
  /** Whether a root was written that could not be synced: the file may hold a newer state than this object knows of. */
  mayHoldNewer = false

  private constructor(
    private readonly memory: Memory,
    private readonly files: Files,
    public path: string,
    readonly fd: number,
    private header: FileHeader,
    /** Logical block -> place in this file. */
    public places: Uint32Array,
    /** Logical block -> CRC-32C of its block. */
    public checksums: Uint32Array,
    public root: FileRoot,
  ) {}

  /**
   * Opens a file and reads its newest whole root that `accepts` takes, and its map; reads no data. With `skipsDamaged`,
   * one before that where its map is damaged. Throws `NOT_FOUND`, `CORRUPT`, `VERSION`, `IO`.
   */
  static open(
    memory: Memory,
    files: Files,
    path: string,
    writable: boolean,
    accepts?: (root: FileRoot) => boolean,
    skipsDamaged?: boolean,
  ): PoolFile {
    const fd = openFile(files, path, writable ? 'r+' : 'r')
    try {
      if (writable) lockWritten(memory, fd, path)
      if (writable) files.sync(fd) // a process that ended before it synced may have left what is built upon from now on
      const state = readState(memory, files, fd, path, 0, accepts, skipsDamaged)!
      const { header, root, places, checksums } = state
      ensureFeatures(path, header.features, writable)
      const file = new PoolFile(memory, files, path, fd, header, places, checksums, root)
      file.skipped = state.skipped
      return file
    } catch (error) {
      files.close(fd)
      throw error instanceof SnapheapError ? error : ioError('read', path, error)
    }
  }

  /**
   * Takes the newest root again, which another process may have written; with `isDurableOnly`, when it is on the
   * device. Whether there was a newer one. Throws as `open`; then the root is the one before.
   */
  reread(isDurableOnly = false): boolean {
    this.ensureLength()
    const state = readState(this.memory, this.files, this.fd, this.path, this.root.sequence)
    if (state === undefined) return false
    if (isDurableOnly) this.ensureDurable(state.root)
    this.take(state)
    return true
  }

  /**
   * Returns when a root that another process has written is on the device, with the file's name. One that the log leads
   * to is written when the log is on the device: then no sync is needed. Throws `IO`.
   */
  ensureDurable({ point, version }: FileRoot): void {
    if (point !== undefined && point.loggedVersion >= version) return
    syncForReading(this.memory, this.files, this.fd, this.path)
  }

  /** Starts a file that was only just made, and closes it where that fails. It has no root until `append`. */
  static async create(
    memory: Memory,
    files: Files,
    { path, fd }: TemporaryFile,
    heapId: Uint8Array,
    fileId: Uint8Array,
  ): Promise<PoolFile> {
    const root = {
      sequence: 0,
      version: 0,
      timeMs: 0,
      mapBlock: 0,
      mapEntries: 0,
      mapChecksum: 0,
      fileBlocks: 1,
      liveBlocks: 0,
      annotation: '',
      point: undefined,
    }
    const bytes = encodeHeader(memory, heapId, fileId)
    const block = new Uint8Array(BLOCK_BYTES)
    block.set(bytes)
    const header = decodeHeader(memory, path, block)
    const file = new PoolFile(memory, files, path, fd, header, new Uint32Array(0), new Uint32Array(0), root)
    try {
      await file.writeAll([block], 0)
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  get heapId(): Uint8Array {
    return this.header.heapId
  }

  /**
   * Gives a file of an earlier format the header of this one, in one write within a sector of the device, and syncs.
   * Its roots stay as they are. Builds that know only the earlier format refuse the file from then on. Throws `IO`.
   */
  upgrade(fileId: Uint8Array): void {
    if (this.header.formatVersion === FORMAT_VERSION) return
    const bytes = encodeHeader(this.memory, this.heapId, fileId)
    try {
      this.files.write(this.fd, bytes, 0)
      this.files.sync(this.fd)
    } catch (error) {
      throw ioError('upgrade', this.path, error)
    }
    this.header = { ...this.header, formatVersion: FORMAT_VERSION, fileId }
  }

  /** Whether `path` still names this file: somebody may have removed or replaced it. */
  isAt(path: string): boolean {
    return this.names(path, 0)
  }

  private names(path: string, sizeBytes: number): boolean {
    const { memory, files, fd } = this
    if (this.named?.path !== path) this.named = { path, name: fileNameOf(memory, files, path, fd) }
    return this.named.name.isInPlace(sizeBytes)
  }

  /** Throws unless `path` still names this file, whole: somebody may have removed, replaced or truncated it. */
  ensureAt(path: string): void {
    if (this.names(path, this.root.fileBlocks * BLOCK_BYTES)) return
    const [code, what] = !this.files.exists(path)
      ? (['NOT_FOUND', 'was removed or renamed'] as const)
      : this.names(path, 0)
        ? (['CORRUPT', 'was truncated'] as const)
        : (['EXISTS', 'was replaced by another file'] as const)
    throw new SnapheapError(
      code,
      `${path} ${what} while the database was open. Save it to another path, close it, and put its file back.`,
      { path },
    )
  }

  /** The length of the file in blocks, from the file system rather than from the newest root. */
  get lengthBlocks(): number {
    return Math.ceil(this.files.sizeBytes(this.fd) / BLOCK_BYTES)
  }

  /** Blocks of the file that its newest root does not reach. */
  get deadBlocks(): number {
    return this.lengthBlocks - 1 - this.root.liveBlocks - mapBlocks(this.root.mapEntries)
  }

  /**
   * Throws `CORRUPT` where somebody has made the file shorter than its newest state: what is mapped behind its end must
   * not be read.
   */
  ensureLength(): void {
    const blocks = Math.floor(this.files.sizeBytes(this.fd) / BLOCK_BYTES)
    if (blocks >= this.root.fileBlocks) return
    throw new SnapheapError(
      'CORRUPT',
      `${this.path} has been made shorter while it was open: ${blocks} blocks of ${this.root.fileBlocks} are ` +
        'left, and reading the others ends the process. Close the database, and restore the file from a copy.',
      { path: this.path },
    )
  }

  /**
   * Appends blocks and a map that shows them in their new places, syncs, awaits `beforeRoot`, writes the older root
   * slot and syncs again. When this resolves the new root is durable; when it throws (`IO`, or what `onBlocks` and
   * `beforeRoot` throw) the file is still in its earlier state, and longer than it was: `cut`, unless the root was
   * perhaps written (`mayHoldNewer`). `places` and `checksums` say where the unchanged blocks are; they are completed
   * and become the file's.
   */
  async append(
    blocks: Iterable<PendingBlock>,
    places: Uint32Array,
    checksums: Uint32Array,
    state: SavedState,
    onBlocks: (written: number) => void,
    beforeRoot: () => Promise<void>,
  ): Promise<void> {
    const entries = places.length
    const { next, map } = await this.appendState(blocks, places, checksums, onBlocks, beforeRoot)
    const root: FileRoot = {
      sequence: this.root.sequence + 1,
      version: state.version,
      timeMs: state.timeMs,
      mapBlock: next,
      mapEntries: entries,
      mapChecksum: this.memory.crc32c(map),
      fileBlocks: next + mapBlocks(entries),
      liveBlocks: places.reduce((count, place) => (place === 0 ? count : count + 1), 0),
      annotation: state.annotation,
      point: state.point,
    }
    this.mayHoldNewer = true
    await this.writeAll([encodeRoot(this.memory, root)], ROOT_SLOT_OFFSETS[root.sequence & 1])
    await this.io('sync', this.files.syncAsync(this.fd))
    this.mayHoldNewer = false
    this.take({ places, checksums, root })
  }

  /**
   * CRC-32C of the block at a place, which is mostly that of logical block `block`; undefined where the newest state
   * has none there.
   */
  checksumOf(block: number, place: number): number | undefined {
    return this.places[block] === place ? this.checksums[block] : this.placedBlocks().checksumOf(place)
  }

  /** What the newest state has at each place. Throws `CORRUPT` for a map that cannot be. */
  placedBlocks(): PlacedBlocks {
    if (this.placed !== undefined) return this.placed
    const placed = new PlacedBlocks(this.memory, this.root.fileBlocks)
    const problem = placed.add(this.places, this.checksums)
    if (problem !== undefined) throw damaged(this.path, problem)
    this.placed = placed
    return placed
  }

  private take({ places, checksums, root }: Pick<PoolFile, 'places' | 'checksums' | 'root'>): void {
    this.places = places
    this.checksums = checksums
    this.root = root
    this.placed = undefined
    this.skipped = undefined
  }

  /** Appends blocks and their map, all on the device, and awaits `beforeRoot`; returns where the map is. */
  private async appendState(
    blocks: Iterable<PendingBlock>,
    places: Uint32Array,
    checksums: Uint32Array,
    onBlocks: (written: number) => void,
    beforeRoot: () => Promise<void>,
  ): Promise<{ next: number; map: Uint8Array }> {
    const next = await this.appendBlocks(blocks, places, checksums, onBlocks)
    const earlierRoot = this.root.sequence === 0 ? undefined : encodeRoot(this.memory, this.root)
    const map = encodeMap(places, checksums, places.length, earlierRoot)
    await this.writeAll([map], next * BLOCK_BYTES)
    await this.io('sync', this.files.syncAsync(this.fd))
    await beforeRoot()
    return { next, map }
  }

  /**
   * Cuts the file off after the last block of any root, so that no reader needs the rest. Ignores failures.
   */
  cut(sizeBytes: number): void {
    try {
      this.files.truncate(this.fd, sizeBytes)
    } catch {} // the next state is appended behind it
  }

  /**
   * Appends blocks and notes where they are; returns the place behind them. One write is under way at a time: a second
   * one would take the processor that the event loop runs on, where there are two.
   */
  private async appendBlocks(
    blocks: Iterable<PendingBlock>,
    places: Uint32Array,
    checksums: Uint32Array,
    onBlocks: (written: number) => void,
  ): Promise<number> {
    let next = this.lengthBlocks
    let batch: PendingBlock[] = []
    const flush = async (): Promise<void> => {
      const bytes = batch.map((each) => each.bytes)
      const written = this.writeAll(bytes, next * BLOCK_BYTES)
      for (const [i, each] of batch.entries()) {
        places[each.block] = next + i
        checksums[each.block] = each.source?.checksum ?? this.memory.crc32c(each.bytes)
      }
      await written
      this.prove(batch)
      next += batch.length
      onBlocks(batch.length)
      batch = []
    }
    for (const block of blocks) {
      batch.push(block)
      if (batch.length === BLOCKS_PER_WRITE) await flush()
    }
    if (batch.length > 0) await flush()
    return next
  }

  /**
   * Throws `CORRUPT` where blocks were taken from a file that do not match their checksums. Being written has brought
   * them into memory.
   */
  private prove(blocks: readonly PendingBlock[]): void {
    const found: DamagedBlock[] = []
    let path = ''
    for (const { block, bytes, source } of blocks) {
      if (source === undefined || this.memory.crc32c(bytes) === source.checksum) continue
      path = source.path
      found.push({ block, place: source.place })
    }
    if (found.length > 0) throw damagedBlocks(path, found)
  }

  close(): void {
    this.files.close(this.fd)
  }

  /** The same for a file that has lost its name, off the event loop. */
  closeAsync(): void {
    this.files.closeAsync(this.fd).catch(() => undefined) // a descriptor that was read from has nothing to tell
  }

  private async writeAll(buffers: Uint8Array[], offsetBytes: number): Promise<void> {
    await this.io('write', this.files.writeAsync(this.fd, buffers, offsetBytes))
  }

  private async io<T>(what: string, result: Promise<T>): Promise<T> {
    try {
      return await result
    } catch (error) {
      throw ioError(what, this.path, error)
    }
  }
}
