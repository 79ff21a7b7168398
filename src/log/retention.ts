import { join } from 'node:path'
import { show } from '../arguments'
import { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import type { World } from '../heap/world'
import { baseName, RECORD } from './format'
import { basesOf, keptFilesOf } from './history'
import { contentsEnd, listSegments, type Segment } from './segments'

/** How much log is kept beyond what recovery needs, for points in time: by age, by size, whichever keeps more. */
export interface Retention {
  readonly ms: number
  readonly bytes: number
}

const NONE: Retention = { ms: 0, bytes: 0 }
const UNITS: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
}

/** "7 days", or a number of bytes. Throws `INVALID_ARGUMENT`. */
export function parseRetention(given: string | number | undefined): Retention {
  if (given === undefined) return NONE
  if (typeof given === 'number' && given >= 0) return { ms: 0, bytes: given }
  const [, count, unit] =
    /^(\d+(?:\.\d+)?) (second|minute|hour|day|week)s?$/.exec(typeof given === 'string' ? given : '') ?? []
  if (count === undefined) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `retain.log cannot be ${show(given)}. Pass a number of bytes, or a time like "7 days" or "12 hours".`,
    )
  }
  return { ms: Number(count) * UNITS[unit], bytes: 0 }
}

/**
 * Removes segments whose commits recovery does not need, which are those up to version `keepFrom`, and no point in time
 * within the retention: a state in a file, and every commit after it, are kept for the oldest such point. Then earlier files
 * that nothing needs any more.
 */
export async function prune(
  memory: Memory,
  files: Files,
  world: World,
  path: string,
  folder: string,
  keepFrom: number,
  retention: Retention,
): Promise<void> {
  const { segments } = listSegments(memory, files, folder, undefined)
  const oldestKept = firstRetained(files, world, segments, retention)
  // one for each checkpoint since the file was last rewritten: read only where they decide
  const bases = oldestKept === undefined ? [] : basesOf(memory, files, path)
  const base = oldestKept === undefined ? undefined : bases.find(({ root }) => root.version <= oldestKept)
  const from = Math.min(keepFrom, oldestKept === undefined ? keepFrom : (base?.root.version ?? 0))
  for (let i = 0; i + 1 < segments.length && segments[i + 1].header.baseVersion <= from; i++)
    await files.removeBeside(segments[i].path)
  const isNeeded = (each: string): boolean =>
    oldestKept !== undefined &&
    (base === undefined || bases.some(({ path: other, root }) => other === each && root.version >= base.root.version))
  for (const each of keptFilesOf(files, path)) if (!isNeeded(each)) await files.removeBeside(each)
}

/** Version before the first commit that is to be kept, undefined when none is for its own sake. */
function firstRetained(
  files: Files,
  world: World,
  segments: readonly Segment[],
  { ms, bytes }: Retention,
): number | undefined {
  if (ms === 0 && bytes === 0) return undefined
  let size = 0
  let kept = segments.length - 1
  for (; kept > 0; kept--) {
    const { sizeBytes, timeMs } = measure(files, segments[kept])
    size += sizeBytes
    // a segment is kept when the one after it begins within the time: it may hold commits that are within it too
    if (size >= bytes && (timeMs === undefined || timeMs < world.nowMs() - ms)) break
  }
  return segments[Math.max(0, kept)]?.header.baseVersion
}

function measure(files: Files, { path, header }: Segment): { sizeBytes: number; timeMs: number | undefined } {
  const headerBytes = header.sizeBytes
  const fd = files.open(path, 'r')
  try {
    const head = new Uint8Array(header.recordUnits * 4)
    const count = files.read(fd, head, headerBytes)
    const timeMs = count < head.length ? undefined : new DataView(head.buffer).getFloat64(RECORD.timeMs * 4, true)
    return { sizeBytes: contentsEnd(files, fd, headerBytes), timeMs }
  } finally {
    files.close(fd)
  }
}

export function keepsHistory({ ms, bytes }: Retention): boolean {
  return ms > 0 || bytes > 0
}

/** Keeps a file that is about to be replaced as the base of the history from its version on. Throws the system's errors. */
export function keepBase(files: Files, path: string, folder: string, version: number): void {
  const kept = join(folder, baseName(version))
  if (!files.exists(path) || files.exists(kept)) return
  files.makeFolder(folder)
  files.link(path, kept)
}
