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
  type FileRoot,
  mapBlocks,
  ROOT_SLOT,
  ROOT_SLOT_OFFSETS,
} from './file-format'
import type { Files } from './files'
import { BLOCK_BYTES, WINDOW_MASK, WINDOW_SHIFT, windowBlocks } from './layout'
import type { Memory } from './memory'
import { readOnlyError } from './memory-checks'
import { replacedFile } from './replaced-file'
import type { TemporaryFile } from './temporary-files'
import { lockWritten } from './writer-lock'

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
    readonly heapId: Uint8Array,
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
      if (writable) lockWritten(memory, fd, path)
      if (writable) files.sync(fd) // a process that ended before it synced may have left what is built upon from now on
      const { heapId, root, places, checksums } = readState(memory, files, fd, path, 0, accepts)!
      return new PoolFile(memory, files, path, fd, heapId, places, checksums, root)
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

  /** Starts a file that was only just made, and closes it where that fails. It has no root until `writeRoot`. */
  static async create(
    memory: Memory,
    files: Files,
    { path, fd }: TemporaryFile,
    heapId: Uint8Array,
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
    }
    const file = new PoolFile(memory, files, path, fd, heapId, new Uint32Array(0), new Uint32Array(0), root)
    try {
      await file.writeAll([encodeHeader(memory, heapId)], 0)
      return file
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** Whether `path` still names this file: somebody may have removed or replaced it. */
  isAt(path: string): boolean {
    return this.files.names(path, this.fd)
  }

  /** Throws unless `path` still names this file, whole: somebody may have removed, replaced or truncated it. */
  ensureAt(path: string): void {
    const { files, fd } = this
    if (files.names(path, fd, this.root.fileBlocks * BLOCK_BYTES)) return
    const [code, what] = !files.exists(path)
      ? (['NOT_FOUND', 'was removed or renamed'] as const)
      : files.names(path, fd)
        ? (['CORRUPT', 'was truncated'] as const)
        : (['EXISTS', 'was replaced by another file'] as const)
    throw new SnapheapError(
      code,
      `${path} ${what} while the database was open. Save it to another path, close it, and put its file back.`,
      { path },
    )
  }

  /** The length of the file in blocks, whatever the newest root says of it. */
  get lengthBlocks(): number {
    return Math.ceil(this.files.sizeBytes(this.fd) / BLOCK_BYTES)
  }

  /**
   * Appends blocks and a map that shows them in their new places, syncs, writes the older root slot and syncs again.
   * When this resolves the new root is durable; when it throws (`IO`) the file is still in its earlier state.
   * `places` and `checksums` say where the unchanged blocks are; they are completed and become the file's. `ensureWriter` is
   * called before each write: what it throws ends it.
   */
  async append(
    blocks: Iterable<PendingBlock>,
    places: Uint32Array,
    checksums: Uint32Array,
    state: SavedState,
    onBlocks: (written: number) => void,
    ensureWriter: () => void = () => undefined,
  ): Promise<void> {
    const entries = places.length
    const next = await this.appendBlocks(blocks, places, checksums, (written) => {
      onBlocks(written)
      ensureWriter()
    })
    const earlierRoot = this.root.sequence === 0 ? undefined : encodeRoot(this.memory, this.root)
    const map = encodeMap(places, checksums, entries, earlierRoot)
    await this.writeAll([map], next * BLOCK_BYTES)
    await this.io('sync', this.files.syncBeside(this.fd))
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
    }
    ensureWriter()
    this.mayHoldNewer = true
    await this.writeAll([encodeRoot(this.memory, root)], ROOT_SLOT_OFFSETS[root.sequence & 1])
    await this.io('sync', this.files.syncBeside(this.fd))
    this.mayHoldNewer = false
    this.places = places
    this.checksums = checksums
    this.root = root
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

function readRoots(
  memory: Memory,
  files: Files,
  fd: number,
  path: string,
): { heapId: Uint8Array; roots: Generator<FileRoot> } {
  const header = readRange(files, fd, 0, BLOCK_BYTES)
  // After the header: whatever a root in it describes is in the file by now, even while a writer appends.
  const fileBlocks = Math.floor(files.sizeBytes(fd) / BLOCK_BYTES)
  const heapId = decodeHeader(memory, path, header)
  const slots = ROOT_SLOT_OFFSETS.map((offset) =>
    decodeRoot(memory, header.subarray(offset, offset + ROOT_SLOT.sizeBytes), fileBlocks),
  )
  const newest = slots.reduce((a, b) => (b !== undefined && (a === undefined || b.sequence > a.sequence) ? b : a))
  if (newest === undefined) throw damaged(path, 'neither of its two roots is whole')
  return { heapId, roots: fromNewest(newest) }

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
): { heapId: Uint8Array; root: FileRoot; places: Uint32Array; checksums: Uint32Array } | undefined {
  const { heapId, roots } = readRoots(memory, files, fd, path)
  let root: FileRoot | undefined
  for (const each of roots) {
    root = each
    if (accepts(each)) break
  }
  if (root === undefined || !accepts(root)) throw damaged(path, 'it holds no state as old as that')
  if (root.sequence <= sequence) return undefined
  const map = readRange(files, fd, root.mapBlock * BLOCK_BYTES, mapBlocks(root.mapEntries) * BLOCK_BYTES)
  return { heapId, root, ...decodeMap(memory, path, root, map) }
}

/**
 * A pool file seen through windows of memory: place in the file -> physical block. Windows are mapped as the file grows
 * into them and given back together.
 */
export class FileWindows {
  private readonly slots: number[] = []
  /** Where each window begins in the file, in blocks; behind the last, where it ends. */
  private readonly starts = [0]

  constructor(
    private readonly windows: {
      mapFile(fd: number, offsetBytes: number, sizeBytes: number): number
      unmap(slot: number): void
      refresh(slot: number, fd: number, fileOffsetBytes: number, offsetBytes: number, sizeBytes: number): void
    },
    private readonly fd: number,
  ) {}

  /** Makes places below `blocks` readable; those from `from` on were just written. */
  cover(from: number, blocks: number): void {
    const { slots, starts, windows, fd } = this
    const mapped = slots.length
    for (let covered = starts[mapped]; covered < blocks; ) {
      const size = windowBlocks(covered, blocks - covered)
      slots.push(windows.mapFile(fd, covered * BLOCK_BYTES, size * BLOCK_BYTES))
      starts.push((covered += size))
    }
    for (let window = 0; window < mapped; window++) {
      const start = Math.max(from, starts[window])
      const size = Math.min(blocks, starts[window + 1]) - start
      if (size <= 0) continue
      const inWindow = (start - starts[window]) * BLOCK_BYTES
      windows.refresh(slots[window], fd, start * BLOCK_BYTES, inWindow, size * BLOCK_BYTES)
    }
  }

  physicalOf(place: number): number {
    if (place === 0) return 0
    const { starts } = this
    let window = 0
    while (place >= starts[window + 1]) window++
    return (this.slots[window] << WINDOW_SHIFT) | (place - starts[window])
  }

  /** The place of a physical block in this file, 0 when it is not in this file. */
  placeOf(physical: number): number {
    const window = this.slots.indexOf(physical >>> WINDOW_SHIFT)
    return window < 0 ? 0 : this.starts[window] + (physical & WINDOW_MASK)
  }

  release(): void {
    for (const slot of this.slots) this.windows.unmap(slot)
    this.slots.length = 0
    this.starts.length = 1
  }
}

/** Opens a file, for reading also one that lost its name while it was replaced. Throws `NOT_FOUND`, `READ_ONLY` or `IO`. */
function openFile(files: Files, path: string, flags: 'r' | 'r+'): number {
  try {
    return files.open((flags === 'r' ? replacedFile(files, path) : undefined) ?? path, flags)
  } catch (error) {
    throw (flags === 'r+' ? readOnlyError(path, error) : undefined) ?? ioError('open', path, error)
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
