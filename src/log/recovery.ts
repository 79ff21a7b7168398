import { basename, join } from 'node:path'
import { SnapheapError } from '../errors'
import { NOWHERE } from '../heap/changes'
import type { Files } from '../heap/files'
import type { Heap } from '../heap/heap'
import { ioError } from '../heap/io-error'
import { BLOCK_WORDS, MAX_BLOCKS, RESERVED_BLOCKS } from '../heap/layout'
import type { Memory } from '../heap/memory'
import type { World } from '../heap/world'
import { LogCursor, type LogEnd, type LoggedCommit, type LogPlace } from './cursor'
import { isSegmentName, RECORD, segmentName } from './format'
import { decodeHead, RecordBytes, type Redo } from './record'
import { contentsEnd, damagedLog, listSegments } from './segments'

/** Commits done again in one step: the words they change often are noted once. */
const BATCH_COMMITS = 4096

/** What was found when a log was read at opening. */
export interface Recovery {
  /** Commits done again after the state in the file. */
  readonly commits: number
  /** What was cut off and kept aside: the end of a commit that was never acknowledged. */
  readonly damaged: { readonly path: string; readonly bytes: number } | undefined
}

/** Where and with what the log goes on. */
export interface LogEndState {
  readonly version: number
  readonly checksum: number
  readonly timeMs: number
  readonly place: LogPlace | undefined
}

/** Until when commits are done again. Default: all of them. */
export type Until = (commit: LoggedCommit) => boolean

/**
 * Does again, in the heap, every commit of the log after the heap's version. Returns where it ended and why. With a
 * `tracker`, a failure leaves the heap at a whole commit; without one the heap must then be given up. Throws `CORRUPT`
 * where a commit is missing that the device had.
 */
export function replay(
  heap: Heap,
  cursor: LogCursor,
  isBeyond: Until = () => false,
  tracker?: RedoTracker,
): { commits: number; end: LogEnd } {
  const isFinal = tracker === undefined
  const target = tracker ?? redoFinally(heap)
  let commits = 0
  let batchBegin = cursor.mark()
  let batchEnd = batchBegin
  let next = cursor.next()
  for (;;) {
    if (typeof next === 'string') return { commits, end: next }
    if (isBeyond(next)) return { commits, end: 'end' }
    let last = next
    let hasMoved = false
    let inBatch = 0
    heap.beginReplay(isFinal)
    try {
      do {
        target.version = next.head.version
        next.redo(target)
        hasMoved ||= next.head.hasMovedAddresses
        last = next
        inBatch++
        if (inBatch === BATCH_COMMITS) batchEnd = cursor.mark()
        next = cursor.next()
      } while (inBatch < BATCH_COMMITS && typeof next !== 'string' && !isBeyond(next))
    } catch (error) {
      if (!isFinal) heap.rollback()
      cursor.reset(batchBegin)
      throw error
    }
    batchBegin = batchEnd
    heap.commitReplay(last.head.version, hasMoved)
    commits += inBatch
  }
}

/** Does records again. */
export interface Redoer extends Redo {
  /** Of the record being done again. */
  version: number
}

/** Does records again and remembers when a block was last changed. */
export interface RedoTracker extends Redoer {
  /** Block -> the version in which it was last changed. */
  readonly changedIn: ReadonlyMap<number, number>
  /** Forgets changes up to a version. */
  forget(version: number): void
}

/** Writes what records say into the heap, within a transaction that can be rolled back. */
export function redoInto(heap: Heap): RedoTracker {
  const { writer } = heap
  const changedIn = new Map<number, number>()
  let start = 0
  const tracker: RedoTracker = {
    version: 0,
    changedIn,
    forget(version) {
      for (const [block, since] of changedIn) if (since <= version) changedIn.delete(block)
    },
    move(from, to) {
      makeRoom(heap, from)
      changedIn.set(from, tracker.version)
      if (to !== NOWHERE) changedIn.set(to, tracker.version)
      moveBlock(heap, from, to)
    },
    open(block) {
      makeRoom(heap, block)
      changedIn.set(block, tracker.version)
      start = block * BLOCK_WORDS
    },
    write(offset, words, units, index) {
      checkRun(offset, words)
      writer.write(start + offset, units, index, words * 2)
    },
  }
  return tracker
}

/** Writes what records say into the heap, within a transaction that nobody will roll back: straight into its blocks. */
function redoFinally(heap: Heap): Redoer {
  const { writer } = heap
  let halves: Int32Array = new Int32Array(0)
  let start = 0
  return {
    version: 0,
    move: (from, to) => moveBlock(heap, from, to),
    open(block) {
      makeRoom(heap, block)
      start = writer.open(block * BLOCK_WORDS, 0) << 1
      halves = writer.view.halves[writer.view.slotOf(block * BLOCK_WORDS)]
    },
    write(offset, words, units, index) {
      checkRun(offset, words)
      const to = start + offset * 2
      const count = words * 2
      if (words < 32) for (let i = 0; i < count; i++) halves[to + i] = units[index + i]
      else halves.set(units.subarray(index, index + count), to)
    },
  }
}

function moveBlock(heap: Heap, from: number, to: number): void {
  makeRoom(heap, from)
  if (to === NOWHERE) {
    heap.writer.discard(from)
    return
  }
  makeRoom(heap, to)
  heap.writer.moveBlock(from, to)
}

function makeRoom({ writer }: Heap, block: number): void {
  if (block < writer.view.table.length) return
  if (block >= MAX_BLOCKS) throw new SnapheapError('CORRUPT', `The log names block ${block}, which no heap has.`)
  writer.ensureBlocks(Math.max(RESERVED_BLOCKS, block + 1))
}

function checkRun(offset: number, words: number): void {
  if (offset + words > BLOCK_WORDS)
    throw new SnapheapError(
      'CORRUPT',
      `The log changes ${words} words from word ${offset} of a block on, which has ${BLOCK_WORDS}.`,
    )
}

/** Where a heap that follows its log has read to, and what it knows of the blocks changed since the file. */
export interface LogReader {
  readonly cursor: LogCursor
  readonly redo: RedoTracker
}

/** What is brought to the end of a log: a heap, or who reads the log to see where one would be. */
export interface LogTarget {
  readonly memory: Memory
  readonly files: Files
  readonly world?: World
  readonly version: number
  readonly id: Uint8Array
  /** Takes the identity that the log gives to what has no file. */
  identify(id: Uint8Array): void
}

export interface RepairOptions {
  /** Cut off the rest of a commit that was never acknowledged, and keep it beside the segment. */
  readonly repair: boolean
  /** Cut off as well what was on the device. */
  readonly isForced: boolean
}

/** A log that is about to be read to its end. */
export interface OpenedLog {
  readonly folder: string
  readonly cursor: LogCursor
  /** Every commit up to this version was on the device before the log was read. */
  readonly durableVersion: number
  readonly damaged: Recovery['damaged']
}

/** Begins to read a log after the version of a target. Throws `CORRUPT`, `IO`. */
export function openAt(target: LogTarget, folder: string, options: RepairOptions): OpenedLog {
  const { memory, files, world } = target
  const durableVersion = knownDurable(files, folder)
  const { segments, torn } = listSegments(memory, files, folder, target.version === 0 ? undefined : target.id)
  if (target.version === 0 && segments.length > 0) target.identify(segments[0].header.heapId)
  const damaged = torn === undefined ? undefined : leaveTorn(target, torn, options)
  return {
    folder,
    cursor: new LogCursor(memory, files, folder, target.id, target.version, world),
    durableVersion,
    damaged,
  }
}

/**
 * Looks at why a log ended where it was read to, when the target is there. Damage to what was on the device throws `CORRUPT`.
 * Returns what was cut off.
 */
export function settleEnd(target: LogTarget, log: OpenedLog, end: LogEnd, options: RepairOptions): Recovery['damaged'] {
  const { memory, files } = target
  const { folder, cursor, durableVersion } = log
  if (end === 'gap') {
    if (!options.isForced || target.version === 0) throw missing(folder, target.version)
    return giveUpAfter(memory, files, folder, target.version)
  }
  const reached = Math.max(cursor.version, target.version)
  const rest = cursor.rest()
  if (rest.length === 0 && end !== 'damaged' && reached >= durableVersion) return log.damaged
  const place = cursor.place ?? { path: folder, offsetBytes: 0 }
  const damage =
    cursor.damage ??
    (reached < durableVersion ? notWhole(place, reached + 1) : damageIn(memory, rest, reached + 1, place))
  if (damage !== undefined && !options.isForced) throw damage
  return options.repair && cursor.place !== undefined ? cut(memory, files, folder, cursor.place) : log.damaged
}

/**
 * Brings a heap to the end of its log. Gives the cursor to `keep`, open, where that is given. With `repair`, the rest of a commit that was never acknowledged is cut off and kept
 * beside the segment; damage to what was on the device throws `CORRUPT`, unless `isForced`, which cuts there too.
 */
export function recover(
  heap: Heap,
  folder: string,
  options: RepairOptions & { keep?: ((reader: LogReader) => void) | undefined },
): Recovery & { end: LogEndState } {
  const log = openAt(heap, folder, options)
  const { cursor } = log
  let isKept = false
  try {
    const redo = options.keep && redoInto(heap)
    const { commits, end } = replay(heap, cursor, undefined, redo)
    const damaged = settleEnd(heap, log, end, options)
    if (redo !== undefined) {
      options.keep!({ cursor, redo })
      isKept = true
    }
    const { version, checksum, timeMs, place } = cursor
    return { commits, damaged, end: { version, checksum, timeMs, place } }
  } finally {
    if (!isKept) cursor.close()
  }
}

/** Up to which version the commits of a log are known to have been on the device, whatever its records say. */
export function knownDurable(_files: Files, _folder: string): number {
  return 0
}

/** A segment whose header is not whole holds nothing that was acknowledged: it was torn while it was begun, or is damaged. */
function leaveTorn({ memory, files, version }: LogTarget, path: string, options: RepairOptions): Recovery['damaged'] {
  const lost = Math.max(Number(basename(path, '.log')), version) + 1
  const damage = damageIn(memory, readWhole(files, path), lost, { path, offsetBytes: 0 })
  if (damage !== undefined && !options.isForced) throw damage
  return options.repair ? setAside(files, path, 0) : undefined
}

/**
 * The error for bytes behind the last whole commit, where a record in them proves that commit `lost`, the next, was on the
 * device: in the log, for what the heap has anyway may have been only in its file.
 */
export function damageIn(memory: Memory, rest: Uint8Array, lost: number, place: LogPlace): SnapheapError | undefined {
  const records = new RecordBytes(rest)
  for (let at = 0; at + RECORD.units * 4 <= rest.length; at += 8) {
    // cheap tests before the checksum
    const synced = records.doubles[at / 8 + RECORD.syncedVersion / 2]
    if (!(synced >= lost && records.doubles[at / 8 + RECORD.version / 2] > synced)) continue
    if (decodeHead(memory, records, at, rest.length) === undefined) continue
    return notWhole(place, lost)
  }
  return undefined
}

function notWhole({ path, offsetBytes }: LogPlace, lost: number): SnapheapError {
  return damagedLog(path, offsetBytes, `commit ${lost} is not whole, though it was on the device`)
}

/** Cuts the log at a place, keeping what follows under other names. */
function cut(memory: Memory, files: Files, folder: string, { path, offsetBytes }: LogPlace): Recovery['damaged'] {
  setAsideAfter(memory, files, folder, basename(path))
  return setAside(files, path, offsetBytes)
}

/** Gives up the commits behind a gap, keeping them under other names. */
function giveUpAfter(memory: Memory, files: Files, folder: string, version: number): Recovery['damaged'] {
  return setAsideAfter(memory, files, folder, segmentName(version))
}

/** Keeps the segments whose names are behind `name` under other names. Returns which was the first. */
function setAsideAfter(memory: Memory, files: Files, folder: string, name: string): Recovery['damaged'] {
  const later = files.list(folder).filter((each) => isSegmentName(each) && each > name)
  let first: Recovery['damaged']
  for (const each of later.reverse()) first = setAside(files, join(folder, each), 0)
  if (first !== undefined) memory.syncFolder(folder) // or they might come back, and not continue what is left
  return first
}

export function readWhole(files: Files, path: string): Uint8Array {
  let fd: number | undefined
  try {
    fd = files.open(path, 'r')
    const bytes = new Uint8Array(files.sizeBytes(fd))
    return bytes.subarray(0, files.read(fd, bytes, 0))
  } catch (error) {
    throw ioError('read', path, error)
  } finally {
    if (fd !== undefined) files.close(fd)
  }
}

function setAside(files: Files, path: string, offsetBytes: number): { path: string; bytes: number } {
  let kept = `${path}.damaged`
  for (let i = 1; files.exists(kept); i++) kept = `${path}.damaged-${i}`
  let fd: number | undefined
  let target: number | undefined
  try {
    fd = files.open(path, 'r+')
    const bytes = new Uint8Array(contentsEnd(files, fd, offsetBytes) - offsetBytes)
    files.read(fd, bytes, offsetBytes)
    if (offsetBytes === 0) files.rename(path, kept)
    else {
      target = files.open(kept, 'wx+')
      files.write(target, bytes, 0)
      files.sync(target)
      files.truncate(fd, offsetBytes)
      files.sync(fd)
    }
    return { path: kept, bytes: bytes.length }
  } catch (error) {
    throw ioError('cut', path, error)
  } finally {
    if (fd !== undefined) files.close(fd)
    if (target !== undefined) files.close(target)
  }
}

function missing(folder: string, version: number): SnapheapError {
  return new SnapheapError(
    'CORRUPT',
    version === 0
      ? `The log in ${folder} continues a file that is not there. Put the file back, or move the folder away.`
      : `The log in ${folder} does not continue the file, which holds version ${version}. Put the missing segments back, or open it with { recovery: 'cut' } to go on from the file and give up every commit in them.`,
    { path: folder, version },
  )
}
