import type { Heap } from '../heap/heap'
import type { Transaction } from './transaction'

/**
 * Runs a change in a transaction that readers do not see, and has `commit` make it the newest version. Waits for the
 * work of this kind that is under way; what waits for it throws `BUSY` inside `change`.
 */
export async function runDetached<T>(
  heap: Heap,
  begin: () => Transaction,
  change: (transaction: Transaction) => Promise<T>,
  commit: (annotation: string) => Promise<void>,
  onCommitted: () => void,
): Promise<T> {
  const { queue } = heap
  queue.ensureOutside('db.bulkWrite()')
  return queue.run(async () => {
    heap.beginDetached()
    const transaction = begin()
    let isCommitted = false
    try {
      const result = await queue.within('db.bulkWrite()', () => change(transaction))
      transaction.complete()
      await commit(transaction.annotation)
      isCommitted = true
      return result
    } catch (error) {
      if (heap.writer.isWriting) heap.rollback() // what fails after the commit does not take it back
      throw error
    } finally {
      transaction.end(isCommitted)
      if (isCommitted) onCommitted()
    }
  })
}
