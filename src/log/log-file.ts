import { join } from 'node:path'
import { ioError } from '../heap/io-error'
import type { LogPlace } from './cursor'
import { DurableMarkFile } from './durable-mark'
import { encodeSegmentHeader, segmentName } from './format'
import type { LogOptions } from './log-options'
import { logNotSynced, segmentGone } from './refusals'
import { RepeatedFailure } from './repeated-failure'
import { type LogPosition, SegmentFile } from './segment-file'

/**
 * The log as one file that is appended to, segment by segment, with its mark for followers. Knows whole commits, not
 * when they are synced.
 */
export class LogFile {
  /** Where the last whole commit in the file ends. */
  written: LogPosition
  private readonly segment: SegmentFile
  private readonly mark: DurableMarkFile

  /** Goes on at `place`, where `begin` ends. Throws `IO`. */
  constructor(
    private readonly options: LogOptions,
    begin: Pick<LogPosition, 'version' | 'checksum'>,
    place: LogPlace | undefined,
    /** Of the segments that are begun. */
    private readonly origin: { readonly timeline: string; epoch: number },
    /** What is between the log's end and the next record was never logged. */
    private isAfterGap: boolean,
  ) {
    const { memory, files, folder, segmentBytes, onFailure } = options
    this.segment = new SegmentFile(memory, files, segmentBytes)
    this.mark = new DurableMarkFile(memory, files, folder, new RepeatedFailure(onFailure))
    this.written = { ...begin, segment: 0, offset: place?.offsetBytes ?? 0, bytes: 0 }
    if (place === undefined) return
    try {
      this.segment.open(place.path, place.offsetBytes, folder)
    } catch (error) {
      throw logNotSynced(folder, error)
    }
    this.mark.tryWrite(this.written)
  }

  get isOpen(): boolean {
    return this.segment.isOpen
  }

  /** Bytes written since the log was opened, including those of commits that are not complete or were undone. */
  get bytes(): number {
    return this.segment.writtenBytes
  }

  /** Whether the next commit belongs into another segment. */
  get isFull(): boolean {
    return this.segment.isOpen && this.segment.isFull
  }

  /**
   * Appends records, behind which zeros may be written ahead. `synced` is what is on the device. Throws `IO`; then the
   * file ends where it did.
   */
  append(bytes: Uint8Array, synced: LogPosition, hasZerosAhead: boolean): void {
    this.ensureInPlace() // before anything is written: another process may be writing there
    if (!this.segment.isOpen) this.attempt('begin', () => this.begin())
    this.attempt('write', () => {
      this.mark.ensureWritten(synced)
      this.segment.write(bytes, hasZerosAhead)
    })
  }

  /** To be called when the appended bytes end with a complete commit. */
  wrote(version: number, checksum: number): void {
    const { count, offset, writtenBytes } = this.segment
    this.written = { version, checksum, segment: count, offset, bytes: writtenBytes }
  }

  /** Leaves the segment, of which all is on the device: the next commit begins another one. */
  leave(): void {
    this.ifInPlace(() => this.segment.dropZeros())
    this.segment.leave()
  }

  /**
   * Commits up to a version are not logged: the log, whose segment was left, goes on after a gap, at the chain that the
   * version has.
   */
  skip(version: number, chain: number): void {
    const { segment, offset, bytes } = this.written
    this.written = { version, checksum: chain, segment, offset, bytes }
    this.isAfterGap = true
  }

  /** Begins another segment before there is a commit for it. Throws `IO`; then nothing is left open. */
  beginNext(): void {
    if (this.segment.isOpen) this.leave()
    try {
      this.attempt('begin', () => this.begin())
    } catch (error) {
      this.mark.close()
      throw error
    }
    const { count, offset, writtenBytes } = this.segment
    this.written = { ...this.written, segment: count, offset, bytes: writtenBytes }
  }

  /**
   * Throws where commits are not written to where they will be looked for, or another process may be the writer by now.
   */
  ensureInPlace(): void {
    this.ensureSegment()
    this.options.ensureWriter()
  }

  /** Throws if the segment no longer has its name: its commits would not be found. */
  ensureSegment(): void {
    if (!this.segment.isInPlace) throw segmentGone(this.segment.path!)
  }

  /** Returns when all that was written before is on the device. */
  sync(): void {
    this.segment.sync()
  }

  /** The same on another thread. The segment may be left meanwhile. */
  syncAsync(): Promise<void> {
    return this.segment.syncAsync()
  }

  /** Everything up to a position is on the device, which followers may know from now on. */
  isOnDevice(position: LogPosition): void {
    this.mark.tryWrite(position)
  }

  /** Ends the log at a position, and returns when the device has it so. Throws where it may not have. */
  cutTo(position: LogPosition): void {
    this.segment.cutTo(position)
    this.segment.sync()
  }

  /** The same where what is still there does no harm. */
  tryCutTo(position: LogPosition): void {
    this.ifInPlace(() => this.segment.cutTo(position)) // the next record is written over it, and does not continue it
  }

  /** Does what may fail, unless another process may be writing to the segment. */
  private ifInPlace(work: () => void): void {
    try {
      this.ensureInPlace()
      work()
    } catch {}
  }

  close(): void {
    this.leave()
    this.mark.close()
  }

  private begin(): void {
    const { folder, memory, heapId } = this.options
    const { version, checksum } = this.written
    const { isAfterGap, origin } = this
    const base = { heapId, baseVersion: version, baseChecksum: checksum, isAfterGap, ...origin }
    const header = encodeSegmentHeader(memory, base)
    this.segment.begin(join(folder, segmentName(version)), header)
    this.isAfterGap = false
  }

  private attempt(what: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      throw ioError(what, this.options.folder, error)
    }
  }
}
