import { resolve } from 'node:path'
import { SnapheapError } from '../errors'
import type { Heap } from './heap'
import { openForReading } from './heap-lock'
import { fork, type HistoryPoint } from './history-point'
import type { HeapSnapshot } from './snapshots'
import type { PinnedState, SaveOptions, Storage } from './storage'

/** Writes versions of a heap into files, one after the other, beside commits. */
export class HeapSaves {
  constructor(
    private readonly heap: Heap,
    private readonly storage: Storage,
  ) {}

  /** `Heap.save`. */
  async save(options: SaveOptions, isCompacting: boolean): Promise<void> {
    const { heap } = this
    const { path, journal } = heap
    if (path === undefined) {
      throw new SnapheapError('INVALID_ARGUMENT', 'This heap is in memory only. Name a file: saveAs(path).')
    }
    if (heap.isReadOnly) throw openForReading(path)
    await this.withState(async (saved) => {
      journal?.checkpointBegins()
      heap.ensureWriter()
      await this.storage.save(path, saved, options, {
        isCompacting,
        ensureWriter: () => heap.ensureWriter(),
        onReplace: (earlier) => journal?.replacesFile(earlier.version),
        onDurable: () => undefined,
      })
      await journal?.checkpointed(saved.version)
    })
  }

  /** `Heap.saveAs`. */
  async saveAs(givenPath: string, options: SaveOptions, ensureReplaceable: (path: string) => void): Promise<void> {
    const path = resolve(givenPath)
    if (path === this.heap.path && !this.heap.isReadOnly) return this.save(options, false)
    await this.withState((saved) => this.storage.saveAs(path, saved, options, ensureReplaceable))
  }

  /** Resolves when every commit up to a version is on the device, as far as the journal promises that. */
  async durable(version: number): Promise<void> {
    await this.heap.journal?.durable(version)
  }

  /** For a state that no journal leads to, or on from. */
  forkPoint(): HistoryPoint {
    return fork(this.heap.world, this.heap.savedRoot?.point?.epoch ?? 0)
  }

  private async withState(work: (saved: PinnedState) => Promise<void>): Promise<void> {
    const { heap } = this
    await heap.queue.run(async () => {
      const snapshot: HeapSnapshot = heap.snapshot('save')
      const { pin, version } = snapshot
      const point = heap.journal?.point ?? this.forkPoint()
      try {
        await work({ table: pin.table, version, point, durable: () => this.durable(version) })
      } finally {
        snapshot.release()
      }
    })
  }
}
