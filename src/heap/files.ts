import {
  close,
  closeSync,
  existsSync,
  fchmodSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  open,
  openSync,
  read,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlink,
  unlinkSync,
  watch,
  writeSync,
  writev,
} from 'node:fs'
import { promisify } from 'node:util'
import type { FileName, Memory } from './memory'

const writevAsync = promisify(writev)
const fdatasyncAsync = promisify(fdatasync)
const fsyncAsync = promisify(fsync)
const openAsync = promisify(open)
const unlinkAsync = promisify(unlink)
const closeAsync = promisify(close)
const readAsync = promisify(read)

/**
 * Written with one call. For larger ones Linux takes larger pieces of memory into its page cache, which in a virtual
 * machine are mostly those that it has never used, and which its host must find first: 2 MiB took 5 to 9 ms in calls of
 * 128 KiB or more and 0.7 in calls of 64.
 */
const MOST_BYTES_A_CALL = 1 << 16

/** Node's `readSync` takes larger lengths modulo 2^32. */
const MOST_BYTES_A_READ = 1 << 30
/** Identifies a file independently of its name. */
export interface FileIdentity {
  readonly dev: bigint
  readonly ino: bigint
}

export function isSameFile(one: FileIdentity | undefined, other: FileIdentity | undefined): boolean {
  if (one === undefined || other === undefined || one.ino !== other.ino) return false
  return one.dev === other.dev || process.platform === 'win32' // where a device number may be 0 after a rename
}

export interface FolderWatcher {
  close(): void
}

/** Files are made for their owner alone. */
export const DEFAULT_FILE_MODE = 0o600

/**
 * The doorway through which heap and log see the file system. There is one implementation for use, `nodeFiles`, with
 * native help where there is some (`filesWith`); tests put another between, which records and fails what passes.
 * Everything throws what Node's `fs` throws.
 */
export interface Files {
  /** The permissions that files are made with; folders can be searched by those who can read. */
  readonly fileMode: number
  open(path: string, flags: 'r' | 'r+' | 'wx+'): number
  close(fd: number): void
  /**
   * The same, off the event loop: the last to close a large file that has no name any more waits for its blocks to be
   * freed.
   */
  closeAsync(fd: number): Promise<void>
  /** Fills `into` from `position` on; returns how much there was. */
  read(fd: number, into: Uint8Array, position: number): number
  /** The same, off the event loop. */
  readAsync(fd: number, into: Uint8Array, position: number): Promise<number>
  /** Writes everything, at once. */
  write(fd: number, bytes: Uint8Array, position: number): void
  /** Writes everything, off the event loop. Until that is done the bytes stay where and as they are. */
  writeAsync(fd: number, buffers: readonly Uint8Array[], position: number): Promise<void>
  /** Returns when the bytes written to a file are on the device (fdatasync). */
  sync(fd: number): void
  syncAsync(fd: number): Promise<void>
  sizeBytes(fd: number): number
  truncate(fd: number, sizeBytes: number): void
  exists(path: string): boolean
  /** How many names the file at `path` has (hard links); 0 where there is none. */
  nameCount(path: string): number
  /** Which file a path names, or is open; undefined where the path names none. */
  identity(file: string | number): FileIdentity | undefined
  /**
   * Whether `path` still names the open file, and that has at least so many bytes: somebody may have removed, replaced
   * or truncated it.
   */
  names(path: string, fd: number, sizeBytes?: number): boolean
  rename(from: string, to: string): void
  /** Gives an open file the permissions of another. */
  copyMode(from: number, to: number): void
  /** Gives a file a second name. */
  link(path: string, other: string): void
  remove(path: string): void
  /** The same, off the event loop. Resolves when the name is gone. */
  removeAsync(path: string): Promise<void>
  /** Names in a folder, sorted; none where it is missing. */
  list(folder: string): string[]
  /** Makes a folder unless it exists; its parent must. */
  makeFolder(folder: string): void
  /**
   * Calls `onChange` after changes in a folder, as far as the system tells of them; undefined where it tells of none.
   */
  watch(folder: string, onChange: () => void): FolderWatcher | undefined
  /** Makes the names in a folder durable, off the event loop. Does nothing where the platform has no such thing. */
  syncFolderAsync(folder: string): Promise<void>
}

/** The writer's lock of a heap is a file of this name beside it. */
export function lockPathOf(path: string): string {
  return `${path}.lock`
}

export const nodeFiles: Files = {
  fileMode: DEFAULT_FILE_MODE,
  open: (path, flags) => openSync(path, flags, DEFAULT_FILE_MODE),
  close: closeSync,
  closeAsync: closeAsync,
  read(fd, into, position) {
    let done = 0
    while (done < into.length) {
      const count = readSync(fd, into, done, Math.min(into.length - done, MOST_BYTES_A_READ), position + done)
      if (count === 0) break
      done += count
    }
    return done
  },
  async readAsync(fd, into, position) {
    let done = 0
    while (done < into.length) {
      const { bytesRead } = await readAsync(fd, into, done, into.length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  },
  write(fd, bytes, position) {
    let done = 0
    while (done < bytes.length)
      done += writeSync(fd, bytes, done, Math.min(bytes.length - done, MOST_BYTES_A_CALL), position + done)
  },
  async writeAsync(fd, buffers, position) {
    let rest = buffers
    let offset = position
    while (rest.length > 0) {
      const { bytesWritten } = await writevAsync(fd, firstBytes(rest, MOST_BYTES_A_CALL), offset)
      offset += bytesWritten
      rest = afterBytes(rest, bytesWritten)
    }
  },
  sync: fdatasyncSync,
  syncAsync: fdatasyncAsync,
  sizeBytes: (fd) => fstatSync(fd).size,
  truncate: ftruncateSync,
  exists: existsSync,
  nameCount(path) {
    const found = statSync(path, { throwIfNoEntry: false })
    return found?.isFile() === true ? found.nlink : 0
  },
  identity: (file) =>
    typeof file === 'number'
      ? fstatSync(file, { bigint: true })
      : statSync(file, { bigint: true, throwIfNoEntry: false }),
  names(path, fd, sizeBytes = 0) {
    const own = fstatSync(fd, { bigint: true })
    return own.size >= sizeBytes && isSameFile(nodeFiles.identity(path), own)
  },
  rename: renameSync,
  copyMode: (from, to) => fchmodSync(to, fstatSync(from).mode & 0o777),
  link: linkSync,
  remove: removeFile,
  removeAsync: removeFileAsync,
  list: (folder) => (existsSync(folder) ? readdirSync(folder).sort() : []),
  makeFolder: (folder) => makeFolder(folder, DEFAULT_FILE_MODE),
  watch(folder, onChange) {
    try {
      const watcher = watch(folder, { persistent: false }, onChange)
      watcher.on('error', () => watcher.close())
      return watcher
    } catch {
      return undefined
    }
  },
  async syncFolderAsync(folder) {
    if (process.platform === 'win32') return
    const fd = await openAsync(folder, 'r')
    try {
      await fsyncAsync(fd)
    } catch (error) {
      // some file systems have nothing to flush for a folder and say so
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
    } finally {
      await closeAsync(fd)
    }
  },
}

/**
 * Node's files, made with a mode, and served by a memory's native code where it has any: written with one trip to a
 * thread instead of one for each call.
 */
export function filesWith(memory: Memory, fileMode = DEFAULT_FILE_MODE): Files {
  return {
    ...nodeFiles,
    fileMode,
    open: (path, flags) => openSync(path, flags, fileMode),
    makeFolder: (folder) => makeFolder(folder, fileMode),
    writeAsync: memory.writeAsync ?? nodeFiles.writeAsync,
    names: (path, fd, sizeBytes) => fileNameOf(memory, nodeFiles, path, fd).isInPlace(sizeBytes),
  }
}

/**
 * A path and an open file. Native code, where the memory has any, compares them without making the next sync slower
 * (`native/file_name.cc`).
 */
export function fileNameOf(
  memory: Pick<Memory, 'nameOf'>,
  files: Pick<Files, 'names'>,
  path: string,
  fd: number,
): FileName {
  return memory.nameOf?.(path, fd) ?? { isInPlace: (sizeBytes) => files.names(path, fd, sizeBytes) }
}

function makeFolder(folder: string, fileMode: number): void {
  if (!existsSync(folder)) mkdirSync(folder, fileMode | ((fileMode & 0o444) >> 2))
}

/** Removes a file at once, and holds it until its space, which may be much, is freed off the event loop. */
function removeFile(path: string): void {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
  } catch {} // what cannot be read can be removed all the same
  try {
    unlinkSync(path)
  } finally {
    if (fd !== undefined) nodeFiles.closeAsync(fd)
  }
}

let spaceFreed = Promise.resolve()

/**
 * The same, without waiting for the space: of many files, it is freed one after the other, for the threads of the pool
 * are everybody's.
 */
async function removeFileAsync(path: string): Promise<void> {
  const fd = await openAsync(path, 'r').catch(() => undefined)
  try {
    await unlinkAsync(path)
  } finally {
    if (fd !== undefined) spaceFreed = spaceFreed.then(() => closeAsync(fd)).catch(() => undefined)
  }
}

function firstBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let rest = count
  const first: Uint8Array[] = []
  for (let i = 0; i < buffers.length && rest > 0; i++) {
    first.push(buffers[i].length > rest ? buffers[i].subarray(0, rest) : buffers[i])
    rest -= first[i].length
  }
  return first
}

function afterBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count
  let first = 0
  while (first < buffers.length && skip >= buffers[first].length) skip -= buffers[first++].length
  const rest = buffers.slice(first)
  if (rest.length > 0 && skip > 0) rest[0] = rest[0].subarray(skip)
  return rest
}
