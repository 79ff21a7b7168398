import { ensure, isRecord, type Rule } from '../arguments'
import type { Memory, MemoryAdvice } from './memory'
import { checkAdvice, checkMapping, checkRange, checkRefresh, systemError } from './memory-checks'
import { PlainMemory } from './plain-memory'

/** The part of the `mmap-io` module that is used. */
export interface MmapIo {
  map(
    sizeBytes: number,
    protection: number,
    flags: number,
    fd: number,
    offsetBytes?: number,
    advice?: number,
  ): Uint8Array
  advise(buffer: Uint8Array, offsetBytes: number, sizeBytes: number, advice: number): void
  /** Pages that are not resident, and pages that are. */
  incore(buffer: Uint8Array): [number, number]
  sync(buffer: Uint8Array, offsetBytes: number, sizeBytes: number, isBlocking: boolean, invalidates: boolean): void
  readonly PROT_READ: number
  readonly MAP_SHARED: number
  readonly MADV_NORMAL: number
  readonly MADV_RANDOM: number
  readonly MADV_SEQUENTIAL: number
  readonly MADV_WILLNEED: number
  readonly MADV_DONTNEED: number
  readonly PAGESIZE: number
}

const MMAP_IO: Rule = [
  (value) => isRecord(value) && typeof (value as Partial<MmapIo>).map === 'function',
  "the module: memoryFromMmapIo(require('mmap-io'))",
]

/**
 * Memory whose file windows are mapped by the `mmap-io` module, where that can be installed; the rest is plain memory.
 * `mmap-io` cannot unmap: a window's address space is given back when the garbage collector finds it, and on
 * Node 20, which cannot detach such memory, views still held stay readable until then.
 */
export function memoryFromMmapIo(mmapIo: MmapIo): Memory {
  ensure('memoryFromMmapIo()', mmapIo, MMAP_IO)
  return new MmapIoMemory(mmapIo)
}

class MmapIoMemory extends PlainMemory {
  override readonly name = 'mmap-io'
  private readonly buffers = new WeakMap<ArrayBuffer, Uint8Array>()

  constructor(private readonly mmapIo: MmapIo) {
    super()
  }

  override mapFile(fd: number, offsetBytes: number, sizeBytes: number): ArrayBuffer {
    checkMapping(fd, offsetBytes, sizeBytes)
    const { PROT_READ, MAP_SHARED, MADV_NORMAL } = this.mmapIo
    try {
      const buffer = this.mmapIo.map(sizeBytes, PROT_READ, MAP_SHARED, fd, offsetBytes, MADV_NORMAL)
      const window = buffer.buffer as ArrayBuffer
      this.buffers.set(window, buffer)
      return this.windows.add(window, 'file')
    } catch (error) {
      throw systemError(`map ${sizeBytes} bytes at ${offsetBytes} of file descriptor ${fd} with mmap-io`, error)
    }
  }

  override unmap(window: ArrayBuffer): void {
    if (this.windows.kindOf(window) === 'anonymous') return super.unmap(window)
    this.windows.release(window)
    this.buffers.delete(window)
    // Never by a structured clone: it copies memory of an addon, and the part past the end of the file is a bus error.
    ;(window as ArrayBuffer & { transfer?: (sizeBytes: number) => ArrayBuffer }).transfer?.(0)
  }

  override advise(window: ArrayBuffer, offsetBytes: number, sizeBytes: number, advice: MemoryAdvice): void {
    if (this.windows.kindOf(window) === 'anonymous') return super.advise(window, offsetBytes, sizeBytes, advice)
    checkRange(window, offsetBytes, sizeBytes)
    checkAdvice(advice)
    const name = `MADV_${advice.toUpperCase()}` as 'MADV_NORMAL'
    this.mmapIo.advise(this.bufferOf(window), offsetBytes, sizeBytes, this.mmapIo[name])
  }

  override incore(window: ArrayBuffer, offsetBytes: number, sizeBytes: number) {
    if (this.windows.kindOf(window) === 'anonymous') return super.incore(window, offsetBytes, sizeBytes)
    checkRange(window, offsetBytes, sizeBytes)
    const [absentPages, residentPages] = this.mmapIo.incore(
      this.bufferOf(window).subarray(offsetBytes, offsetBytes + sizeBytes),
    )
    return { residentPages, pages: residentPages + absentPages }
  }

  override refresh(
    window: ArrayBuffer,
    fd: number,
    fileOffsetBytes: number,
    offsetBytes: number,
    sizeBytes: number,
  ): void {
    checkRefresh(this.windows, window, fd, fileOffsetBytes, offsetBytes, sizeBytes)
    const start = offsetBytes - (offsetBytes % this.mmapIo.PAGESIZE)
    this.mmapIo.sync(this.bufferOf(window), start, offsetBytes + sizeBytes - start, false, true)
  }

  private bufferOf(window: ArrayBuffer): Uint8Array {
    return this.buffers.get(window)!
  }
}
