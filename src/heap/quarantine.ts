import type { SnapheapError } from '../errors'
import type { MappedFile } from './mapped-file'
import type { Pins } from './pins'
import { type DamagedBlock, damagedBlocks } from './placed-blocks'
import type { PoolFile } from './pool-file'
import type { View } from './view'
import type { Writer } from './writer'

/** What a quarantine needs of a heap. */
export interface Quarantined {
  readonly live: View
  readonly pins: Pins
  readonly writer: Writer
  /** The heap's own file, undefined without one. */
  readonly mapped: MappedFile | undefined
  /** Runs work when no transaction is open and no save is running. */
  whenQuiet(work: () => void): void
}

/**
 * Keeps blocks whose bytes do not match their checksums from being copied and, once they are known, from being read.
 */
export class Quarantine {
  constructor(private readonly heap: Quarantined) {}

  /** Throws `CORRUPT` where a block that is in the file is not what it was: a copy would get a checksum that fits. */
  prove(block: number, physical: number): void {
    const { mapped } = this.heap
    const damage = mapped?.damageOf(block, physical)
    if (damage === undefined) return
    this.condemn([damage])
    throw this.refusalOf(mapped!.file, damage)
  }

  /**
   * Has reads of damaged blocks of the heap's own file throw `CORRUPT`, in every version that is shown, from the end of
   * the open transaction and of a running save on. Reads of other blocks cost what they did.
   */
  condemn(found: readonly DamagedBlock[]): void {
    const { heap } = this
    const { mapped } = heap
    heap.whenQuiet(() => {
      if (mapped === undefined || heap.mapped !== mapped) return
      const replaced = mapped.condemn(found, (damage) => this.refusalOf(mapped.file, damage))
      if (replaced.size === 0) return
      for (const table of new Set([heap.live.table, ...heap.pins.all.map((pin) => pin.table)])) {
        for (let block = 0; block < table.length; block++) {
          const refused = replaced.get(table[block])
          if (refused !== undefined) table[block] = refused
        }
      }
      heap.live.generation++
    })
  }

  /**
   * The error of what needs a damaged block. A transaction that has met it cannot be committed: half of a change may be
   * done.
   */
  private refusalOf(file: PoolFile, damage: DamagedBlock): SnapheapError {
    const error = damagedBlocks(file.path, [damage])
    this.heap.writer.spoil(error)
    return error
  }
}
