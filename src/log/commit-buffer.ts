import type { Changes } from '../heap/changes'
import type { Memory } from '../heap/memory'
import { type CommitFacts, RecordBuffer } from './record'

/** A place in the buffer to come back to. */
export interface BufferMark {
  readonly version: number
  readonly checksum: number
  /** Of the records before. */
  readonly sizeBytes: number
}

/** Commits that were made and are not in the file yet, as records. */
export class CommitBuffer {
  /** The newest of them that is awaited, and the newest that is not; 0 without one. */
  awaitedVersion = 0
  unawaitedVersion = 0
  private readonly records: RecordBuffer

  constructor(
    memory: Memory,
    partBytes: number,
    /** The newest commit that was made, whether it is written or not. */
    public version: number,
    checksum: number,
  ) {
    this.records = new RecordBuffer(memory, partBytes)
    this.records.checksum = checksum
  }

  get isEmpty(): boolean {
    return this.records.sizeBytes === 0
  }

  get sizeBytes(): number {
    return this.records.sizeBytes
  }

  /** The records that stand in it: valid until the next change. */
  get bytes(): Uint8Array {
    return this.records.bytes
  }

  /** Of the last record. */
  get checksum(): number {
    return this.records.checksum
  }

  mark(): BufferMark {
    const { version, checksum, sizeBytes } = this
    return { version, checksum, sizeBytes }
  }

  /** Appends a commit; `onPart` as for `RecordBuffer.append`. */
  append(changes: Changes, facts: CommitFacts, onPart: () => void): void {
    this.records.append(changes, facts, onPart)
    this.version = facts.version
  }

  /** Notes whether somebody waits until the newest commit is on the device. */
  noteWaiting(isAwaited: boolean): void {
    if (isAwaited) this.awaitedVersion = this.version
    else this.unawaitedVersion = this.version
  }

  /** The records were written. */
  clear(): void {
    this.records.clear()
  }

  /** Removes the records appended since the mark; `isWritten`: those before it have been written meanwhile. */
  reset({ version, checksum, sizeBytes }: BufferMark, isWritten: boolean): void {
    this.version = version
    this.records.reset({ count: isWritten ? 0 : sizeBytes / 4, checksum })
  }

  /** Empties it: the next commit follows on that one. */
  continueAt({ version, checksum }: { readonly version: number; readonly checksum: number }): void {
    this.version = version
    this.awaitedVersion = Math.min(this.awaitedVersion, version)
    this.unawaitedVersion = Math.min(this.unawaitedVersion, version)
    this.records.reset({ count: 0, checksum })
  }
}
