import { ensure, ensureOptions, FUNCTION, PATH } from '../arguments'
import { SnapheapError } from '../errors'
import { type Files, filesWith } from '../heap/files'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import { PoolFile } from '../heap/pool-file'
import { type VerifiedFile, type VerifyProgress, verifyFile } from '../heap/verify'
import { logFolderOf } from '../log/format'
import { keptFilesOf } from '../log/history'
import { endOfLog, type VerifiedSegment, verifyLog } from '../log/verify'
import { defaultMemory, MEMORY, realPathOf } from './open-heap'

export interface VerifyOptions {
  readonly onProgress?: (progress: VerifyProgress) => void
  /** As for `open`. */
  readonly memory?: Memory
}

/** An earlier file of a database, kept in its log folder for points in time. */
export interface VerifiedKeptFile extends VerifiedFile {
  readonly path: string
}

/** What a database's file and log hold. */
export interface VerifiedDatabase extends Omit<VerifiedFile, 'version'> {
  /** The commit version that `open` shows: the end of the log. */
  readonly version: number
  /** The newest version saved in the file; 0 without a file. */
  readonly savedVersion: number
  /** Of the log, ascending; none without one. */
  readonly segments: readonly VerifiedSegment[]
  /** Earlier files that points in time are read from. */
  readonly keptFiles: readonly VerifiedKeptFile[]
}

const NO_FILE: VerifiedFile = { version: 0, savedAtMs: 0, annotation: '', states: 0, blocks: 0, bytes: 0 }
/** At the log, of which one that fails is repeated: so often in any case, and so often while a writer goes on. */
const LEAST_ATTEMPTS = 3
const MOST_ATTEMPTS = 10

/**
 * Reads a database's file, earlier files kept for points in time, and log, and checks every checksum in them, that the
 * log's commits continue each other, and that the log continues the file: all that `open`, `asOf` and `restore` could
 * read. Does not open the database; works beside a writer too. Returns what they hold. Throws `CORRUPT` naming the
 * damaged blocks, or the segment and the place in it, and any other error that `open` would throw; `NOT_FOUND` without
 * a file or a log; `VERSION`, `IO`.
 */
export async function verify(path: string, options: VerifyOptions = {}): Promise<VerifiedDatabase> {
  ensure('verify()', path, PATH)
  ensureOptions('verify()', options, { onProgress: FUNCTION, memory: MEMORY })
  const memory = options.memory ?? defaultMemory()
  return verifyDatabase(memory, filesWith(memory), path, options.onProgress)
}

/** The same, with the files given. */
export async function verifyDatabase(
  memory: Memory,
  files: Files,
  givenPath: string,
  onProgress?: VerifyOptions['onProgress'],
): Promise<VerifiedDatabase> {
  const path = realPathOf(givenPath)
  const file = (await unlessGone(() => verifyFile(memory, files, path, onProgress))) ?? NO_FILE
  const keptFiles: VerifiedKeptFile[] = []
  for (const each of keptFilesOf(files, path)) {
    const verified = await unlessGone(() => verifyFile(memory, files, each))
    if (verified !== undefined) keptFiles.push({ ...verified, path: each })
  }
  for (let attempt = 1; ; attempt++) {
    const before = contentsOf(memory, files, path)
    try {
      const segments = await verifyLog(memory, files, path)
      const version = await openedVersion(memory, files, path)
      if (version === 0) throw ioError('open', path, { code: 'ENOENT' })
      return { ...file, version, savedVersion: file.version, segments, keptFiles }
    } catch (error) {
      // a writer may have made a checkpoint and removed log meanwhile; or it has written on between two looks at the
      // log's end
      const isRetried = attempt < LEAST_ATTEMPTS || contentsOf(memory, files, path) !== before
      if (attempt === MOST_ATTEMPTS || !isRetried) throw ioError('verify', path, error)
    }
  }
}

/** The version that `open` shows. Throws what it would throw. */
async function openedVersion(memory: Memory, files: Files, path: string): Promise<number> {
  const file = files.exists(path) ? PoolFile.open(memory, files, path, false) : undefined
  file?.close()
  const version = file?.root.version ?? 0
  const target = {
    memory,
    files,
    path,
    version,
    point: { version, point: file?.root.point },
    savedRoot: file?.root,
    id: file?.heapId ?? new Uint8Array(16),
    identify(id: Uint8Array) {
      this.id = id
    },
  }
  return endOfLog(target, path)
}

/** Tells one state of file and log from another: a checkpoint, a rewrite, a segment begun or removed. */
function contentsOf(memory: Memory, files: Files, path: string): string {
  const folder = logFolderOf(path)
  try {
    const file = files.exists(path) ? PoolFile.open(memory, files, path, false) : undefined
    file?.close()
    return JSON.stringify([file?.root, files.list(folder)])
  } catch (error) {
    return String(error)
  }
}

/** What `work` returns; undefined where the file that it reads is not there any more. */
async function unlessGone<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SnapheapError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}
