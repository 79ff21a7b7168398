import { basename } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import { LogCursor } from './cursor'
import { logFolderOf } from './format'
import { damageBehind, damageInTorn, ensureOneHistory } from './log-damage'
import { type LogTarget, openAt, settleEnd } from './recovery'
import { damagedLog, listSegments, type Segment } from './segments'

/** Commits read between two turns of the event loop. */
const COMMITS_PER_TURN = 1000

const MOST_ATTEMPTS = 5
const READ_ONLY = { repair: false, isForced: false }

/** What a segment of the log holds. */
export interface VerifiedSegment {
  readonly path: string
  /** Version before its first commit, and of its last. */
  readonly baseVersion: number
  readonly version: number
  /** Commits, each found whole and to continue the one before. */
  readonly commits: number
  /** Bytes of them. */
  readonly bytes: number
  /** Bytes behind them: the end of a commit that is being written, or that was never acknowledged. */
  readonly tornBytes: number
}

/**
 * Reads the log of the database at `path` and checks each segment's header, each record's checksum, and that each
 * continues the one before, within and across segments. Takes no lock. Throws `CORRUPT` naming segment and byte,
 * `VERSION`, `IO`.
 */
export async function verifyLog(memory: Memory, files: Files, path: string): Promise<VerifiedSegment[]> {
  const folder = logFolderOf(path)
  for (let attempt = 1; ; attempt++) {
    const { segments, torn } = listSegments(memory, files, folder, undefined)
    try {
      ensureOneHistory(memory, files, path)
      const verified = await verifySegments(memory, files, folder, segments)
      return torn === undefined ? verified : [...verified, tornSegment(memory, files, torn)]
    } catch (error) {
      // its writer may have removed segments meanwhile
      if (attempt === MOST_ATTEMPTS || segments.every((each) => files.exists(each.path))) throw error
    }
  }
}

/**
 * Reads the log to its end from the version of a target on, as opening does, without doing anything again. Returns the
 * version that opening would show. Throws what opening would throw: `CORRUPT`, `VERSION`, `IO`.
 */
export async function endOfLog(target: LogTarget, path: string): Promise<number> {
  const log = openAt(target, logFolderOf(path), READ_ONLY)
  const { cursor } = log
  try {
    let next = cursor.next()
    for (let count = 1; typeof next !== 'string'; next = cursor.next(), count++)
      if (count % COMMITS_PER_TURN === 0) await nextTurn()
    settleEnd(target, log, next, READ_ONLY)
    return Math.max(cursor.version, target.version)
  } finally {
    cursor.close()
  }
}

/**
 * A segment with an incomplete header, torn when it was begun. Throws `CORRUPT` if it held durable commits.
 */
function tornSegment(memory: Memory, files: Files, path: string): VerifiedSegment {
  const baseVersion = Number(basename(path, '.log'))
  const lost = damageInTorn(memory, files, path, baseVersion + 1)
  if (lost !== undefined) throw lost
  const tornBytes = sizeOf(files, path)
  return { path, baseVersion, version: baseVersion, commits: 0, bytes: 0, tornBytes }
}

async function verifySegments(
  memory: Memory,
  files: Files,
  folder: string,
  segments: readonly Segment[],
): Promise<VerifiedSegment[]> {
  const verified = new Map<string, VerifiedSegment>()
  for (const { path: each, header } of segments) {
    const { baseVersion } = header
    verified.set(each, { path: each, baseVersion, version: baseVersion, commits: 0, bytes: 0, tornBytes: 0 })
  }
  let next: Segment | undefined = segments[0]
  while (next !== undefined) {
    const version = await verifyRun(
      memory,
      files,
      new LogCursor(memory, files, folder, undefined, { version: next.header.baseVersion }),
      verified,
    )
    next = segments.find(({ header }) => header.baseVersion > version)
    if (next?.header.isAfterGap === false) throw damagedLog(next.path, 0, `commit ${version + 1} is missing before it`)
  }
  return [...verified.values()]
}

/** Reads until the log ends or has a gap; returns the version there. */
async function verifyRun(
  memory: Memory,
  files: Files,
  cursor: LogCursor,
  verified: Map<string, VerifiedSegment>,
): Promise<number> {
  try {
    let next = cursor.next()
    for (let count = 1; typeof next !== 'string'; next = cursor.next(), count++) {
      const segment = verified.get(cursor.place!.path)
      if (segment === undefined) break // begun since the segments were listed
      const { commits, bytes } = segment
      const { version } = next.head
      verified.set(segment.path, { ...segment, version, commits: commits + 1, bytes: bytes + next.sizeBytes })
      if (count % COMMITS_PER_TURN === 0) await nextTurn()
    }
    const { damage, place, version } = cursor
    if (damage !== undefined) throw damage
    const segment = typeof next === 'string' && place !== undefined ? verified.get(place.path) : undefined
    if (segment === undefined) return version
    const lost = damageBehind(memory, files, place!, version + 1)
    if (lost !== undefined) throw lost
    verified.set(segment.path, { ...segment, tornBytes: cursor.bytesBehind })
    return version
  } finally {
    cursor.close()
  }
}

function sizeOf(files: Files, path: string): number {
  const fd = files.open(path, 'r')
  try {
    return files.sizeBytes(fd)
  } finally {
    files.close(fd)
  }
}
