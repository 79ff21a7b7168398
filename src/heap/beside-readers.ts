import type { HeapSnapshot } from './snapshots'
import type { View } from './view'

/** Work that reads a pinned version beside everything else. */
export class BesideReaders {
  private readonly running = new Set<Promise<unknown>>()

  constructor(private readonly snapshot: (owner: string) => HeapSnapshot) {}

  /** Rejects with what `work` throws, at once or later. */
  async run<T>(work: (view: View) => Promise<T>): Promise<T> {
    const done = this.readPinned(work)
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
