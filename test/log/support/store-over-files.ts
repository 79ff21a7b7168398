import { type InternalOptions, openHeap, type StoreOptions } from '../../../src/db/open-heap'
import { Store } from '../../../src/db/store'
import type { Files } from '../../../src/heap/files'
import type { Memory } from '../../../src/heap/memory'

/** A store over given files. */
export class StoreOverFiles extends Store {
  /** Hears when a transaction is rolled back. */
  onRollback: () => void = () => undefined

  get files(): Files {
    return this.heap.files
  }

  get memory(): Memory {
    return this.heap.memory
  }

  static over(path: string, options: StoreOptions & InternalOptions): StoreOverFiles {
    const opened = openHeap(path, options)
    const store = new StoreOverFiles(opened)
    const rollback = opened.heap.rollback.bind(opened.heap)
    opened.heap.rollback = () => {
      rollback()
      store.onRollback()
    }
    return store
  }
}
