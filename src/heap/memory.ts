import type { Kernels } from './kernels'

/**
 * The doorway through which the heap sees memory: give me a window, take it back. Shaped like mmap-io's `map`,
 * `advise`, `incore` and `sync`, plus the `unmap` that it lacks. Implementations: `native-memory.ts` (the addon: real
 * mappings), `plain-memory.ts` (JavaScript only: loads the file), `mmap-io-memory.ts` (somebody's `mmap-io` module).
 *
 * A wrong argument throws `INVALID_ARGUMENT`, a window given back `CLOSED`, a refusal by the operating system `IO`.
 * Windows are few and large: V8 answers each new buffer of this size with one full garbage collection.
 */
export interface Memory {
  /** For messages and statistics. */
  readonly name: 'native' | 'plain' | 'mmap-io'

  /** Native loops over many words, where there are any. */
  readonly kernels?: Kernels

  /**
   * Maps `sizeBytes` of an open file, read-only and shared, from `offsetBytes` on. The window may reach past the end of
   * the file; only bytes below the end may be touched (reading further is a SIGBUS in a real mapping, and zeros in
   * plain memory), nothing may be written (SIGSEGV), and it may not be passed to `structuredClone` or `postMessage`
   * (they copy all of it). Both numbers are multiples of 4096 (65,536 on Windows); a window is at most 2 GiB.
   */
  mapFile(fd: number, offsetBytes: number, sizeBytes: number): ArrayBuffer

  /** Anonymous zeroed memory that costs nothing until it is written. At most 2 GiB. */
  allocate(sizeBytes: number): ArrayBuffer

  /**
   * Gives a window back at once and detaches every view on it: they have length 0 from then on, and a use through this
   * interface throws `CLOSED`, this one included. No asynchronous operation (a write to a file) may be under way on it.
   */
  unmap(window: ArrayBuffer): void

  /**
   * Tells the kernel how a range will be used: a hint, but for one thing. `dontneed` on anonymous memory gives the
   * pages back: they read as zeros.
   */
  advise(window: ArrayBuffer, offsetBytes: number, sizeBytes: number, advice: MemoryAdvice): void

  /** How many pages of a range are resident now, and how many it has. */
  incore(window: ArrayBuffer, offsetBytes: number, sizeBytes: number): { residentPages: number; pages: number }

  /**
   * Makes a file window show bytes that were written to the file since: `sizeBytes` at `fileOffsetBytes`, seen at
   * `offsetBytes` of the window. Needed before bytes that the file grew by are read; a real mapping outside Windows
   * has nothing to do.
   */
  refresh(window: ArrayBuffer, fd: number, fileOffsetBytes: number, offsetBytes: number, sizeBytes: number): void

  /**
   * CRC-32C (Castagnoli, RFC 3720 appendix B.4) of a byte range, continued from `seed`. Returns an unsigned 32-bit
   * number.
   */
  crc32c(bytes: Uint8Array, seed?: number): number

  /**
   * Copies one range of bytes between (or within) buffers, overlapping or not. A window of a file cannot be the target.
   */
  copy(
    target: ArrayBuffer,
    targetOffsetBytes: number,
    source: ArrayBuffer,
    sourceOffsetBytes: number,
    sizeBytes: number,
  ): void

  /**
   * Takes the exclusive writer lock that `path` stands for (`writer-lock.ts`): files of this name, and of names that
   * begin with it, made with `fileMode` (default 0o600). Throws `LOCKED` naming the holder, for a second lock in this
   * process too.
   */
  lock(path: string, fileMode?: number): FileLock

  /**
   * Locks an open file for as long as it is open, which ends with its process at the latest. False when it is locked
   * through another opening, by whomever. Only where the kernel does that.
   */
  lockFile?(fd: number): boolean

  /**
   * Remembers which file is open under a descriptor, which must stay open as long as the result is used. Only where
   * native code finds out what a path names faster than Node's `fs`.
   */
  nameOf?(path: string, fd: number): FileName

  /**
   * Writes all of some ranges of bytes one behind the other into an open file, from byte `position` on, off the event
   * loop, and has the kernel begin to write them to the device, which makes the sync that follows shorter. Until the
   * promise is settled the bytes stay where and as they are. What the operating system refuses rejects with what Node's
   * `fs` rejects with. Only where native code does it.
   */
  writeAsync?(fd: number, buffers: readonly Uint8Array[], position: number): Promise<void>

  /** Makes the names in a folder durable (a rename, a new file). A no-op where the platform has no such thing. */
  syncFolder(path: string): void
}

export type MemoryAdvice = 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed'

/** An open file, and the path that named it. */
export interface FileName {
  /**
   * Whether the path still names the file, and that has at least so many bytes (default 0): somebody may have removed,
   * renamed or replaced it. Costs one call of the operating system, or two.
   */
  isInPlace(sizeBytes?: number): boolean
}

/** A held writer lock. */
export interface FileLock {
  /** The file that shows that it is held. */
  readonly path: string
  /**
   * Whether it is still held: somebody may have removed or replaced that file. Costs one call of the operating system.
   */
  isHeld(): boolean
  /** Idempotent. A discarded lock leaves no file at all. */
  release(isDiscarded?: boolean): void
}
