import { join } from 'node:path'
import { SnapheapError } from '../errors'
import type { FileRoot } from '../heap/file-format'
import { rootsOf } from '../heap/file-states'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import { LogCursor } from './cursor'
import { isBaseName, logFolderOf } from './format'
import { listSegments } from './segments'

/** A commit as the log knows it. */
export interface Commit {
  readonly version: number
  /** When it was made, never earlier than the commit before. */
  readonly time: Date
  readonly annotation: string
  /** Bytes that it takes in the log. */
  readonly sizeBytes: number
}

/** A point in time: a version, a moment (the last commit at or before it), or an annotation (the last commit that has it). */
export type Point = number | Date | string

/** A state that a file holds. */
export interface Base {
  readonly path: string
  readonly root: FileRoot
}

/** Every commit that the log of the database at `path` still has, ascending. Throws `CORRUPT`, `IO`. */
export function* history(memory: Memory, files: Files, path: string): Generator<Commit> {
  const folder = logFolderOf(path)
  const { segments } = listSegments(memory, files, folder, undefined)
  let version = segments[0]?.header.baseVersion ?? 0
  for (;;) {
    const cursor = new LogCursor(memory, files, folder, undefined, version)
    try {
      for (let next = cursor.next(); ; next = cursor.next()) {
        if (next === 'damaged') throw cursor.damage
        if (typeof next === 'string') break
        version = next.head.version
        const { timeMs } = next.head
        yield { version, time: new Date(timeMs), annotation: next.annotation, sizeBytes: next.sizeBytes }
      }
    } finally {
      cursor.close()
    }
    const later = segments.find(({ header }) => header.isAfterGap && header.baseVersion > version)
    if (later === undefined) return
    version = later.header.baseVersion
  }
}

/** Earlier files of the database at `path` that are kept for points in time. */
export function keptFilesOf(files: Files, path: string): string[] {
  const folder = logFolderOf(path)
  const names = files.list(folder).filter(isBaseName)
  return names.map((name) => join(folder, name))
}

/** Every state that the file at `path`, and the earlier files kept for its log, hold; the newest first. */
export function basesOf(memory: Memory, files: Files, path: string): Base[] {
  const paths = [path, ...keptFilesOf(files, path)].filter((each) => files.exists(each))
  const bases = paths.flatMap((each) => rootsOf(memory, files, each).map((root) => ({ path: each, root })))
  return bases.sort((a, b) => b.root.version - a.root.version)
}

/** The version at a point. Throws `NOT_FOUND`, saying what there is. */
export function versionAt(memory: Memory, files: Files, path: string, point: Point): number {
  const bases = basesOf(memory, files, path)
  let found: number | undefined
  let oldest = bases.at(-1)?.root.version
  let newest = bases[0]?.root.version
  const isAt = (commit: { version: number; timeMs: number; annotation: string }): boolean =>
    typeof point === 'number'
      ? commit.version === point
      : typeof point === 'string'
        ? commit.annotation === point
        : commit.timeMs <= point.getTime()
  const consider = (commit: { version: number; timeMs: number; annotation: string }): void => {
    oldest = Math.min(oldest ?? commit.version, commit.version)
    newest = Math.max(newest ?? commit.version, commit.version)
    if (isAt(commit) && commit.version > (found ?? -1)) found = commit.version
  }
  for (const { root } of bases) consider(root)
  for (const { version, time, annotation } of history(memory, files, path))
    consider({ version, timeMs: time.getTime(), annotation })
  if (found !== undefined) return found
  const asked =
    point instanceof Date ? `a commit at or before ${point.toISOString()}` : `commit ${JSON.stringify(point)}`
  throw new SnapheapError(
    'NOT_FOUND',
    oldest === undefined
      ? `There is neither a file nor a log at ${path}. Check the path.`
      : `${path} and its log do not know ${asked}: they have versions ${oldest} to ${newest}. Ask for one of these, or keep more with retain.`,
    { path },
  )
}
