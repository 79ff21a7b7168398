import { dirname, join } from 'node:path'
import { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import { readOnlyError } from '../heap/memory-checks'
import { lockWritten } from '../heap/writer-lock'
import { decodeSegmentHeader, isSegmentName, SEGMENT, type SegmentHeader, segmentName } from './format'

const MOST_ATTEMPTS = 50

const CHUNK_BYTES = 1 << 16
const chunkBytes = Buffer.alloc(CHUNK_BYTES)
const zeroBytes = Buffer.alloc(CHUNK_BYTES)

export interface Segment {
  readonly path: string
  readonly header: SegmentHeader
}

/**
 * The segments in a log's folder, ascending. The last one may have been torn while it was begun: it is left out. Throws
 * `CORRUPT` for another whose header is damaged or does not fit its name, or that is of another heap than `heapId`
 * (undefined: any).
 */
export function listSegments(
  memory: Memory,
  files: Files,
  folder: string,
  heapId: Uint8Array | undefined,
  attempts = MOST_ATTEMPTS,
): { segments: Segment[]; torn: string | undefined } {
  const names = files.list(folder).filter(isSegmentName)
  const segments: Segment[] = []
  for (const [i, name] of names.entries()) {
    const path = join(folder, name)
    const header = readHeader(memory, files, path, attempts > 1)
    // removed since the folder was read: the writer removes segments that are not needed
    if (header === undefined) return listSegments(memory, files, folder, heapId, attempts - 1)
    if (typeof header === 'string') {
      if (i === names.length - 1) return { segments, torn: path }
      throw damagedLog(path, 0, header)
    }
    if (heapId !== undefined && !Buffer.from(heapId).equals(header.heapId)) {
      throw new SnapheapError(
        'CORRUPT',
        `${path} is the log of another heap. Move the folder ${folder} away, or put the file back that it belongs to.`,
        { path },
      )
    }
    if (name !== segmentName(header.baseVersion)) {
      throw damagedLog(path, 0, `it begins after version ${header.baseVersion}, which is not what its name says`)
    }
    segments.push({ path, header })
  }
  return { segments, torn: undefined }
}

/**
 * Makes a segment that holds its header, with its name and its folder's durable; returns its descriptor. Throws what
 * `fs` throws.
 */
export function createSegment(memory: Memory, files: Files, path: string, header: Uint8Array): number {
  files.makeFolder(dirname(path))
  removeEmpty(memory, files, path)
  const fd = files.open(path, 'wx+')
  try {
    lockWritten(memory, fd, path)
    files.write(fd, header, 0)
    syncLogFolders(memory, dirname(path))
    return fd
  } catch (error) {
    files.close(fd)
    try {
      files.remove(path)
    } catch {} // it is removed when it is begun again
    throw error
  }
}

/** Opens a segment to go on in it, and locks it for as long as it is open. Throws `LOCKED`, and what `fs` throws. */
export function openSegment(memory: Memory, files: Files, path: string): number {
  const fd = files.open(path, 'r+')
  try {
    lockWritten(memory, fd, path)
    return fd
  } catch (error) {
    files.close(fd)
    throw error
  }
}

/**
 * Runs `work`, which may change the log, while its newest segment is locked: a writer that has lost its lock file is
 * still writing there. Throws `LOCKED`, `READ_ONLY`, `IO`.
 */
export function whileLocked<T>(memory: Memory, files: Files, folder: string, work: () => T): T {
  const newest = (): string | undefined => files.list(folder).filter(isSegmentName).at(-1)
  for (let name = newest(); name !== undefined; ) {
    const path = join(folder, name)
    let fd: number
    try {
      fd = openSegment(memory, files, path)
    } catch (error) {
      throw readOnlyError(path, error) ?? ioError('open', path, error)
    }
    try {
      const isNewest = name === (name = newest())
      if (isNewest) return work()
    } finally {
      files.close(fd)
    }
  }
  return work()
}

/** Makes the names of the segments and of their folder durable, also those made by an earlier process. */
export function syncLogFolders(memory: Memory, folder: string): void {
  memory.syncFolder(folder)
  memory.syncFolder(dirname(folder))
}

/** Removes a segment that was begun in vain, or left before its first record. */
function removeEmpty(memory: Memory, files: Files, path: string): void {
  if (!files.exists(path)) return
  const fd = files.open(path, 'r')
  try {
    const header = headerIn(memory, files, path, fd)
    const { sizeBytes } = typeof header === 'string' ? SEGMENT : header
    if (contentsEnd(files, fd, sizeBytes) > sizeBytes) return
  } finally {
    files.close(fd)
  }
  files.remove(path)
}

/** Where a file's contents end, `from` or later: only zeros follow. Throws what `fs` throws. */
export function contentsEnd(files: Files, fd: number, from: number): number {
  for (let end = files.sizeBytes(fd); end > from; ) {
    const begin = Math.max(from, end - CHUNK_BYTES)
    const chunk = chunkBytes.subarray(0, end - begin)
    const length = files.read(fd, chunk, begin)
    if (!chunk.equals(zeroBytes.subarray(0, chunk.length)))
      for (let i = length; i > 0; i--) if (chunk[i - 1] !== 0) return begin + i
    end = begin
  }
  return from
}

/** The header at the beginning of an open segment, or what is wrong with it. Throws `VERSION`, and what `fs` throws. */
function headerIn(memory: Memory, files: Files, path: string, fd: number): SegmentHeader | string {
  const bytes = new Uint8Array(SEGMENT.sizeBytes)
  const size = files.read(fd, bytes, 0)
  return decodeSegmentHeader(memory, path, bytes.subarray(0, size))
}

/**
 * The error for a log and a file (or a state in it) that do not belong together: both have this version, and it is not
 * the same.
 */
export function otherHistory(path: string, version: number): SnapheapError {
  const folder = dirname(path)
  const file = folder.replace(/\.log$/, '')
  return new SnapheapError(
    'CORRUPT',
    `The file ${file} and its log segment ${path} are of different histories: each has a commit ${version}, and ` +
      `they are not the same commit. Put back the file or the folder that belongs to the other, or move ${folder} ` +
      'away to go on from the file alone.',
    { path: file, folder, version },
  )
}

export function damagedLog(path: string, offsetBytes: number, what: string): SnapheapError {
  return new SnapheapError(
    'CORRUPT',
    `The log segment ${path} is damaged at byte ${offsetBytes}: ${what}. Restore the database and its log folder ` +
      `from a copy, or open it with { recovery: 'cut' } to give up every commit from there on.`,
    { path, offsetBytes },
  )
}

/** Undefined for a segment that is not there, where it `mayBeGone`. */
function readHeader(
  memory: Memory,
  files: Files,
  path: string,
  mayBeGone: boolean,
): SegmentHeader | string | undefined {
  let fd: number | undefined
  try {
    fd = files.open(path, 'r')
    return headerIn(memory, files, path, fd)
  } catch (error) {
    if (mayBeGone && isMissing(error)) return undefined
    throw ioError('read', path, error)
  } finally {
    if (fd !== undefined) files.close(fd)
  }
}

/** Whether the error means that the file does not exist. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
