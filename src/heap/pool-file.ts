import { SnapheapError } from '../errors'
import {
  damaged,
  decodeHeader,
  decodeMap,
  decodeRoot,
  earlierRootOffset,
  encodeHeader,
  encodeMap,
  encodeRoot,
  ensureFeatures,
  type FileHeader,
  type FileRoot,
  FORMAT_VERSION,
  mapBlocks,
  ROOT_SLOT,
  ROOT_SLOT_OFFSETS,
} from './file-format'
import type { Files } from './files'
import type { HistoryPoint } from './history-point'
import { BLOCK_BYTES } from './layout'
import type { Memory } from './memory'
import type { TemporaryFile } from './temporary-files'

/** Blocks handed to the operating system at once: bounds the time between two turns of the event loop. */
export const BLOCKS_PER_WRITE = 64

/** A block to be written: its bytes stay valid and unchanged until the write is done. */
export interface PendingBlock {
  readonly block: number
  readonly bytes: Uint8Array
  /** CRC-32C where it is already known. */
  readonly checksum?: number
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

  /** Opens a file and reads its newest whole root that `accepts` takes, and its map; reads no data. Throws `NOT_FOUND`, `CORRUPT`, `VERSION`, `IO`. */
  static open(
    memory: Memory,
    files: Files,
    path: string,
    writable: boolean,
    accepts: (root: FileRoot) => boolean = () => true,
  ): PoolFile {
    const fd = openFile(files, path, writable ? 'r+' : 'r')
    try {
      if (writable) files.sync(fd) // a process that ended before it synced may have left what is built upon from now on
      const { header, root, places, checksums } = readState(memory, files, fd, path, 0, accepts)!
      ensureFeatures(path, header.features, writable)
      return new PoolFile(memory, files, path, fd, header, places, checksums, root)
    } catch (error) {
      files.close(fd)
      throw error instanceof SnapheapError ? error : ioError('read', path, error)
    }
  }

  /** Takes the newest root again, which another process may have written. Whether there was a newer one. Throws as `open`. */
  reread(): boolean {
    const state = readState(this.memory, this.files, this.fd, this.path, this.root.sequence)
    if (state === undefined) return false
    this.places = state.places
    this.checksums = state.checksums
    this.root = state.root
    return true
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
   * Gives a file of an earlier format the header of this one, in one write within a sector of the device, and syncs. Its roots stay
   * as they are. Builds that know only the earlier format refuse the file from then on. Throws `IO`.
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
    return this.files.names(path, this.fd)
  }

  /** The length of the file in blocks, whatever the newest root says of it. */
  get lengthBlocks(): number {
    return Math.ceil(this.files.sizeBytes(this.fd) / BLOCK_BYTES)
  }

  /**
   * Appends blocks and a map that shows them in their new places, syncs, awaits `durable`, writes the older root slot and syncs
   * again. When this resolves the new root is durable; when it throws (`IO`) the file is still in its earlier state, and as long
   * as it was unless the root was perhaps written.
   * `places` and `checksums` say where the unchanged blocks are; they are completed and become the file's.
   */
  async append(
    blocks: Iterable<PendingBlock>,
    places: Uint32Array,
    checksums: Uint32Array,
    state: SavedState,
    onBlocks: (written: number) => void,
    durable: () => Promise<void>,
  ): Promise<void> {
    const entries = places.length
    const sizeBytes = this.files.sizeBytes(this.fd)
    const { next, map } = await this.appendState(blocks, places, checksums, onBlocks, durable).catch((error) => {
      this.cut(sizeBytes)
      throw error
    })
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
    await this.io('sync', this.files.syncBeside(this.fd))
    this.mayHoldNewer = false
    this.places = places
    this.checksums = checksums
    this.root = root
  }

  /** Appends blocks and their map, all on the device, and awaits `durable`; returns where the map is. */
  private async appendState(
    blocks: Iterable<PendingBlock>,
    places: Uint32Array,
    checksums: Uint32Array,
    onBlocks: (written: number) => void,
    durable: () => Promise<void>,
  ): Promise<{ next: number; map: Uint8Array }> {
    const next = await this.appendBlocks(blocks, places, checksums, onBlocks)
    const earlierRoot = this.root.sequence === 0 ? undefined : encodeRoot(this.memory, this.root)
    const map = encodeMap(places, checksums, places.length, earlierRoot)
    await this.writeAll([map], next * BLOCK_BYTES)
    await this.io('sync', this.files.syncBeside(this.fd))
    await durable()
    return { next, map }
  }

  /** Ends the file where no root reaches beyond, so that nobody reads what is cut off. Does nothing where that fails. */
  cut(sizeBytes: number): void {
    try {
      this.files.truncate(this.fd, sizeBytes)
    } catch {} // the next state is appended behind it
  }

  /**
   * Appends blocks and notes where they are; returns the place behind them. One write is under way at a time: a second one would
   * take the processor that the event loop runs on, where there are two.
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
        checksums[each.block] = each.checksum ?? this.memory.crc32c(each.bytes)
      }
      await written
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

  close(): void {
    this.files.close(this.fd)
  }

  /** The same for a file that has lost its name, off the event loop. */
  closeBeside(): void {
    this.files.closeBeside(this.fd).catch(() => undefined) // a descriptor that was read from has nothing to tell
  }

  private async writeAll(buffers: Uint8Array[], offsetBytes: number): Promise<void> {
    await this.io('write', this.files.writeBeside(this.fd, buffers, offsetBytes))
  }

  private async io<T>(what: string, result: Promise<T>): Promise<T> {
    try {
      return await result
    } catch (error) {
      throw ioError(what, this.path, error)
    }
  }
}

/** Every root of a file, the newest first: of the slots, and of those that its maps remember. Throws `CORRUPT`, `VERSION`, `NOT_FOUND`, `IO`. */
export function rootsOf(memory: Memory, files: Files, path: string): FileRoot[] {
  const fd = openFile(files, path, 'r')
  try {
    return [...readRoots(memory, files, fd, path).roots]
  } catch (error) {
    throw ioError('read', path, error)
  } finally {
    files.close(fd)
  }
}

/** The newest of them, in one read. Throws as `rootsOf`. */
export function newestRootOf(memory: Memory, files: Files, path: string): FileRoot {
  const fd = openFile(files, path, 'r')
  try {
    return readRoots(memory, files, fd, path).newest
  } catch (error) {
    throw ioError('read', path, error)
  } finally {
    files.close(fd)
  }
}

function readRoots(
  memory: Memory,
  files: Files,
  fd: number,
  path: string,
): { header: FileHeader; newest: FileRoot; roots: Generator<FileRoot> } {
  const block = readRange(files, fd, 0, BLOCK_BYTES)
  // After the header: whatever a root in it describes is in the file by now, even while a writer appends.
  const fileBlocks = Math.floor(files.sizeBytes(fd) / BLOCK_BYTES)
  const header = decodeHeader(memory, path, block)
  const slots = ROOT_SLOT_OFFSETS.map((offset) =>
    decodeRoot(memory, block.subarray(offset, offset + ROOT_SLOT.sizeBytes), fileBlocks),
  )
  const newest = slots.reduce((a, b) => (b !== undefined && (a === undefined || b.sequence > a.sequence) ? b : a))
  if (newest === undefined) throw damaged(path, 'neither of its two roots is whole')
  return { header, newest, roots: fromNewest(newest) }

  function* fromNewest(first: FileRoot): Generator<FileRoot> {
    let root: FileRoot | undefined = first
    while (root !== undefined) {
      yield root
      const slot = readRange(files, fd, earlierRootOffset(root), ROOT_SLOT.sizeBytes)
      const earlier: FileRoot | undefined = decodeRoot(memory, slot, root.fileBlocks)
      root = earlier !== undefined && earlier.sequence < root.sequence ? earlier : undefined
    }
  }
}

/** The newest whole state in a file: undefined when its root is not newer than number `sequence`. Throws `CORRUPT`, `VERSION`. */
function readState(
  memory: Memory,
  files: Files,
  fd: number,
  path: string,
  sequence: number,
  accepts: (root: FileRoot) => boolean = () => true,
): { header: FileHeader; root: FileRoot; places: Uint32Array; checksums: Uint32Array } | undefined {
  const { header, roots } = readRoots(memory, files, fd, path)
  let root: FileRoot | undefined
  for (const each of roots) {
    root = each
    if (accepts(each)) break
  }
  if (root === undefined || !accepts(root)) throw damaged(path, 'it holds no state as old as that')
  if (root.sequence <= sequence) return undefined
  const map = readRange(files, fd, root.mapBlock * BLOCK_BYTES, mapBlocks(root.mapEntries) * BLOCK_BYTES)
  return { header, root, ...decodeMap(memory, path, root, map) }
}

/** Opens a file or throws `NOT_FOUND` or `IO`. */
function openFile(files: Files, path: string, flags: 'r' | 'r+'): number {
  try {
    return files.open(path, flags)
  } catch (error) {
    throw ioError('open', path, error)
  }
}

/** Reads a range of a file; past its end the bytes are zero. */
export function readRange(files: Files, fd: number, offsetBytes: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  files.read(fd, bytes, offsetBytes)
  return bytes
}

/** What the operating system refused, as a typed error that names the path. */
export function ioError(what: string, path: string, error: unknown): SnapheapError {
  if (error instanceof SnapheapError) return error
  const systemCode = (error as NodeJS.ErrnoException).code ?? 'unknown'
  const details = { path, systemCode }
  if (systemCode === 'ENOENT') {
    return new SnapheapError(
      'NOT_FOUND',
      `${path} does not exist. Check the path, or open it with create.`,
      details,
      error,
    )
  }
  if (systemCode === 'EEXIST') {
    return new SnapheapError(
      'EXISTS',
      `${path} exists already. Choose another path, or allow it to be replaced.`,
      details,
      error,
    )
  }
  const remedy =
    systemCode === 'ENOSPC'
      ? 'Free space on the device and try again; nothing was lost'
      : 'Nothing was lost; mend the cause and try again'
  return new SnapheapError('IO', `Could not ${what} ${path} (${systemCode}). ${remedy}.`, details, error)
}
