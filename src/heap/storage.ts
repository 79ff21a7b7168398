import { dirname } from 'node:path'
import { assert, SnapheapError } from '../errors'
import { encodeAnnotation, type FileRoot } from './file-format'
import type { Files } from './files'
import { withoutWriter } from './heap-lock'
import type { HistoryPoint } from './history-point'
import { ioError } from './io-error'
import { ZERO_BLOCK } from './layout'
import { MappedFile } from './mapped-file'
import type { Memory } from './memory'
import type { Pins } from './pins'
import { type PendingBlock, PoolFile, type SavedState } from './pool-file'
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
  /** Text that is stored with the root and not interpreted; at most 400 bytes of UTF-8. Default ''. */
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
  readonly point: HistoryPoint
  /** Resolves when a root may name the version. May reject: then none is written. */
  readonly durable: () => Promise<void>
}

/**
 * Where a heap's blocks are kept: the file it was opened from or saved to, the windows onto it, and the way blocks get
 * there. Works on pinned block tables only, so commits go on while it writes.
 */
export class Storage {
  mapped: MappedFile | undefined
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

  private get file(): PoolFile | undefined {
    return this.mapped?.file
  }

  /** Whether the file at the heap's path may hold a newer state than the heap's, since a save failed at its end. */
  get mayHoldNewer(): boolean {
    return this.hasUnsyncedName || this.file?.mayHoldNewer === true
  }

  /** Throws unless the heap's own file, where it has one, still is what `path` names, whole. */
  ensureInPlace(path: string): void {
    if (!this.hasUnsyncedName) this.file?.ensureAt(path)
  }

  /** Maps an opened file and fills `table` with the places of its blocks. */
  adopt(file: PoolFile, table: Uint32Array): void {
    this.heapId = file.heapId
    this.mapped = new MappedFile(this.memory, this.windows, file)
    this.mapped.cover(0)
    table.set(this.mapped.table())
  }

  /** Gives the heap's file the newest format, where it has an earlier one. Throws `IO`. */
  upgrade(): void {
    this.file?.upgrade(this.newFileId())
  }

  /**
   * Goes over to the newest state of the file at `path`, which its writer keeps: of the same file, or of another that
   * has taken its name; with `isDurableOnly`, when that is on the device. Returns the block table that it gives,
   * undefined when there is nothing newer. The caller takes that over: from now on, blocks are placed in the new state.
   */
  takeNewer(path: string, isDurableOnly: boolean): { root: FileRoot; table: Uint32Array } | undefined {
    const earlier = this.mapped
    if (earlier?.file.isAt(path) === true) {
      const from = earlier.file.root.fileBlocks
      if (!earlier.file.reread(isDurableOnly)) return undefined
      earlier.cover(from)
      return { root: earlier.file.root, table: earlier.table() }
    }
    if (!this.files.exists(path)) return undefined
    const file = PoolFile.open(this.memory, this.files, path, false)
    try {
      if (isDurableOnly) file.ensureDurable(file.root)
    } catch (error) {
      file.close()
      throw error
    }
    if (!Buffer.from(file.heapId).equals(this.heapId)) {
      file.close()
      throw new SnapheapError('CORRUPT', `${path} is now the file of another heap. Close this one and open that.`, {
        path,
      })
    }
    this.mapped = new MappedFile(this.memory, this.windows, file)
    this.mapped.cover(0)
    this.pins.retire(() => {
      earlier?.release()
      earlier?.file.closeAsync()
    })
    return { root: file.root, table: this.mapped.table() }
  }

  /** The newest state that the heap has taken from its file, undefined without one. */
  current(): { root: FileRoot; table: Uint32Array } | undefined {
    return this.mapped && { root: this.mapped.file.root, table: this.mapped.table() }
  }

  /** Whether a physical block is one of the heap's file. */
  holds(physical: number): boolean {
    return this.mapped?.holds(physical) === true
  }

  /** Whether each block of a table is memory of this process, or in the newest state of the heap's file. */
  reaches(table: Uint32Array): boolean {
    return table.every(
      (physical, block) =>
        physical === ZERO_BLOCK || this.windows.isArena(physical) || this.mapped?.knows(block, physical) === true,
    )
  }

  /**
   * Makes a pinned table durable in the heap's own file: by appending what changed, or by rewriting it when too much of
   * it is dead or its name has been taken from it.
   */
  async save(path: string, pinned: PinnedState, options: SaveOptions, own: OwnFileOptions): Promise<void> {
    encodeAnnotation(options.annotation ?? '')
    const saved = { ...pinned, table: pinned.table.slice() }
    const isInPlace = this.file?.isAt(path) === true
    this.file?.ensureLength()
    if (this.mapped !== undefined && isInPlace && !this.mapped.needsRewrite(own.isCompacting)) {
      const { file } = this.mapped
      if (this.durablyNamed !== file) {
        await this.syncFolderOf(path) // the rename that gave the file its name may have come no further
        this.durablyNamed = file
      }
      await this.append(this.mapped, saved, options, own)
    } else await this.rewrite(path, saved, { ...options, replace: isInPlace || options.replace === true }, own)
  }

  /**
   * Writes a pinned table into a file of its own. `ensureReplaceable` throws where that must not take the name `path`.
   * Throws `LOCKED` where another file of that name is open for writing.
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
    this.file?.ensureLength()
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
      if (file.path === path) file.close()
      else this.discard(file)
      throw ioError('save', path, error)
    }
    file.close()
    await this.syncFolderOf(path)
  }

  statistics(): { fileBlocks: number; deadFileBlocks: number } {
    if (this.file === undefined) return { fileBlocks: 0, deadFileBlocks: 0 }
    return { fileBlocks: this.file.lengthBlocks, deadFileBlocks: this.file.deadBlocks }
  }

  close(): void {
    this.file?.close()
    this.mapped = undefined
  }

  private async append(
    mapped: MappedFile,
    pinned: PinnedState,
    options: SaveOptions,
    { onDurable, ensureWriter }: OwnFileOptions,
  ): Promise<void> {
    const { windows } = this
    const saved = pinned.table
    const { file } = mapped
    const changed: number[] = []
    const { places, checksums } = mapped.keptPlaces(saved)
    for (let block = 0; block < saved.length; block++) {
      if (windows.isArena(saved[block])) changed.push(block)
    }
    function* pending(): Generator<PendingBlock> {
      for (const block of changed) yield { block, bytes: windows.blockBytes(saved[block]) }
    }
    const from = file.lengthBlocks
    const told = progressOf(options, changed.length)
    const onBlocks = (written: number): void => {
      told(written)
      ensureWriter()
    }
    const beforeRoot = async (): Promise<void> => {
      await pinned.durable()
      ensureWriter()
    }
    const sizeBytes = this.files.sizeBytes(file.fd)
    try {
      await file.append(pending(), places, checksums, this.stateOf(pinned, options), onBlocks, beforeRoot)
    } catch (error) {
      this.cutBack(file, sizeBytes, ensureWriter)
      throw error
    }
    mapped.cover(from)
    onDurable()
    this.settle(mapped, saved)
  }

  /** The heap takes over the new file once its name is durable. Until then it keeps the earlier one, named or not. */
  private async rewrite(
    path: string,
    saved: PinnedState,
    given: SaveOptions,
    { onReplace, onDurable, ensureWriter }: OwnFileOptions,
  ): Promise<void> {
    // the file of this name may be the result of a rewrite that failed after its rename
    const options = this.hasUnsyncedName ? { ...given, replace: true } : given
    const earlier = this.mapped
    const { memory, files, world } = this
    const openTemporary = (): TemporaryFile => {
      const temporary = openToRewrite(memory, files, world, path)
      if (earlier !== undefined) files.copyMode(earlier.file.fd, temporary.fd)
      return temporary
    }
    ensureFolderOf(this.files, path)
    const file = await this.writeTemporary(openTemporary, path, saved, options)
    const mapped = new MappedFile(this.memory, this.windows, file)
    try {
      mapped.cover(0)
      ensureWriter()
      if (earlier?.file.isAt(path) === true) onReplace(earlier.file.root)
      promote(this.files, file, path, options)
    } catch (error) {
      mapped.release()
      this.discard(file)
      throw ioError('save', path, error)
    }
    this.hasUnsyncedName = true
    try {
      await this.syncFolderOf(path)
    } catch (error) {
      mapped.release()
      file.close()
      throw error
    }
    this.hasUnsyncedName = false
    this.mapped = mapped
    this.durablyNamed = file
    onDurable()
    this.settle(mapped, saved.table)
    this.pins.retire(() => {
      earlier?.release()
      earlier?.file.closeAsync()
    })
  }

  /**
   * Points every block that has not changed since it was saved to its place in the file. A commit during a rewrite may
   * have moved blocks of the earlier file to other addresses: they are found by their physical place.
   */
  private settle(mapped: MappedFile, saved: Uint32Array): void {
    const { table } = this.writer.view
    const moved: number[] = []
    for (let block = 0; block < table.length; block++) {
      const physical = table[block]
      if (physical === ZERO_BLOCK) continue
      if (saved[block] === physical) {
        if (mapped.physicalOf(block) !== physical) this.writer.settle(block, mapped.physicalOf(block))
      } else if (!this.windows.isArena(physical) && !mapped.holds(physical)) moved.push(block)
    }
    if (moved.length === 0) return
    const savedAs = new Map<number, number>()
    for (let block = 0; block < saved.length; block++) savedAs.set(saved[block], block)
    for (const block of moved) {
      const earlier = savedAs.get(table[block])
      assert(earlier !== undefined, `block ${block} is in a file that the heap has left`)
      this.writer.settle(block, mapped.physicalOf(earlier))
    }
  }

  /** Writes a whole file beside `path`, synced, to be given that name by `promote`. The caller closes it. */
  private async writeTemporary(
    openTemporary: () => TemporaryFile,
    path: string,
    pinned: PinnedState,
    options: SaveOptions,
  ): Promise<PoolFile> {
    const { table: saved, durable } = pinned
    refuseExisting(this.files, path, options)
    const blocks = this.pendingOf(saved)
    const entries = saved.length
    let temporary: TemporaryFile | undefined
    let file: PoolFile | undefined
    try {
      temporary = openTemporary()
      file = await PoolFile.create(this.memory, this.files, temporary, this.heapId, this.newFileId())
      const state = this.stateOf(pinned, options)
      const [newPlaces, newChecksums] = [new Uint32Array(entries), new Uint32Array(entries)]
      await file.append(blocks, newPlaces, newChecksums, state, progressOf(options, blocks.length), durable)
      return file
    } catch (error) {
      if (file !== undefined) this.discard(file)
      else if (temporary !== undefined) this.removeTemporary(temporary.path)
      throw ioError('save', path, error)
    }
  }

  /** Frees the blocks of a failed append, unless its root may be written, or another process may be writing. */
  private cutBack(file: PoolFile, sizeBytes: number, ensureWriter: () => void): void {
    try {
      ensureWriter()
      if (!file.mayHoldNewer) file.cut(sizeBytes)
    } catch {}
  }

  private stateOf({ version, point }: PinnedState, { annotation = '' }: SaveOptions): SavedState {
    return { version, timeMs: this.world.nowMs(), annotation, point }
  }

  private newFileId(): Uint8Array {
    return this.world.randomBytes(16)
  }

  /** Closes and removes a file that does not get the name it was written for, and gives its space back at once. */
  private discard(file: PoolFile): void {
    try {
      if (file.isAt(file.path)) file.cut(0) // not where a rename has failed that was done all the same
    } catch {} // its space comes back with its name
    file.close()
    this.removeTemporary(file.path)
  }

  /** Every block of a table, to be written into another file. Throws `CORRUPT` where one is known to be damaged. */
  private pendingOf(saved: Uint32Array): PendingBlock[] {
    if (this.mapped !== undefined) return this.mapped.pending(saved)
    const blocks: PendingBlock[] = []
    for (let block = 0; block < saved.length; block++)
      if (saved[block] !== ZERO_BLOCK) blocks.push({ block, bytes: this.windows.blockBytes(saved[block]) })
    return blocks
  }

  private async syncFolderOf(path: string): Promise<void> {
    try {
      await this.files.syncFolderAsync(dirname(path))
    } catch (error) {
      throw ioError('sync', dirname(path), error)
    }
  }

  private removeTemporary(path: string): void {
    try {
      this.files.remove(path)
    } catch {} // what could not be written may not be removable either
  }
}

function progressOf(options: SaveOptions, totalBlocks: number): (written: number) => void {
  let writtenBlocks = 0
  return (count) => {
    writtenBlocks += count
    options.onProgress?.({ writtenBlocks, totalBlocks })
  }
}
