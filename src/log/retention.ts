import { join } from 'node:path'
import { show } from '../arguments'
import { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import { baseName } from './format'

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

export function keepsHistory({ ms, bytes }: Retention): boolean {
  return ms > 0 || bytes > 0
}

/**
 * Keeps a file that is about to be replaced as the base of the history from its version on. Throws the system's errors.
 */
export function keepBase(files: Files, path: string, folder: string, version: number): void {
  const kept = join(folder, baseName(version))
  if (!files.exists(path) || files.exists(kept)) return
  files.makeFolder(folder)
  files.link(path, kept)
}
