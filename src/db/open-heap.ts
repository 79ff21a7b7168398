import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import { nodeFiles } from '../heap/files'
import { Heap } from '../heap/heap'
import type { Memory } from '../heap/memory'
import { loadNativeMemory } from '../heap/native-memory'
import { plainMemory } from '../heap/plain-memory'
import { basesOf, type Point, versionAt } from '../log/history'
import { openLog, readLog, readLogUntil } from '../log/log'
import type { Durability, LogWriter } from '../log/log-writer'
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
  /** How memory is had. Default: the native addon, or plain JavaScript where there is no binary for this platform. */
  readonly memory?: Memory
}

/** For tests of what happens otherwise only with a broken device, or with large commits. */
export interface InternalOptions {
  readonly files?: Files
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
  if (path === undefined) return { heap: Heap.inMemory(memory), log: undefined, recovery, options }
  const real = realPathOf(path)
  const { create = true, files } = options
  const readOnly = options.readOnly === true || options.follow === true
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
        retention: parseRetention(options.retain?.log),
        segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
        partBytes: options.partBytes ?? PART_BYTES,
        isForced: options.recovery === 'cut',
        onFailure: failureListener(options),
      })
    }
  }
  const open = (): Heap => {
    try {
      return Heap.open(memory, real, { create, readOnly, files, recover })
    } catch (error) {
      opened.reader?.cursor.close()
      throw error
    }
  }
  const heap = readOnly ? beforeItIsPruned(open) : open()
  return { heap, ...opened, options }
}

/** The heap behind a path as it was at a point in time, for reading. Throws `NOT_FOUND`, saying what points there are. */
export function openHeapAt(given: string, point: Point, options: StoreOptions & { files?: Files }): OpenedHeap {
  const memory = options.memory ?? defaultMemory()
  const { files = nodeFiles } = options
  const path = realPathOf(given)
  const version = versionAt(memory, files, path, point)
  const base = basesOf(memory, files, path).find(({ root }) => root.version <= version)
  const heap = Heap.open(memory, path, {
    create: false,
    readOnly: true,
    files,
    from: base?.path ?? null,
    accepts: (root) => root.version <= version,
    recover: (each) => readLogUntil(each, version),
  })
  return { heap, log: undefined, recovery: NOTHING_TO_RECOVER, options: {} }
}

/** The one name of a file, links resolved: two names must not make two writers. Throws `INVALID_ARGUMENT`, `NOT_FOUND` without its folder. */
function realPathOf(path: string): string {
  if (typeof path !== 'string' || path === '') {
    throw new SnapheapError('INVALID_ARGUMENT', `The path is ${JSON.stringify(path)}. Pass the name of a file.`)
  }
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
