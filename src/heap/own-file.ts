import { SnapheapError } from '../errors'
import type { Files } from './files'
import type { HeapOptions } from './heap-options'
import type { Memory } from './memory'
import { PoolFile } from './pool-file'

/**
 * Opens the file that a heap is read from, as the options say; undefined where there is none. Throws `CORRUPT`,
 * `VERSION`, `IO`.
 */
export function openOwnFile(memory: Memory, files: Files, path: string, options: HeapOptions): PoolFile | undefined {
  const { from = path, accepts, readOnly, recovery, check } = options
  if (from === null) return undefined
  let file: PoolFile
  try {
    file = PoolFile.open(memory, files, from, !readOnly, accepts, recovery !== undefined)
  } catch (error) {
    if (error instanceof SnapheapError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
  try {
    if (options.isDurableOnly === true) file.ensureDurable(file.root)
    check?.(file)
    return file
  } catch (error) {
    file.close()
    throw error
  }
}

/** Throws `CORRUPT` where a damaged state was skipped and `version`, which the heap has come to since, is before it. */
export function ensureRebuilt({ path, root, skipped }: PoolFile, version: number, { recovery }: HeapOptions): void {
  if (skipped === undefined || version >= skipped.version || recovery === 'cut') return
  throw new SnapheapError(
    'CORRUPT',
    `${path} is damaged in its state of version ${skipped.version}, and cannot be rebuilt: from the state of ` +
      `version ${root.version} before it, the log leads to version ${version} only. Restore it from a copy, or open ` +
      `it with { recovery: 'cut' } to go on from there and give up versions ${version + 1} to ${skipped.version}.`,
    { path, version, lostVersion: skipped.version },
  )
}
