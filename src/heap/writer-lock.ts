import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync, readdirSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { SnapheapError } from '../errors'
import { DEFAULT_FILE_MODE, type FileIdentity, fileNameOf, isSameFile, nodeFiles } from './files'
import type { FileLock, Memory } from './memory'
import { readOnlyError, systemError } from './memory-checks'
import {
  blankText,
  encodeIdentity,
  ownIdentity,
  type ProcessIdentity,
  parseIdentity,
  placeOf,
  stateOf,
} from './process-identity'

/** A lock file may be replaced between being opened and being locked. */
const MOST_ATTEMPTS = 5
/** Of processes that ask at the same time one gets the lock: the others give way within this time. */
const MOST_LOOKS = 10
const LOOK_INTERVAL_MS = 3
const CLAIM = /-[0-9a-f]{12}$/

/** What is asked of the kernel, where a memory can. */
type Kernel = Pick<Memory, 'lockFile' | 'nameOf'>

/** What a lock takes from outside besides files. Tests hand in a world in which a seed repeats a run. */
interface LockWorld {
  randomBytes(count: number): Buffer
  /** Returns after so many milliseconds. */
  pause(ms: number): void
}

const realWorld: LockWorld = { randomBytes, pause }

/** What a lock file says of who holds the lock; undefined: something that this build does not understand. */
interface Holder {
  readonly file: string
  readonly process: ProcessIdentity | undefined
}

/**
 * Takes the exclusive writer lock that `path` stands for. Throws `LOCKED`, `READ_ONLY`, `IO`. There are two ways to
 * hold it, which exclude each other:
 *
 * - with the kernel's lock on the file `path` (`lockFile`), in which the holder writes its identity. The kernel drops
 *   the lock when
 *   the process ends; what it wrote may stay.
 * - where the kernel locks no files, with a claim: a file `path-<random>` that holds the identity. A claim counts until
 *   its process
 *   has provably ended; as no name is used twice, anybody may then remove it.
 *
 * Each process publishes its identity first and looks for others afterwards, so of two that ask at the same time at
 * least one sees the other. Then a claim gives way to the kernel's lock, and to a claim whose name is smaller.
 */
export function acquireWriterLock(
  path: string,
  kernel: Kernel = {},
  fileMode = DEFAULT_FILE_MODE,
  world = realWorld,
): FileLock {
  return lockByKernel(path, kernel, fileMode, world) ?? lockByClaim(path, kernel, fileMode, world)
}

/**
 * Locks a file that is written for as long as it is open, where the kernel can: so a second writer is refused also
 * where somebody has removed the lock file. Throws `LOCKED`.
 */
export function lockWritten(memory: Kernel, fd: number, path: string): void {
  if (tryLock(memory, fd) === false) throw lockedError(path)
}

/** Whether an open file could be locked; undefined where the kernel cannot lock it. */
export function tryLock(memory: Kernel, fd: number): boolean | undefined {
  try {
    return memory.lockFile?.(fd)
  } catch {
    return undefined // a file system without locks
  }
}

/** Undefined where the kernel does not lock the file. */
function lockByKernel(path: string, kernel: Kernel, fileMode: number, world: LockWorld): FileLock | undefined {
  for (let attempt = 1; kernel.lockFile !== undefined && attempt <= MOST_ATTEMPTS; attempt++) {
    const fd = openLockFile(path, fileMode)
    let lock: FileLock | undefined
    try {
      const isLocked = tryLock(kernel, fd)
      if (isLocked === undefined) return undefined
      if (!isLocked) throw lockedError(path, holderIn(path), true)
      if (!nodeFiles.names(path, fd)) continue // replaced before it was locked
      writeText(path, fd, encodeIdentity(ownIdentity()))
      lock = heldLock(path, fd, kernel, (isDiscarded) => {
        if (isDiscarded) removeFile(path) // another process that has opened it checks that the path still names it
        writeText(path, fd, blankText())
      })
    } finally {
      if (lock === undefined) closeSync(fd)
    }
    return settled(lock, () => waitForClaims(path, world))
  }
  if (kernel.lockFile === undefined) return undefined
  throw lockedError(path)
}

function lockByClaim(path: string, kernel: Kernel, fileMode: number, world: LockWorld): FileLock {
  const claim = `${path}-${world.randomBytes(6).toString('hex')}`
  const lock = heldLock(claim, createClaim(claim, fileMode), kernel, () => removeFile(claim))
  return settled(lock, () => {
    const holder = holderIn(path)
    if (holder !== undefined && !isGone(holder)) throw lockedError(path, holder)
    waitForClaims(path, world, claim)
  })
}

function heldLock(path: string, fd: number, kernel: Kernel, give: (isDiscarded: boolean) => void): FileLock {
  const name = fileNameOf(kernel, nodeFiles, path, fd)
  let isReleased = false
  const isHeld = (): boolean => !isReleased && name.isInPlace()
  return {
    path,
    isHeld,
    release(isDiscarded = false) {
      if (isReleased) return
      const isNamed = isHeld()
      isReleased = true
      try {
        give(isDiscarded && isNamed)
      } finally {
        closeSync(fd)
      }
    },
  }
}

/** A lock that is published, unless `look` throws because another process has it. */
function settled(lock: FileLock, look: () => void): FileLock {
  try {
    look()
    return lock
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Makes a claim appear whole, whenever this process ends; returns its descriptor. */
function createClaim(claim: string, fileMode: number): number {
  const temporary = `${claim}.tmp`
  let fd: number | undefined
  try {
    fd = openSync(temporary, 'wx+', fileMode)
    writeText(claim, fd, encodeIdentity(ownIdentity()))
    renameSync(temporary, claim)
    return fd
  } catch (error) {
    if (fd !== undefined) {
      closeSync(fd)
      removeFile(temporary)
    }
    throw readOnlyError(claim, error) ?? systemError(`create the lock file ${claim}`, error)
  }
}

/** Returns when there is no claim but `own`. Throws `LOCKED` for one that stays, or comes first. */
function waitForClaims(path: string, world: LockWorld, own?: string): void {
  for (let look = 1; ; look++) {
    const other = claimsOf(path).find((claim) => claim !== own && isClaimed(claim))
    if (other === undefined) return
    if (look === MOST_LOOKS || (own !== undefined && other < own)) throw lockedError(path, holderIn(other))
    world.pause(LOOK_INTERVAL_MS)
  }
}

/** Claims of living and of ended processes, the smallest name first. */
function claimsOf(path: string): string[] {
  const folder = dirname(path)
  const start = basename(path)
  try {
    const names = readdirSync(folder).filter((name) => CLAIM.test(name) && name.replace(CLAIM, '') === start)
    return names.sort().map((name) => join(folder, name))
  } catch (error) {
    throw systemError(`list the folder ${folder}`, error)
  }
}

/** Whether a claim counts; removes it where its process, or the thread of this process that made it, has ended. */
function isClaimed(claim: string): boolean {
  const holder = holderIn(claim)
  if (holder !== undefined && !isGone(holder) && !isLeftByThread(claim, holder)) return true
  removeFile(claim)
  return false
}

function isGone(holder: Holder): boolean {
  return holder.process !== undefined && stateOf(holder.process) === 'ended'
}

/**
 * Whether a claim is one of this process that no thread of it has open, as each does from before it appears until after
 * it is removed. False where the system does not tell.
 */
function isLeftByThread(claim: string, { process: found }: Holder): boolean {
  if (process.platform !== 'linux' || found?.pid !== process.pid || stateOf(found) !== 'running') return false
  try {
    const file = nodeFiles.identity(claim)
    return file !== undefined && !readdirSync('/proc/self/fd').some((fd) => isSameFile(identityOf(Number(fd)), file))
  } catch {
    return false
  }
}

/** Undefined for a descriptor that was closed since. */
function identityOf(fd: number): FileIdentity | undefined {
  try {
    return nodeFiles.identity(fd)
  } catch {
    return undefined
  }
}

/**
 * Undefined if the file does not exist or is blank: a lock that was released, or a claim whose contents were lost in a
 * power cut.
 */
function holderIn(file: string): Holder | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw systemError(`read the lock file ${file}`, error)
  }
  const identity = parseIdentity(text)
  return identity === 'nobody' ? undefined : { file, process: identity }
}

/**
 * Another holder has the writer lock, or a lock on the file `path` itself. Who that is may be certain; otherwise the
 * message says what to do.
 */
export function lockedError(path: string, holder?: Holder, isCertain = holder === undefined): SnapheapError {
  const found = holder?.process
  const state = found === undefined ? 'unknown' : stateOf(found)
  const who =
    found === undefined || state === 'ended'
      ? 'another process'
      : found.pid === process.pid && state === 'running'
        ? `this process (pid ${found.pid})`
        : `process ${found.pid}${placeOf(found)}`
  const remedy = isCertain || state === 'running' ? '' : ` If no such process exists any more, delete ${holder!.file}.`
  return new SnapheapError(
    'LOCKED',
    `${path} is locked: ${who} has the file open for writing. Close it there, or open it read-only here.${remedy}`,
    { path, pid: found?.pid ?? 0 },
  )
}

function openLockFile(path: string, fileMode: number): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT, fileMode)
  } catch (error) {
    throw readOnlyError(path, error) ?? systemError(`open the lock file ${path}`, error)
  }
}

function writeText(path: string, fd: number, text: Buffer): void {
  try {
    writeSync(fd, text, 0, text.length, 0)
  } catch (error) {
    throw systemError(`write the lock file ${path}`, error)
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw systemError(`remove the lock file ${path}`, error)
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
