import { basename, join } from 'node:path'
import { SnapheapError } from '../errors'
import { NOWHERE } from '../heap/changes'
import { ensureFeatures, type FileRoot } from '../heap/file-format'
import type { Files } from '../heap/files'
import type { Heap } from '../heap/heap'
import { ioError } from '../heap/io-error'
import { BLOCK_WORDS, MAX_BLOCKS, RESERVED_BLOCKS } from '../heap/layout'
import type { Memory } from '../heap/memory'
import type { World } from '../heap/world'
import { LogCursor, type LogEnd, type LogPlace, type LogStart } from './cursor'
import { readDurableMark } from './durable-mark'
import { DURABLE_MARK_NAME, isSegmentName, RECORD_FEATURES } from './format'
import { damageAtEnd, damageInTorn, SCAN_BYTES } from './log-damage'
import { type Redo, unknownFeatures } from './record'
import { contentsEnd, listSegments } from './segments'

/** Commits done again in one step: the words they change often are noted once. */
const BATCH_COMMITS = 4096

/** Result of reading a log at opening. */
export interface Recovery {
  /** Commits done again after the state in the file. */
  readonly commits: number
  /** Bytes that were cut off and kept aside: the end of a commit that was never acknowledged. */
  readonly damaged: { readonly path: string; readonly bytes: number } | undefined
}

/** Where and with what the log goes on. */
export interface LogEndState {
  readonly version: number
  readonly checksum: number
  readonly epoch: number
  /** Undefined where a new one begins: without a log, or after commits were given up that a reader may have seen. */
  readonly timeline: string | undefined
  /** Bytes of the commits that were done again. */
  readonly bytes: number
  readonly place: LogPlace | undefined
}

/**
 * Does again, in the heap, every commit of the log after the heap's version, up to version `until`. Returns where it
 * ended and why. With a `tracker`, a failure leaves the heap at a whole commit; without one the heap must then be given
 * up. Throws `CORRUPT` where a commit is missing that the device had.
 */
export function replay(
  heap: Heap,
  cursor: LogCursor,
  until = Number.POSITIVE_INFINITY,
  tracker?: RedoTracker,
): { commits: number; bytes: number; end: LogEnd } {
  const isFinal = tracker === undefined
  const target = tracker ?? redoFinally(heap)
  let commits = 0
  let bytes = 0
  let batchBegin = cursor.mark()
  let batchEnd = batchBegin
  let next = cursor.next(until)
  for (;;) {
    if (typeof next === 'string') return { commits, bytes, end: next }
    let last = next
    let hasMoved = false
    let inBatch = 0
    heap.beginReplay(isFinal)
    try {
      do {
        target.version = next.head.version
        next.redo(target)
        hasMoved ||= next.head.hasMovedAddresses
        tracker?.replayed(next.head.version, next.head.checksum)
        last = next
        bytes += next.sizeBytes
        inBatch++
        if (inBatch === BATCH_COMMITS) batchEnd = cursor.mark()
        next = cursor.next(until)
      } while (inBatch < BATCH_COMMITS && typeof next !== 'string')
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
  /** Notes the chain of a version that was replayed. */
  replayed(version: number, chain: number): void
  /** Whether a root is of the history that was replayed, as far as that is known. */
  fits(root: FileRoot): boolean
  /** Forgets changes up to a version. */
  forget(version: number): void
}

/** Writes what records say into the heap, within a transaction that can be rolled back. */
export function redoInto(heap: Heap): RedoTracker {
  const { writer } = heap
  const changedIn = new Map<number, number>()
  /** Chains of the versions from `firstChained` on. */
  let chains: number[] = []
  let firstChained = 0
  let start = 0
  const tracker: RedoTracker = {
    version: 0,
    changedIn,
    replayed(version, chain) {
      if (firstChained + chains.length !== version) {
        chains = []
        firstChained = version
      }
      chains.push(chain)
    },
    fits({ version, point }) {
      const chain = chains[version - firstChained]
      return chain === undefined || point === undefined || chain === point.chain
    },
    forget(version) {
      firstChained += chains.splice(0, Math.max(0, version - firstChained)).length
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

/** Applies records to the heap, straight into its blocks: within a transaction that is never rolled back. */
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
  readonly path?: string | undefined
  readonly version: number
  readonly id: Uint8Array
  readonly point: LogStart
  /** The newest state in its file. */
  readonly savedRoot: FileRoot | undefined
  /** Sets the identity, from the log, of a heap without a file. */
  identify(id: Uint8Array): void
}

export interface RepairOptions {
  /** Cut off the rest of a commit that was never acknowledged, and keep it beside the segment. */
  readonly repair: boolean
  /** Also cut off commits that were on the device, and a log that does not continue the file. */
  readonly isForced: boolean
}

/** A log that is about to be read to its end. */
export interface OpenedLog {
  readonly folder: string
  readonly cursor: LogCursor
  readonly damaged: Recovery['damaged']
}

/** Begins to read a log after the version of a target. Throws `CORRUPT`, `VERSION`, `IO`. */
export function openAt(target: LogTarget, folder: string, options: RepairOptions): OpenedLog {
  const { memory, files, world } = target
  const { segments, torn } = listSegments(memory, files, folder, target.version === 0 ? undefined : target.id)
  if (options.repair) for (const { path, header } of segments) ensureFeatures(path, header.features, true)
  if (target.version === 0 && segments.length > 0) target.identify(segments[0].header.heapId)
  // A new heap: a segment of an earlier attempt, which was removed again, must not come back after a power cut.
  const isNew = target.version === 0 && segments.length === 0 && torn === undefined
  if (isNew && options.repair && files.exists(folder)) memory.syncFolder(folder)
  const damaged = torn === undefined ? undefined : leaveTorn(target, torn, options)
  return { folder, cursor: new LogCursor(memory, files, folder, target.id, target.point, world), damaged }
}

/**
 * Determines why a log ended, when the target has come there. Throws `CORRUPT` if commits that were on the device are
 * damaged. Returns the bytes that were cut off, where the log goes on, and whether commits were given up.
 */
export function settleEnd(
  target: LogTarget,
  log: OpenedLog,
  end: LogEnd,
  options: RepairOptions,
): { damaged: Recovery['damaged']; place: LogPlace | undefined; isFork: boolean } {
  const { memory, files, version, savedRoot } = target
  const { folder, cursor } = log
  if (options.repair && (cursor.flags & RECORD_FEATURES.readOnlyCompatible) !== 0)
    throw unknownFeatures(cursor.flags & RECORD_FEATURES.readOnlyCompatible)
  const bounds = { version, logged: savedRoot?.point?.loggedVersion ?? 0, durable: knownDurable(memory, files, folder) }
  const damage = end === 'beyond' ? undefined : damageAtEnd({ memory, files, path: target.path! }, cursor, end, bounds)
  const place = cursor.isOfOtherHistory ? undefined : cursor.place
  const isHopeless = version === 0 && place === undefined
  if (damage !== undefined && (!options.isForced || isHopeless)) throw damage
  const isFork = damage !== undefined || place === undefined
  if (!options.repair) return { damaged: log.damaged, place, isFork }
  return { damaged: cut(target, folder, cursor, place, damage !== undefined) ?? log.damaged, place, isFork }
}

/** The version up to which the commits of a log are known to be on the device, from its mark. Throws `IO`. */
function knownDurable(memory: Memory, files: Files, folder: string): number {
  try {
    const mark = readDurableMark(memory, files, folder)
    return typeof mark === 'string' ? 0 : mark.version
  } catch (error) {
    throw ioError('read', folder, error)
  }
}

/**
 * Brings a heap to the end of its log, or to version `until`. Gives the cursor to `keep`, open, where that is given.
 * With `repair`, the rest of a commit that was never acknowledged is cut off and kept beside the segment. Throws
 * `CORRUPT` if commits that were on the device are damaged, or if the log does not continue the heap's file; with
 * `isForced`, these commits are given up instead. Throws `VERSION`.
 */
export function recover(
  heap: Heap,
  folder: string,
  options: RepairOptions & { keep?: ((reader: LogReader) => void) | undefined; until?: number | undefined },
): Recovery & { end: LogEndState } {
  const log = openAt(heap, folder, options)
  const { cursor } = log
  let isKept = false
  try {
    const redo = options.keep && redoInto(heap)
    const { commits, bytes, end } = replay(heap, cursor, options.until, redo)
    const { damaged, place, isFork } = settleEnd(heap, log, end, options)
    if (redo !== undefined) {
      options.keep!({ cursor, redo })
      isKept = true
    }
    const { version, checksum, epoch } = cursor
    const timeline = isFork ? undefined : cursor.timeline
    return { commits, damaged, end: { version, checksum, epoch, timeline, bytes, place } }
  } finally {
    if (!isKept) cursor.close()
  }
}

/**
 * A segment whose header is not whole holds nothing that was acknowledged: it was torn while it was begun, or is
 * damaged.
 */
function leaveTorn({ memory, files, version }: LogTarget, path: string, options: RepairOptions): Recovery['damaged'] {
  const lost = Math.max(Number(basename(path, '.log')), version) + 1
  const damage = damageInTorn(memory, files, path, lost)
  if (damage !== undefined && !options.isForced) throw damage
  return options.repair ? setAside(files, path, 0) : undefined
}

/**
 * Cuts the log at a place, keeping what follows under other names: the rest of the segment, and, where the log is
 * damaged there, later segments. Without a place, nothing of the log continues the file.
 */
function cut(
  { memory, files }: LogTarget,
  folder: string,
  cursor: LogCursor,
  place: LogPlace | undefined,
  isDamaged: boolean,
): Recovery['damaged'] {
  let damaged: Recovery['damaged']
  if (isDamaged) {
    const first = place === undefined ? '' : basename(place.path)
    const later = files.list(folder).filter((name) => isSegmentName(name) && name > first)
    for (const name of later.reverse()) damaged = setAside(files, join(folder, name), 0)
    const mark = join(folder, DURABLE_MARK_NAME)
    if (files.exists(mark)) files.remove(mark) // it names commits that are given up
    if (later.length > 0) memory.syncFolder(folder) // or they might come back, and not continue what is left
  }
  return place !== undefined && cursor.bytesBehind > 0 ? setAside(files, place.path, place.offsetBytes) : damaged
}

function setAside(files: Files, path: string, offsetBytes: number): { path: string; bytes: number } {
  let kept = `${path}.damaged`
  for (let i = 1; files.exists(kept); i++) kept = `${path}.damaged-${i}`
  let fd: number | undefined
  try {
    fd = files.open(path, 'r+')
    const end = contentsEnd(files, fd, offsetBytes)
    if (offsetBytes === 0) files.rename(path, kept)
    else {
      copyRange(files, fd, kept, offsetBytes, end)
      files.truncate(fd, offsetBytes)
      files.sync(fd)
    }
    return { path: kept, bytes: end - offsetBytes }
  } catch (error) {
    throw ioError('cut', path, error)
  } finally {
    if (fd !== undefined) files.close(fd)
  }
}

/**
 * Copies a part of an open file into a new one, durably. Leaves none when it fails, for it is tried at each opening.
 */
function copyRange(files: Files, fd: number, to: string, from: number, end: number): void {
  const target = files.open(to, 'wx+')
  try {
    for (let at = from; at < end; at += SCAN_BYTES) {
      const bytes = new Uint8Array(Math.min(SCAN_BYTES, end - at))
      files.write(target, bytes.subarray(0, files.read(fd, bytes, at)), at - from)
    }
    files.sync(target)
  } catch (error) {
    try {
      files.remove(to)
    } catch {} // what could not be written may not be removable either
    throw error
  } finally {
    files.close(target)
  }
}
