import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import type { Files } from './files'

/**
 * Names of files that are written beside the one whose name they take when they are whole. Only the writer of a heap, who
 * holds its lock, rewrites its own file: whatever has a name of that kind while the lock is held by somebody who has only
 * just taken it was left by a process that ended. A file on its way to another place may be of any living process.
 */
export function rewriteName(path: string): string {
  return `${path}.rewrite-${randomBytes(6).toString('hex')}.tmp`
}

export function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`
}

/** Removes what rewriting the file at `path` left, off the event loop. The caller has just taken the heap's lock. */
export function removeLeftovers(files: Files, path: string): void {
  const start = `${basename(path)}.rewrite-`
  let names: string[] = []
  try {
    names = files.list(dirname(path))
  } catch {} // a folder that can be searched but not read
  for (const name of names) {
    if (!name.startsWith(start) || !/^[0-9a-f]{12}\.tmp$/.test(name.slice(start.length))) continue
    files.removeBeside(join(dirname(path), name)).catch(() => undefined) // it is tried again at the next opening
  }
}
