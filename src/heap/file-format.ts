import { SnapheapError } from '../errors'
import type { HistoryPoint } from './history-point'
import { BLOCK_BYTES, BLOCK_WORDS, MAX_BLOCKS } from './layout'
import type { Memory } from './memory'

/**
 * The file: a pool of 32 KiB blocks. Block 0 is the header with two root slots; a root says where the block map is; the
 * map gives each logical block its place in the file and its CRC-32C. All numbers are little-endian. docs/format.md
 * draws this; a test compares the two.
 */
export const MAGIC = 'SNAPHEAP'
export const FORMAT_VERSION = 2
export const OLDEST_FORMAT_VERSION = 1

/**
 * Byte offsets in the header block. What is up to `checksum` is the same in every format, so that a build which knows
 * only format 1 can tell that a file has a newer one.
 */
export const HEADER = {
  magic: 0,
  formatVersion: 8,
  blockWords: 12,
  heapId: 16,
  /** CRC-32C of the bytes before it. */
  checksum: 32,
  fileId: 40,
  compatible: 56,
  readOnlyCompatible: 60,
  incompatible: 64,
  /** CRC-32C of the bytes from behind `checksum` to here. */
  extensionChecksum: 124,
  sizeBytes: 128,
} as const

/** The two root slots, on pages of their own so that writing one cannot tear the other. */
export const ROOT_SLOT_OFFSETS = [4096, 8192] as const

/** Byte offsets in a root slot. */
export const ROOT_SLOT = {
  sequence: 0,
  version: 8,
  timeMs: 16,
  mapBlock: 24,
  mapEntries: 28,
  mapChecksum: 32,
  fileBlocks: 36,
  liveBlocks: 40,
  annotationBytes: 44,
  annotation: 48,
  timeline: 448,
  epoch: 464,
  chain: 472,
  loggedChain: 476,
  loggedVersion: 480,
  checksum: 508,
  sizeBytes: 512,
} as const
export const MAX_ANNOTATION_BYTES = ROOT_SLOT.timeline - ROOT_SLOT.annotation
/**
 * Set in the number of bytes of the annotation where the slot has a history point. Slots written by format 1 have none.
 */
export const ROOT_HAS_POINT = 0x80000000
/** Of an annotation in a slot without a history point. */
const MAX_ANNOTATION_BYTES_1 = ROOT_SLOT.checksum - ROOT_SLOT.annotation

/** A map entry: place in the file (block number, 0 = never written) and CRC-32C of the block. */
export const MAP_ENTRY_BYTES = 8

/** One saved state of the heap, as a root slot describes it. */
export interface FileRoot {
  /** Rises by one with every save into this file: the whole root with the highest sequence counts. */
  readonly sequence: number
  /** The heap's commit version that was saved. */
  readonly version: number
  readonly timeMs: number
  readonly mapBlock: number
  /** Logical blocks that the map covers. */
  readonly mapEntries: number
  readonly mapChecksum: number
  /** Length of the pool when this root was written, in blocks, header and map included. */
  readonly fileBlocks: number
  /** Logical blocks that have a place. */
  readonly liveBlocks: number
  /** Opaque to the heap: what the owner said this state is. */
  readonly annotation: string
  /** Undefined in a root that was written by format 1. */
  readonly point: HistoryPoint | undefined
}

/** Which bytes of a file were written for which features. An unknown feature is refused as its kind says. */
export interface Features {
  /** Unknown ones do no harm. */
  readonly compatible: number
  /** A build that does not know one of these must not write the file. */
  readonly readOnlyCompatible: number
  /** A build that does not know one of these must not read the file either. */
  readonly incompatible: number
}

export const NO_FEATURES: Features = { compatible: 0, readOnlyCompatible: 0, incompatible: 0 }

/** What the header of a file says. */
export interface FileHeader {
  readonly formatVersion: number
  readonly heapId: Uint8Array
  /** 16 random bytes, new with every file that is written anew; undefined in format 1. */
  readonly fileId: Uint8Array | undefined
  readonly features: Features
}

/** The header in format 2, without the zeros that fill its block. */
export function encodeHeader(memory: Memory, heapId: Uint8Array, fileId: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER.sizeBytes)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i)
  view.setUint32(HEADER.formatVersion, FORMAT_VERSION, true)
  view.setUint32(HEADER.blockWords, BLOCK_WORDS, true)
  bytes.set(heapId, HEADER.heapId)
  view.setUint32(HEADER.checksum, memory.crc32c(bytes.subarray(0, HEADER.checksum)), true)
  bytes.set(fileId, HEADER.fileId)
  view.setUint32(HEADER.extensionChecksum, memory.crc32c(extensionOf(bytes)), true)
  return bytes
}

function extensionOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(HEADER.checksum + 4, HEADER.extensionChecksum)
}

/** Checks a header block and returns what it says. Throws `CORRUPT` or `VERSION`. */
export function decodeHeader(memory: Memory, path: string, block: Uint8Array): FileHeader {
  const magic = String.fromCharCode(...block.subarray(0, MAGIC.length))
  if (block.length < BLOCK_BYTES || magic !== MAGIC) {
    throw new SnapheapError(
      'CORRUPT',
      `${path} is not a snapheap file: it does not begin with "${MAGIC}". Check the path.`,
      {
        path,
      },
    )
  }
  const view = new DataView(block.buffer, block.byteOffset, block.length)
  const checksum = memory.crc32c(block.subarray(0, HEADER.checksum))
  if (view.getUint32(HEADER.checksum, true) !== checksum) throw damaged(path, 'its header does not match its checksum')
  const formatVersion = view.getUint32(HEADER.formatVersion, true)
  if (formatVersion < OLDEST_FORMAT_VERSION || formatVersion > FORMAT_VERSION) {
    throw new SnapheapError(
      'VERSION',
      `${path} has file format ${formatVersion}; this build reads formats ${OLDEST_FORMAT_VERSION} to ` +
        `${FORMAT_VERSION}. Use the release of snapheap that wrote it.`,
      { path, version: formatVersion },
    )
  }
  if (view.getUint32(HEADER.blockWords, true) !== BLOCK_WORDS) throw damaged(path, 'its block size is not 4096 words')
  const heapId = block.slice(HEADER.heapId, HEADER.heapId + 16)
  if (formatVersion === 1) return { formatVersion, heapId, fileId: undefined, features: NO_FEATURES }
  if (view.getUint32(HEADER.extensionChecksum, true) !== memory.crc32c(extensionOf(block)))
    throw damaged(path, 'its header does not match its checksum')
  const fileId = block.slice(HEADER.fileId, HEADER.fileId + 16)
  return { formatVersion, heapId, fileId, features: decodeFeatures(view, HEADER.compatible) }
}

/** The three kinds of features, which lie one behind the other. */
export function decodeFeatures(view: DataView, offset: number): Features {
  return {
    compatible: view.getUint32(offset, true),
    readOnlyCompatible: view.getUint32(offset + 4, true),
    incompatible: view.getUint32(offset + 8, true),
  }
}

/**
 * This build knows no feature yet. Throws `VERSION` for a file that must not be read, or, where it is to be written,
 * not be written.
 */
export function ensureFeatures(path: string, features: Features, isWritable: boolean): void {
  const { incompatible, readOnlyCompatible } = features
  if (incompatible === 0 && (readOnlyCompatible === 0 || !isWritable)) return
  const remedy =
    incompatible === 0
      ? 'Open it with { readOnly: true }, or with a newer release.'
      : 'Use a newer release of snapheap.'
  const unknown = (incompatible === 0 ? readOnlyCompatible : incompatible).toString(16)
  throw new SnapheapError('VERSION', `${path} uses features (0x${unknown}) that this build does not know. ${remedy}`, {
    path,
    ...features,
  })
}

/** An annotation as a root slot holds it. Throws `INVALID_ARGUMENT` when it does not fit. */
export function encodeAnnotation(annotation: string): Uint8Array {
  const bytes = new TextEncoder().encode(annotation)
  if (bytes.length > MAX_ANNOTATION_BYTES) {
    throw new SnapheapError(
      'INVALID_ARGUMENT',
      `The annotation has ${bytes.length} bytes; at most ${MAX_ANNOTATION_BYTES} fit. Shorten it.`,
    )
  }
  return bytes
}

export function encodeRoot(memory: Memory, root: FileRoot): Uint8Array {
  const bytes = new Uint8Array(ROOT_SLOT.sizeBytes)
  const view = new DataView(bytes.buffer)
  const annotation = new TextEncoder().encode(root.annotation)
  view.setFloat64(ROOT_SLOT.sequence, root.sequence, true)
  view.setFloat64(ROOT_SLOT.version, root.version, true)
  view.setFloat64(ROOT_SLOT.timeMs, root.timeMs, true)
  view.setUint32(ROOT_SLOT.mapBlock, root.mapBlock, true)
  view.setUint32(ROOT_SLOT.mapEntries, root.mapEntries, true)
  view.setUint32(ROOT_SLOT.mapChecksum, root.mapChecksum, true)
  view.setUint32(ROOT_SLOT.fileBlocks, root.fileBlocks, true)
  view.setUint32(ROOT_SLOT.liveBlocks, root.liveBlocks, true)
  const { point } = root
  view.setUint32(ROOT_SLOT.annotationBytes, annotation.length | (point === undefined ? 0 : ROOT_HAS_POINT), true)
  bytes.set(annotation, ROOT_SLOT.annotation)
  if (point !== undefined) {
    bytes.set(Buffer.from(point.timeline, 'hex'), ROOT_SLOT.timeline)
    view.setFloat64(ROOT_SLOT.epoch, point.epoch, true)
    view.setUint32(ROOT_SLOT.chain, point.chain, true)
    view.setUint32(ROOT_SLOT.loggedChain, point.loggedChain, true)
    view.setFloat64(ROOT_SLOT.loggedVersion, point.loggedVersion, true)
  }
  view.setUint32(ROOT_SLOT.checksum, memory.crc32c(bytes.subarray(0, ROOT_SLOT.checksum)), true)
  return bytes
}

/** The root in a slot, or undefined when the slot is empty, torn or describes what cannot be. */
export function decodeRoot(memory: Memory, slot: Uint8Array, fileBlocks: number): FileRoot | undefined {
  const view = new DataView(slot.buffer, slot.byteOffset, ROOT_SLOT.sizeBytes)
  if (view.getUint32(ROOT_SLOT.checksum, true) !== memory.crc32c(slot.subarray(0, ROOT_SLOT.checksum))) return undefined
  const annotationField = view.getUint32(ROOT_SLOT.annotationBytes, true)
  const hasPoint = (annotationField & ROOT_HAS_POINT) !== 0
  const annotationBytes = (annotationField & ~ROOT_HAS_POINT) >>> 0
  if (annotationBytes > (hasPoint ? MAX_ANNOTATION_BYTES : MAX_ANNOTATION_BYTES_1)) return undefined
  const annotation = slot.subarray(ROOT_SLOT.annotation, ROOT_SLOT.annotation + annotationBytes)
  const root: FileRoot = {
    sequence: view.getFloat64(ROOT_SLOT.sequence, true),
    version: view.getFloat64(ROOT_SLOT.version, true),
    timeMs: view.getFloat64(ROOT_SLOT.timeMs, true),
    mapBlock: view.getUint32(ROOT_SLOT.mapBlock, true),
    mapEntries: view.getUint32(ROOT_SLOT.mapEntries, true),
    mapChecksum: view.getUint32(ROOT_SLOT.mapChecksum, true),
    fileBlocks: view.getUint32(ROOT_SLOT.fileBlocks, true),
    liveBlocks: view.getUint32(ROOT_SLOT.liveBlocks, true),
    annotation: new TextDecoder().decode(annotation),
    point: hasPoint ? decodePoint(view, slot) : undefined,
  }
  const isPlausible =
    root.sequence >= 1 &&
    root.version >= 1 &&
    root.mapBlock >= 1 &&
    root.mapEntries <= MAX_BLOCKS &&
    root.fileBlocks <= fileBlocks &&
    root.mapBlock + mapBlocks(root.mapEntries) <= root.fileBlocks
  return isPlausible ? root : undefined
}

function decodePoint(view: DataView, slot: Uint8Array): HistoryPoint {
  return {
    timeline: Buffer.from(slot.subarray(ROOT_SLOT.timeline, ROOT_SLOT.timeline + 16)).toString('hex'),
    epoch: view.getFloat64(ROOT_SLOT.epoch, true),
    chain: view.getUint32(ROOT_SLOT.chain, true),
    loggedChain: view.getUint32(ROOT_SLOT.loggedChain, true),
    loggedVersion: view.getFloat64(ROOT_SLOT.loggedVersion, true),
  }
}

/** Blocks that a map of so many entries takes, with the earlier root at its end. */
export function mapBlocks(entries: number): number {
  return Math.ceil((entries * MAP_ENTRY_BYTES + ROOT_SLOT.sizeBytes) / BLOCK_BYTES)
}

/** Where in the file a root's map keeps the root before it: everything that one reaches is still there. */
export function earlierRootOffset(root: FileRoot): number {
  return (root.mapBlock + mapBlocks(root.mapEntries)) * BLOCK_BYTES - ROOT_SLOT.sizeBytes
}

/** Serialises a map into whole blocks; `earlierRoot` is the slot of the root before, undefined for a file's first. */
export function encodeMap(
  places: Uint32Array,
  checksums: Uint32Array,
  entries: number,
  earlierRoot: Uint8Array | undefined,
): Uint8Array {
  const halves = new Uint32Array((mapBlocks(entries) * BLOCK_BYTES) / 4)
  for (let i = 0; i < entries; i++) {
    halves[i * 2] = places[i]
    halves[i * 2 + 1] = checksums[i]
  }
  const bytes = new Uint8Array(halves.buffer)
  if (earlierRoot !== undefined) bytes.set(earlierRoot, bytes.length - ROOT_SLOT.sizeBytes)
  return bytes
}

/**
 * Reads and checks a map: its checksum, and that every place lies inside the file (a wild one would be a SIGBUS).
 * Throws `CORRUPT`.
 */
export function decodeMap(
  memory: Memory,
  path: string,
  root: FileRoot,
  bytes: Uint8Array,
): { places: Uint32Array; checksums: Uint32Array } {
  if (memory.crc32c(bytes) !== root.mapChecksum)
    throw damaged(path, `the block map of version ${root.version} does not match its checksum`)
  const halves = new Uint32Array(bytes.buffer, bytes.byteOffset, root.mapEntries * 2)
  const places = new Uint32Array(root.mapEntries)
  const checksums = new Uint32Array(root.mapEntries)
  const { mapEntries, fileBlocks } = root
  let live = 0
  for (let i = 0; i < mapEntries; i++) {
    const place = halves[i * 2]
    if (place === 0) continue
    if (place >= fileBlocks) throw damaged(path, `its map places block ${i} outside the file`)
    places[i] = place
    checksums[i] = halves[i * 2 + 1]
    live++
  }
  if (live !== root.liveBlocks) throw damaged(path, 'its map and its root disagree about the number of blocks')
  return { places, checksums }
}

export function damaged(path: string, what: string): SnapheapError {
  return new SnapheapError('CORRUPT', `${path} is damaged: ${what}. Restore it from a copy.`, { path })
}
