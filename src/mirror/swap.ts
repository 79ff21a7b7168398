import type { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import { commit } from './commit'
import type { CopiedTable } from './copy-tables'
import { nextTurn } from './follower'
import { describeSource, mirrorName } from './mirrored-table'
import { mirrorProperties, setRole, tablesInRole } from './state'

const SLICE_MS = 5
const ROWS_BETWEEN_LOOKS_AT_THE_CLOCK = 64

/** Puts copies into the places of the tables that readers see, within a transaction. What was there becomes `old`. */
export function swapIn(
  transaction: Transaction,
  store: Store,
  slot: string,
  copies: readonly CopiedTable[],
  publishedAs: ReadonlyMap<number, string>,
): void {
  for (const { source, copyName } of copies) {
    const name = mirrorName(source)
    retire(transaction, store, slot, name)
    transaction.renameTable(copyName, name)
    setRole(transaction, name, slot, 'served', describeSource(source, publishedAs.get(source.oid) ?? ''))
  }
}

/** Takes a table out of the readers' sight; its rows are removed later. Does nothing where there is none. */
export function retire(transaction: Transaction, store: Store, slot: string, name: string): void {
  if (!store.tableNames.includes(name)) return
  if (mirrorProperties(store, name) === undefined) {
    transaction.dropTable(name) // found empty before the copy
    return
  }
  const oldName = `${name}~old${store.version}`
  transaction.renameTable(name, oldName)
  setRole(transaction, oldName, slot, 'old', null)
}

/**
 * Removes tables that lost their place, and copies that were not finished, in steps that keep nobody waiting. Leaves alone
 * what `mayRemove` denies, also midway.
 */
export async function removeLeftovers(store: Store, slot: string, mayRemove: (name: string) => boolean): Promise<void> {
  for (const name of tablesInRole(store, slot, 'copy', 'old')) {
    let isGone = false
    for (let row = 0; !isGone && mayRemove(name); ) {
      await commit(store, (transaction) => {
        row = removeRows(transaction, name, row)
        isGone = transaction.table(name).rowCount === 0
        if (isGone) transaction.dropTable(name)
      })
      await nextTurn()
    }
  }
}

/** Removes rows from `first` on until its time is up; returns where to go on. */
function removeRows(transaction: Transaction, name: string, first: number): number {
  const writer = transaction.writer(name)
  const { table } = writer
  const start = performance.now()
  let row = first
  for (const { rowLimit } = table; row < rowLimit; row++) {
    if (row % ROWS_BETWEEN_LOOKS_AT_THE_CLOCK === 0 && performance.now() - start > SLICE_MS) break
    if (table.hasRow(row)) writer.delete(row)
  }
  return row
}
