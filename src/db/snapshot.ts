import { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import type { Pin } from '../heap/pins'
import type { HeapSnapshot } from '../heap/snapshots'
import { Catalogue } from '../table/catalogue'
import type { Table } from '../table/table'

/** A read-only view of one version. Close it soon: what it alone sees cannot be reused until then. */
export class Snapshot {
  protected readonly catalogue: Catalogue

  constructor(protected readonly pinned: HeapSnapshot) {
    this.catalogue = new Catalogue(pinned.view)
  }

  /** The commit version that it shows. */
  get version(): number {
    return this.pinned.version
  }

  /** Throws `NOT_FOUND`, and `CLOSED` after `close`. */
  table(name: string): Table {
    this.ensureOpen()
    return this.catalogue.table(name)
  }

  get tableNames(): string[] {
    this.ensureOpen()
    return this.catalogue.names()
  }

  /** Lets go of the version. Idempotent; tables read through this snapshot throw `CLOSED` afterwards. */
  close(): void {
    this.pinned.release()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  protected ensureOpen(): void {
    if (this.pinned.isReleased)
      throw new SnapheapError('CLOSED', 'The snapshot is closed. Take another one with db.snapshot().')
  }
}

/**
 * Lets go of what forgotten snapshots pinned, once they are garbage. What it holds must not reach them: they would
 * never be.
 */
const forgotten = new FinalizationRegistry<{ readonly heap: WeakRef<Heap>; readonly pin: Pin }>(({ heap, pin }) =>
  heap.deref()?.release(pin),
)

/** Lets go of what a snapshot pinned when that is garbage, should it not have been closed. */
export function releaseOnceForgotten(snapshot: Snapshot, heap: Heap, pin: Pin): void {
  forgotten.register(snapshot, { heap: new WeakRef(heap), pin })
}
