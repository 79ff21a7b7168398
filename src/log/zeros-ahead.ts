import type { Files } from '../heap/files'
import { ZEROS_AHEAD_BYTES } from './format'

/** Behind records larger than this no zeros are written: it would write most of the log twice. */
const MOST_RECORD_BYTES = ZEROS_AHEAD_BYTES / 4
const ZEROS = new Uint8Array(ZEROS_AHEAD_BYTES)

/**
 * The zeros behind the last record of a segment: where a record takes the place of zeros, the file keeps its size and
 * its blocks, and the sync is shorter.
 */
export class ZerosAhead {
  /** Where they end; there are none where records have come further. */
  end = 0

  constructor(
    private readonly files: Files,
    /** A segment is ended when it is larger. */
    private readonly segmentBytes: number,
  ) {}

  /**
   * Writes more of them when records of `sizeBytes`, which end at `position`, have come further. Apart from the
   * records: a commit must not fail with all of its record written, for after a power cut it could be there.
   */
  extend(fd: number, position: number, sizeBytes: number): void {
    if (this.end >= position || sizeBytes > MOST_RECORD_BYTES) return
    const end = Math.min(this.segmentBytes, Math.ceil(position / ZEROS_AHEAD_BYTES) * ZEROS_AHEAD_BYTES)
    if (end <= position) return
    try {
      this.files.write(fd, ZEROS.subarray(0, end - position), position)
      this.end = end
    } catch {} // what is wrong with the device, the next record or sync tells
  }
}
