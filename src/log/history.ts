import { join } from 'node:path'
import { SnapheapError } from '../errors'
import type { FileRoot } from '../heap/file-format'
import { rootsOf } from '../heap/file-states'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import { realWorld, type World } from '../heap/world'
import { isDate } from '../kinds'
import { LogCursor, type LoggedCommit } from './cursor'
import { isBaseName, logFolderOf } from './format'
import { ensureOneHistory } from './log-damage'
import { damagedLog, listSegments } from './segments'
import { readSteadily } from './steady-read'
import { type OrderedTimes, Times } from './times'

/** A commit as the log knows it. */
export interface Commit {
  readonly version: number
  /**
   * When it was made, never earlier than the commit before: where the clock was wrong, the time of the commit before.
   */
  readonly time: Date
  readonly annotation: string
  /** Bytes that it takes in the log. */
  readonly sizeBytes: number
}

/**
 * A point in time: a version, a moment (the last commit at or before it), or an annotation (the last commit that has
 * it).
 */
export type Point = number | Date | string

/** A state that a file holds. */
export interface Base {
  readonly path: string
  readonly root: FileRoot
}

/**
 * Every commit that the log of the database at `path` has when the first is asked for, ascending. Commits that its
 * writer removes from the log before they are read are left out. Throws `CORRUPT`, `IO`.
 */
export function* history(
  memory: Memory,
  files: Files,
  path: string,
  clock: Pick<World, 'nowMs'> = realWorld,
): Generator<Commit> {
  const folder = logFolderOf(path)
  const { order, newest } = readSteadily(memory, files, path, () => {
    ensureOneHistory(memory, files, path)
    const times = new Times()
    let last = 0
    for (const { head } of commitsIn(memory, files, folder)) {
      times.add(head.version, head.timeMs)
      last = head.version
    }
    return { order: times.order(clock.nowMs()), newest: last }
  })
  for (const { head, annotation, sizeBytes } of commitsIn(memory, files, folder)) {
    const { version, timeMs } = head
    if (version > newest) return
    yield { version, time: new Date(order.timeOf(version, timeMs)), annotation, sizeBytes }
  }
}

/**
 * Every commit in a log's folder, ascending, with gaps where commits were not logged. The writer may remove segments
 * meanwhile.
 */
function* commitsIn(memory: Memory, files: Files, folder: string): Generator<LoggedCommit> {
  let version = -1
  for (;;) {
    const { segments } = listSegments(memory, files, folder, undefined)
    const next = segments.find(({ header }) => header.baseVersion > version)
    if (next === undefined) return
    // those before it have been read, or were removed since, or what is between was never logged
    if (version >= 0 && next !== segments[0] && !next.header.isAfterGap)
      throw damagedLog(next.path, 0, `commit ${version + 1} is missing before it`)
    version = next.header.baseVersion
    const cursor = new LogCursor(memory, files, folder, undefined, { version })
    try {
      let commit = cursor.next()
      for (; typeof commit !== 'string'; commit = cursor.next()) {
        version = commit.head.version
        yield commit
      }
      if (commit === 'damaged') throw cursor.damage
      if (commit !== 'gap') return
    } finally {
      cursor.close()
    }
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

/** A commit or a saved state: what a point in time can be. */
interface KnownState {
  readonly version: number
  readonly timeMs: number
  readonly annotation: string
  /** Whether a file holds it; otherwise it is reached by way of the log. */
  readonly isSaved: boolean
}

/** What file and log know, ascending; a commit that the log has and a file holds comes twice, with one time. */
function* statesOf(memory: Memory, files: Files, path: string, bases: readonly Base[]): Generator<KnownState> {
  const saved = bases.map(({ root }) => root).reverse()
  let at = 0
  for (const { head, annotation } of commitsIn(memory, files, logFolderOf(path))) {
    const { version, timeMs } = head
    for (; at < saved.length && saved[at].version <= version; at++) {
      const isLogged = saved[at].version === version
      yield { ...saved[at], timeMs: isLogged ? timeMs : saved[at].timeMs, isSaved: true }
    }
    yield { version, timeMs, annotation, isSaved: false }
  }
  for (; at < saved.length; at++) yield { ...saved[at], isSaved: true }
}

/** The version at a point, and the file to reach it from, if there is one. Throws `NOT_FOUND`, saying what there is. */
export function findPoint(
  memory: Memory,
  files: Files,
  path: string,
  point: Point,
  clock: Pick<World, 'nowMs'> = realWorld,
): { version: number; base: Base | undefined } {
  const bases = basesOf(memory, files, path)
  const states = (): Generator<KnownState> => statesOf(memory, files, path, bases)
  const order = isDate(point) ? orderOf(states(), clock.nowMs()) : undefined
  let found: { version: number; isReached: boolean } | undefined
  let oldest: number | undefined
  let isEmpty = true
  /** The newest version that can be reached: from a saved state, or from nothing, by every commit after it. */
  let reached = 0
  for (const state of states()) {
    const { version } = state
    isEmpty = false
    const isReached = state.isSaved || version <= reached + 1
    if (isReached) {
      oldest ??= version
      reached = version
    }
    if (isAt(state, point, order)) found = { version, isReached }
  }
  if (found?.isReached === true) {
    const { version } = found
    return { version, base: bases.find(({ root }) => root.version <= version) }
  }
  throw noSuchPoint(path, point, isEmpty ? undefined : { oldest, newest: reached })
}

function noSuchPoint(
  path: string,
  point: Point,
  known: { oldest: number | undefined; newest: number } | undefined,
): SnapheapError {
  const asked = isDate(point) ? `a commit at or before ${point.toISOString()}` : `commit ${JSON.stringify(point)}`
  if (known === undefined) return notFound(path, `There is neither a file nor a log at ${path}. Check the path.`)
  const { oldest, newest } = known
  return notFound(
    path,
    oldest === undefined
      ? `The log of ${path} continues a file that is not there. Put the file back.`
      : `${path} and its log do not lead to ${asked}: they have versions ${oldest} to ${newest}. Ask for one of ` +
          'these, or keep more with retain.',
  )
}

function notFound(path: string, message: string): SnapheapError {
  return new SnapheapError('NOT_FOUND', message, { path })
}

function isAt({ version, timeMs, annotation }: KnownState, point: Point, order: OrderedTimes | undefined): boolean {
  if (order !== undefined) return order.timeOf(version, timeMs) <= (point as Date).getTime()
  return (typeof point === 'number' ? version : annotation) === point
}

function orderOf(states: Iterable<KnownState>, nowMs: number): OrderedTimes {
  const times = new Times()
  let last = -1
  for (const { version, timeMs } of states) {
    if (version > last) times.add(version, timeMs)
    last = version
  }
  return times.order(nowMs)
}
