import { SnapheapError } from '../errors'
import {
  damaged,
  decodeHeader,
  decodeMap,
  decodeRoot,
  earlierRootOffset,
  type FileHeader,
  type FileRoot,
  mapBlocks,
  ROOT_SLOT,
  ROOT_SLOT_OFFSETS,
} from './file-format'
import type { Files } from './files'
import { ioError } from './io-error'
import { BLOCK_BYTES } from './layout'
import type { Memory } from './memory'
import { readOnlyError } from './memory-checks'
import { replacedFile } from './replaced-file'

/**
 * Every root of a file, the newest first: of the slots, and of those that its maps remember. Throws `CORRUPT`,
 * `VERSION`, `NOT_FOUND`, `IO`.
 */
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
): { header: FileHeader; newest: FileRoot; roots: Generator<FileRoot>; fileBlocks: number } {
  const block = readRange(files, fd, 0, BLOCK_BYTES)
  // read after the header: all blocks that a root in it describes are in the file by then, even during an append
  const fileBlocks = Math.floor(files.sizeBytes(fd) / BLOCK_BYTES)
  const header = decodeHeader(memory, path, block)
  const slots = ROOT_SLOT_OFFSETS.map((offset) =>
    decodeRoot(memory, block.subarray(offset, offset + ROOT_SLOT.sizeBytes), Number.POSITIVE_INFINITY),
  )
  const newest = slots.reduce((a, b) => (b !== undefined && (a === undefined || b.sequence > a.sequence) ? b : a))
  if (newest === undefined) throw damaged(path, 'neither of its two roots is whole')
  return { header, newest, roots: fromNewest(newest), fileBlocks }

  function* fromNewest(first: FileRoot): Generator<FileRoot> {
    yield first
    // the slot knows the root before also where the map that remembers it is damaged
    const second = slots.find((slot) => slot?.sequence === first.sequence - 1)
    if (second !== undefined) yield second
    yield* earlierRoots(memory, files, fd, second ?? first)
  }
}

/** The roots of the states before one, the newest first: each map remembers the root before its own. */
export function* earlierRoots(memory: Memory, files: Files, fd: number, from: FileRoot): Generator<FileRoot> {
  for (let root = from; ; ) {
    const slot = readRange(files, fd, earlierRootOffset(root), ROOT_SLOT.sizeBytes)
    const earlier = decodeRoot(memory, slot, root.fileBlocks)
    if (earlier === undefined || earlier.sequence >= root.sequence) return
    yield earlier
    root = earlier
  }
}

/** Logical block -> its place in the file, and its CRC-32C. */
interface StateMap {
  readonly places: Uint32Array
  readonly checksums: Uint32Array
}

/** A state as a file holds it. */
export interface FileState extends StateMap {
  readonly header: FileHeader
  readonly root: FileRoot
  /** A newer state, which is damaged. */
  readonly skipped: FileRoot | undefined
}

/**
 * The newest whole state in a file: undefined when its root is not newer than number `sequence`. With `skipsDamaged` it
 * may be one before the newest that `accepts` takes, when the map of that is damaged or beyond the end of the file.
 * Throws `CORRUPT`, `VERSION`.
 */
export function readState(
  memory: Memory,
  files: Files,
  fd: number,
  path: string,
  sequence: number,
  accepts: (root: FileRoot) => boolean = () => true,
  skipsDamaged = false,
): FileState | undefined {
  const { header, roots, fileBlocks } = readRoots(memory, files, fd, path)
  let skipped: { root: FileRoot; error: SnapheapError } | undefined
  for (const root of roots) {
    if (!accepts(root)) continue
    if (root.sequence <= sequence) return undefined
    const map = mapIn(memory, files, fd, path, root, fileBlocks)
    if (map instanceof SnapheapError) {
      skipped ??= { root, error: map }
      continue
    }
    if (skipped !== undefined && !skipsDamaged) throw rebuildable(skipped.error, skipped.root, root)
    return { header, root, ...map, skipped: skipped?.root }
  }
  throw skipped?.error ?? damaged(path, 'it holds no state as old as that')
}

/** The map of a state, or what is wrong with it. */
function mapIn(
  memory: Memory,
  files: Files,
  fd: number,
  path: string,
  root: FileRoot,
  fileBlocks: number,
): StateMap | SnapheapError {
  const { version } = root
  if (root.fileBlocks > fileBlocks) return damaged(path, `it is shorter than its state of version ${version} was`)
  try {
    return readMap(memory, files, fd, path, root)
  } catch (error) {
    if (error instanceof SnapheapError && error.code === 'CORRUPT') return error
    throw error
  }
}

/** The error of a newest state that is damaged, where there is an older one that is whole. */
function rebuildable(error: SnapheapError, newest: FileRoot, whole: FileRoot): SnapheapError {
  const what = error.message.replace(/ Restore it from a copy\.$/, '')
  return new SnapheapError(
    'CORRUPT',
    `${what} The state of version ${whole.version} before it is whole: open it with { recovery: 'rebuild' } to go ` +
      `on from that one, with the commits up to version ${newest.version} done again from the log. Or restore it ` +
      'from a copy.',
    { ...error.details, version: newest.version, wholeVersion: whole.version },
    error,
  )
}

/** Reads the map of a state and compares it with its checksum. Throws `CORRUPT`. */
export function readMap(memory: Memory, files: Files, fd: number, path: string, root: FileRoot): StateMap {
  const map = readRange(files, fd, root.mapBlock * BLOCK_BYTES, mapBlocks(root.mapEntries) * BLOCK_BYTES)
  return decodeMap(memory, path, root, map)
}

/**
 * Opens a file, for reading also one that lost its name while it was replaced. Throws `NOT_FOUND`, `READ_ONLY` or `IO`.
 */
export function openFile(files: Files, path: string, flags: 'r' | 'r+'): number {
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
