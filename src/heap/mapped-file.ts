import { assert, type SnapheapError } from '../errors'
import { FileWindows } from './file-windows'
import { ZERO_BLOCK } from './layout'
import type { Memory } from './memory'
import { type DamagedBlock, damagedBlocks } from './placed-blocks'
import type { PendingBlock, PoolFile } from './pool-file'
import type { Windows } from './windows'

/** A file is rewritten, dropping dead blocks, when more than half of it (and more than 128 blocks) is dead. */
const DEAD_SHARE = 0.5
const DEAD_BLOCKS_AT_LEAST = 128

/**
 * A file whose blocks are read through windows of memory: what is where, and whether it is what it was when it was
 * written.
 */
export class MappedFile {
  private readonly fileWindows: FileWindows

  constructor(
    private readonly memory: Memory,
    private readonly windows: Windows,
    readonly file: PoolFile,
  ) {
    this.fileWindows = new FileWindows(windows, file.fd)
  }

  /** Makes readable what the newest state reaches; places from `from` on were just written. */
  cover(from: number): void {
    this.fileWindows.cover(from, this.file.root.fileBlocks)
  }

  /** The physical block of a logical one in the newest state. */
  physicalOf(block: number): number {
    return this.fileWindows.physicalOf(this.file.places[block] ?? 0)
  }

  /** The block table of the newest state. */
  table(): Uint32Array {
    return this.file.places.map((place) => this.fileWindows.physicalOf(place))
  }

  /** Whether a physical block is one of this file. */
  holds(physical: number): boolean {
    return this.fileWindows.placeOf(physical) !== 0
  }

  /**
   * Whether a physical block is one of the newest state, in which logical block `block` is mostly the one that has it.
   */
  knows(block: number, physical: number): boolean {
    const place = this.fileWindows.placeOf(physical)
    return place !== 0 && this.file.checksumOf(block, place) !== undefined
  }

  /** The places and checksums of those blocks of a table that are in this file, wherever in the heap they are now. */
  keptPlaces(table: Uint32Array): { places: Uint32Array; checksums: Uint32Array } {
    const places = new Uint32Array(table.length)
    const checksums = new Uint32Array(table.length)
    for (let block = 0; block < table.length; block++) {
      const place = this.fileWindows.placeOf(table[block])
      if (place === 0) continue
      const checksum = this.file.checksumOf(block, place)
      assert(checksum !== undefined, `block ${block} is at a place of the file that its map does not have`)
      places[block] = place
      checksums[block] = checksum
    }
    return { places, checksums }
  }

  /** The blocks of a table, to be written into another file. Throws `CORRUPT` where one is known to be damaged. */
  pending(table: Uint32Array): PendingBlock[] {
    const blocks: PendingBlock[] = []
    const damaged: DamagedBlock[] = []
    const { places, checksums } = this.keptPlaces(table)
    for (let block = 0; block < table.length; block++) {
      if (table[block] === ZERO_BLOCK) continue
      const place = places[block]
      if (this.fileWindows.isCondemned(place)) damaged.push({ block, place })
      else {
        const bytes = this.windows.blockBytes(table[block])
        const source = { path: this.file.path, place, checksum: checksums[block] }
        blocks.push(place === 0 ? { block, bytes } : { block, bytes, source })
      }
    }
    if (damaged.length > 0) throw damagedBlocks(this.file.path, damaged)
    return blocks
  }

  /**
   * What is wrong with a block that is in this file: its bytes do not match their checksum. Undefined where they do.
   */
  damageOf(block: number, physical: number): DamagedBlock | undefined {
    const place = this.fileWindows.placeOf(physical)
    return place === 0 || this.isWhole(block, place) ? undefined : { block, place }
  }

  get hasCondemned(): boolean {
    return this.fileWindows.hasCondemned
  }

  /**
   * Has reads of damaged blocks throw what `refusal` makes: those that are damaged in memory, too (memory that
   * is not mapped holds a copy of the file, which may differ from it). Returns the physical block that replaces each.
   */
  condemn(found: readonly DamagedBlock[], refusal: (damage: DamagedBlock) => SnapheapError): Map<number, number> {
    const replaced = new Map<number, number>()
    for (const damage of found) {
      const { block, place } = damage
      if (this.file.checksumOf(block, place) === undefined || this.isWhole(block, place)) continue
      const condemned = this.fileWindows.condemn(place, () => refusal(damage))
      if (condemned !== undefined) replaced.set(condemned.mapped, condemned.refused)
    }
    return replaced
  }

  private isWhole(block: number, place: number): boolean {
    if (this.fileWindows.isCondemned(place)) return false
    const bytes = this.windows.blockBytes(this.fileWindows.mappedAt(place))
    return this.memory.crc32c(bytes) === this.file.checksumOf(block, place)
  }

  /** Gives the windows back, not the file. */
  release(): void {
    this.fileWindows.release()
  }

  /**
   * Whether a save rewrites the file instead of appending to it. A file in which damaged blocks are known is appended
   * to: they cannot be written anywhere else. So is one whose newest state is damaged: the root of the next takes the
   * place of its root, and the file is whole again, with its earlier states.
   */
  needsRewrite(isCompacting: boolean): boolean {
    const { skipped, deadBlocks, lengthBlocks } = this.file
    if (skipped !== undefined || isCompacting) return skipped === undefined
    return !this.hasCondemned && deadBlocks > DEAD_BLOCKS_AT_LEAST && deadBlocks > lengthBlocks * DEAD_SHARE
  }
}
