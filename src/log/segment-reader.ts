import type { Files } from '../heap/files'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import type { World } from '../heap/world'
import { RECORD } from './format'
import { decodeHead, RecordBytes, type RecordHead, type Redo, redo } from './record'
import { contentsEnd, damagedLog, isMissing, type Segment } from './segments'

/** What is read at once: it is still in the processor's cache when it is replayed. */
const CHUNK_BYTES = 1 << 18
/** The same where the log ended a moment ago: few records have been written since, and zeros follow them. */
const LEAST_BYTES = 1 << 14
/** No record is larger: a commit is cut into parts that are much smaller. A larger size is damage. */
const MOST_RECORD_BYTES = 1 << 28
/** A record larger than this that is being written is not read again before so many milliseconds. */
const MUCH_BYTES = 1 << 20
const PATIENCE_MS = 100

/** A record of a segment, found whole. */
export interface FoundRecord {
  readonly head: RecordHead
  /** Where in the segment's file it begins. */
  readonly offset: number
}

/**
 * Reads the records of one segment, which may be being written, through a buffer that holds at least one record and
 * need not hold more.
 */
export class SegmentReader {
  private fd: number | undefined
  /** Bytes of the segment from `start` on, `length` of them. */
  private buffer: RecordBytes
  private length = 0
  private start = 0
  /** Offset at which there was no complete record at the last look. */
  private endedAt = -1
  /** Where a large record was found not to be whole, and when. */
  private failed = { offset: -1, elapsedMs: 0 }

  constructor(
    readonly memory: Memory,
    private readonly files: Files,
    readonly segment: Segment,
    private readonly clock: Pick<World, 'elapsedMs'>,
  ) {
    this.buffer = new RecordBytes(new Uint8Array(0), segment.header.recordUnits)
  }

  get path(): string {
    return this.segment.path
  }

  /** Looks again at once where a large record was not whole a moment ago. */
  lookAgain(): void {
    this.failed = { offset: -1, elapsedMs: 0 }
  }

  /** The record at `offset`, undefined if it is not complete. Throws `IO`. */
  recordAt(offset: number): FoundRecord | undefined {
    const isOver = this.sizeAt(offset) === 0 // as it was read a moment ago, with the record before it
    const head = this.decode(offset) ?? (!isOver && this.load(offset) ? this.decode(offset) : undefined)
    if (head !== undefined) return { head, offset }
    this.endedAt = offset
    return undefined
  }

  /** Drops the buffered bytes: the next record is read from the file. */
  forget(): void {
    this.length = 0
  }

  /**
   * Replays what a whole record says; one that is not in the buffer any more is read again. Throws `CORRUPT` where it
   * has changed since.
   */
  redo({ head, offset }: FoundRecord, target: Redo): void {
    if (offset < this.start || offset + head.sizeBytes > this.start + this.length) {
      this.fill(offset, head.sizeBytes)
      if (this.decode(offset)?.checksum !== head.checksum)
        throw damagedLog(this.path, offset, 'it has changed while it was read')
    }
    redo(this.buffer, offset - this.start, target)
  }

  /** Whether bytes that are not zeros begin at `offset`. Throws `IO`. */
  hasBytesAt(offset: number): boolean {
    const bytes = new Uint8Array(8)
    return this.attempt((fd) => this.files.read(fd, bytes, offset) > 0) === true && bytes.some((byte) => byte !== 0)
  }

  /** Bytes from `offset` on; zeros at the end, which no record has replaced yet, do not count. Throws `IO`. */
  bytesBehind(offset: number): number {
    return this.attempt((fd) => contentsEnd(this.files, fd, offset) - offset) ?? 0
  }

  /** Whether the segment still has this record, or, without one, still reaches up to `end`. Throws `IO`. */
  holds(last: FoundRecord | undefined, end: number): boolean {
    return (
      this.attempt(
        (fd) => this.holdsIn(fd, last, end) && (this.files.names(this.path, fd) || this.goOnInReplacement(last, end)),
      ) ?? false
    )
  }

  close(): void {
    if (this.fd !== undefined) this.files.close(this.fd)
    this.fd = undefined
  }

  private holdsIn(fd: number, last: FoundRecord | undefined, end: number): boolean {
    if (last === undefined) return this.files.sizeBytes(fd) >= end
    const head = new Uint8Array(8)
    const size = this.files.read(fd, head, last.offset)
    const view = new DataView(head.buffer)
    return (
      size === head.length &&
      view.getUint32(RECORD.checksum * 4, true) === last.head.checksum &&
      last.offset + view.getUint32(RECORD.size * 4, true) === end
    )
  }

  /**
   * Another file has the segment's name, as in a copy that is updated by replacing files. Returns whether it holds the
   * records that were read; it is read from then on.
   */
  private goOnInReplacement(last: FoundRecord | undefined, end: number): boolean {
    if (!this.files.exists(this.path)) return false
    const fd = this.files.open(this.path, 'r')
    if (!this.holdsIn(fd, last, end)) {
      this.files.close(fd)
      return false
    }
    this.close()
    this.fd = fd
    this.forget()
    return true
  }

  private decode(offset: number): RecordHead | undefined {
    const at = offset - this.start
    return at < 0 ? undefined : decodeHead(this.memory, this.buffer, at, this.length)
  }

  /** What the buffer says of the size of the record at `offset`; undefined where it does not reach there. */
  private sizeAt(offset: number): number | undefined {
    const at = offset - this.start
    return at >= 0 && at + 8 <= this.length ? this.buffer.units[(at >>> 2) + RECORD.size]! >>> 0 : undefined
  }

  /** Reads from `offset` on, where a record that may be whole begins there. Whether it has read it. */
  private load(offset: number): boolean {
    return (
      this.attempt((fd) => {
        this.fill(offset, this.endedAt === offset ? LEAST_BYTES : CHUNK_BYTES)
        const sizeBytes = this.sizeAt(offset) ?? 0
        if (sizeBytes <= this.length) return sizeBytes !== 0
        const fileBytes = sizeBytes > MOST_RECORD_BYTES ? 0 : this.files.sizeBytes(fd)
        if (offset + sizeBytes > fileBytes || this.isTooSoon(offset, sizeBytes)) return false
        this.fill(offset, Math.min(fileBytes - offset, Math.max(CHUNK_BYTES, sizeBytes)))
        return true
      }) ?? false
    )
  }

  /**
   * Whether a large record was found not to be whole a moment ago: it is being written, and would be read again with
   * each look.
   */
  private isTooSoon(offset: number, sizeBytes: number): boolean {
    if (sizeBytes <= MUCH_BYTES) return false
    const elapsedMs = this.clock.elapsedMs()
    if (this.failed.offset === offset && elapsedMs < this.failed.elapsedMs + PATIENCE_MS) return true
    this.failed = { offset, elapsedMs }
    return false
  }

  private fill(offset: number, wantedBytes: number): void {
    this.attempt((fd) => {
      const space = Math.max(CHUNK_BYTES, wantedBytes)
      const isTooLarge = space === CHUNK_BYTES && this.buffer.bytes.length > MUCH_BYTES
      if (this.buffer.bytes.length < space || isTooLarge)
        this.buffer = new RecordBytes(new Uint8Array(Math.ceil(space / 8) * 8), this.buffer.headUnits)
      this.start = offset
      this.length = 0
      this.length = this.files.read(fd, this.buffer.bytes.subarray(0, wantedBytes), offset)
    })
  }

  private open(): number | undefined {
    try {
      return this.files.open(this.path, 'r')
    } catch (error) {
      if (!isMissing(error)) throw error
      return undefined
    }
  }

  /** Does something with the open segment, opened when it is needed; undefined where its file is gone. */
  private attempt<T>(work: (fd: number) => T): T | undefined {
    try {
      this.fd ??= this.open()
      return this.fd === undefined ? undefined : work(this.fd)
    } catch (error) {
      throw ioError('read', this.path, error)
    }
  }
}
