import { dirname } from 'node:path'
import { SnapheapError } from '../errors'
import { type Files, lockPathOf } from './files'
import { ioError } from './io-error'
import type { FileLock, Memory } from './memory'
import { recoverReplaced } from './replaced-file'
import { removeAbandoned, removeLeftovers } from './temporary-files'

/**
 * Takes the writer lock of the heap at `path`, and puts right what processes that ended have left there. Throws
 * `LOCKED`, `READ_ONLY`, `IO`.
 */
export function lockHeap(memory: Memory, files: Files, path: string): FileLock {
  const lock = memory.lock(lockPathOf(path), files.fileMode)
  try {
    recoverReplaced(files, path)
  } catch (error) {
    lock.release()
    throw ioError('rename', path, error)
  }
  removeLeftovers(memory, files, path)
  removeAbandoned(memory, files, dirname(path))
  return lock
}

/** Throws unless the lock is still held. Afterwards somebody else may have it, and have written. */
export function ensureHeld(lock: FileLock, path: string): void {
  if (lock.isHeld()) return
  throw new SnapheapError(
    'LOCKED',
    `${path} may have another writer by now: its lock file ${lock.path} was removed or replaced while this ` +
      'process had it open. Close it and open it again.',
    { path, lock: lock.path },
  )
}

/**
 * Runs `work` while no process has the file at `path`, which is not this heap's, open for writing. Removes a lock file
 * that it has made.
 */
export function withoutWriter(memory: Memory, files: Files, path: string, work: () => void): void {
  const lockPath = lockPathOf(path)
  const hadLockFile = files.exists(lockPath)
  let lock: FileLock
  try {
    lock = memory.lock(lockPath, files.fileMode)
  } catch (error) {
    if (error instanceof SnapheapError && error.code === 'READ_ONLY') throw ioError('save', path, error.cause)
    throw error
  }
  try {
    work()
  } finally {
    lock.release(!hadLockFile)
  }
}

export function openForReading(path: string | undefined): SnapheapError {
  return new SnapheapError(
    'READ_ONLY',
    `${path ?? 'The heap'} is open for reading only. Open it without readOnly to change it.`,
  )
}
