import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const TMPFS_MAGIC = 0x01021994

/** A folder of its own, gone when the process ends. */
export function temporaryFolder(): string {
  return folderIn(tmpdir())
}

/** One on a real disk: where temporary folders are kept in memory, beside the running bundle. */
export function diskFolder(): string {
  const isInMemory = process.platform === 'linux' && statfsSync(tmpdir()).type === TMPFS_MAGIC
  return isInMemory ? folderIn(dirname(process.argv[1])) : temporaryFolder()
}

function folderIn(parent: string): string {
  const folder = mkdtempSync(join(parent, 'snapheap-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
