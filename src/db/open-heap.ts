import { readlinkSync, realpathSync } from 'node:fs'
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
import type { FileRoot } from '../heap/file-format'
import { type Files, filesWith, lockPathOf } from '../heap/files'
import { Heap } from '../heap/heap'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import { loadNativeMemory } from '../heap/native-memory'
import { plainMemory } from '../heap/plain-memory'
import { PoolFile } from '../heap/pool-file'
import { replacedFile } from '../heap/replaced-file'
import type { World } from '../heap/world'
import { isDate } from '../kinds'
import { durableVersion } from '../log/durable-limit'
import { isBaseName, logFolderOf } from '../log/format'
import { findPoint, type Point } from '../log/history'
import { openLog, readLog, readLogUntil } from '../log/log'
import type { Durability } from '../log/log-options'
import type { LogWriter } from '../log/log-writer'
import { PART_BYTES } from '../log/record'
import type { LogReader, Recovery } from '../log/recovery'
import { parseRetention } from '../log/retention'
import { readSteadily } from '../log/steady-read'
import { type BlockCheck, checkNow } from './block-check'
import type { CheckpointOptions } from './checkpointer'
import { callSafely } from './commit-feed'

export interface StoreOptions {
  /** Make a new database where the file does not exist. Default true. */
  readonly create?: boolean
  /** Open for reading: takes no lock, shows the newest state at opening. Default false. */
  readonly readOnly?: boolean
  /**
   * Open for reading, and stay in step with the process that writes: another thread or process, or a copy of file and
   * log that is kept up. `following` of the database tells how far it is. Default false.
   */
  readonly follow?: boolean
  /**
   * With `follow`: show commits as soon as they are written, before they are on the device; they may be taken back.
   * Default false.
   */
  readonly showUnsynced?: boolean
  /**
   * When a commit is on the device. `commit` (the default): before `write` returns. `interval`: at most 100 ms or 1 MiB
   * of log after it, or `{ intervalMs, intervalBytes }`. `none`: with the next checkpoint; nothing is logged.
   */
  readonly durability?: Durability
  /**
   * How much of the log is kept for points in time, beyond what recovery needs: an age like "7 days", or bytes. Default
   * none.
   */
  readonly retain?: { readonly log: string | number }
  /** A segment of the log is ended when it is larger. Default 16 MiB. */
  readonly segmentBytes?: number
  /** When a checkpoint is made without being asked for. */
  readonly checkpoint?: CheckpointOptions
  /**
   * Compare every block of the file with its checksum: `full`, before the database is open, at the speed of the device;
   * damage throws `CORRUPT`. `background`: beside everything else, at most 64 MiB a second, or `{ bytesPerSecond,
   * onDone }`; damage is reported by `onFailure`, reads of it throw `CORRUPT` from then on, and `stats().scrub` tells
   * how far it is. Default: a block is compared when it is first changed, or written into another file.
   */
  readonly verify?: BlockCheck
  /**
   * What to do where opening throws `CORRUPT`. `rebuild`: where the newest state in the file is damaged, begin with the
   * one before and do the commits since again from the log; nothing is lost, or it throws `CORRUPT` saying what would
   * be. `cut`: give up every commit from the damage on, of the log or behind the last whole state of the file, and keep
   * what is left of the log aside.
   */
  readonly recovery?: 'rebuild' | 'cut'
  /** A snapshot held for longer is reported once, by a process warning that names its owner. Default 5 minutes. */
  readonly snapshotWarningMs?: number
  /** Called with failures in the background: of a sync, of a checkpoint. Default: a process warning. */
  readonly onFailure?: (error: SnapheapError) => void
  /**
   * The permissions of files that are made, as of `chmod`: the owner must be able to read and write. Folders can be
   * searched by those who can read. A file that is rewritten keeps its own. Default 0o600; nothing on Windows.
   */
  readonly fileMode?: number
  /** Access to memory and files. Default: the native addon; plain JavaScript on platforms without a binary. */
  readonly memory?: Memory
}

const INTERVAL_RULES = { intervalMs: DURATION_MS, intervalBytes: SIZE_BYTES }
const CHECKPOINT_RULES = { logBytes: SIZE_BYTES, intervalMs: DURATION_MS }
const BLOCK_CHECK_RULES = { bytesPerSecond: SIZE_BYTES, onDone: FUNCTION }
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
    (isDate(value) && !Number.isNaN(value.getTime())),
  'a version, a Date, or an annotation',
]

/** What `ensureOptions` asks of each option. */
export const STORE_RULES: Readonly<Record<keyof StoreOptions, Rule>> = {
  create: BOOLEAN,
  readOnly: BOOLEAN,
  follow: BOOLEAN,
  showUnsynced: BOOLEAN,
  durability: [
    (value) => ['commit', 'interval', 'none'].includes(value as string) || isRecord(value),
    '"commit", "interval", "none" or { intervalMs, intervalBytes }',
  ],
  retain: RECORD,
  segmentBytes: SIZE_BYTES,
  checkpoint: RECORD,
  verify: [
    (value) => value === 'full' || value === 'background' || isRecord(value),
    '"full", "background" or { bytesPerSecond, onDone }',
  ],
  recovery: [(value) => value === 'rebuild' || value === 'cut', '"rebuild" or "cut", or leave it out'],
  snapshotWarningMs: [(value) => typeof value === 'number' && value >= 0, 'a number of milliseconds'],
  onFailure: FUNCTION,
  fileMode: FILE_MODE,
  memory: MEMORY,
}

/** Throws `INVALID_ARGUMENT` for options of options that `STORE_RULES` does not look at. */
export function ensureNestedOptions({ durability, retain, checkpoint, verify }: StoreOptions): void {
  if (isRecord(verify)) ensureOptions('open({ verify })', verify, BLOCK_CHECK_RULES)
  if (durability !== undefined) ensureDurability(durability)
  if (retain !== undefined) ensureOptions('open({ retain })', retain, RETAIN_RULES)
  if (checkpoint !== undefined) ensureOptions('open({ checkpoint })', checkpoint, CHECKPOINT_RULES)
}

export function ensureDurability(durability: Durability): void {
  ensure('durability', durability, STORE_RULES.durability)
  if (typeof durability !== 'string') ensureOptions('open({ durability })', durability, INTERVAL_RULES)
}

/** For tests of what happens otherwise only with a broken device, or with large commits. */
export interface InternalOptions {
  readonly files?: Files
  readonly world?: World
  readonly partBytes?: number
  /** The state of the file that was compared with its checksums already. */
  readonly checked?: FileRoot | undefined
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
    if (!files.exists(lockPathOf(real))) ensureOpenable(memory, files, real, create, options.recovery !== undefined)
  }
  let opened: Pick<OpenedHeap, 'log' | 'recovery' | 'reader'> = { log: undefined, recovery }
  const recover = (each: Heap): void => {
    if (options.follow === true) {
      let reader: LogReader | undefined
      const found = readLog(each, options.showUnsynced === true ? undefined : durableVersion(each), (kept) => {
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
  const check = options.verify === 'full' ? (file: PoolFile) => checkNow(files, file, options.checked) : undefined
  const open = (): Heap => {
    try {
      const { world, recovery: given } = options
      const isDurableOnly = options.follow === true && options.showUnsynced !== true
      return Heap.open(memory, real, { create, readOnly, files, world, isDurableOnly, check, recover, recovery: given })
    } catch (error) {
      opened.reader?.cursor.close()
      throw error
    }
  }
  const heap = readOnly ? readSteadily(memory, files, real, open) : open()
  return { heap, ...opened, options }
}

/**
 * The heap behind a path as it was at a point in time, for reading. Throws `NOT_FOUND`, saying what points there are.
 */
export function openHeapAt(given: string, point: Point, options: StoreOptions & InternalOptions): OpenedHeap {
  ensure('db.asOf()', point, POINT)
  const memory = options.memory ?? defaultMemory()
  const { files = filesWith(memory, options.fileMode) } = options
  const path = realPathOf(given)
  const heap = readSteadily(memory, files, path, () => {
    const { version, base } = findPoint(memory, files, path, point, options.world)
    return Heap.open(memory, path, {
      create: false,
      readOnly: true,
      files,
      world: options.world,
      from: base?.path ?? null,
      accepts: (root) => root.version <= version,
      recover: (each) => readLogUntil(each, version),
    })
  })
  return { heap, log: undefined, recovery: NOTHING_TO_RECOVER, options: {} }
}

/**
 * The one name of a file, links resolved: two names must not make two writers. Throws `INVALID_ARGUMENT`, `NOT_FOUND`
 * without its folder.
 */
export function realPathOf(path: string): string {
  ensure('open()', path, PATH)
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch (error) {
    // there may be a log, or nothing yet: also where a link leads
    const target = (error as NodeJS.ErrnoException).code === 'ENOENT' ? linkTarget(absolute) : undefined
    if (target !== undefined) return realPathOf(target)
  }
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

/** Where a link leads; undefined for a path that is none. */
function linkTarget(path: string): string | undefined {
  try {
    return resolve(realpathSync(dirname(path)), readlinkSync(path))
  } catch {
    return undefined
  }
}

/**
 * Two names of one file (hard links) have separate locks, which would allow two writers. The links that the log keeps
 * for points in time are not opened by name. Throws `EXISTS`.
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
    `${path} has ${others === 1 ? 'another name' : `${others} other names`} (hard links), by which somebody else ` +
      'could open it for writing too. ' +
      'Remove those, or replace them by copies.',
    { path },
  )
}

/** Throws what opening would throw for a path where there is nothing to open, before a lock file is made beside it. */
function ensureOpenable(memory: Memory, files: Files, path: string, create: boolean, skipsDamaged: boolean): void {
  if (files.exists(path) || replacedFile(files, path) !== undefined)
    PoolFile.open(memory, files, path, false, undefined, skipsDamaged).close()
  else if (!create && files.list(logFolderOf(path)).length === 0) throw ioError('open', path, { code: 'ENOENT' })
}

const SEGMENT_BYTES = 16 << 20
const NOTHING_TO_RECOVER: Recovery = { commits: 0, damaged: undefined }

/** The listener for failures in the background. An error that it throws becomes an uncaught error, not its caller's. */
export function failureListener({ onFailure }: StoreOptions): (error: SnapheapError) => void {
  if (onFailure === undefined) return (error) => process.emitWarning(error)
  return (error) => callSafely(() => onFailure(error))
}

/** The native addon, or plain JavaScript where there is no binary for this platform. */
export function defaultMemory(): Memory {
  return loadNativeMemory() ?? plainMemory()
}
