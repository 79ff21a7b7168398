import { basename } from 'node:path'
import type { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import type { HistoryPoint } from '../heap/history-point'
import type { Memory } from '../heap/memory'
import { realWorld, type World } from '../heap/world'
import { isSegmentName } from './format'
import type { RecordHead, Redo } from './record'
import { type FoundRecord, SegmentReader } from './segment-reader'
import { damagedLog, listSegments, otherHistory, type Segment } from './segments'

/** Where a commit was read from. */
export interface LogPlace {
  readonly path: string
  readonly offsetBytes: number
  readonly formatVersion: number
}

/** The version that a reader's heap has, and which commit that is, where that is known. */
export interface LogStart {
  readonly version: number
  readonly point?: HistoryPoint | undefined
}

/** A commit in a log: valid until the next one is read. */
export interface LoggedCommit {
  /** Of its last part. */
  readonly head: RecordHead
  /** Of its first part. */
  readonly annotation: string
  readonly sizeBytes: number
  /** Replays the commit, part by part. */
  redo(target: Redo): void
}

/**
 * Why there is no further commit. `end`: none begins here. `partial`: one begins here and is not complete (yet). `gap`:
 * the next one begins later. `damaged`: see `damage`. `beyond`: its version is above the requested one.
 */
export type LogEnd = 'end' | 'partial' | 'gap' | 'damaged' | 'beyond'

/** Where a cursor was. */
export interface CursorMark {
  readonly segment: Segment | undefined
  readonly offset: number
  readonly last: FoundRecord | undefined
  readonly version: number
  readonly checksum: number
  readonly timeMs: number
  readonly epoch: number
  readonly timeline: string | undefined
  readonly syncedVersion: number
  readonly endsAt: number | undefined
}

/** Parts of a commit that were found whole, of which the last is still missing. */
interface BegunCommit {
  readonly first: RecordHead
  readonly parts: FoundRecord[]
}

/**
 * Reads a log commit by commit, across segments, from the version of a heap on; also one that is being written. Checks
 * that each record is whole and continues the one before, and that the log continues the heap's state: at the heap's
 * version both must have the same chain.
 */
export class LogCursor {
  /** Version of the last commit read. */
  version: number
  /** The chain so far. */
  checksum = 0
  timeMs = 0
  epoch = 0
  /** Of the segment; undefined before the first, and in format 1. */
  timeline: string | undefined
  /** The newest that a record said to be on the device. */
  syncedVersion = 0
  /** All flags of the records read. */
  flags = 0
  /** What is wrong, once `next` has returned 'damaged'. */
  damage: SnapheapError | undefined
  /** The damage is that the log is not of the history of the heap's state: then nothing more of it is read. */
  isOfOtherHistory = false
  private reader: SegmentReader | undefined
  /** Where the next commit begins. */
  private offset = 0
  /** The last record read in this segment. */
  private last: FoundRecord | undefined
  private begun: BegunCommit | undefined
  /** The version at which the next segment goes on: what this one holds behind it does not count. */
  private endsAt: number | undefined

  constructor(
    readonly memory: Memory,
    private readonly files: Files,
    private readonly folder: string,
    private readonly heapId: Uint8Array | undefined,
    private readonly from: LogStart,
    private readonly clock: Pick<World, 'elapsedMs'> = realWorld,
  ) {
    this.version = from.version
  }

  /** End of the last commit that was read; undefined before the first segment. */
  get place(): LogPlace | undefined {
    if (this.reader === undefined) return undefined
    const { path, segment } = this.reader
    return { path, offsetBytes: this.offset, formatVersion: segment.header.formatVersion }
  }

  /**
   * The next commit after the version that the cursor began with, or why there is none (yet). A commit of a version
   * after `until` is not read: 'beyond'. Throws `CORRUPT`, `IO`, `VERSION`.
   */
  next(until = Number.POSITIVE_INFINITY): LoggedCommit | LogEnd {
    if (this.isOfOtherHistory) return 'damaged'
    if (this.reader === undefined) {
      const found = this.begin()
      if (found !== undefined) return found
    }
    for (;;) {
      const commit = this.version === this.endsAt ? undefined : this.read(until)
      if (commit === undefined) {
        const moved = this.enterNextSegment()
        if (moved !== true) return moved
      } else if (typeof commit === 'string') return commit
      else if (!this.isOfTheHistory()) return this.otherHistoryAt(this.reader!.path)
      else if (commit.head.version > this.from.version) return commit
    }
  }

  /** A place to come back to. */
  mark(): CursorMark {
    const { offset, last, version, checksum, timeMs, epoch, timeline, syncedVersion, endsAt } = this
    const segment = this.reader?.segment
    return { segment, offset, last, version, checksum, timeMs, epoch, timeline, syncedVersion, endsAt }
  }

  /** Reads again from there on. */
  reset({ segment, ...rest }: CursorMark): void {
    this.close()
    this.reader = segment && this.readerOf(segment)
    this.begun = undefined
    Object.assign(this, rest)
  }

  /**
   * Bytes of log behind the last commit read in its segment; zeros that no record has replaced yet do not count. Throws
   * `IO`.
   */
  get bytesBehind(): number {
    return this.reader?.bytesBehind(this.offset) ?? 0
  }

  /**
   * Whether the log still holds the last record that was read: a writer takes back commits that it could not make
   * durable. A segment that was removed since counts as taken back, too.
   */
  holdsLast(): boolean {
    return this.reader === undefined || this.reader.holds(this.last, this.offset)
  }

  close(): void {
    this.reader?.close()
  }

  private readerOf(segment: Segment): SegmentReader {
    return new SegmentReader(this.memory, this.files, segment, this.clock)
  }

  private list(): Segment[] {
    return listSegments(this.memory, this.files, this.folder, this.heapId).segments
  }

  /** Whether no segment comes behind this one: a follower asks with every look, and reads no header for that. */
  private isLastByName(path: string): boolean {
    const name = basename(path)
    return this.files.list(this.folder).every((each) => !isSegmentName(each) || each <= name)
  }

  private begin(): LogEnd | undefined {
    const segments = this.list()
    const at = segments.findLastIndex(({ header }) => header.baseVersion <= this.from.version)
    if (at < 0) return segments.length === 0 ? 'end' : 'gap'
    this.enter(segments[at], segments[at + 1])
    return this.isOfTheHistory() ? undefined : this.otherHistoryAt(segments[at].path)
  }

  private enter(segment: Segment, following: Segment | undefined): void {
    this.close()
    const { header } = segment
    this.reader = this.readerOf(segment)
    this.version = header.baseVersion
    this.checksum = header.baseChecksum
    this.epoch = header.epoch
    this.timeline = header.timeline
    this.offset = header.sizeBytes
    this.last = undefined
    this.begun = undefined
    this.endsAt = following?.header.baseVersion
  }

  /** Whether the log has at this version what the heap's state says of it. */
  private isOfTheHistory(): boolean {
    const { version, checksum } = this
    const { version: stateVersion, point } = this.from
    if (point === undefined) return true
    if (version === stateVersion) return checksum === point.chain
    return version !== point.loggedVersion || checksum === point.loggedChain
  }

  private otherHistoryAt(path: string): LogEnd {
    this.isOfOtherHistory = true
    this.damage = otherHistory(path, this.version)
    return 'damaged'
  }

  /** Goes on to the segment that follows the current one, when that is read to its end. True when there is one. */
  private enterNextSegment(): true | LogEnd {
    const { path } = this.reader!
    const segments = this.isLastByName(path) ? [] : this.list()
    const at = segments.findIndex((each) => each.path > path)
    if (at < 0) return this.begun !== undefined || this.reader!.hasBytesAt(this.offset) ? 'partial' : 'end'
    const start = segments.findLastIndex(({ header }) => header.baseVersion <= this.from.version)
    if (this.version < this.from.version && start >= at) {
      // begun since: what is between was never logged, and the heap has it
      this.enter(segments[start], segments[start + 1])
      return this.isOfTheHistory() ? true : this.otherHistoryAt(segments[start].path)
    }
    const next = segments[at]
    const { baseVersion, baseChecksum, isAfterGap, formatVersion, epoch } = next.header
    if (baseVersion < this.version)
      return this.damagedAt(
        next.path,
        0,
        `it goes on from commit ${baseVersion}, after which other commits follow in the segment before`,
      )
    if (baseVersion > this.version) {
      this.reader!.lookAgain()
      // its writer had not left the segment yet when that was read to its end
      if (this.recordHere() !== undefined) return true
      if (this.bytesBehind > 0)
        return this.damagedAt(path, this.offset, 'what follows is not whole, yet the log goes on')
      return 'gap'
    }
    const isUnchained = formatVersion === 1 && isAfterGap
    if ((!isUnchained && baseChecksum !== this.checksum) || epoch < this.epoch)
      return this.damagedAt(next.path, 0, 'it does not continue the segment before')
    this.enter(next, segments[at + 1])
    return true
  }

  private damagedAt(path: string, offsetBytes: number, what: string): LogEnd {
    this.damage = damagedLog(path, offsetBytes, what)
    return 'damaged'
  }

  /** The commit at the offset, undefined if it is not complete. */
  private read(until: number): LoggedCommit | 'beyond' | undefined {
    const reader = this.reader!
    if (this.begun !== undefined && !reader.holds(this.begun.parts[0], endOf(this.begun.parts[0])))
      this.begun = undefined
    for (;;) {
      const found = this.recordHere()
      if (found === undefined) return undefined
      if (found.head.version > until) {
        reader.forget()
        return 'beyond'
      }
      if (this.begun === undefined && found.head.isLast) return this.take(found.head, [found], found)
      this.begun ??= { first: found.head, parts: [] }
      this.begun.parts.push(found)
      if (found.head.isLast) return this.take(this.begun.first, this.begun.parts, found)
    }
  }

  /** The next record, undefined unless it is complete and continues the previous one. */
  private recordHere(): FoundRecord | undefined {
    const before = this.begun?.parts.at(-1)
    const found = this.reader!.recordAt(before === undefined ? this.offset : endOf(before))
    if (found !== undefined && this.continues(found.head, before)) return found
    this.reader!.forget() // other bytes may stand there when it is looked at again
    return undefined
  }

  /** Whether a record is the next part of the commit, or the first of the next one. */
  private continues(head: RecordHead, before: FoundRecord | undefined): boolean {
    if (head.previousChecksum !== (before?.head.checksum ?? this.checksum) || head.previousVersion !== this.version)
      return false
    if (before !== undefined) return head.version === before.head.version
    return head.isClaim ? head.epoch > this.epoch : head.epoch === this.epoch
  }

  private take(first: RecordHead, parts: readonly FoundRecord[], last: FoundRecord): LoggedCommit {
    const { head } = last
    const reader = this.reader!
    const end = endOf(last)
    const sizeBytes = end - this.offset
    this.begun = undefined
    this.last = last
    this.offset = end
    this.version = head.version
    this.checksum = head.checksum
    this.timeMs = head.timeMs
    this.epoch = head.epoch
    this.flags |= head.flags
    this.syncedVersion = Math.max(this.syncedVersion, head.syncedVersion)
    return {
      head,
      annotation: first.annotation,
      sizeBytes,
      redo: (target) => {
        for (const part of parts) reader.redo(part, target)
      },
    }
  }
}

function endOf({ head, offset }: FoundRecord): number {
  return offset + head.sizeBytes
}
