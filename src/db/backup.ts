import { rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { SnapheapError } from '../errors'
import { newestRootOf } from '../heap/file-states'
import type { Files } from '../heap/files'
import type { Heap } from '../heap/heap'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import { LogCursor } from '../log/cursor'
import { type DurableMark, DurableMarkFile } from '../log/durable-mark'
import { DURABLE_MARK_NAME, isSegmentName, logFolderOf } from '../log/format'
import { keptFilesOf } from '../log/history'
import type { LogWriter } from '../log/log-writer'
import { RepeatedFailure } from '../log/repeated-failure'
import { listSegments } from '../log/segments'
import { openHeap } from './open-heap'
import { verifyDatabase } from './verify'

export interface BackupProgress {
  readonly copiedBytes: number
  /** Grows by what is committed meanwhile. */
  readonly totalBytes: number
}

export interface BackupOptions {
  readonly onProgress?: (progress: BackupProgress) => void
}

/** A copy of a database that was found whole. */
export interface Backup {
  /** The newest commit in it. */
  readonly version: number
  /** Of file and log. */
  readonly bytes: number
  /** To open: the file in the folder. The log folder is in the same folder. */
  readonly path: string
}

/** Read at once, between two turns of the event loop. */
const CHUNK_BYTES = 1 << 19

/** A file that is open to be copied, up to a size: what comes behind was written since. */
interface Source {
  readonly fd: number
  readonly sizeBytes: number
}

/**
 * Copies file and log of a heap into a new folder, beside commits and checkpoints. The file comes first, as it was
 * between two saves: blocks are only appended to it, and where another takes its name it stays open. Then come the
 * earlier files that are kept for the log, and the log, up to a commit that is on the device. Nothing is removed from
 * the log meanwhile.
 */
export async function backUp(
  heap: Heap,
  log: LogWriter | undefined,
  folder: string,
  options: BackupOptions,
): Promise<Backup> {
  if (heap.path === undefined)
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      'A database in memory has no log to back up. Write a file with saveAs(path).',
    )
  if (log === undefined) {
    const message = `${heap.path} is open for reading only. Call backup where it is open for writing.`
    throw new SnapheapError('READ_ONLY', message, { path: heap.path })
  }
  const { files } = heap
  const target = resolve(folder)
  refuseExisting(files, target)
  if (!files.exists(dirname(target))) {
    const message = `The folder of ${target} does not exist. Make it, or choose another path.`
    throw new SnapheapError('NOT_FOUND', message, { path: target })
  }
  const least = heap.version
  const temporary = `${target}.backup-${heap.world.randomBytes(6).toString('hex')}.tmp`
  const copy = new Copy(heap, log, temporary, options)
  try {
    await copy.make()
    await copy.expectWhole(least)
    refuseExisting(files, target)
    files.rename(temporary, target)
    await files.syncFolderAsync(dirname(target))
    return { version: copy.version, bytes: copy.bytes, path: join(target, basename(heap.path)) }
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
    throw ioError('back up into', target, error)
  }
}

/** A copy of a heap's file and log, in a folder whose name shows that it is not complete. */
class Copy {
  /** The newest commit in it. */
  version = 0
  bytes = 0
  private copiedBytes = 0
  private totalBytes = 0
  private readonly chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  private readonly path: string

  constructor(
    private readonly heap: Heap,
    private readonly log: LogWriter,
    private readonly folder: string,
    private readonly options: BackupOptions,
  ) {
    this.path = join(folder, basename(heap.path!))
  }

  async make(): Promise<void> {
    const { heap, log } = this
    const { files } = heap
    const from = heap.path!
    if (log.durability === 'none' || !files.exists(from)) await heap.save()
    // between two saves: the roots are whole, and nothing is being removed from the log
    const { copied } = await heap.queue.run(async () => ({ copied: heap.keepOpen(this.copyAll()) }))
    await copied
  }

  private async copyAll(): Promise<void> {
    const { heap, log } = this
    const { files, path } = heap
    if (heap.isClosed) throw new SnapheapError('CLOSED', 'The database is closed. Open it again.', { path })
    const release = log.holdRemoval()
    try {
      const file = open(files, path!)
      try {
        await this.copyFrom(file)
      } finally {
        files.close(file.fd)
      }
    } finally {
      release()
    }
  }

  private async copyFrom(file: Source): Promise<void> {
    const { heap, log, path, folder } = this
    const { files } = heap
    files.makeFolder(folder)
    files.makeFolder(logFolderOf(path))
    const logFolder = logFolderOf(path)
    const into = (each: string): string => join(logFolder, basename(each))
    const kept = keptFilesOf(files, heap.path!)
    this.totalBytes = sum([
      file.sizeBytes,
      ...[...kept, ...segmentsOf(heap.path!, files)].map((each) => sizeOf(files, each)),
    ])
    await this.copy(file, path)
    for (const each of kept) await this.copyNamed(each, into(each))
    const saved = newestRootOf(heap.memory, files, path).version
    await log.sync() // also if logging has ended: earlier commits may not be on the device
    const { syncedVersion } = log
    for (const each of segmentsOf(heap.path!, files)) await this.copyNamed(each, into(each))
    this.version = reachedIn(heap, logFolder, saved, syncedVersion)
    cutAfter(heap, logFolder, this.version)
    const copies = [path, ...keptFilesOf(files, path), ...segmentsOf(path, files), ...markOf(path, files)]
    for (const each of copies) await syncFile(files, each)
    await files.syncFolderAsync(logFolder)
    await files.syncFolderAsync(folder)
    this.bytes = sum(copies.map((each) => sizeOf(files, each)))
  }

  /** Proves that the copy is sound and opens at the version that was copied, which must not be older than `least`. */
  async expectWhole(least: number): Promise<void> {
    const { memory, files, world, path } = this.heap
    try {
      await verifyDatabase(memory, files, this.path)
      const { heap } = openHeap(this.path, { memory, files, world, readOnly: true })
      const { version } = heap
      await heap.close()
      if (version === this.version && version >= least) return
      const message = `it opens at version ${version} instead of ${this.version}`
      throw new SnapheapError('CORRUPT', message)
    } catch (error) {
      if (!(error instanceof SnapheapError)) throw error
      const message = `The backup of ${path} was given up, because the copy is not whole: ${error.message}`
      throw new SnapheapError(error.code, message, { ...error.details, path }, error)
    }
  }

  private async copyNamed(from: string, to: string): Promise<void> {
    const { files } = this.heap
    const source = open(files, from)
    try {
      await this.copy(source, to)
    } finally {
      files.close(source.fd)
    }
  }

  private async copy({ fd, sizeBytes }: Source, to: string): Promise<void> {
    const { files } = this.heap
    const target = files.open(to, 'wx+')
    try {
      for (let at = 0; at < sizeBytes; ) {
        const bytes = this.chunk.subarray(0, Math.min(CHUNK_BYTES, sizeBytes - at))
        const count = files.read(fd, bytes, at)
        if (count === 0) return // commits that were taken back since: they are cut off the copy anyway
        await files.writeAsync(target, [bytes.subarray(0, count)], at)
        at += count
        this.copied(count)
      }
    } finally {
      files.close(target)
    }
  }

  private copied(count: number): void {
    this.copiedBytes += count
    this.totalBytes = Math.max(this.totalBytes, this.copiedBytes)
    this.options.onProgress?.({ copiedBytes: this.copiedBytes, totalBytes: this.totalBytes })
  }
}

/** How far a copied log leads from one version on, to another at most: not over commits that were never logged. */
function reachedIn({ memory, files }: Heap, folder: string, from: number, to: number): number {
  const cursor = new LogCursor(memory, files, folder, undefined, { version: from })
  try {
    let reached = from
    for (let next = cursor.next(); typeof next !== 'string' && next.head.version <= to; next = cursor.next())
      reached = next.head.version
    return reached
  } finally {
    cursor.close()
  }
}

/**
 * Cuts a copied log off after a commit, since later records may not be on the device yet. The mark for durable commits
 * is written: without it, damage to that commit would look like a commit that was never acknowledged.
 */
function cutAfter({ memory, files }: Heap, folder: string, version: number): void {
  const { segments, torn } = listSegments(memory, files, folder, undefined)
  if (torn !== undefined) files.remove(torn)
  for (const { path, header } of segments) if (header.baseVersion >= version) files.remove(path)
  const last = segments.findLast(({ header }) => header.baseVersion < version)
  if (last === undefined) return
  const cursor = new LogCursor(memory, files, folder, undefined, { version: last.header.baseVersion })
  try {
    while (cursor.version < version && typeof cursor.next() !== 'string') {}
    const { path, offsetBytes } = cursor.place!
    const fd = files.open(path, 'r+')
    try {
      files.truncate(fd, offsetBytes)
    } finally {
      files.close(fd)
    }
    writeMark(memory, files, folder, cursor)
  } finally {
    cursor.close()
  }
}

function writeMark(memory: Memory, files: Files, folder: string, last: DurableMark): void {
  const mark = new DurableMarkFile(memory, files, folder, new RepeatedFailure(() => undefined))
  try {
    mark.ensureWritten(last)
  } finally {
    mark.close()
  }
}

function open(files: Files, path: string): Source {
  const fd = files.open(path, 'r')
  try {
    return { fd, sizeBytes: files.sizeBytes(fd) }
  } catch (error) {
    files.close(fd)
    throw error
  }
}

function sizeOf(files: Files, path: string): number {
  const { fd, sizeBytes } = open(files, path)
  files.close(fd)
  return sizeBytes
}

async function syncFile(files: Files, path: string): Promise<void> {
  const fd = files.open(path, 'r+')
  try {
    await files.syncAsync(fd)
  } finally {
    files.close(fd)
  }
}

function segmentsOf(path: string, files: Files): string[] {
  const folder = logFolderOf(path)
  return files
    .list(folder)
    .filter(isSegmentName)
    .map((name) => join(folder, name))
}

function markOf(path: string, files: Files): string[] {
  const mark = join(logFolderOf(path), DURABLE_MARK_NAME)
  return files.exists(mark) ? [mark] : []
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, each) => total + each, 0)
}

function refuseExisting(files: Files, path: string): void {
  if (!files.exists(path)) return
  throw new SnapheapError('EXISTS', `${path} exists already. Choose another folder, or remove it.`, { path })
}
