import type { Store } from '../db/store'
import type { Steps } from '../struct/steps'
import { IndexBuilder } from '../table/index-builder'
import type { SortMemory } from '../table/sort-memory'
import { UNSYNCED } from './commit'
import { nextTurn } from './follower'

/** Longest uninterrupted work before other events get their turn. */
const SLICE_MS = 8

/**
 * Indexes a column of a finished copy, giving other events their turn at least every 10 ms. Only the writing is a
 * transaction, beside what readers see; the sorting before it keeps nobody from writing. Nothing but this
 * may change the table meanwhile. `memory` may serve one column
 * after the other. `checkpoint` ends it with an error when it throws, and then nothing has happened.
 */
export async function indexInSlices(
  store: Store,
  tableName: string,
  columnName: string,
  memory: SortMemory,
  checkpoint: () => void,
): Promise<void> {
  const table = store.table(tableName)
  const builder = IndexBuilder.of(table, table.column(columnName), memory)
  await inSlices(builder.sort(), checkpoint)
  await store.writeBeside((transaction) => {
    transaction.manage()
    const writer = transaction.writer(tableName)
    return inSlices(writer.writeIndex(writer.table.column(columnName), builder), checkpoint)
  }, UNSYNCED)
}

async function inSlices(steps: Steps, checkpoint: () => void): Promise<void> {
  checkpoint()
  let start = performance.now()
  while (steps.next().done !== true) {
    if (performance.now() - start < SLICE_MS) continue
    await nextTurn()
    checkpoint()
    start = performance.now()
  }
}
