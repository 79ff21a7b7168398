import type { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import { commit } from './commit'
import { nextTick } from './follower'
import { hasLeaves, LeafRows, leavesName } from './leaf-rows'
import { mirrorProperties, tablesInRole } from './state'

const SLICE_MS = 5
const ROWS_BETWEEN_LOOKS_AT_THE_CLOCK = 64

/** Which rows of a table are not deleted, and whether to go on: asked for each commit. */
export interface RemovalLimits {
  isKept?: (row: number) => boolean
  mayGoOn: () => boolean
}

/**
 * Removes tables that lost their place, and copies that cannot be gone on with, in steps that keep nobody waiting.
 * Leaves alone what `mayRemove` denies, also midway, and what has become a copy to go on with, or a served table.
 */
export async function removeLeftovers(store: Store, slot: string, mayRemove: (name: string) => boolean): Promise<void> {
  for (const name of tablesInRole(store, slot, 'copy', 'old')) {
    const mayGoOn = () => isLeftover(store, name) && mayRemove(name)
    if (hasLeaves(store, name)) await dropTable(store, leavesName(name), mayGoOn)
    await dropTable(store, name, mayGoOn)
  }
}

function isLeftover(store: Store, name: string): boolean {
  if (!store.tableNames.includes(name)) return false
  const { role, note } = mirrorProperties(store, name)!
  return role === 'old' || (role === 'copy' && note === undefined)
}

async function dropTable(store: Store, name: string, mayGoOn: () => boolean): Promise<void> {
  if (!(await deleteRows(store, name, { mayGoOn }))) return
  await commit(store, (transaction) => transaction.dropTable(name))
}

/** Deletes the rows of a mirrored table, in slices. Returns false where it may not go on to the end. */
export async function deleteRows(store: Store, name: string, { isKept, mayGoOn }: RemovalLimits): Promise<boolean> {
  for (let row = 0; mayGoOn(); await nextTick()) {
    let isDone = false
    await commit(store, (transaction) => {
      const leafRows = hasLeaves(store, name) ? new LeafRows(transaction, name) : undefined
      row = deleteSlice(transaction, name, row, (each) => isKept?.(each) === true, leafRows)
      isDone = row >= transaction.table(name).rowLimit
    })
    if (isDone) return true
  }
  return false
}

/** Deletes rows from `first` on until its time is up; returns where to go on. */
function deleteSlice(
  transaction: Transaction,
  name: string,
  first: number,
  isKept: (row: number) => boolean,
  leafRows: LeafRows | undefined,
): number {
  const writer = transaction.writer(name)
  const { table } = writer
  const start = performance.now()
  let row = first
  for (const { rowLimit } = table; row < rowLimit; row++) {
    if (row % ROWS_BETWEEN_LOOKS_AT_THE_CLOCK === 0 && performance.now() - start > SLICE_MS) break
    if (!table.hasRow(row) || isKept(row)) continue
    writer.delete(row)
    leafRows?.remove(row)
  }
  return row
}
