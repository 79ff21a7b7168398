import type { HeapSnapshot } from './snapshots'
import type { View } from './view'

/** Work that goes on beside everything else, for which closing waits. */
export class PinnedReaders {
  private readonly running = new Set<Promise<unknown>>()

  constructor(private readonly snapshot: (owner: string) => HeapSnapshot) {}

  /** Runs work on the newest version, pinned. Rejects with what `work` throws, at once or later. */
  run<T>(work: (view: View) => Promise<T>): Promise<T> {
    return this.keep(this.readPinned(work))
  }

  /** Settles as `done` does, and counts as under way until then. */
  async keep<T>(done: Promise<T>): Promise<T> {
    this.running.add(done)
    try {
      return await done
    } finally {
      this.running.delete(done)
    }
  }

  /** Resolves when nothing of it is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.running)
  }

  private async readPinned<T>(work: (view: View) => Promise<T>): Promise<T> {
    const snapshot = this.snapshot('work beside')
    try {
      return await work(snapshot.view)
    } finally {
      snapshot.release()
    }
  }
}
