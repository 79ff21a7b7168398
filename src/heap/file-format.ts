import { SnapheapError } from '../errors'
import { BLOCK_BYTES, BLOCK_WORDS, MAX_BLOCKS } from './layout'
import type { Memory } from './memory'

/**
 * The file: a pool of 32 KiB blocks. Block 0 is the header with two root slots; a root says where the block map is; the
 * map gives each logical block its place in the file and its CRC-32C. All numbers are little-endian. docs/format.md
 * draws this; a test compares the two.
 */
export const MAGIC = 'SNAPHEAP'
export const FORMAT_VERSION = 1

/** Byte offsets in the header block. */
export const HEADER = { magic: 0, formatVersion: 8, blockWords: 12, heapId: 16, checksum: 32 } as const

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
  checksum: 508,
  sizeBytes: 512,
} as const
export const MAX_ANNOTATION_BYTES = ROOT_SLOT.checksum - ROOT_SLOT.annotation

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
}

export function encodeHeader(memory: Memory, heapId: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES)
  const view = new DataView(block.buffer)
  for (let i = 0; i < MAGIC.length; i++) block[i] = MAGIC.charCodeAt(i)
  view.setUint32(HEADER.formatVersion, FORMAT_VERSION, true)
  view.setUint32(HEADER.blockWords, BLOCK_WORDS, true)
  block.set(heapId, HEADER.heapId)
  view.setUint32(HEADER.checksum, memory.crc32c(block.subarray(0, HEADER.checksum)), true)
  return block
}

/** Checks a header block and returns the heap's id. Throws `CORRUPT` or `VERSION`. */
export function decodeHeader(memory: Memory, path: string, block: Uint8Array): Uint8Array {
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
  const version = view.getUint32(HEADER.formatVersion, true)
  if (version !== FORMAT_VERSION) {
    throw new SnapheapError(
      'VERSION',
      `${path} has file format ${version}; this build reads ${FORMAT_VERSION}. Use the release of snapheap that wrote it.`,
      { path, version },
    )
  }
  if (view.getUint32(HEADER.blockWords, true) !== BLOCK_WORDS) throw damaged(path, 'its block size is not 4096 words')
  return block.slice(HEADER.heapId, HEADER.heapId + 16)
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
  const annotation = encodeAnnotation(root.annotation)
  view.setFloat64(ROOT_SLOT.sequence, root.sequence, true)
  view.setFloat64(ROOT_SLOT.version, root.version, true)
  view.setFloat64(ROOT_SLOT.timeMs, root.timeMs, true)
  view.setUint32(ROOT_SLOT.mapBlock, root.mapBlock, true)
  view.setUint32(ROOT_SLOT.mapEntries, root.mapEntries, true)
  view.setUint32(ROOT_SLOT.mapChecksum, root.mapChecksum, true)
  view.setUint32(ROOT_SLOT.fileBlocks, root.fileBlocks, true)
  view.setUint32(ROOT_SLOT.liveBlocks, root.liveBlocks, true)
  view.setUint32(ROOT_SLOT.annotationBytes, annotation.length, true)
  bytes.set(annotation, ROOT_SLOT.annotation)
  view.setUint32(ROOT_SLOT.checksum, memory.crc32c(bytes.subarray(0, ROOT_SLOT.checksum)), true)
  return bytes
}

/** The root in a slot, or undefined when the slot is empty, torn or describes what cannot be. */
export function decodeRoot(memory: Memory, slot: Uint8Array, fileBlocks: number): FileRoot | undefined {
  const view = new DataView(slot.buffer, slot.byteOffset, ROOT_SLOT.sizeBytes)
  if (view.getUint32(ROOT_SLOT.checksum, true) !== memory.crc32c(slot.subarray(0, ROOT_SLOT.checksum))) return undefined
  const annotationBytes = view.getUint32(ROOT_SLOT.annotationBytes, true)
  if (annotationBytes > MAX_ANNOTATION_BYTES) return undefined
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

/** Reads and checks a map: its checksum, and that every place lies inside the file (a wild one would be a SIGBUS). Throws `CORRUPT`. */
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
