import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import type { FileLock } from './memory'
import { lockedError, systemError } from './memory-checks'

/** Two starts of one process, as computed by two of its threads, differ by less than this. */
const START_TOLERANCE_MS = 2000

/**
 * An exclusive lock without help from the kernel: a file that only one creator can make, which holds the creator's pid
 * and start time. A lock whose process is gone is taken over; that is judged on this host, so a folder shared between hosts
 * needs the kernel's lock. Throws `LOCKED`, `IO`.
 *
 * Invariant: a lock file is removed only by its owner, or, when the owner is dead, by whoever holds `<path>.takeover`.
 * So nobody can have replaced it between being judged stale and being removed.
 */
export function acquirePidLock(path: string): FileLock {
  const text = `${process.pid} ${startedMs()}\n`
  if (!createFile(path, text)) takeOver(path, text)
  let isHeld = true
  return {
    release() {
      if (isHeld && readText(path) === text) removeFile(path)
      isHeld = false
    },
  }
}

function takeOver(path: string, text: string): void {
  const guard = `${path}.takeover`
  refuseIfHeld(path)
  if (!createFile(guard, text)) {
    throw lockedError(path, pidOf(readText(guard)), ` If no such process uses it, delete ${guard} and try again.`)
  }
  try {
    refuseIfHeld(path)
    removeFile(path)
    if (!createFile(path, text)) throw locked(path)
  } finally {
    removeFile(guard)
  }
}

/** Throws `LOCKED` when the process that made the lock file may still be running. */
function refuseIfHeld(path: string): void {
  const text = readText(path)
  if (text === undefined) return
  const [pid, ownerStartedMs] = text.split(' ').map(Number)
  // The same pid is no proof of the same process: in a container every run may get pid 1.
  const isGone =
    pid === process.pid ? Math.abs(ownerStartedMs - startedMs()) > START_TOLERANCE_MS : pid > 0 && !isRunning(pid)
  if (!isGone) throw locked(path)
}

function locked(path: string): Error {
  return lockedError(path, pidOf(readText(path)), ` If no such process uses it, delete ${path}.`)
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** When this process started on the machine's monotonic clock: the same in each of its threads, whatever the time of day does. */
function startedMs(): number {
  return Math.round(Number(process.hrtime.bigint() / 1_000_000n) - process.uptime() * 1000)
}

function pidOf(text: string | undefined): number {
  const pid = Number.parseInt(text ?? '', 10)
  return Number.isSafeInteger(pid) && pid > 0 ? pid : 0
}

/** False when the file exists already. */
function createFile(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw systemError(`create the lock file ${path}`, error)
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw systemError(`read the lock file ${path}`, error)
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw systemError(`remove the lock file ${path}`, error)
  }
}
