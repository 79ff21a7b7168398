import { closeSync, fsyncSync, openSync, readSync } from 'node:fs'
import { crc32cByTables } from './crc32c'
import type { FileLock, Memory, MemoryAdvice } from './memory'
import {
  checkAdvice,
  checkChecksum,
  checkCopy,
  checkMapping,
  checkPath,
  checkRange,
  checkRefresh,
  checkWindowSize,
  PAGE_BYTES,
  systemError,
  WindowRegister,
} from './memory-checks'
import { acquireWriterLock } from './writer-lock'

/** How much of a file is read at once. */
const READ_BYTES = 64 * 1024 * 1024

/**
 * Memory in JavaScript alone, for platforms without a binary of the addon: a file window is a copy of the file's bytes,
 * brought up to date by `refresh`. It costs what it loads; nothing else about the heap changes.
 */
export function plainMemory(): Memory {
  return new PlainMemory()
}

export class PlainMemory implements Memory {
  readonly name: Memory['name'] = 'plain'
  protected readonly windows = new WindowRegister()

  mapFile(fd: number, offsetBytes: number, sizeBytes: number): ArrayBuffer {
    checkMapping(fd, offsetBytes, sizeBytes)
    const window = this.reserve(sizeBytes)
    load(new Uint8Array(window), fd, offsetBytes)
    return this.windows.add(window, 'file')
  }

  allocate(sizeBytes: number): ArrayBuffer {
    checkWindowSize(sizeBytes)
    return this.windows.add(this.reserve(sizeBytes), 'anonymous')
  }

  unmap(window: ArrayBuffer): void {
    this.windows.kindOf(window)
    detach(window)
    this.windows.release(window)
  }

  advise(window: ArrayBuffer, offsetBytes: number, sizeBytes: number, advice: MemoryAdvice): void {
    const kind = this.windows.kindOf(window)
    checkRange(window, offsetBytes, sizeBytes)
    checkAdvice(advice)
    if (advice === 'dontneed' && kind === 'anonymous') new Uint8Array(window, offsetBytes, sizeBytes).fill(0)
  }

  incore(window: ArrayBuffer, offsetBytes: number, sizeBytes: number): { residentPages: number; pages: number } {
    this.windows.kindOf(window)
    checkRange(window, offsetBytes, sizeBytes)
    const first = Math.floor(offsetBytes / PAGE_BYTES)
    const pages = sizeBytes === 0 ? 0 : Math.ceil((offsetBytes + sizeBytes) / PAGE_BYTES) - first
    return { residentPages: pages, pages }
  }

  refresh(window: ArrayBuffer, fd: number, fileOffsetBytes: number, offsetBytes: number, sizeBytes: number): void {
    checkRefresh(this.windows, window, fd, fileOffsetBytes, offsetBytes, sizeBytes)
    load(new Uint8Array(window, offsetBytes, sizeBytes), fd, fileOffsetBytes)
  }

  crc32c(bytes: Uint8Array, seed = 0): number {
    checkChecksum(bytes, seed)
    return crc32cByTables(bytes, seed)
  }

  copy(
    target: ArrayBuffer,
    targetOffsetBytes: number,
    source: ArrayBuffer,
    sourceOffsetBytes: number,
    sizeBytes: number,
  ): void {
    checkCopy(this.windows, target, targetOffsetBytes, source, sourceOffsetBytes, sizeBytes)
    new Uint8Array(target, targetOffsetBytes, sizeBytes).set(new Uint8Array(source, sourceOffsetBytes, sizeBytes))
  }

  lock(path: string, fileMode?: number): FileLock {
    checkPath(path)
    return acquireWriterLock(path, {}, fileMode)
  }

  syncFolder(path: string): void {
    checkPath(path)
    if (process.platform === 'win32') return
    let fd: number | undefined
    try {
      fd = openSync(path, 'r')
      fsyncSync(fd)
    } catch (error) {
      // Some file systems have nothing to flush for a folder and say so.
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw systemError(`sync the folder ${path}`, error)
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  /** A large ArrayBuffer takes no memory until it is written. */
  private reserve(sizeBytes: number): ArrayBuffer {
    try {
      return new ArrayBuffer(sizeBytes)
    } catch (error) {
      throw systemError(`reserve ${sizeBytes} bytes of memory`, error)
    }
  }
}

/**
 * Detaches every view on a buffer of JavaScript's own. `transfer` is missing on Node 20; a structured clone does the
 * same.
 */
function detach(window: ArrayBuffer & { transfer?: (sizeBytes: number) => ArrayBuffer }): void {
  if (window.transfer !== undefined) window.transfer(0)
  else structuredClone(window, { transfer: [window] })
}

/** Reads what the file has of a range; the rest stays as it is. */
function load(target: Uint8Array, fd: number, offsetBytes: number): void {
  try {
    let done = 0
    while (done < target.length) {
      const count = readSync(fd, target, done, Math.min(READ_BYTES, target.length - done), offsetBytes + done)
      if (count === 0) return
      done += count
    }
  } catch (error) {
    throw systemError(`read ${target.length} bytes at ${offsetBytes} of file descriptor ${fd}`, error)
  }
}
