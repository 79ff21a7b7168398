import { dirname } from 'node:path'
import { SnapheapError } from '../errors'
import type { Files } from './files'
import { ioError } from './io-error'
import type { PoolFile } from './pool-file'
import { renameOver } from './replaced-file'

/** Whether a file of the same name may be replaced. */
interface PromotionOptions {
  readonly replace?: boolean
}

/** Gives a file written beside `path` that name. Throws `EXISTS`, `IO`; then it still has its own. */
export function promote(files: Files, file: PoolFile, path: string, options: PromotionOptions): void {
  let replaced: number | undefined
  try {
    refuseExisting(files, path, options)
    // held open, or the rename would wait for its blocks to be freed
    if (files.exists(path)) replaced = files.open(path, 'r')
    renameOver(files, file.path, path)
    file.path = path
  } catch (error) {
    throw ioError('save', path, error)
  } finally {
    if (replaced !== undefined) files.closeAsync(replaced).catch(() => undefined)
  }
}

export function refuseExisting(files: Files, path: string, options: PromotionOptions): void {
  if (options.replace === true || !files.exists(path)) return
  throw new SnapheapError('EXISTS', `${path} exists already. Choose another path, or pass { replace: true }.`, {
    path,
  })
}

export function ensureFolderOf(files: Files, path: string): void {
  if (files.exists(dirname(path))) return
  throw new SnapheapError('NOT_FOUND', `The folder of ${path} does not exist. Make it, or choose another path.`, {
    path,
  })
}
