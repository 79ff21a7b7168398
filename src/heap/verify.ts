import { fstatSync, read } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { SnapheapError } from '../errors'
import { damaged, decodeRoot, mapBlocks, ROOT_SLOT, ROOT_SLOT_OFFSETS } from './file-format'
import { nodeFiles } from './files'
import { BLOCK_BYTES } from './layout'
import type { Memory } from './memory'
import { BLOCKS_PER_WRITE, ioError, PoolFile, readRange } from './pool-file'

const readAsync = promisify(read)

/** Damaged blocks that the error names; the others it counts. */
const MOST_NAMED = 10

/** What a whole file holds. */
export interface VerifiedFile {
  /** The commit version that was saved, when (milliseconds since 1970), and what the owner said of it. */
  readonly version: number
  readonly savedAtMs: number
  readonly annotation: string
  /** Blocks of data, each found to match its checksum. */
  readonly blocks: number
  /** Bytes that were checked: header, map and blocks. */
  readonly bytes: number
}

export interface VerifyProgress {
  readonly checkedBlocks: number
  readonly totalBlocks: number
}

/**
 * Reads a file and checks it against every checksum: header, both roots, the map and each block that the newest root
 * reaches. Reads in pieces of 2 MiB off the event loop, takes no lock, and holds for the state that is newest when it
 * begins, also while a writer appends. Throws `CORRUPT` naming the first damaged blocks (all of them, up to a limit, in
 * `details.blocks`), `NOT_FOUND`, `VERSION`, `IO`.
 */
export async function verifyFile(
  memory: Memory,
  givenPath: string,
  onProgress?: (progress: VerifyProgress) => void,
): Promise<VerifiedFile> {
  const path = resolve(givenPath)
  const file = PoolFile.open(memory, nodeFiles, path, false)
  try {
    checkRoots(memory, file)
    const bad = await damagedBlocks(memory, file, onProgress)
    if (bad.length > 0) {
      const named = bad.slice(0, MOST_NAMED)
      const rest = bad.length > named.length ? ` and ${bad.length - named.length} more` : ''
      throw new SnapheapError(
        'CORRUPT',
        `${path} is damaged: ${bad.length === 1 ? 'block' : 'blocks'} ${named.join(', ')}${rest} of ${file.root.liveBlocks} do not match their checksums. Restore it from a copy.`,
        { path, blocks: named, damagedBlocks: bad.length },
      )
    }
    const { version, timeMs, annotation, liveBlocks, mapEntries } = file.root
    const bytes = (1 + mapBlocks(mapEntries) + liveBlocks) * BLOCK_BYTES
    return { version, savedAtMs: timeMs, annotation, blocks: liveBlocks, bytes }
  } catch (error) {
    throw ioError('verify', path, error)
  } finally {
    file.close()
  }
}

/**
 * Opening falls back to the older root when the newer is torn or reaches past the end of the file; here that is damage,
 * for a saved state is missing. Only the root slot that the second save will fill may be empty.
 */
function checkRoots(memory: Memory, file: PoolFile): void {
  const header = readRange(nodeFiles, file.fd, 0, BLOCK_BYTES)
  const fileBlocks = Math.floor(fstatSync(file.fd).size / BLOCK_BYTES)
  for (const offset of ROOT_SLOT_OFFSETS) {
    const slot = header.subarray(offset, offset + ROOT_SLOT.sizeBytes)
    if (file.root.sequence === 1 && slot.every((byte) => byte === 0)) continue
    if (decodeRoot(memory, slot, fileBlocks) === undefined) {
      const shown = `opening it shows version ${file.root.version}, which may not be the last that was saved`
      throw damaged(file.path, `the root at byte ${offset} is torn or reaches past the end of the file; ${shown}`)
    }
  }
}

/** Logical blocks that do not match their checksums, in the order in which they lie in the file. */
async function damagedBlocks(
  memory: Memory,
  file: PoolFile,
  onProgress?: (progress: VerifyProgress) => void,
): Promise<number[]> {
  const { places, checksums, root } = file
  const bad: number[] = []
  /** Place in the file -> logical block + 1. */
  const blockAt = new Uint32Array(root.fileBlocks)
  for (let block = 0; block < places.length; block++) {
    if (places[block] === 0) continue
    if (blockAt[places[block]] !== 0) throw damaged(file.path, `its map gives place ${places[block]} to two blocks`)
    blockAt[places[block]] = block + 1
  }
  const buffer = new Uint8Array(BLOCKS_PER_WRITE * BLOCK_BYTES)
  let checkedBlocks = 0
  for (let from = 1; from < root.fileBlocks; ) {
    if (blockAt[from] === 0) {
      from++
      continue
    }
    let to = from + 1
    while (to < root.fileBlocks && to - from < BLOCKS_PER_WRITE && blockAt[to] !== 0) to++
    const count = to - from
    await readWhole(file, buffer.subarray(0, count * BLOCK_BYTES), from * BLOCK_BYTES)
    for (let i = 0; i < count; i++) {
      const block = blockAt[from + i] - 1
      const checksum = memory.crc32c(buffer.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES))
      if (checksum !== checksums[block]) bad.push(block)
    }
    checkedBlocks += count
    onProgress?.({ checkedBlocks, totalBlocks: root.liveBlocks })
    from = to
  }
  return bad
}

async function readWhole(file: PoolFile, target: Uint8Array, offsetBytes: number): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await readAsync(file.fd, target, done, target.length - done, offsetBytes + done)
    if (bytesRead === 0) throw damaged(file.path, 'it became shorter while it was read')
    done += bytesRead
  }
}
