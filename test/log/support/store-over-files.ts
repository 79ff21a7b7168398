import { openHeap, type StoreOptions } from '../../../src/db/open-heap'
import { Store } from '../../../src/db/store'
import type { Files } from '../../../src/heap/files'

/** A store over given files. */
export class StoreOverFiles extends Store {
  /** Hears when a transaction is rolled back. */
  onRollback: () => void = () => undefined

  static over(path: string, options: StoreOptions & { files: Files }): StoreOverFiles {
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
