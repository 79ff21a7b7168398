import { setImmediate } from 'node:timers/promises'
import { SnapheapError } from '../errors'
import type { IndexDefinition } from '../table/index-definition'
import type { Transaction } from './transaction'
import type { WriteOptions } from './write-options'

/** Longest uninterrupted work before other events, commits among them, get their turn. */
const SLICE_MS = 2
const UNSYNCED: WriteOptions = { sync: false }

type Write = <T>(change: (transaction: Transaction) => T, options: WriteOptions) => T

/**
 * Builds an index in many small transactions, between which others commit: each adds the next rows, whose changes are
 * kept up from then on. Readers see it once it is whole. When building fails, nothing of it is left.
 */
export async function buildInSlices(write: Write, table: string, definition: IndexDefinition): Promise<void> {
  const name = await whenFree(() => write((transaction) => transaction.beginIndex(table, definition), UNSYNCED))
  try {
    for (let isWhole = false; !isWhole; ) {
      await setImmediate()
      isWhole = await whenFree(() => {
        const end = performance.now() + SLICE_MS
        return write((transaction) => transaction.growIndex(table, name, () => performance.now() > end), UNSYNCED)
      })
    }
  } catch (error) {
    await whenFree(() => write((transaction) => transaction.dropUnfinishedIndex(table, name), UNSYNCED)).catch(
      () => undefined,
    )
    throw error
  }
}

/** Runs as soon as no transaction of many turns is open. */
async function whenFree<T>(run: () => T): Promise<T> {
  for (;;) {
    try {
      return run()
    } catch (error) {
      if (!(error instanceof SnapheapError && error.code === 'BUSY')) throw error
      await setImmediate()
    }
  }
}
