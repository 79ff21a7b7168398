import { ensure, ensureOptions, FUNCTION, PATH } from '../arguments'
import type { Memory } from '../heap/memory'
import { type VerifiedFile, type VerifyProgress, verifyFile } from '../heap/verify'
import { defaultMemory, MEMORY } from './open-heap'

export interface VerifyOptions {
  readonly onProgress?: (progress: VerifyProgress) => void
  /** As for `open`. */
  readonly memory?: Memory
}

/**
 * Reads a database's file and checks every checksum in it, without opening the database: beside a writer too. Returns
 * what the file holds. Throws `CORRUPT` naming the damaged blocks, `NOT_FOUND`, `VERSION`, `IO`.
 */
export async function verify(path: string, options: VerifyOptions = {}): Promise<VerifiedFile> {
  ensure('The path', path, PATH)
  ensureOptions('verify', options, { onProgress: FUNCTION, memory: MEMORY })
  return verifyFile(options.memory ?? defaultMemory(), path, options.onProgress)
}
