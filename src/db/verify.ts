import { resolve } from 'node:path'
import { ensure, ensureOptions, FUNCTION, PATH } from '../arguments'
import { nodeFiles } from '../heap/files'
import type { Memory } from '../heap/memory'
import { type VerifiedFile, type VerifyProgress, verifyFile } from '../heap/verify'
import { type VerifiedSegment, verifyLog } from '../log/verify'
import { defaultMemory, MEMORY } from './open-heap'

export interface VerifyOptions {
  readonly onProgress?: (progress: VerifyProgress) => void
  /** As for `open`. */
  readonly memory?: Memory
}

/** What a database's file and log hold. */
export interface VerifiedDatabase extends VerifiedFile {
  /** Of the log, ascending; none without one. */
  readonly segments: readonly VerifiedSegment[]
}

/**
 * Reads a database's file and log and checks every checksum in them, and that the log's commits continue each other, without
 * opening the database: beside a writer too. Returns what they hold. Throws `CORRUPT` naming the damaged blocks, or the segment
 * and where in it, `NOT_FOUND`, `VERSION`, `IO`.
 */
export async function verify(path: string, options: VerifyOptions = {}): Promise<VerifiedDatabase> {
  ensure('The path', path, PATH)
  ensureOptions('verify', options, { onProgress: FUNCTION, memory: MEMORY })
  const memory = options.memory ?? defaultMemory()
  const file = await verifyFile(memory, path, options.onProgress)
  return { ...file, segments: await verifyLog(memory, nodeFiles, resolve(path)) }
}
