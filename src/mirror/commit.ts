import type { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import { SnapheapError } from '../errors'

/**
 * The server sends again what was not acknowledged, so a commit need not wait for the device: the acknowledgement does.
 */
export const UNSYNCED = { sync: false } as const

/**
 * Commits a change to tables that the mirror manages: at once, or behind the transaction that is open beside. Resolves
 * with what `change` returned, when it is committed.
 */
export function commit<T>(store: Store, change: (transaction: Transaction) => T): Promise<T> | T {
  const managed = (transaction: Transaction): T => {
    transaction.manage()
    return change(transaction)
  }
  try {
    return store.write(managed, UNSYNCED)
  } catch (error) {
    if (!isBusy(error)) throw error
    return store.bulkWrite(async (transaction) => managed(transaction), UNSYNCED)
  }
}

/** Another transaction of this process is open. */
export function isBusy(error: unknown): boolean {
  return error instanceof SnapheapError && error.code === 'BUSY'
}
