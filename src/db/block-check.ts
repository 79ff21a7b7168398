import { isDeepStrictEqual } from 'node:util'
import type { SnapheapError } from '../errors'
import type { FileRoot } from '../heap/file-format'
import type { Files } from '../heap/files'
import type { Heap } from '../heap/heap'
import { ioError } from '../heap/io-error'
import type { Memory } from '../heap/memory'
import { type DamagedBlock, damagedBlocks } from '../heap/placed-blocks'
import { BLOCKS_PER_WRITE, PoolFile } from '../heap/pool-file'
import { Scrub, type ScrubReport } from '../heap/scrub'
import { callSafely } from './commit-feed'

/**
 * Whether the blocks of the file are compared with their checksums, all of them. `full`: before the database is open.
 * `background`: beside everything else, 64 MiB a second, or as many `bytesPerSecond` as are given; `onDone` gets the
 * result.
 */
export type BlockCheck =
  | 'full'
  | 'background'
  | { readonly bytesPerSecond?: number; readonly onDone?: (report: ScrubReport) => void }

const BYTES_PER_SECOND = 64 << 20

/**
 * Compares all blocks of a file that is about to be opened, unless `checked` is the state it is in. Throws `CORRUPT`
 * naming the damaged ones.
 */
export function checkNow(files: Files, file: PoolFile, checked: FileRoot | undefined): void {
  if (isDeepStrictEqual(file.root, checked)) return
  ensureNone(file.path, file.placedBlocks().check(files, file, BLOCKS_PER_WRITE))
}

/**
 * The same off the event loop, for the file at a path. Returns the state that was checked; undefined where there is no
 * file.
 */
export async function checkAsync(
  memory: Memory,
  files: Files,
  path: string,
  skipsDamaged: boolean,
): Promise<FileRoot | undefined> {
  if (!files.exists(path)) return undefined
  const file = PoolFile.open(memory, files, path, false, undefined, skipsDamaged)
  try {
    const found: DamagedBlock[] = []
    for await (const { damaged } of file.placedBlocks().checkAsync(files, file, BLOCKS_PER_WRITE))
      found.push(...damaged)
    ensureNone(path, found)
    return file.root
  } catch (error) {
    throw ioError('check', path, error)
  } finally {
    file.close()
  }
}

/** Begins the check in the background that was asked for. What it finds damaged cannot be read from then on. */
export function scrubOf(
  { memory, files, world, path, quarantine }: Heap,
  check: BlockCheck | undefined,
  onFailure: (error: SnapheapError) => void,
): Scrub | undefined {
  if (path === undefined || check === undefined || check === 'full') return undefined
  const { bytesPerSecond = BYTES_PER_SECOND, onDone = () => undefined } = check === 'background' ? {} : check
  const onDamage = (found: readonly DamagedBlock[]): void => quarantine.condemn(found)
  const done = (report: ScrubReport): void => callSafely(() => onDone(report))
  return new Scrub(memory, files, world, path, { bytesPerSecond, onDamage, onFailure, onDone: done })
}

function ensureNone(path: string, found: readonly DamagedBlock[]): void {
  if (found.length > 0) throw damagedBlocks(path, found)
}
