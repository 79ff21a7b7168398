import { basename, dirname, join } from 'node:path'
import type { Files } from './files'
import type { Memory } from './memory'
import type { World } from './world'
import { tryLock } from './writer-lock'

/** An open file that is written beside the one whose name it takes when it is whole. */
export interface TemporaryFile {
  readonly path: string
  readonly fd: number
}

/**
 * For a heap's own file. Only its writer, which holds the heap's lock, rewrites it. A file with such a name that a
 * writer finds after taking the lock was left by a process that ended; if it is locked, a living writer has lost its
 * lock file.
 */
export function openToRewrite(memory: Memory, files: Files, world: World, path: string): TemporaryFile {
  const file = create(files, world, `${path}.rewrite-`)
  tryLock(memory, file.fd)
  return file
}

/**
 * For a file at another place, where any living process may write. The writer holds a lock on it, which the kernel
 * drops when the process ends, however that happens: one that can be locked was left. In the moment between being made
 * and being locked it is taken for such a one; so its writer looks, once it has the lock, whether the file still has
 * its name. Where files cannot be locked, its name is not recognised as temporary.
 */
export function openToSave(memory: Memory, files: Files, world: World, path: string): TemporaryFile {
  if (memory.lockFile === undefined) return create(files, world, `${path}.`)
  const file = create(files, world, `${path}.saving-`)
  let isHeld = false
  try {
    isHeld = tryLock(memory, file.fd) === true && files.names(file.path, file.fd)
  } catch {} // another name needs no proof
  if (isHeld) return file
  files.close(file.fd)
  try {
    files.remove(file.path)
  } catch {} // somebody else has
  return create(files, world, `${path}.`)
}

function create(files: Files, world: World, start: string): TemporaryFile {
  const path = `${start}${world.randomBytes(6).toString('hex')}.tmp`
  return { path, fd: files.open(path, 'wx+') }
}

const LEFT = /\.(?:(?:rewrite|lock)-[0-9a-f]{12}|replaced-\d{6})\.tmp$/
const SAVING = /\.saving-[0-9a-f]{12}\.tmp$/

/**
 * Removes what processes that ended left of rewriting, replacing and locking the file at `path`, off the event loop.
 * The caller has just taken the heap's lock.
 */
export function removeLeftovers(memory: Memory, files: Files, path: string): void {
  for (const name of namesIn(files, dirname(path))) {
    if (!LEFT.test(name) || name.replace(LEFT, '') !== basename(path)) continue
    removeUnlessHeld(memory, files, join(dirname(path), name)).catch(() => undefined) // tried again at the next opening
  }
}

async function removeUnlessHeld(memory: Memory, files: Files, path: string): Promise<void> {
  const fd = files.open(path, 'r+')
  const isHeld = tryLock(memory, fd) === false
  files.close(fd)
  if (!isHeld) await files.removeAsync(path)
}

/** Removes what processes that ended left in a folder of files on their way to another place, off the event loop. */
export function removeAbandoned(memory: Memory, files: Files, folder: string): void {
  for (const name of namesIn(files, folder)) {
    // tried again later
    if (SAVING.test(name)) removeOnceLocked(memory, files, join(folder, name)).catch(() => undefined)
  }
}

async function removeOnceLocked(memory: Memory, files: Files, path: string): Promise<void> {
  const fd = files.open(path, 'r+')
  try {
    // removed by its name, which the writer may have taken from it meanwhile, and with the lock held
    if (tryLock(memory, fd) === true) await files.removeAsync(path)
  } finally {
    await files.closeAsync(fd)
  }
}

function namesIn(files: Files, folder: string): string[] {
  try {
    return files.list(folder)
  } catch {
    return [] // a folder that can be searched but not read
  }
}
