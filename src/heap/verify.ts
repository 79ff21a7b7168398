import { setImmediate as nextTurn } from 'node:timers/promises'
import { damaged, decodeRoot, mapBlocks, ROOT_SLOT, ROOT_SLOT_OFFSETS } from './file-format'
import { earlierRoots, readMap, readRange } from './file-states'
import type { Files } from './files'
import { ioError } from './io-error'
import { BLOCK_BYTES } from './layout'
import type { Memory } from './memory'
import { type DamagedBlock, damagedBlocks, PlacedBlocks } from './placed-blocks'
import { BLOCKS_PER_WRITE, PoolFile } from './pool-file'

const MOST_LOOKS = 3

/** What a whole file holds. */
export interface VerifiedFile {
  /** The commit version that was saved last, when (milliseconds since 1970), and what the owner said of it. */
  readonly version: number
  readonly savedAtMs: number
  readonly annotation: string
  /** Saved states that the file holds: the newest, and earlier ones for points in time. */
  readonly states: number
  /** Blocks of data of all of them, each found to match its checksum. */
  readonly blocks: number
  /** Bytes that were checked: header, maps and blocks. */
  readonly bytes: number
}

export interface VerifyProgress {
  readonly checkedBlocks: number
  readonly totalBlocks: number
}

/**
 * Reads a file and checks it against every checksum: header, both roots, and of each state that it holds the map and
 * every block. Reads in pieces of 2 MiB off the event loop, takes no lock, and holds for the state that is newest when
 * it begins, also while a writer appends. Throws `CORRUPT` naming the first damaged blocks (all of them, up to a limit,
 * in `details.blocks`), `NOT_FOUND`, `VERSION`, `IO`.
 */
export async function verifyFile(
  memory: Memory,
  files: Files,
  path: string,
  onProgress?: (progress: VerifyProgress) => void,
): Promise<VerifiedFile> {
  const file = PoolFile.open(memory, files, path, false)
  try {
    await checkRoots(memory, files, file)
    const { placed, states, bytes } = await readMaps(memory, files, file)
    const found: DamagedBlock[] = []
    let checkedBlocks = 0
    for await (const { run, damaged } of placed.checkAsync(files, file, BLOCKS_PER_WRITE)) {
      found.push(...damaged)
      checkedBlocks += run.count
      onProgress?.({ checkedBlocks, totalBlocks: placed.count })
    }
    if (found.length > 0) throw damagedBlocks(path, found)
    const { version, timeMs, annotation } = file.root
    return { version, savedAtMs: timeMs, annotation, states, blocks: placed.count, bytes }
  } catch (error) {
    throw ioError('verify', path, error)
  } finally {
    file.close()
  }
}

/**
 * Opening falls back to the older root when the newer is torn; here that is damage, for a saved state is missing. Only
 * the root slot that the second save will fill may be empty.
 */
async function checkRoots(memory: Memory, files: Files, file: PoolFile): Promise<void> {
  for (const offset of ROOT_SLOT_OFFSETS) {
    for (let attempt = 1; ; attempt++) {
      const slot = readRange(files, file.fd, offset, ROOT_SLOT.sizeBytes)
      if (file.root.sequence === 1 && slot.every((byte) => byte === 0)) break
      if (decodeRoot(memory, slot, Number.POSITIVE_INFINITY) !== undefined) break
      if (attempt === MOST_LOOKS) {
        const shown = `opening it shows version ${file.root.version}, which may not be the last that was saved`
        throw damaged(file.path, `the root at byte ${offset} is torn; ${shown}`)
      }
      await nextTurn() // its writer may be writing it
    }
  }
}

/** What the maps of all states say, each found to match its checksum. */
async function readMaps(
  memory: Memory,
  files: Files,
  file: PoolFile,
): Promise<{ placed: PlacedBlocks; states: number; bytes: number }> {
  const placed = new PlacedBlocks(memory, file.root.fileBlocks)
  let states = 0
  let maps = 0
  for (const root of [file.root, ...earlierRoots(memory, files, file.fd, file.root)]) {
    const { places, checksums } = states === 0 ? file : readMap(memory, files, file.fd, file.path, root)
    const problem = placed.add(places, checksums)
    if (problem !== undefined) throw damaged(file.path, problem)
    states++
    maps += mapBlocks(root.mapEntries)
    await nextTurn() // there is one for each checkpoint since the file was last rewritten
  }
  return { placed, states, bytes: (1 + maps + placed.count) * BLOCK_BYTES }
}
