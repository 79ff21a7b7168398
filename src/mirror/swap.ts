import type { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import type { Steps } from '../struct/steps'
import { Difference } from './difference'
import { nextTick } from './follower'
import { hasLeaves, LeafRows, leavesName } from './leaf-rows'
import type { MirroredTable } from './mirrored-table'
import { mirrorProperties, setRole } from './state'

const SLICE_MS = 5
const ROWS_BETWEEN_LOOKS_AT_THE_CLOCK = 64

/** A copy, and the table that it is to replace. */
export interface Replacement {
  /** The table that readers see. */
  name: string
  /** The table beside it that holds the rows. */
  copyName: string
  /** Of the source, as it was when the rows were copied. */
  description: MirroredTable
  /** Oids of the leaves whose rows are replaced; undefined where the table is made anew. */
  leaves: readonly number[] | undefined
}

/**
 * Puts copies into the places of the tables that readers see, within a transaction that may take many turns; what was
 * there becomes `old`. A copy of leaves brings the rows of these into step instead, and becomes `old` itself.
 */
export async function swapIn(
  transaction: Transaction,
  store: Store,
  slot: string,
  copies: readonly Replacement[],
): Promise<void> {
  for (const { name, copyName, description, leaves } of copies) {
    if (leaves === undefined) {
      retire(transaction, store, slot, name)
      rename(transaction, store, copyName, name)
    } else {
      await inTurns(new Difference(transaction, store, name, copyName).steps(leaves))
      setRole(transaction, copyName, slot, 'old', null)
    }
    setRole(transaction, name, slot, 'served', description)
  }
}

/** Renames a table, and what knows where its rows come from. */
function rename(transaction: Transaction, store: Store, from: string, to: string): void {
  transaction.renameTable(from, to)
  if (hasLeaves(store, from)) transaction.renameTable(leavesName(from), leavesName(to))
}

/** Deletes the rows of leaves that have gone. */
export async function removeLeaves(transaction: Transaction, name: string, leaves: readonly number[]): Promise<void> {
  await inTurns(
    (function* (): Steps {
      const leafRows = new LeafRows(transaction, name)
      const writer = transaction.writer(name)
      for (const leaf of leaves) {
        for (const [i, row] of leafRows.rowsOf(leaf).entries()) {
          writer.delete(row)
          leafRows.remove(row)
          if (i % ROWS_BETWEEN_LOOKS_AT_THE_CLOCK === 0) yield
        }
      }
    })(),
  )
}

/** Does work in steps and gives other events their turn. */
async function inTurns(steps: Steps): Promise<void> {
  let start = performance.now()
  while (steps.next().done !== true) {
    if (performance.now() - start < SLICE_MS) continue
    await nextTick()
    start = performance.now()
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
  rename(transaction, store, name, oldName)
  setRole(transaction, oldName, slot, 'old', null)
}
