import { basename, dirname } from 'node:path'
import type { Files } from './files'

const REPLACED = /\.replaced-(\d{6})\.tmp$/
/** What Windows answers where the file that would lose its name is open or mapped. */
const IN_USE: readonly unknown[] = ['EPERM', 'EACCES', 'EBUSY']

/**
 * Gives the file `from` the name `to`, which another file may have. Where the system does not take the name from a file
 * that is in use, that file gets another name first. Should the process end in between, `replacedFile` finds it. Throws
 * what `rename` throws; then both files have their names.
 */
export function renameOver(files: Files, from: string, to: string): void {
  try {
    files.rename(from, to)
    return
  } catch (error) {
    if (!IN_USE.includes((error as NodeJS.ErrnoException).code) || files.nameCount(to) === 0) throw error
  }
  const aside = `${to}.replaced-${String(numbersOf(files, to)[0] + 1).padStart(6, '0')}.tmp`
  files.rename(to, aside)
  try {
    files.rename(from, to)
  } catch (error) {
    files.rename(aside, to)
    throw error
  }
  try {
    files.remove(aside)
  } catch {} // in use: it is removed at the next opening for writing
}

/** The file that had the name `path` last, where `renameOver` was cut off before another got it. */
export function replacedFile(files: Files, path: string): string | undefined {
  if (files.exists(path)) return undefined
  const [number] = numbersOf(files, path)
  return number === 0 ? undefined : `${path}.replaced-${String(number).padStart(6, '0')}.tmp`
}

/** Gives that file its name back. For the holder of the writer lock. */
export function recoverReplaced(files: Files, path: string): void {
  const replaced = replacedFile(files, path)
  if (replaced !== undefined) files.rename(replaced, path)
}

/** Numbers of files that had the name `path`, the newest first, and 0 behind them. */
function numbersOf(files: Files, path: string): number[] {
  const start = basename(path)
  const numbers = files.list(dirname(path)).map((name) => {
    const match = REPLACED.exec(name)
    return match !== null && name.replace(REPLACED, '') === start ? Number(match[1]) : 0
  })
  return [...numbers, 0].sort((a, b) => b - a)
}
