import { type InternalOptions, openHeap, openHeapAt, type StoreOptions } from '../../../src/db/open-heap'
import { Store } from '../../../src/db/store'
import type { Files } from '../../../src/heap/files'
import type { Memory } from '../../../src/heap/memory'
import type { Point } from '../../../src/log/history'

/** A store over given files. */
export class StoreOverFiles extends Store {
  /** Hears when a transaction is rolled back. */
  onRollback: () => void = () => undefined
  /** Hears of each commit that the log has taken, before anything else happens. */
  onCommit: () => void = () => undefined

  get files(): Files {
    return this.heap.files
  }

  get memory(): Memory {
    return this.heap.memory
  }

  /** The database at a path as it was at a point in time. */
  static at(path: string, point: Point, options: StoreOptions & InternalOptions): StoreOverFiles {
    return new StoreOverFiles(openHeapAt(path, point, options))
  }

  static over(path: string, options: StoreOptions & InternalOptions): StoreOverFiles {
    const opened = openHeap(path, options)
    const store = new StoreOverFiles(opened)
    const rollback = opened.heap.rollback.bind(opened.heap)
    opened.heap.rollback = () => {
      rollback()
      store.onRollback()
    }
    const commit = opened.heap.commit.bind(opened.heap)
    opened.heap.commit = (facts) => {
      commit(facts)
      store.onCommit()
    }
    return store
  }
}
