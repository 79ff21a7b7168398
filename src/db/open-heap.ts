import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import {
  BOOLEAN,
  DURATION_MS,
  ensure,
  ensureOptions,
  FUNCTION,
  isRecord,
  PATH,
  RECORD,
  type Rule,
  SIZE_BYTES,
} from '../arguments'
import { SnapheapError } from '../errors'
import { type Files, filesWith, lockPathOf } from '../heap/files'
import { Heap } from '../heap/heap'
import type { Memory } from '../heap/memory'
import { loadNativeMemory } from '../heap/native-memory'
import { plainMemory } from '../heap/plain-memory'
import { ioError, PoolFile } from '../heap/pool-file'
import { replacedFile } from '../heap/replaced-file'
import type { World } from '../heap/world'
import { isBaseName, logFolderOf } from '../log/format'
import { basesOf, type Point, versionAt } from '../log/history'
import { openLog, readLog, readLogUntil } from '../log/log'
import type { Durability } from '../log/log-options'
import type { LogWriter } from '../log/log-writer'
import { PART_BYTES } from '../log/record'
import type { LogReader, Recovery } from '../log/recovery'
import { parseRetention } from '../log/retention'
import type { CheckpointOptions } from './checkpointer'

export interface StoreOptions {
  /** Make a new database where the file does not exist. Default true. */
  readonly create?: boolean
  /** Open for reading: takes no lock, shows the newest state at opening. Default false. */
  readonly readOnly?: boolean
  /**
   * Open for reading, and stay in step with the process that writes: another thread or process, or a copy of file and log
   * that is kept up. `following` of the database tells how far it is. Default false.
   */
  readonly follow?: boolean
  /**
   * When a commit is on the device. `commit` (the default): before `write` returns. `interval`: at most 100 ms or 1 MiB of
   * log after it, or `{ everyMs, everyBytes }`. `none`: with the next `save`; nothing is logged.
   */
  readonly durability?: Durability
  /**
   * How much of the log is kept for points in time, beyond what recovery needs: an age like "7 days", or bytes. Default none.
   */
  readonly retain?: { readonly log: string | number }
  /** A segment of the log is ended when it is larger. Default 16 MiB. */
  readonly segmentBytes?: number
  /** When a checkpoint is made without being asked for. */
  readonly checkpoint?: CheckpointOptions
  /** `cut`: where the log is damaged, give up every commit from there on, and keep what is left aside. */
  readonly recovery?: 'cut'
  /** A snapshot held for longer is reported once, by a process warning that names its owner. Default 5 minutes. */
  readonly pinnedTooLongMs?: number
  /** Hears of what failed in the background: a sync, a checkpoint. Default: a process warning. */
  readonly onFailure?: (error: SnapheapError) => void
  /**
   * The permissions of files that are made, as of `chmod`: the owner must be able to read and write. Folders can be searched by those
   * who can read. A file that is rewritten keeps its own. Default 0o600; nothing on Windows.
   */
  readonly fileMode?: number
  /** How memory is had. Default: the native addon, or plain JavaScript where there is no binary for this platform. */
  readonly memory?: Memory
}

const INTERVAL_RULES = { everyMs: DURATION_MS, everyBytes: SIZE_BYTES }
const CHECKPOINT_RULES = { logBytes: SIZE_BYTES, everyMs: DURATION_MS }
const RETAIN_RULES = { log: [(value) => value !== null, 'a number of bytes, or a time like "7 days"'] as Rule }

export const MEMORY: Rule = [
  (value) => isRecord(value) && typeof (value as Partial<Memory>).mapFile === 'function',
  'plainMemory(), or what memoryFromMmapIo has made',
]
export const FILE_MODE: Rule = [
  (value) => Number.isInteger(value) && ((value as number) & ~0o777) === 0 && ((value as number) & 0o600) === 0o600,
  'permissions with reading and writing for the owner, such as 0o600 or 0o640',
]
const POINT: Rule = [
  (value) =>
    (typeof value === 'string' && value !== '') ||
    (typeof value === 'number' && !Number.isNaN(value)) ||
    (value instanceof Date && !Number.isNaN(value.getTime())),
  'a version, a Date, or an annotation',
]

/** What `ensureOptions` asks of each option. */
export const STORE_RULES: Readonly<Record<keyof StoreOptions, Rule>> = {
  create: BOOLEAN,
  readOnly: BOOLEAN,
  follow: BOOLEAN,
  durability: [
    (value) => ['commit', 'interval', 'none'].includes(value as string) || isRecord(value),
    '"commit", "interval", "none" or { everyMs, everyBytes }',
  ],
  retain: RECORD,
  segmentBytes: SIZE_BYTES,
  checkpoint: RECORD,
  recovery: [(value) => value === 'cut', '"cut", or leave it out'],
  pinnedTooLongMs: [(value) => typeof value === 'number' && value >= 0, 'a number of milliseconds'],
  onFailure: FUNCTION,
  fileMode: FILE_MODE,
  memory: MEMORY,
}

/** Throws `INVALID_ARGUMENT` for options of options that `STORE_RULES` does not look at. */
export function ensureNestedOptions({ durability, retain, checkpoint }: StoreOptions): void {
  if (durability !== undefined) ensureDurability(durability)
  if (retain !== undefined) ensureOptions('retain', retain, RETAIN_RULES)
  if (checkpoint !== undefined) ensureOptions('checkpoint', checkpoint, CHECKPOINT_RULES)
}

export function ensureDurability(durability: Durability): void {
  ensure('The durability', durability, STORE_RULES.durability)
  if (typeof durability !== 'string') ensureOptions('durability', durability, INTERVAL_RULES)
}

/** For tests of what happens otherwise only with a broken device, or with large commits. */
export interface InternalOptions {
  readonly files?: Files
  readonly world?: World
  readonly partBytes?: number
}

/** A heap at the newest version that file and log hold. */
export interface OpenedHeap {
  readonly heap: Heap
  readonly log: LogWriter | undefined
  readonly recovery: Recovery
  readonly options: StoreOptions
  /** Where a database that follows reads on. */
  readonly reader?: LogReader | undefined
}

/** The heap behind a path, or one in memory. */
export function openHeap(path: string | undefined, options: StoreOptions & InternalOptions): OpenedHeap {
  const memory = options.memory ?? defaultMemory()
  const recovery = NOTHING_TO_RECOVER
  if (path === undefined) return { heap: Heap.inMemory(memory, options.world), log: undefined, recovery, options }
  const real = realPathOf(path)
  const { create = true, files = filesWith(memory, options.fileMode) } = options
  const readOnly = options.readOnly === true || options.follow === true
  const retention = parseRetention(options.retain?.log)
  if (!readOnly) {
    ensureOneName(files, real)
    if (!files.exists(lockPathOf(real))) ensureOpenable(memory, files, real, create)
  }
  let opened: Pick<OpenedHeap, 'log' | 'recovery' | 'reader'> = { log: undefined, recovery }
  const recover = (each: Heap): void => {
    if (options.follow === true) {
      let reader: LogReader | undefined
      const found = readLog(each, (kept) => {
        reader = kept
      })
      opened = { log: undefined, recovery: found, reader }
    } else if (readOnly) opened = { log: undefined, recovery: readLog(each) }
    else {
      opened = openLog(each, {
        durability: options.durability ?? 'commit',
        retention,
        segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
        partBytes: options.partBytes ?? PART_BYTES,
        isForced: options.recovery === 'cut',
        onFailure: failureListener(options),
      })
    }
  }
  const open = (): Heap => {
    try {
      return Heap.open(memory, real, { create, readOnly, files, world: options.world, recover })
    } catch (error) {
      opened.reader?.cursor.close()
      throw error
    }
  }
  const heap = readOnly ? beforeItIsPruned(open) : open()
  return { heap, ...opened, options }
}

/** The heap behind a path as it was at a point in time, for reading. Throws `NOT_FOUND`, saying what points there are. */
export function openHeapAt(given: string, point: Point, options: StoreOptions & InternalOptions): OpenedHeap {
  ensure('The point in time', point, POINT)
  const memory = options.memory ?? defaultMemory()
  const { files = filesWith(memory, options.fileMode) } = options
  const path = realPathOf(given)
  const version = versionAt(memory, files, path, point)
  const base = basesOf(memory, files, path).find(({ root }) => root.version <= version)
  const heap = Heap.open(memory, path, {
    create: false,
    readOnly: true,
    files,
    world: options.world,
    from: base?.path ?? null,
    accepts: (root) => root.version <= version,
    recover: (each) => readLogUntil(each, version),
  })
  return { heap, log: undefined, recovery: NOTHING_TO_RECOVER, options: {} }
}

/** The one name of a file, links resolved: two names must not make two writers. Throws `INVALID_ARGUMENT`, `NOT_FOUND` without its folder. */
function realPathOf(path: string): string {
  ensure('The path', path, PATH)
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {} // there may be a log, or nothing yet
  try {
    return join(realpathSync(dirname(absolute)), basename(absolute))
  } catch (error) {
    throw new SnapheapError(
      'NOT_FOUND',
      `The folder of ${absolute} does not exist. Make it, or choose another path.`,
      { path: absolute },
      error,
    )
  }
}

/**
 * Two names of one file (hard links) would be locked one by one, and so make two writers. Those that the log keeps for points
 * in time are nobody's to open. Throws `EXISTS`.
 */
function ensureOneName(files: Files, path: string): void {
  if (files.nameCount(path) <= 1) return
  const folder = logFolderOf(path)
  const fd = files.open(path, 'r')
  const kept = files.list(folder).filter((name) => isBaseName(name) && files.names(join(folder, name), fd)).length
  files.close(fd)
  const others = files.nameCount(path) - 1 - kept
  if (others <= 0) return
  throw new SnapheapError(
    'EXISTS',
    `${path} has ${others === 1 ? 'another name' : `${others} other names`} (hard links), by which somebody else could open it for writing too. ` +
      'Remove those, or replace them by copies.',
    { path },
  )
}

/** Throws what opening would throw for a path where there is nothing to open, before a lock file is made beside it. */
function ensureOpenable(memory: Memory, files: Files, path: string, create: boolean): void {
  if (files.exists(path) || replacedFile(files, path) !== undefined) PoolFile.open(memory, files, path, false).close()
  else if (!create && files.list(logFolderOf(path)).length === 0) throw ioError('open', path, { code: 'ENOENT' })
}

/** A reader may find that the log goes on later than the file it has just opened: its writer has made a checkpoint meanwhile. */
function beforeItIsPruned(open: () => Heap): Heap {
  for (let attempt = 1; ; attempt++) {
    try {
      return open()
    } catch (error) {
      if (attempt === 5 || !(error instanceof SnapheapError && IF_PRUNED.includes(error.code))) throw error
    }
  }
}

/** What a reader finds where a segment is removed that it has just seen. */
const IF_PRUNED: readonly string[] = ['CORRUPT', 'NOT_FOUND']
const SEGMENT_BYTES = 16 << 20
const NOTHING_TO_RECOVER: Recovery = { commits: 0, damaged: undefined }

export function failureListener({ onFailure }: StoreOptions): (error: SnapheapError) => void {
  return onFailure ?? ((error) => process.emitWarning(error))
}

/** The native addon, or plain JavaScript where there is no binary for this platform. */
export function defaultMemory(): Memory {
  return loadNativeMemory() ?? plainMemory()
}
