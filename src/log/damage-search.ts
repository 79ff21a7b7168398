import type { SnapheapError } from '../errors'
import type { Files } from '../heap/files'
import type { Memory } from '../heap/memory'
import type { LogPlace } from './cursor'
import { RECORD } from './format'
import { damageIn } from './recovery'

/** Read in one look, at most. */
const MOST_BYTES = 8 << 20
/** Read again with the next look, for the record that was being written. A proof that is larger is not found. */
const OVERLAP_BYTES = 1 << 20

/**
 * Looks, piece by piece, behind a place where no whole record stands, for a later one which proves that a whole one stood there.
 */
export class DamageSearch {
  private position: number

  constructor(
    private readonly memory: Memory,
    private readonly files: Files,
    readonly place: LogPlace,
    /** The commit that is not whole. */
    private readonly lost: number,
  ) {
    this.position = place.offsetBytes
  }

  /** Looks at the next piece. Returns the error for what it proves to be damaged. Throws the system's errors. */
  look(): SnapheapError | undefined {
    const { files, memory, place, lost } = this
    if (!files.exists(place.path)) return undefined
    const fd = files.open(place.path, 'r')
    try {
      const end = files.sizeBytes(fd)
      const size = Math.min(MOST_BYTES, end - this.position) & ~7
      if (size < RECORD.units * 4) return undefined
      const bytes = new Uint8Array(size)
      const found = damageIn(memory, bytes.subarray(0, files.read(fd, bytes, this.position)), lost, place)
      this.position += Math.max(0, size - OVERLAP_BYTES)
      return found
    } finally {
      files.close(fd)
    }
  }
}
