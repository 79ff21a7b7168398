import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import { SEGMENT } from './format'
import { createSegment, openSegment, syncLogFolders } from './segments'
import { ZerosAhead } from './zeros-ahead'

/** How far the log had been written at a moment, and where. */
export interface WrittenSoFar {
  readonly fd: number | undefined
  /** Segments entered until then: tells one from the next, for their descriptors may have the same number. */
  readonly segments: number
  readonly position: number
  readonly bytes: number
}

/**
 * The segment that is written to: where its records end, and up to where it is on the device. Faults of the system come as they
 * are; what they mean for commits is for `LogWriter` to say.
 */
export class SegmentFile {
  private fd: number | undefined
  /** Where the next record begins. */
  position = 0
  /** Up to where the segment is on the device. */
  private syncedPosition = 0
  private readonly zeros: ZerosAhead
  /** Written to segments since the log was opened, and how much of that is on the device. */
  private writtenBytes = 0
  private syncedBytes = 0
  private segments = 0
  /** Descriptors of segments that were left, but are not closed yet. */
  private readonly left = new Set<number>()

  constructor(
    private readonly memory: Memory,
    private readonly files: Files,
    private readonly segmentBytes: number,
  ) {
    this.zeros = new ZerosAhead(files, segmentBytes)
  }

  /** Whether there is one: at first, and after one was left, there is none until `begin`. */
  get isOpen(): boolean {
    return this.fd !== undefined
  }

  /** Whether the next record belongs into another one. Without a record, the next one's name would be the same. */
  get isFull(): boolean {
    return this.position > Math.max(this.segmentBytes, SEGMENT.sizeBytes)
  }

  get unsyncedBytes(): number {
    return this.writtenBytes - this.syncedBytes
  }

  /** Goes on in a segment that there is, behind its records. */
  open(path: string, offsetBytes: number): void {
    this.fd = openSegment(this.memory, this.files, path)
    this.position = this.syncedPosition = offsetBytes
  }

  /** Syncs what a process that ended before it did may have left, names included. Closes the segment where that fails. */
  syncFound(folder: string): void {
    const fd = this.fd!
    try {
      this.zeros.end = this.files.sizeBytes(fd)
      this.files.sync(fd)
      syncLogFolders(this.memory, folder)
    } catch (error) {
      this.files.close(fd)
      throw error
    }
  }

  begin(path: string, header: Uint8Array): void {
    this.fd = createSegment(this.memory, this.files, path, header)
    this.segments++
    this.writtenBytes += header.length
    this.position = this.syncedPosition = this.zeros.end = SEGMENT.sizeBytes
  }

  write(bytes: Uint8Array, hasZerosAhead: boolean): void {
    this.files.write(this.fd!, bytes, this.position)
    this.position += bytes.length
    this.writtenBytes += bytes.length
    if (hasZerosAhead) this.zeros.extend(this.fd!, this.position, bytes.length)
  }

  /** Returns when all that is written is on the device. */
  sync(): void {
    this.files.sync(this.fd!)
    this.syncedBytes = this.writtenBytes
    this.syncedPosition = this.position
  }

  get written(): WrittenSoFar {
    return { fd: this.fd, segments: this.segments, position: this.position, bytes: this.writtenBytes }
  }

  /** Syncs on another thread what was written then; where it counts, `synced` is to be called. */
  async syncBeside({ fd }: WrittenSoFar): Promise<void> {
    if (fd !== undefined && this.unsyncedBytes > 0) await this.files.syncBeside(fd)
  }

  synced({ segments, position, bytes }: WrittenSoFar): void {
    if (this.segments === segments) this.syncedPosition = Math.max(this.syncedPosition, position)
    this.syncedBytes = Math.max(this.syncedBytes, bytes)
  }

  /** Leaves the segment, of which all is on the device, and closes it: after `running`, which may be syncing this very file. */
  leave(running: Promise<void> | undefined): void {
    this.dropZeros()
    const fd = this.fd!
    this.fd = undefined
    this.left.add(fd)
    if (running === undefined) this.closeLeft(fd)
    else void running.catch(() => undefined).then(() => this.closeLeft(fd))
  }

  close(): void {
    if (this.fd !== undefined) this.left.add(this.fd)
    this.fd = undefined
    for (const fd of this.left) this.closeLeft(fd)
  }

  /** Ends it where it is certainly on the device. */
  cutUnsynced(): void {
    this.cut(this.syncedPosition)
  }

  /** Ends it at a position: what is behind must not be taken for a commit. */
  cut(position: number): void {
    this.position = position
    if (this.fd === undefined) return
    this.syncedPosition = Math.min(this.syncedPosition, position)
    this.zeros.end = position
    try {
      this.files.truncate(this.fd, position)
    } catch {} // the next record is written over it, and does not continue what is left of it
  }

  /** Gives back what no record will be written to. Zeros that stay do no harm. */
  dropZeros(): void {
    if (this.zeros.end > this.position) this.cut(this.position)
  }

  private closeLeft(fd: number): void {
    if (this.left.delete(fd)) this.files.close(fd)
  }
}
