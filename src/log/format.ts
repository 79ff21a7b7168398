import { SnapheapError } from '../errors'
import { decodeFeatures, ensureFeatures, type Features, NO_FEATURES } from '../heap/file-format'
import type { Memory } from '../heap/memory'

/**
 * The log: a folder beside the heap's file, of segments named by the version before their first record. A segment is a
 * header and records; a commit is one record, or several parts when it is large. All numbers are little-endian.
 * docs/format.md draws this; a test compares the two.
 */
export const SEGMENT_MAGIC = 'SNAPLOG\n'
export const LOG_FORMAT_VERSION = 2
export const OLDEST_LOG_FORMAT_VERSION = 1

/**
 * Byte offsets in a segment's header. What is up to `checksum` is the same in every format, so that a build which knows
 * only format 1 can tell that a segment has a newer one.
 */
export const SEGMENT = {
  magic: 0,
  formatVersion: 8,
  flags: 12,
  heapId: 16,
  /** Double: version before the first record. */
  baseVersion: 32,
  /**
   * Chain of the base version: CRC-32C of the record that made it, wherever that is; 0 at version 0, and in format 1
   * after a gap.
   */
  baseChecksum: 40,
  /** CRC-32C of the bytes before it. */
  checksum: 44,
  timeline: 48,
  /** Double: the epoch of the base version. */
  epoch: 64,
  compatible: 72,
  readOnlyCompatible: 76,
  incompatible: 80,
  /** CRC-32C of the bytes from behind `checksum` to here. */
  extensionChecksum: 92,
  sizeBytes: 96,
} as const
const SEGMENT_BYTES_1 = 48

/**
 * The segment begins after changes that were never logged: only a file that holds the base version can be continued by
 * it.
 */
export const SEGMENT_FLAG = { afterGap: 1 } as const

/**
 * Zeros may follow a segment's last record, written ahead of the records that will take their place: no record begins
 * with a zero. The most that they are.
 */
export const ZEROS_AHEAD_BYTES = 1 << 18

/**
 * A file in the log's folder that names the newest commit which is on the device, for followers. Byte offsets in it;
 * the checksum is the CRC-32C of what is before it.
 */
export const DURABLE_MARK_NAME = 'durable'
export const DURABLE_MARK_MAGIC = 'SNAPMARK'
export const DURABLE_MARK = {
  magic: 0,
  /** Double. */
  version: 8,
  /** CRC-32C of the commit's last record. */
  chain: 16,
  checksum: 20,
  sizeBytes: 24,
} as const

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
  /** Double: the epoch that the commit belongs to. */
  epoch: 14,
  /** Bytes of what follows the header before it was packed; 0: it is not packed. Another unit of zero follows. */
  unpackedBytes: 16,
  units: 18,
} as const
const RECORD_UNITS_1 = 14

export const RECORD_FLAG = {
  /** The commit ends with this record; without it, the next record is the next part of the same commit. */
  last: 1,
  /** Addresses that a reader may have remembered have moved. */
  movedAddresses: 2,
  /** A commit of no changes with which an epoch begins. */
  claim: 4,
} as const

/** Bits of a record's flags for features, by what an unknown one means: as in `Features`. */
export const RECORD_FEATURES = {
  compatible: 0x0000ff00,
  readOnlyCompatible: 0x00ff0000,
  incompatible: 0xff000000,
} as const

/** A run's header is one unit: offset in the block | words << RUN_WORDS_SHIFT. */
export const RUN_WORDS_SHIFT = 16
/** Set in the unit that names a block, before its runs; a block's runs end where the next block begins. */
export const BLOCK_MARK = 0x80000000

/** What a writer says in a segment's header. */
export interface SegmentBase {
  readonly heapId: Uint8Array
  readonly baseVersion: number
  readonly baseChecksum: number
  readonly isAfterGap: boolean
  /** Undefined in format 1. */
  readonly timeline: string | undefined
  readonly epoch: number
}

export interface SegmentHeader extends SegmentBase {
  readonly formatVersion: number
  readonly features: Features
  /** Where the first record begins. */
  readonly sizeBytes: number
  /** Units of 4 bytes in the header of each of its records. */
  readonly recordUnits: number
}

export function encodeSegmentHeader(memory: Memory, header: SegmentBase): Uint8Array {
  const bytes = new Uint8Array(SEGMENT.sizeBytes)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < SEGMENT_MAGIC.length; i++) bytes[i] = SEGMENT_MAGIC.charCodeAt(i)
  view.setUint32(SEGMENT.formatVersion, LOG_FORMAT_VERSION, true)
  view.setUint32(SEGMENT.flags, header.isAfterGap ? SEGMENT_FLAG.afterGap : 0, true)
  bytes.set(header.heapId, SEGMENT.heapId)
  view.setFloat64(SEGMENT.baseVersion, header.baseVersion, true)
  view.setUint32(SEGMENT.baseChecksum, header.baseChecksum, true)
  view.setUint32(SEGMENT.checksum, memory.crc32c(bytes.subarray(0, SEGMENT.checksum)), true)
  bytes.set(Buffer.from(header.timeline ?? '', 'hex'), SEGMENT.timeline)
  view.setFloat64(SEGMENT.epoch, header.epoch, true)
  view.setUint32(SEGMENT.extensionChecksum, memory.crc32c(extensionOf(bytes)), true)
  return bytes
}

function extensionOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(SEGMENT.checksum + 4, SEGMENT.extensionChecksum)
}

/** The header that the bytes hold, or what is wrong with them, in words. Throws `VERSION`. */
export function decodeSegmentHeader(memory: Memory, path: string, bytes: Uint8Array): SegmentHeader | string {
  if (bytes.length < SEGMENT_BYTES_1) return 'it is shorter than a header'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (String.fromCharCode(...bytes.subarray(0, SEGMENT_MAGIC.length)) !== SEGMENT_MAGIC) return 'it is no log segment'
  if (memory.crc32c(bytes.subarray(0, SEGMENT.checksum)) !== view.getUint32(SEGMENT.checksum, true))
    return 'its header does not match its checksum'
  const formatVersion = view.getUint32(SEGMENT.formatVersion, true)
  if (formatVersion < OLDEST_LOG_FORMAT_VERSION || formatVersion > LOG_FORMAT_VERSION) {
    throw new SnapheapError(
      'VERSION',
      `${path} has log format ${formatVersion}; this build reads formats ${OLDEST_LOG_FORMAT_VERSION} to ` +
        `${LOG_FORMAT_VERSION}. Use the release of snapheap that wrote it.`,
      { path, version: formatVersion },
    )
  }
  const base = {
    formatVersion,
    heapId: bytes.slice(SEGMENT.heapId, SEGMENT.heapId + 16),
    baseVersion: view.getFloat64(SEGMENT.baseVersion, true),
    baseChecksum: view.getUint32(SEGMENT.baseChecksum, true),
    isAfterGap: (view.getUint32(SEGMENT.flags, true) & SEGMENT_FLAG.afterGap) !== 0,
  }
  if (formatVersion === 1) {
    const sizes = { sizeBytes: SEGMENT_BYTES_1, recordUnits: recordUnits(formatVersion) }
    return { ...base, ...sizes, timeline: undefined, epoch: 0, features: NO_FEATURES }
  }
  if (bytes.length < SEGMENT.sizeBytes) return 'it is shorter than a header'
  if (memory.crc32c(extensionOf(bytes)) !== view.getUint32(SEGMENT.extensionChecksum, true))
    return 'its header does not match its checksum'
  const features = decodeFeatures(view, SEGMENT.compatible)
  ensureFeatures(path, features, false)
  return {
    ...base,
    timeline: Buffer.from(bytes.subarray(SEGMENT.timeline, SEGMENT.timeline + 16)).toString('hex'),
    epoch: view.getFloat64(SEGMENT.epoch, true),
    features,
    sizeBytes: SEGMENT.sizeBytes,
    recordUnits: recordUnits(formatVersion),
  }
}

/** Units of 4 bytes in the header of each record of a segment. */
export function recordUnits(formatVersion: number): number {
  return formatVersion === 1 ? RECORD_UNITS_1 : RECORD.units
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
