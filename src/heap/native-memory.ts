import { getSystemErrorMap } from 'node:util'
import { SnapheapError } from '../errors'
import { isError } from '../kinds'
import type { Kernels } from './kernels'
import type { FileLock, Memory, MemoryAdvice } from './memory'
import {
  ADVICE,
  checkAdvice,
  checkChecksum,
  checkCopy,
  checkDescriptor,
  checkMapping,
  checkPath,
  checkRange,
  checkRefresh,
  checkWindowSize,
  checkWrite,
  systemError,
  WindowRegister,
} from './memory-checks'
import { type Addon, loadAddon } from './native-addon'
import { acquireWriterLock } from './writer-lock'

/**
 * Memory by real mappings. Undefined where the addon cannot be used; a process warning with the code
 * `SNAPHEAP_PLAIN_MEMORY` says so once, with the reason.
 */
export function loadNativeMemory(): Memory | undefined {
  const addon = loadAddon()
  return addon === undefined ? undefined : new NativeMemory(addon)
}

class NativeMemory implements Memory {
  readonly name = 'native'
  private readonly windows = new WindowRegister()

  readonly kernels: Kernels

  readonly writeAsync?: NonNullable<Memory['writeAsync']>

  readonly nameOf?: NonNullable<Memory['nameOf']>

  constructor(private readonly addon: Addon) {
    this.kernels = {
      groupTexts: (...given) => kernel(() => addon.groupTexts(...given)),
      findTexts: (...given) => kernel(() => addon.findTexts(...given)),
      orderTexts: (...given) => kernel(() => addon.orderTexts(...given)),
      layTexts: (...given) => kernel(() => addon.layTexts(...given)),
      settleTexts: (...given) => kernel(() => addon.settleTexts(...given)),
      orderLists: (...given) => kernel(() => addon.orderLists(...given)),
      layLists: (...given) => kernel(() => addon.layLists(...given)),
      fillSegment: (...given) => kernel(() => addon.fillSegment(...given)),
      splitSegment: (...given) => kernel(() => addon.splitSegment(...given)),
      prefetchPlaces: (...given) => kernel(() => addon.prefetchPlaces(...given)),
      splitLines: (...given) => kernel(() => addon.splitLines(...given)),
      prepareLines: (...given) => kernelAsync(() => addon.prepareLines(...given)),
      countWords: (...given) => kernel(() => addon.countWords(...given)),
      sortWords: (...given) => kernel(() => addon.sortWords(...given)),
      sortIndex: (...given) => kernelAsync(() => addon.sortIndex(...given)),
      groupRecords: (...given) => kernel(() => addon.groupRecords(...given)),
      parseNumbers: (...given) => kernel(() => addon.parseNumbers(...given)),
      scanWords: (...given) => kernel(() => addon.scanWords(...given)),
      numberWords: (...given) => kernel(() => addon.numberWords(...given)),
      numberPairs: (...given) => kernel(() => addon.numberPairs(...given)),
      gatherNumbers: (...given) => kernel(() => addon.gatherNumbers(...given)),
    }
    const { writeBeside, nameFile, isFileInPlace } = addon
    if (nameFile !== undefined && isFileInPlace !== undefined) {
      this.nameOf = (path, fd) => {
        checkPath(path)
        checkDescriptor(fd)
        const name = nameFile(path, fd)
        return { isInPlace: (sizeBytes = 0) => isFileInPlace(name, sizeBytes) }
      }
    }
    if (writeBeside === undefined) return
    this.writeAsync = (...given) => {
      checkWrite(...given)
      return writeBeside(...given).catch((error) => {
        throw isOutOfMemory(error) ? error : nodeError(-error.code, 'write')
      })
    }
  }

  mapFile(fd: number, offsetBytes: number, sizeBytes: number): ArrayBuffer {
    checkMapping(fd, offsetBytes, sizeBytes)
    const map = () => this.addon.mapFile(fd, offsetBytes, sizeBytes)
    return this.windows.add(attempt(`map ${sizeBytes} bytes at ${offsetBytes} of file descriptor ${fd}`, map), 'file')
  }

  allocate(sizeBytes: number): ArrayBuffer {
    checkWindowSize(sizeBytes)
    const window = attempt(`reserve ${sizeBytes} bytes of memory`, () => this.addon.allocate(sizeBytes))
    return this.windows.add(window, 'anonymous')
  }

  unmap(window: ArrayBuffer): void {
    this.windows.kindOf(window)
    attempt('give a memory window back', () => this.addon.unmap(window))
  }

  advise(window: ArrayBuffer, offsetBytes: number, sizeBytes: number, advice: MemoryAdvice): void {
    this.windows.kindOf(window)
    checkRange(window, offsetBytes, sizeBytes)
    checkAdvice(advice)
    attempt(`advise the kernel (${advice})`, () =>
      this.addon.advise(window, offsetBytes, sizeBytes, ADVICE.indexOf(advice)),
    )
  }

  incore(window: ArrayBuffer, offsetBytes: number, sizeBytes: number): { residentPages: number; pages: number } {
    this.windows.kindOf(window)
    checkRange(window, offsetBytes, sizeBytes)
    return attempt('count resident pages', () => this.addon.incore(window, offsetBytes, sizeBytes))
  }

  refresh(window: ArrayBuffer, fd: number, fileOffsetBytes: number, offsetBytes: number, sizeBytes: number): void {
    checkRefresh(this.windows, window, fd, fileOffsetBytes, offsetBytes, sizeBytes)
    const sync = () => this.addon.sync(window, fd, fileOffsetBytes, offsetBytes, sizeBytes)
    attempt(`map what file descriptor ${fd} has grown by`, sync)
  }

  crc32c(bytes: Uint8Array, seed = 0): number {
    checkChecksum(bytes, seed)
    return this.addon.crc32c(bytes, seed)
  }

  copy(
    target: ArrayBuffer,
    targetOffsetBytes: number,
    source: ArrayBuffer,
    sourceOffsetBytes: number,
    sizeBytes: number,
  ): void {
    checkCopy(this.windows, target, targetOffsetBytes, source, sourceOffsetBytes, sizeBytes)
    this.addon.copy(target, targetOffsetBytes, source, sourceOffsetBytes, sizeBytes)
  }

  lock(path: string, fileMode?: number): FileLock {
    checkPath(path)
    return acquireWriterLock(path, this, fileMode)
  }

  lockFile(fd: number): boolean {
    checkDescriptor(fd)
    return attempt(`lock file descriptor ${fd}`, () => this.addon.lockFile(fd))
  }

  syncFolder(path: string): void {
    checkPath(path)
    attempt(`sync the folder ${path}`, () => this.addon.syncFolder(path))
  }
}

function attempt<T>(action: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw systemError(action, error)
  }
}

/** What Node's `fs` throws for a number of the operating system. */
function nodeError(errno: number, syscall: string): NodeJS.ErrnoException {
  const [code, message] = getSystemErrorMap().get(errno) ?? [`${errno}`, 'unknown error']
  return Object.assign(new Error(`${code}: ${message}, ${syscall}`), { errno, code, syscall })
}

/** Runs a native loop, whose arguments come from the heap and from this library. */
function kernel<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw kernelError(error)
  }
}

/** The same for one that goes on in a thread of the pool. */
function kernelAsync(run: () => Promise<void>): Promise<void> {
  return kernel(run).catch((error) => {
    throw kernelError(error)
  })
}

function kernelError(error: unknown): SnapheapError {
  if (isOutOfMemory(error)) {
    return new SnapheapError(
      'IO',
      'There is no memory for a native loop over many words, and nothing was done. Give the process more memory, ' +
        'or ask for less at once.',
      {},
      error,
    )
  }
  return new SnapheapError('CORRUPT', `The heap leads outside itself: ${error}. Run verify.`, {}, error)
}

/** native/addon_calls.h says so. */
function isOutOfMemory(error: unknown): boolean {
  return isError(error) && 'code' in error && error.code === 'ENOMEM'
}
