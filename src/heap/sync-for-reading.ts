import { dirname } from 'node:path'
import { SnapheapError } from '../errors'
import type { Files } from './files'
import { ioError } from './io-error'
import type { Memory } from './memory'

/** Codes of a system that does not sync through a descriptor for reading, and of a folder that may not be read. */
const CANNOT_SYNC: readonly unknown[] = ['EINVAL', 'EPERM', 'EACCES']

/**
 * Returns when a file that another process has written, open here for reading, and its name are on the device. POSIX
 * lets a reader sync; where the system does not (Windows), or permissions forbid it, this returns at once. Throws `IO`.
 */
export function syncForReading(memory: Memory, files: Files, fd: number, path: string): void {
  for (const sync of [() => files.sync(fd), () => memory.syncFolder(dirname(path))]) {
    try {
      sync()
    } catch (error) {
      const cause = (error instanceof SnapheapError ? error.cause : error) as NodeJS.ErrnoException | undefined
      if (!CANNOT_SYNC.includes(cause?.code)) throw ioError('sync', path, error)
    }
  }
}
