import { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import type { Heap } from '../heap/heap'
import { ioError } from '../heap/io-error'
import { LogCursor } from './cursor'
import { isSegmentName, logFolderOf } from './format'
import type { Durability } from './log-options'
import { LogWriter } from './log-writer'
import { Pruner } from './pruner'
import { type LogReader, type Recovery, recover, replay } from './recovery'
import type { Retention } from './retention'
import { listSegments, whileLocked } from './segments'

export interface OpenLogOptions {
  readonly durability: Durability
  readonly retention: Retention
  readonly segmentBytes: number
  readonly partBytes: number
  /** Give up what is behind damage, even where it was on the device. */
  readonly isForced: boolean
  readonly onFailure: (error: SnapheapError) => void
}

/**
 * Brings a heap that has just been opened to the end of its log, and has that go on with its commits. Throws `CORRUPT`,
 * `IO`.
 */
export function openLog(heap: Heap, options: OpenLogOptions): { log: LogWriter; recovery: Recovery } {
  const folder = logFolderOf(heap.path!)
  const { memory, files, world } = heap
  const pruner = new Pruner(heap, folder, options.retention)
  const { end, ...recovery } = whileLocked(memory, files, folder, () =>
    recover(heap, folder, { repair: true, isForced: options.isForced }),
  )
  const onTakenBack = (): void =>
    heap.whenQuiet(() => {
      if (!heap.isClosed) log.returned(returnTo(heap, log.keptVersion))
    })
  const ensureWriter = (): void => heap.ensureWriter()
  const log: LogWriter = new LogWriter(
    { ...options, pruner, ensureWriter, onTakenBack, memory, files, world, path: heap.path!, folder, heapId: heap.id },
    end,
    heap.version,
    heap.savedRoot,
  )
  heap.journal = log
  return { log, recovery }
}

/**
 * Brings a heap that is open for reading to the end of its log, as far as that is whole now, or to version `until`;
 * `keep` gets what reads on from there, to be closed.
 */
export function readLog(heap: Heap, until?: number, keep?: (reader: LogReader) => void): Recovery {
  const { commits, damaged } = recover(heap, logFolderOf(heap.path!), { repair: false, isForced: false, keep, until })
  return { commits, damaged }
}

/**
 * Has the heap show an earlier version, to which the log leads. Where it cannot be read any more, the heap stays as it
 * is; returns why.
 */
function returnTo(heap: Heap, version: number): SnapheapError | undefined {
  if (heap.version <= version) return undefined
  try {
    expectVersion(heap, heap.savedRoot?.version ?? 0, version)
    heap.returnToFile()
    readLogUntil(heap, version)
    return undefined
  } catch (error) {
    return ioError('read', logFolderOf(heap.path!), error)
  }
}

/** Throws where the log cannot be read from one version to another. */
function expectVersion(heap: Heap, from: number, version: number): void {
  const start = { version: from, point: heap.savedRoot?.point }
  const cursor = new LogCursor(heap.memory, heap.files, logFolderOf(heap.path!), heap.id, start)
  try {
    let reached = from
    for (let next = cursor.next(version); typeof next !== 'string'; next = cursor.next(version))
      reached = next.head.version
    if (reached !== version) throw noSuchVersion(logFolderOf(heap.path!), version, reached)
  } finally {
    cursor.close()
  }
}

/**
 * Brings a heap that is open for reading to exactly one version. Throws `NOT_FOUND` where the log does not lead there.
 */
export function readLogUntil(heap: Heap, version: number): void {
  const folder = logFolderOf(heap.path!)
  const { segments } = listSegments(heap.memory, heap.files, folder, heap.version === 0 ? undefined : heap.id)
  if (heap.version === 0 && segments.length > 0) heap.identify(segments[0].header.heapId)
  const cursor = new LogCursor(heap.memory, heap.files, folder, heap.id, heap.point)
  try {
    replay(heap, cursor, version)
    if (cursor.damage !== undefined) throw cursor.damage
  } finally {
    cursor.close()
  }
  if (heap.version === version) return
  throw noSuchVersion(folder, version, heap.version)
}

/**
 * Throws `EXISTS` where a file at `path` would not belong to the log that is there, or would be part of another
 * database.
 */
export function ensureApart(files: Files, path: string): void {
  const hasLog = (heap: string): boolean => files.list(logFolderOf(heap)).some(isSegmentName)
  const [, heap = '', ending] = /^(.+)(\.lock|\.log[/\\][^/\\]+)$/.exec(path) ?? []
  if (heap !== '' && (files.exists(heap) || hasLog(heap))) {
    const part = ending === '.lock' ? 'the lock file' : 'in the log'
    throw new SnapheapError('EXISTS', `${path} is ${part} of the database ${heap}. Choose another path.`, {
      path,
      heap,
    })
  }
  const folder = logFolderOf(path)
  if (!files.list(folder).some(isSegmentName)) return
  throw new SnapheapError(
    'EXISTS',
    `${path} has a log of its own, ${folder}, which continues only the file that it was made with. Move or remove ` +
      'both, or choose another path.',
    { path, folder },
  )
}

function noSuchVersion(folder: string, version: number, end: number): SnapheapError {
  return new SnapheapError(
    'NOT_FOUND',
    `The log in ${folder} does not lead to version ${version}: it ends at ${end}. Ask for a version that ` +
      'history() lists.',
    { version },
  )
}
