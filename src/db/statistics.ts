import type { Heap } from '../heap/heap'
import { BLOCK_BYTES, WORD_BYTES } from '../heap/layout'
import type { ScrubReport } from '../heap/scrub'

export interface LogStatistics {
  readonly durability: 'commit' | 'interval' | 'none'
  /** Every commit up to this version is on the device. */
  readonly syncedVersion: number
  /** Written since the last checkpoint began. */
  readonly bytesSinceCheckpoint: number
}

/** Sizes in bytes. */
export interface StoreStatistics {
  readonly version: number
  /**
   * How memory is had: `native` maps the file, `plain` loads it, which is what happens where the addon does not load.
   */
  readonly memory: string
  /** Undefined for a database that keeps no log. */
  readonly log: LogStatistics | undefined
  /** Address space that was ever handed out. */
  readonly heapBytes: number
  /** Of that: in rows, indexes and values. */
  readonly usedBytes: number
  /** Of that: given back, or in the rounding of allocations. */
  readonly freeBytes: number
  /** Of these: in blocks that were never written, which take no space. */
  readonly neverWrittenBytes: number
  /** Blocks changed since they were last in the file. */
  readonly changedBlocks: number
  /** Memory of this process that holds changed blocks and what snapshots keep. */
  readonly arenaBytes: number
  /** Of that: only pinned snapshots still see it. */
  readonly retainedBytes: number
  readonly fileBytes: number
  /**
   * Of that: earlier versions that the newest saved state does not reach. The file is rewritten when they are too many.
   */
  readonly deadFileBytes: number
  readonly deadFileBlocks: number
  /** The check of all blocks in the background (`verify: 'background'`); undefined without one. */
  readonly scrub: ScrubReport | undefined
  /** Who holds which version for how long. */
  readonly snapshots: readonly { owner: string; heldMs: number }[]
}

export function storeStatistics(
  heap: Heap,
  log: LogStatistics | undefined,
  scrub: ScrubReport | undefined,
): StoreStatistics {
  const blocks = heap.statistics()
  const writtenBytes = blocks.writtenBlocks * BLOCK_BYTES
  const usedBytes = Math.min(blocks.allocatedWords * WORD_BYTES, writtenBytes)
  const now = heap.world.elapsedMs()
  return {
    version: heap.version,
    memory: heap.memory.name,
    log: log && {
      durability: log.durability,
      syncedVersion: log.syncedVersion,
      bytesSinceCheckpoint: log.bytesSinceCheckpoint,
    },
    heapBytes: blocks.topBlocks * BLOCK_BYTES,
    usedBytes,
    freeBytes: writtenBytes - usedBytes,
    neverWrittenBytes: blocks.neverWrittenBlocks * BLOCK_BYTES,
    changedBlocks: blocks.changedBlocks,
    arenaBytes: blocks.arenaBlocks * BLOCK_BYTES,
    retainedBytes: blocks.retainedBlocks * BLOCK_BYTES,
    fileBytes: blocks.fileBlocks * BLOCK_BYTES,
    deadFileBytes: blocks.deadFileBlocks * BLOCK_BYTES,
    deadFileBlocks: blocks.deadFileBlocks,
    scrub,
    snapshots: heap.pins.all.map((pin) => ({ owner: pin.owner, heldMs: now - pin.sinceMs })),
  }
}
