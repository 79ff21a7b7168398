import type { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import { realWorld, type World } from '../heap/world'
import { RECORD, SEGMENT } from './format'
import { decodeHead, RecordBytes, type RecordHead, type Redo, redo } from './record'
import { contentsEnd, damagedLog, listSegments, type Segment } from './segments'

/** What is read at once: it is still in the processor's cache when it is done again. */
const CHUNK_BYTES = 1 << 18
/** The same where the log ended a moment ago: few records have been written since, and zeros follow them. */
const LEAST_BYTES = 1 << 14
const MUCH_BYTES = 1 << 20
const PATIENCE_MS = 100

/** Where a commit was read from. */
export interface LogPlace {
  readonly path: string
  readonly offsetBytes: number
}

/** A commit in a log: valid until the next one is read. */
export interface LoggedCommit {
  /** Of its last part. */
  readonly head: RecordHead
  /** Of its first part. */
  readonly annotation: string
  readonly sizeBytes: number
  /** Does again what the commit did. */
  redo(target: Redo): void
}

/**
 * Why there is no further commit: none begins here; what begins here is not whole, or not yet; the next begins later; or it
 * is damaged, as `damage` tells.
 */
export type LogEnd = 'end' | 'partial' | 'gap' | 'damaged'

/** Where a cursor was. */
export interface CursorMark {
  readonly segment: Segment | undefined
  readonly offset: number
  readonly lastOffset: number | undefined
  readonly version: number
  readonly checksum: number
  readonly timeMs: number
  readonly syncedVersion: number
}

/**
 * Reads a log commit by commit, across segments, from the version of a heap on; also one that is being written. Checks that
 * each record is whole and continues the one before.
 */
export class LogCursor {
  /** Version of the last commit read. */
  version: number
  /** The chain so far. */
  checksum = 0
  timeMs = 0
  /** The newest that a record said to be on the device. */
  syncedVersion = 0
  /** What is wrong, once `next` has returned 'damaged'. */
  damage: SnapheapError | undefined
  private segment: Segment | undefined
  private fd: number | undefined
  /** Size of the segment when it was last looked at. */
  private loadedSize = 0
  private loadedMs = 0
  /** Bytes of the segment from `bytesStart` on, `bytesLength` of them. */
  private bytes = NO_BYTES
  private bytesLength = 0
  private bytesStart = 0
  /** Where the next record begins. */
  private offset = 0
  /** Where the last record read begins, in this segment; undefined before its first. */
  private lastOffset: number | undefined

  constructor(
    readonly memory: Memory,
    private readonly files: Files,
    private readonly folder: string,
    private readonly heapId: Uint8Array | undefined,
    /** The version that the reader's heap has. */
    private readonly from: number,
    private readonly clock: Pick<World, 'elapsedMs'> = realWorld,
  ) {
    this.version = from
  }

  /** The end of what was read; undefined before the first segment. */
  get place(): LogPlace | undefined {
    return this.segment === undefined ? undefined : { path: this.segment.path, offsetBytes: this.offset }
  }

  /** The next commit after version `from`, or why there is none (yet). Throws `CORRUPT`, `IO`. */
  next(): LoggedCommit | LogEnd {
    if (this.segment === undefined) {
      const found = this.begin()
      if (found !== undefined) return found
    }
    for (;;) {
      const commit = this.read()
      if (commit === undefined) {
        const moved = this.enterNextSegment()
        if (moved !== true) return moved
      } else if (commit.head.version > this.from) return commit
    }
  }

  /** A place to come back to. */
  mark(): CursorMark {
    const { segment, offset, lastOffset, version, checksum, timeMs, syncedVersion } = this
    return { segment, offset, lastOffset, version, checksum, timeMs, syncedVersion }
  }

  /** Reads again from there on. */
  reset(mark: CursorMark): void {
    this.close()
    Object.assign(this, mark)
    this.forgetBytes()
  }

  /** What the segment holds behind the last whole commit, to the end of its file; nothing where that is zeros alone. Throws `IO`. */
  rest(): Uint8Array {
    if (this.bytesBehind === 0) return new Uint8Array(0)
    return this.attempt(() => {
      const bytes = new Uint8Array(Math.max(0, this.files.sizeBytes(this.fd!) - this.offset))
      return bytes.subarray(0, this.files.read(this.fd!, bytes, this.offset))
    })
  }

  /** Bytes of log behind the last commit read in its segment; zeros that no record has replaced yet do not count. Throws `IO`. */
  get bytesBehind(): number {
    if (this.segment === undefined) return 0
    return this.attempt(() => {
      const fd = this.descriptor()
      return fd === undefined ? 0 : contentsEnd(this.files, fd, this.offset) - this.offset
    })
  }

  /**
   * Whether the log still holds what was read, as far as its last record: a writer takes back what it could not make
   * durable. A segment that was removed since counts as taken back too.
   */
  holdsLast(): boolean {
    if (this.segment === undefined) return true
    try {
      const fd = this.descriptor()
      if (fd === undefined || !this.holdsLastIn(fd)) return false
      return this.files.names(this.segment.path, fd) || this.goOnInReplacement()
    } catch (error) {
      throw ioError('read', this.segment!.path, error)
    }
  }

  close(): void {
    if (this.fd !== undefined) this.files.close(this.fd)
    this.fd = undefined
  }

  private holdsLastIn(fd: number): boolean {
    if (this.lastOffset === undefined) return this.files.sizeBytes(fd) >= this.offset
    const head = new Uint8Array(8)
    const size = this.files.read(fd, head, this.lastOffset)
    const view = new DataView(head.buffer)
    return (
      size === head.length &&
      view.getUint32(RECORD.checksum * 4, true) === this.checksum &&
      this.lastOffset + view.getUint32(RECORD.size * 4, true) === this.offset
    )
  }

  /** Another file has the segment's name, as where a copy is kept up: whether it holds what was read, and is read from now on. */
  private goOnInReplacement(): boolean {
    const { path } = this.segment!
    if (!this.files.exists(path)) return false
    const fd = this.files.open(path, 'r')
    if (!this.holdsLastIn(fd)) {
      this.files.close(fd)
      return false
    }
    this.close()
    this.fd = fd
    this.loadedSize = 0
    return true
  }

  private begin(): LogEnd | undefined {
    const { segments } = listSegments(this.memory, this.files, this.folder, this.heapId)
    const at = segments.findLastIndex(({ header }) => header.baseVersion <= this.from)
    if (at < 0) return segments.length === 0 ? 'end' : 'gap'
    this.enter(segments[at])
    return undefined
  }

  private enter(segment: Segment): void {
    this.close()
    this.segment = segment
    this.version = segment.header.baseVersion
    this.checksum = segment.header.baseChecksum
    this.offset = SEGMENT.sizeBytes
    this.lastOffset = undefined
    this.forgetBytes()
  }

  private forgetBytes(): void {
    this.bytesLength = 0
    this.bytesStart = this.offset
    this.loadedSize = 0
  }

  /** The segment's descriptor, opened when it is needed; undefined where its file is gone. */
  private descriptor(): number | undefined {
    const { path } = this.segment!
    if (this.fd === undefined && this.files.exists(path)) this.fd = this.files.open(path, 'r')
    return this.fd
  }

  /** Goes on to the segment that follows the current one, when that is read to its end. True when there is one. */
  private enterNextSegment(): true | LogEnd {
    const { segments } = listSegments(this.memory, this.files, this.folder, this.heapId)
    const next = segments.find(({ header, path }) => header.baseVersion >= this.version && path > this.segment!.path)
    if (next === undefined) return this.isAtRecord ? 'partial' : 'end'
    const { baseVersion, baseChecksum, isAfterGap } = next.header
    if (baseVersion > this.from) {
      if (this.bytesBehind > 0)
        return this.damagedAt(this.segment!.path, this.offset, 'what follows is not whole, yet the log goes on')
      if (baseVersion > this.version) return 'gap'
      if (!isAfterGap && baseChecksum !== this.checksum)
        return this.damagedAt(next.path, 0, 'it does not continue the segment before')
    }
    this.enter(next)
    return true
  }

  private damagedAt(path: string, offsetBytes: number, what: string): LogEnd {
    this.damage = damagedLog(path, offsetBytes, what)
    return 'damaged'
  }

  /** The commit at the offset, undefined where there is no whole one. */
  private read(): LoggedCommit | undefined {
    for (;;) {
      const commit = this.readLoaded()
      if (commit !== undefined || !this.load()) return commit
    }
  }

  private readLoaded(): LoggedCommit | undefined {
    const parts: number[] = []
    let { checksum } = this
    let at = this.offset - this.bytesStart
    let first: RecordHead | undefined
    for (;;) {
      const head = decodeHead(this.memory, this.bytes, at, this.bytesLength)
      if (head?.previousChecksum !== checksum || head.previousVersion !== this.version) return undefined
      first ??= head
      if (head.version !== first.version) return undefined
      parts.push(at)
      checksum = head.checksum
      at += head.sizeBytes
      if (head.isLast) return this.take(first, head, parts, at)
    }
  }

  private take(first: RecordHead, head: RecordHead, parts: readonly number[], end: number): LoggedCommit {
    const { bytes } = this
    const sizeBytes = end + this.bytesStart - this.offset
    this.lastOffset = this.bytesStart + parts[parts.length - 1]
    this.offset += sizeBytes
    this.version = head.version
    this.checksum = head.checksum
    this.timeMs = head.timeMs
    this.syncedVersion = Math.max(this.syncedVersion, head.syncedVersion)
    return {
      head,
      annotation: first.annotation,
      sizeBytes,
      redo: (target) => {
        for (const part of parts) redo(bytes, part, target)
      },
    }
  }

  /** Whether something begins at the offset, as far as it was read. */
  private get isAtRecord(): boolean {
    const at = this.offset - this.bytesStart
    return at < this.bytesLength && !(at + 4 <= this.bytesLength && this.bytes.units[at >>> 2] === 0)
  }

  /** Reads on from the offset where there is more of the segment than was read, or other bytes stand there. Whether there was. */
  private load(): boolean {
    return this.attempt(() => {
      const fd = this.descriptor()
      if (fd === undefined) return false
      const unused = this.bytesStart + this.bytesLength - this.offset
      const isAtZeros = unused > 0 && !this.isAtRecord
      const hasOther = this.hasOtherRest(fd)
      if (isAtZeros && !hasOther) return false
      const size = this.files.sizeBytes(fd)
      const isAllRead = this.offset + unused >= this.loadedSize
      // what has been read is the beginning of a large commit: wait for more of it, rather than read it again with each part
      const now = this.clock.elapsedMs()
      const isMuch = this.offset === this.bytesStart && this.bytesLength > MUCH_BYTES
      if (isAllRead && isMuch && now < this.loadedMs + PATIENCE_MS) return false
      // a record that was being written when it was read: its end may have been zeros until then
      const isSame = size === this.loadedSize && !hasOther && isAllRead
      const earlier = isSame ? this.bytes.bytes.slice(this.bytesLength - unused, this.bytesLength) : undefined
      this.loadedMs = now
      this.loadedSize = size
      const least = isAtZeros ? LEAST_BYTES : CHUNK_BYTES
      const wanted = Math.min(Math.max(0, size - this.offset), Math.max(least, unused * 2))
      const space = Math.max(CHUNK_BYTES, wanted)
      if (this.bytes.bytes.length !== space) this.bytes = new RecordBytes(new Uint8Array(space))
      this.bytesLength = this.files.read(fd, this.bytes.bytes.subarray(0, wanted), this.offset)
      this.bytesStart = this.offset
      if (earlier === undefined) return true
      return this.bytesLength !== unused || earlier.some((byte, i) => byte !== this.bytes.bytes[i])
    })
  }

  private attempt<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw ioError('read', this.segment!.path, error)
    }
  }

  /** Whether other bytes stand where a record was read that is not whole: its writer has cut it off and gone on there. */
  private hasOtherRest(fd: number): boolean {
    const from = this.offset - this.bytesStart
    const rest = this.bytes.bytes.subarray(from, Math.min(this.bytesLength, from + RECORD.units * 4))
    if (rest.length === 0) return false
    const now = new Uint8Array(rest.length)
    this.files.read(fd, now, this.offset)
    return now.some((byte, i) => byte !== rest[i])
  }
}

const NO_BYTES = new RecordBytes(new Uint8Array(0))
