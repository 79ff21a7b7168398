import { dirname } from 'node:path'
import { assert, SnapheapError } from '../errors'
import { encodeAnnotation, type FileRoot, mapBlocks } from './file-format'
import type { Files } from './files'
import { withoutWriter } from './heap-lock'
import { ZERO_BLOCK } from './layout'
import type { Memory } from './memory'
import type { Pins } from './pins'
import { FileWindows, ioError, type PendingBlock, PoolFile, type SavedState } from './pool-file'
import { ensureFolderOf, promote, refuseExisting } from './promotion'
import { openToRewrite, openToSave, removeAbandoned, type TemporaryFile } from './temporary-files'
import type { Windows } from './windows'
import type { World } from './world'
import type { Writer } from './writer'

export interface SaveProgress {
  readonly writtenBlocks: number
  readonly totalBlocks: number
}

export interface SaveOptions {
  /** Allow an existing file at another path to be replaced. Default false. */
  readonly replace?: boolean
  /** Kept beside the root, opaque to the heap; at most 468 bytes of UTF-8. Default ''. */
  readonly annotation?: string
  readonly onProgress?: (progress: SaveProgress) => void
}

export interface OwnFileOptions {
  /** Rewrite the file even where little of it is dead. */
  readonly isCompacting: boolean
  /** Called before each write to a file that others know: throws where another process may be its writer. */
  readonly ensureWriter: () => void
  /** Called before the heap's own file loses its name to another. */
  readonly onReplace: (earlier: FileRoot) => void
  /** Called when the state is durable, before the heap's blocks are pointed at the file. */
  readonly onDurable: () => void
}

/** A version to be saved: its table is held by a pin while it is read. */
export interface PinnedState {
  readonly table: Uint32Array
  readonly version: number
}

/** A file is rewritten, dropping dead blocks, when more than half of it (and more than 128 blocks) is dead. */
const DEAD_SHARE = 0.5
const DEAD_BLOCKS_AT_LEAST = 128

/**
 * Where a heap's blocks are kept: the file it was opened from or saved to, the windows onto it, and the way blocks get
 * there. Works on pinned block tables only, so commits go on while it writes.
 */
export class Storage {
  private file: PoolFile | undefined
  private fileWindows: FileWindows | undefined
  /** The file that is known to have its name durably. */
  private durablyNamed: PoolFile | undefined
  /** A file was given the heap's name, but perhaps not durably: the heap has not gone over to it. */
  private hasUnsyncedName = false

  constructor(
    private readonly memory: Memory,
    private readonly files: Files,
    private readonly world: World,
    private readonly windows: Windows,
    private readonly pins: Pins,
    private readonly writer: Writer,
    public heapId: Uint8Array,
  ) {}

  get root(): FileRoot | undefined {
    return this.file?.root
  }

  /** Whether the file at the heap's path may hold a newer state than the heap knows of, because saving it failed at the end. */
  get mayHoldNewer(): boolean {
    return this.hasUnsyncedName || this.file?.mayHoldNewer === true
  }

  /** Throws unless the heap's own file, where it has one, still is what `path` names, whole. */
  ensureInPlace(path: string): void {
    if (!this.hasUnsyncedName) this.file?.ensureAt(path)
  }

  /** Maps an opened file and fills `table` with the places of its blocks. */
  adopt(file: PoolFile, table: Uint32Array): void {
    this.file = file
    this.heapId = file.heapId
    const fileWindows = new FileWindows(this.windows, file.fd)
    this.fileWindows = fileWindows
    fileWindows.cover(0, file.root.fileBlocks)
    const { places } = file
    for (let block = 0; block < places.length; block++) {
      const place = places[block]
      if (place !== 0) table[block] = fileWindows.physicalOf(place) // everywhere else it has the block of zeros
    }
  }

  /**
   * Goes over to the newest state of the file at `path`, which its writer keeps: of the same file, or of another that has
   * taken its name. Returns the block table that it gives, undefined when there is nothing newer. The caller takes that
   * over: from now on, blocks are placed in the new state.
   */
  takeNewer(path: string): { root: FileRoot; table: Uint32Array } | undefined {
    const { file: earlier, fileWindows: earlierWindows } = this
    if (earlier?.isAt(path) === true) {
      const from = earlier.root.fileBlocks
      if (!earlier.reread()) return undefined
      earlierWindows!.cover(from, earlier.root.fileBlocks)
      return { root: earlier.root, table: this.tableOf(earlier, earlierWindows!) }
    }
    if (!this.files.exists(path)) return undefined
    const file = PoolFile.open(this.memory, this.files, path, false)
    if (!Buffer.from(file.heapId).equals(this.heapId)) {
      file.close()
      throw new SnapheapError('CORRUPT', `${path} is now the file of another heap. Close this one and open that.`, {
        path,
      })
    }
    this.file = file
    this.fileWindows = new FileWindows(this.windows, file.fd)
    this.fileWindows.cover(0, file.root.fileBlocks)
    this.pins.retire(() => {
      earlierWindows?.release()
      earlier?.closeBeside()
    })
    return { root: file.root, table: this.tableOf(file, this.fileWindows) }
  }

  /** The newest state that the heap has taken from its file, undefined without one. */
  current(): { root: FileRoot; table: Uint32Array } | undefined {
    return this.file === undefined
      ? undefined
      : { root: this.file.root, table: this.tableOf(this.file, this.fileWindows!) }
  }

  private tableOf(file: PoolFile, windows: FileWindows): Uint32Array {
    return file.places.map((place) => windows.physicalOf(place))
  }

  /** Whether a physical block is one of the heap's file. */
  holds(physical: number): boolean {
    return this.fileWindows !== undefined && this.fileWindows.placeOf(physical) !== 0
  }

  /**
   * Makes a pinned table durable in the heap's own file: by appending what changed, or by rewriting it when too much of
   * it is dead or its name has been taken from it.
   */
  async save(path: string, pinned: PinnedState, options: SaveOptions, own: OwnFileOptions): Promise<void> {
    encodeAnnotation(options.annotation ?? '')
    const saved = { ...pinned, table: pinned.table.slice() }
    const isInPlace = this.file?.isAt(path) === true
    if (this.file !== undefined && isInPlace && !own.isCompacting && !this.needsRewrite(this.file)) {
      if (this.durablyNamed !== this.file) {
        await this.syncFolderOf(path) // the rename that gave the file its name may have come no further
        this.durablyNamed = this.file
      }
      await this.append(this.file, saved, options, own)
    } else await this.rewrite(path, saved, { ...options, replace: isInPlace || options.replace === true }, own)
  }

  /**
   * Writes a pinned table into a file of its own. `ensureReplaceable` throws where that must not take the name `path`. Throws `LOCKED`
   * where another file of that name is open for writing.
   */
  async saveAs(
    path: string,
    pinned: PinnedState,
    options: SaveOptions,
    ensureReplaceable: (path: string) => void,
  ): Promise<void> {
    const { memory, files, world } = this
    encodeAnnotation(options.annotation ?? '')
    const saved = { ...pinned, table: pinned.table.slice() }
    ensureFolderOf(this.files, path)
    const ensureFree = (): void => {
      refuseExisting(this.files, path, options)
      ensureReplaceable(path)
    }
    withoutWriter(memory, files, path, ensureFree) // before anything is written
    removeAbandoned(memory, files, dirname(path))
    const file = await this.writeTemporary(() => openToSave(memory, files, world, path), path, saved, options)
    try {
      withoutWriter(memory, files, path, () => {
        ensureFree()
        promote(this.files, file, path, options)
      })
    } catch (error) {
      if (file.path !== path) this.removeTemporary(file)
      throw error
    } finally {
      file.close()
    }
    await this.syncFolderOf(path)
  }

  statistics(): { fileBlocks: number; deadFileBlocks: number } {
    if (this.file === undefined) return { fileBlocks: 0, deadFileBlocks: 0 }
    return { fileBlocks: this.file.lengthBlocks, deadFileBlocks: deadBlocks(this.file) }
  }

  close(): void {
    this.file?.close()
    this.file = undefined
  }

  private async append(
    file: PoolFile,
    { table: saved, version }: PinnedState,
    options: SaveOptions,
    { onDurable, ensureWriter }: OwnFileOptions,
  ): Promise<void> {
    const { windows } = this
    const changed: number[] = []
    const { places, checksums } = this.keptPlaces(file, saved)
    for (let block = 0; block < saved.length; block++) {
      if (windows.isArena(saved[block])) changed.push(block)
    }
    function* pending(): Generator<PendingBlock> {
      for (const block of changed) yield { block, bytes: windows.blockBytes(saved[block]) }
    }
    const from = file.lengthBlocks
    await file.append(
      pending(),
      places,
      checksums,
      stateOf(version, this.world.nowMs(), options),
      progressOf(options, changed.length),
      ensureWriter,
    )
    this.fileWindows?.cover(from, file.root.fileBlocks)
    onDurable()
    this.settle(file, saved)
  }

  /** The places and checksums of the blocks that are in the file already, wherever in the heap they are now. */
  private keptPlaces(file: PoolFile, saved: Uint32Array): { places: Uint32Array; checksums: Uint32Array } {
    const places = new Uint32Array(saved.length)
    const checksums = new Uint32Array(saved.length)
    const moved: number[] = []
    for (let block = 0; block < saved.length; block++) {
      places[block] = this.fileWindows?.placeOf(saved[block]) ?? 0
      if (places[block] === 0) continue
      if (file.places[block] === places[block]) checksums[block] = file.checksums[block]
      else moved.push(block)
    }
    if (moved.length > 0) {
      const checksumAt = new Map<number, number>()
      for (let block = 0; block < file.places.length; block++) checksumAt.set(file.places[block], file.checksums[block])
      for (const block of moved) checksums[block] = checksumAt.get(places[block]) ?? 0
    }
    return { places, checksums }
  }

  /** The heap goes over to the new file when that has its name durably; until then it keeps the earlier one, named or not. */
  private async rewrite(
    path: string,
    saved: PinnedState,
    given: SaveOptions,
    { onReplace, onDurable, ensureWriter }: OwnFileOptions,
  ): Promise<void> {
    // what has the name by now may be what a rewrite has left that failed when it had renamed
    const options = this.hasUnsyncedName ? { ...given, replace: true } : given
    const earlier = { file: this.file, windows: this.fileWindows }
    const { memory, files, world } = this
    const openTemporary = (): TemporaryFile => {
      const temporary = openToRewrite(memory, files, world, path)
      if (earlier.file !== undefined) files.copyMode(earlier.file.fd, temporary.fd)
      return temporary
    }
    ensureFolderOf(this.files, path)
    const file = await this.writeTemporary(openTemporary, path, saved, options)
    const fileWindows = new FileWindows(this.windows, file.fd)
    try {
      fileWindows.cover(0, file.root.fileBlocks)
      ensureWriter()
      if (earlier.file?.isAt(path) === true) onReplace(earlier.file.root)
      promote(this.files, file, path, options)
    } catch (error) {
      fileWindows.release()
      if (file.path !== path) this.removeTemporary(file)
      file.close()
      throw error
    }
    this.hasUnsyncedName = true
    try {
      await this.syncFolderOf(path)
    } catch (error) {
      fileWindows.release()
      file.close()
      throw error
    }
    this.hasUnsyncedName = false
    this.file = file
    this.durablyNamed = file
    this.fileWindows = fileWindows
    onDurable()
    this.settle(file, saved.table)
    this.pins.retire(() => {
      earlier.windows?.release()
      earlier.file?.closeBeside()
    })
  }

  /**
   * Repoints every block that is still what was saved to its place in the file. A commit during a rewrite may have moved
   * blocks of the earlier file to other addresses: they are found by their physical place.
   */
  private settle(file: PoolFile, saved: Uint32Array): void {
    const { table } = this.writer.view
    const placeOf = (block: number): number => this.fileWindows?.physicalOf(file.places[block]) ?? ZERO_BLOCK
    const moved: number[] = []
    for (let block = 0; block < table.length; block++) {
      const physical = table[block]
      if (physical === ZERO_BLOCK) continue
      if (saved[block] === physical) {
        if (placeOf(block) !== physical) this.writer.settle(block, placeOf(block))
      } else if (!this.windows.isArena(physical) && !this.holds(physical)) moved.push(block)
    }
    if (moved.length === 0) return
    const savedAs = new Map<number, number>()
    for (let block = 0; block < saved.length; block++) savedAs.set(saved[block], block)
    for (const block of moved) {
      const earlier = savedAs.get(table[block])
      assert(earlier !== undefined, `block ${block} is in a file that the heap has left`)
      this.writer.settle(block, placeOf(earlier))
    }
  }

  /** Writes a whole file beside `path`, synced, to be given that name by `promote`. The caller closes it. */
  private async writeTemporary(
    openTemporary: () => TemporaryFile,
    path: string,
    pinned: PinnedState,
    options: SaveOptions,
  ): Promise<PoolFile> {
    const { table: saved, version } = pinned
    refuseExisting(this.files, path, options)
    const blocks: PendingBlock[] = []
    const entries = saved.length
    const { places, checksums } =
      this.file === undefined ? { places: new Uint32Array(entries), checksums: [] } : this.keptPlaces(this.file, saved)
    for (let block = 0; block < saved.length; block++) {
      if (saved[block] === ZERO_BLOCK) continue
      const bytes = this.windows.blockBytes(saved[block])
      blocks.push(places[block] === 0 ? { block, bytes } : { block, bytes, checksum: checksums[block] })
    }
    let temporary: TemporaryFile | undefined
    let file: PoolFile | undefined
    try {
      temporary = openTemporary()
      file = await PoolFile.create(this.memory, this.files, temporary, this.heapId)
      const state = stateOf(version, this.world.nowMs(), options)
      const [newPlaces, newChecksums] = [new Uint32Array(entries), new Uint32Array(entries)]
      await file.append(blocks, newPlaces, newChecksums, state, progressOf(options, blocks.length))
      return file
    } catch (error) {
      file?.close()
      if (temporary !== undefined) this.removeTemporary(temporary)
      throw ioError('save', path, error)
    }
  }

  private needsRewrite(file: PoolFile): boolean {
    const dead = deadBlocks(file)
    return dead > DEAD_BLOCKS_AT_LEAST && dead > file.lengthBlocks * DEAD_SHARE
  }

  private async syncFolderOf(path: string): Promise<void> {
    try {
      await this.files.syncFolderBeside(dirname(path))
    } catch (error) {
      throw ioError('sync', dirname(path), error)
    }
  }

  private removeTemporary({ path }: TemporaryFile): void {
    try {
      this.files.remove(path)
    } catch {} // what could not be written may not be removable either
  }
}

/** Blocks of the file that its newest root does not reach. */
function deadBlocks(file: PoolFile): number {
  return file.lengthBlocks - 1 - file.root.liveBlocks - mapBlocks(file.root.mapEntries)
}

function stateOf(version: number, timeMs: number, options: SaveOptions): SavedState {
  return { version, timeMs, annotation: options.annotation ?? '' }
}

function progressOf(options: SaveOptions, totalBlocks: number): (written: number) => void {
  let writtenBlocks = 0
  return (count) => {
    writtenBlocks += count
    options.onProgress?.({ writtenBlocks, totalBlocks })
  }
}
