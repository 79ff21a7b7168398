import { type Files, fileNameOf } from '../heap/files'
import type { FileName, Memory } from '../heap/memory'
import { SEGMENT } from './format'
import { contentsEnd, createSegment, openSegment, syncLogFolders } from './segments'
import { ZerosAhead } from './zeros-ahead'

/** The end of a whole commit in the log. */
export interface LogPosition {
  readonly version: number
  /** Of the commit's last record: the next one continues it. */
  readonly checksum: number
  /** The segment, by how many were begun before it, and where in it the next record begins. */
  readonly segment: number
  readonly offset: number
  /** Bytes written to segments since the log was opened. */
  readonly bytes: number
}

interface OpenSegment {
  readonly path: string
  readonly fd: number
  readonly name: FileName
  /**
   * A second opening of the file, for synchronous syncs. The kernel reports a failed write to each opening once:
   * through one descriptor, the sync on another thread could take the report that the synchronous one must see.
   */
  readonly syncFd: number
  syncsUnderWay: number
  isLeft: boolean
}

/**
 * The segment that is written to. Faults of the system come as they are; what they mean for commits is for `LogWriter`
 * to say.
 */
export class SegmentFile {
  /** How many were begun since the log was opened. */
  count = 0
  /** Where the next record begins. */
  offset = 0
  /** Written to segments since the log was opened. */
  writtenBytes = 0
  private file: OpenSegment | undefined
  private readonly zeros: ZerosAhead

  constructor(
    private readonly memory: Memory,
    private readonly files: Files,
    private readonly segmentBytes: number,
  ) {
    this.zeros = new ZerosAhead(files, segmentBytes)
  }

  /** Whether there is one: at first, and after one was left, there is none until `begin`. */
  get isOpen(): boolean {
    return this.file !== undefined
  }

  get path(): string | undefined {
    return this.file?.path
  }

  /** Whether the next record belongs into another one. Without a record, the next one's name would be the same. */
  get isFull(): boolean {
    return this.offset > Math.max(this.segmentBytes, SEGMENT.sizeBytes)
  }

  /**
   * Goes on in a segment that there is, behind its records. Syncs what a process that ended before it did may have
   * left, names included.
   */
  open(path: string, offset: number, folder: string): void {
    this.file = this.opened(path, openSegment(this.memory, this.files, path))
    this.offset = offset
    try {
      this.zeros.end = this.files.sizeBytes(this.file.fd)
      this.sync()
      syncLogFolders(this.memory, folder)
    } catch (error) {
      this.leave()
      throw error
    }
  }

  begin(path: string, header: Uint8Array): void {
    this.file = this.opened(path, createSegment(this.memory, this.files, path, header))
    this.count++
    this.writtenBytes += header.length
    this.offset = this.zeros.end = SEGMENT.sizeBytes
  }

  /** Appends. When it throws, the segment ends where it did. */
  write(bytes: Uint8Array, hasZerosAhead: boolean): void {
    const { fd } = this.file!
    try {
      this.files.write(fd, bytes, this.offset)
    } catch (error) {
      this.tryCut(this.offset)
      throw error
    }
    this.offset += bytes.length
    this.writtenBytes += bytes.length
    if (hasZerosAhead) this.zeros.extend(fd, this.offset, bytes.length)
  }

  /** Returns when all that was written before is on the device. */
  sync(): void {
    if (this.file !== undefined) this.files.sync(this.file.syncFd)
  }

  /** The same on another thread. The segment may be left meanwhile. */
  async syncAsync(): Promise<void> {
    const { file } = this
    if (file === undefined) return
    file.syncsUnderWay++
    try {
      await this.files.syncAsync(file.fd)
    } finally {
      file.syncsUnderWay--
      this.closeLeft(file)
    }
  }

  /**
   * Whether the path still names the segment: somebody may have removed, renamed or replaced it. One look at the path.
   */
  get isInPlace(): boolean {
    return this.file === undefined || this.file.name.isInPlace()
  }

  /** Ends it at a position: what is behind must not be taken for a commit. Throws where that is still there. */
  cutTo(position: LogPosition): void {
    this.cut(position.segment === this.count ? position.offset : SEGMENT.sizeBytes)
  }

  /** Gives back what no record will be written to. Zeros that stay do no harm. */
  dropZeros(): void {
    if (this.file === undefined || this.zeros.end <= this.offset) return
    try {
      this.files.truncate(this.file.fd, this.offset)
    } catch {}
  }

  /** Leaves the segment, to begin another: it is closed when no sync of it is under way any more. */
  leave(): void {
    const { file } = this
    if (file === undefined) return
    this.file = undefined
    file.isLeft = true
    this.closeLeft(file)
  }

  private opened(path: string, fd: number): OpenSegment {
    try {
      const { memory, files } = this
      const name = fileNameOf(memory, files, path, fd)
      return { path, fd, name, syncFd: files.open(path, 'r+'), syncsUnderWay: 0, isLeft: false }
    } catch (error) {
      this.files.close(fd)
      throw error
    }
  }

  private tryCut(offset: number): void {
    try {
      this.cut(offset)
    } catch {}
  }

  private cut(offset: number): void {
    if (this.file === undefined) return
    const { fd } = this.file
    this.offset = offset
    if (this.endsAt(fd, offset)) return // on a device that has become read-only, nothing can be cut, and need be
    this.zeros.end = offset
    this.files.truncate(fd, offset)
  }

  private endsAt(fd: number, offset: number): boolean {
    try {
      return contentsEnd(this.files, fd, offset) === offset
    } catch {
      return false
    }
  }

  private closeLeft({ fd, syncFd, isLeft, syncsUnderWay }: OpenSegment): void {
    if (!isLeft || syncsUnderWay > 0) return
    this.files.close(fd)
    this.files.close(syncFd)
  }
}
