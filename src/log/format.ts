import { SnapheapError } from '../errors'
import type { Memory } from '../heap/memory'

/**
 * The log: a folder beside the heap's file, of segments named by the version before their first record. A segment is a
 * header and records; a commit is one record, or several parts when it is large. All numbers are little-endian.
 * docs/format.md draws this; a test compares the two.
 */
export const SEGMENT_MAGIC = 'SNAPLOG\n'
export const LOG_FORMAT_VERSION = 1

/** Byte offsets in a segment's header. */
export const SEGMENT = {
  magic: 0,
  formatVersion: 8,
  flags: 12,
  heapId: 16,
  /** Double: version before the first record. */
  baseVersion: 32,
  /** CRC-32C of the record before the first, wherever that is; 0 without one. */
  baseChecksum: 40,
  checksum: 44,
  sizeBytes: 48,
} as const

/** The segment begins after changes that were never logged: only a file that holds the base version can be continued by it. */
export const SEGMENT_FLAG = { afterGap: 1 } as const

/**
 * Zeros may follow a segment's last record, written ahead of the records that will take their place: no record begins with
 * a zero. The most that they are.
 */
export const ZEROS_AHEAD_BYTES = 1 << 18

/** Offsets in a record's header, in units of 4 bytes. */
export const RECORD = {
  /** Bytes of the whole record, a multiple of 8. */
  size: 0,
  /** CRC-32C of everything behind this field. */
  checksum: 1,
  /** Checksum of the record before: a chain, so that a missing or foreign record is noticed. */
  previousChecksum: 2,
  flags: 3,
  /** Double: the version that the commit makes. */
  version: 4,
  /** Double: the version before. */
  previousVersion: 6,
  /** Double: everything up to this version was on the device when the record was written. */
  syncedVersion: 8,
  /** Double: milliseconds since 1970, as the clock said; they need not ascend. */
  timeMs: 10,
  annotationBytes: 12,
  /** Pairs of blocks that follow the annotation: the first moves to the second. */
  moves: 13,
  units: 14,
} as const

export const RECORD_FLAG = {
  /** The commit ends with this record; without it, the next record is the next part of the same commit. */
  last: 1,
  /** Addresses that a reader may have remembered have moved. */
  movedAddresses: 2,
} as const

/** A run's header is one unit: offset in the block | words << RUN_WORDS_SHIFT. */
export const RUN_WORDS_SHIFT = 16
/** Set in the unit that names a block, before its runs; a block's runs end where the next block begins. */
export const BLOCK_MARK = 0x80000000

export interface SegmentHeader {
  readonly heapId: Uint8Array
  readonly baseVersion: number
  readonly baseChecksum: number
  readonly isAfterGap: boolean
}

export function encodeSegmentHeader(memory: Memory, header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT.sizeBytes)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < SEGMENT_MAGIC.length; i++) bytes[i] = SEGMENT_MAGIC.charCodeAt(i)
  view.setUint32(SEGMENT.formatVersion, LOG_FORMAT_VERSION, true)
  view.setUint32(SEGMENT.flags, header.isAfterGap ? SEGMENT_FLAG.afterGap : 0, true)
  bytes.set(header.heapId, SEGMENT.heapId)
  view.setFloat64(SEGMENT.baseVersion, header.baseVersion, true)
  view.setUint32(SEGMENT.baseChecksum, header.baseChecksum, true)
  view.setUint32(SEGMENT.checksum, memory.crc32c(bytes.subarray(0, SEGMENT.checksum)), true)
  return bytes
}

/** The header that the bytes hold, or what is wrong with them, in words. Throws `VERSION`. */
export function decodeSegmentHeader(memory: Memory, path: string, bytes: Uint8Array): SegmentHeader | string {
  if (bytes.length < SEGMENT.sizeBytes) return 'it is shorter than a header'
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT.sizeBytes)
  if (String.fromCharCode(...bytes.subarray(0, SEGMENT_MAGIC.length)) !== SEGMENT_MAGIC) return 'it is no log segment'
  if (memory.crc32c(bytes.subarray(0, SEGMENT.checksum)) !== view.getUint32(SEGMENT.checksum, true))
    return 'its header does not match its checksum'
  const version = view.getUint32(SEGMENT.formatVersion, true)
  if (version !== LOG_FORMAT_VERSION) {
    throw new SnapheapError(
      'VERSION',
      `${path} has log format ${version}; this build reads ${LOG_FORMAT_VERSION}. Use the release of snapheap that wrote it.`,
      { path, version },
    )
  }
  return {
    heapId: bytes.slice(SEGMENT.heapId, SEGMENT.heapId + 16),
    baseVersion: view.getFloat64(SEGMENT.baseVersion, true),
    baseChecksum: view.getUint32(SEGMENT.baseChecksum, true),
    isAfterGap: (view.getUint32(SEGMENT.flags, true) & SEGMENT_FLAG.afterGap) !== 0,
  }
}

/** A segment's file name. Names sort as versions do. */
export function segmentName(baseVersion: number): string {
  return `${String(baseVersion).padStart(16, '0')}.log`
}

export function isSegmentName(name: string): boolean {
  return /^\d{16}\.log$/.test(name)
}

/** An earlier file of the heap, kept in the log's folder by its version, because commits after it are. */
export function baseName(version: number): string {
  return `${String(version).padStart(16, '0')}.heap`
}

export function isBaseName(name: string): boolean {
  return /^\d{16}\.heap$/.test(name)
}

/** The folder of the log of the heap in a file. */
export function logFolderOf(path: string): string {
  return `${path}.log`
}
