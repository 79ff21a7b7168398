import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Memory, MemoryAdvice } from '../../../src/heap/memory'
import { type MmapIo, memoryFromMmapIo } from '../../../src/heap/mmap-io-memory'
import { loadNativeMemory } from '../../../src/heap/native-memory'
import { plainMemory } from '../../../src/heap/plain-memory'

const ADVICE: MemoryAdvice[] = ['normal', 'random', 'sequential', 'willneed', 'dontneed']

/** The addon's memory. It must be there: `npm test` builds it first. */
export function nativeMemory(): Memory {
  const memory = loadNativeMemory()
  if (memory === undefined) throw new Error('The native addon does not load. Build it: node scripts/build-native.mjs')
  return memory
}

/** The same without kernels: what native loops do is compared with. */
export function memoryWithoutKernels(): Memory {
  return Object.create(nativeMemory(), { kernels: { value: undefined } })
}

/** What `mmap-io` exports, over real mappings of the addon, for the module itself builds on few machines. */
function mmapIoModule(): MmapIo {
  const native = nativeMemory()
  const bufferOf = (view: Uint8Array) => view.buffer as ArrayBuffer
  return {
    map: (size, _protection, _flags, fd, offset) => new Uint8Array(native.mapFile(fd, offset ?? 0, size)),
    advise: (view, offset, size, advice) => native.advise(bufferOf(view), offset, size, ADVICE[advice]),
    incore: (view) => {
      const { residentPages, pages } = native.incore(bufferOf(view), view.byteOffset, view.byteLength)
      return [pages - residentPages, residentPages]
    },
    sync: () => undefined,
    PROT_READ: 1,
    MAP_SHARED: 1,
    MADV_NORMAL: 0,
    MADV_RANDOM: 1,
    MADV_SEQUENTIAL: 2,
    MADV_WILLNEED: 3,
    MADV_DONTNEED: 4,
    PAGESIZE: 4096,
  }
}

export const MEMORIES: readonly (readonly [string, () => Memory])[] = [
  ['native', nativeMemory],
  ['plain', plainMemory],
  ['mmap-io', () => memoryFromMmapIo(mmapIoModule())],
]

/** An empty folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'snapheap-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
