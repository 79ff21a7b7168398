import { SnapheapError } from '../errors'
import { newestRootOf } from '../heap/file-states'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import { isSegmentName, logFolderOf } from './format'
import { contentsEnd } from './segments'

/** A writer makes a checkpoint in some milliseconds at best. */
const MOST_ATTEMPTS = 50
/**
 * What a reader finds where a file is removed or replaced that it has just seen, or a record is written that it reads.
 */
const IF_CHANGED: readonly string[] = ['CORRUPT', 'NOT_FOUND']

/**
 * Reads file and log beside the process that writes them. Where that fails, because the writer has gone on, replaced
 * the file or removed log meanwhile, it reads again; an error stands when nothing has changed since the attempt before.
 */
export function readSteadily<T>(memory: Memory, files: Files, path: string, read: () => T): T {
  let before: string | undefined
  for (let attempt = 1; ; attempt++) {
    try {
      return read()
    } catch (error) {
      const mayPass = error instanceof SnapheapError && IF_CHANGED.includes(error.code) && attempt < MOST_ATTEMPTS
      if (!mayPass) throw error
      const now = stateOf(memory, files, path)
      if (now === before) throw error
      before = now
    }
  }
}

/** What a writer changes with each commit, checkpoint and rewrite, and when it removes log. */
function stateOf(memory: Memory, files: Files, path: string): string {
  const folder = logFolderOf(path)
  const names = files.list(folder)
  const segment = names.filter(isSegmentName).at(-1)
  const root = known(() => newestRootOf(memory, files, path))
  const end = segment === undefined ? 0 : known(() => endOf(files, `${folder}/${segment}`))
  return JSON.stringify([names, end, root?.sequence, root?.version, root?.timeMs])
}

function endOf(files: Files, path: string): number {
  const fd = files.open(path, 'r')
  try {
    return contentsEnd(files, fd, 0)
  } finally {
    files.close(fd)
  }
}

function known<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined // removed since it was listed, or damaged
  }
}
