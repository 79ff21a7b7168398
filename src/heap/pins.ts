import type { Windows } from './windows'
import type { World } from './world'

/** A reader's hold on one version: its block table stays as it is until `released`. */
export interface Pin {
  readonly id: number
  readonly owner: string
  readonly epoch: number
  /** By the world's clock that never goes back. */
  readonly sinceMs: number
  readonly table: Uint32Array
}

/** Something that readers of epochs [birth, death) may still see. */
interface Retired {
  readonly birth: number
  readonly death: number
  readonly free: () => void
}

/**
 * Epoch-based reclamation (K. Fraser, "Practical lock-freedom", 2004, chapter 5, reduced to one writer).
 *
 * The epoch rises with every pin. A block born in epoch b and replaced in epoch d is visible to exactly the pins with b
 * <= epoch < d, so it may be written in place when no pin is at or after its birth, and freed when none lies in
 * between.
 */
export class Pins {
  /** The epoch that a block copied now is born in. 0 is before all: blocks of a file. */
  epoch = 1
  /** The newest pinned epoch, 0 without pins: a block born after it is seen by the writer alone. */
  newest = 0
  private nextId = 1
  private readonly held = new Map<number, Pin>()
  private retiredBlocks: { physical: number; birth: number; death: number }[] = []
  private retiredOthers: Retired[] = []

  constructor(
    private readonly windows: Windows,
    private readonly world: World,
  ) {}

  /** Pins `table` as it is now. O(1). */
  pin(table: Uint32Array, owner: string): Pin {
    const pin: Pin = { id: this.nextId++, owner, epoch: this.epoch, sinceMs: this.world.elapsedMs(), table }
    this.epoch++
    this.hold(pin)
    return pin
  }

  /** Pins what `other` pins, while the table of the live view is being changed. */
  pinSame(other: Pin, owner: string): Pin {
    const pin: Pin = {
      id: this.nextId++,
      owner,
      epoch: other.epoch,
      sinceMs: this.world.elapsedMs(),
      table: other.table,
    }
    this.hold(pin)
    return pin
  }

  /** Lets go of a pin and frees what only it could see. Idempotent. */
  release(pin: Pin): void {
    if (!this.held.delete(pin.id)) return
    this.newest = 0
    for (const each of this.held.values()) if (each.epoch > this.newest) this.newest = each.epoch
    this.sweep()
  }

  /** Frees an arena block as soon as no pin can see it. */
  retireBlock(physical: number, birth: number): void {
    if (this.newest < birth) this.windows.giveBlock(physical)
    else this.retiredBlocks.push({ physical, birth, death: this.epoch })
  }

  /** Calls `free` as soon as every pin taken until now is released: for the windows of a file that was replaced. */
  retire(free: () => void): void {
    if (this.held.size === 0) free()
    else this.retiredOthers.push({ birth: 0, death: this.epoch, free })
  }

  get all(): Pin[] {
    return [...this.held.values()]
  }

  /** Arena blocks that only pinned snapshots still see. */
  get retained(): readonly { physical: number }[] {
    return this.retiredBlocks
  }

  /** Drops all pins and runs the waiting callbacks: the heap is closing. */
  clear(): void {
    this.held.clear()
    this.newest = 0
    this.sweep()
  }

  private hold(pin: Pin): void {
    this.held.set(pin.id, pin)
    if (pin.epoch > this.newest) this.newest = pin.epoch
  }

  private sweep(): void {
    const epochs = [...this.held.values()].map((pin) => pin.epoch).sort((a, b) => a - b)
    const isSeen = (birth: number, death: number): boolean => {
      for (const epoch of epochs) if (epoch >= birth) return epoch < death
      return false
    }
    const blocks = this.retiredBlocks
    this.retiredBlocks = []
    for (const block of blocks) {
      if (isSeen(block.birth, block.death)) this.retiredBlocks.push(block)
      else this.windows.giveBlock(block.physical)
    }
    const others = this.retiredOthers
    this.retiredOthers = []
    for (const other of others) {
      if (isSeen(other.birth, other.death)) this.retiredOthers.push(other)
      else other.free()
    }
  }
}
