import type { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import type { SourceTable } from './catalogue'
import { UNSYNCED } from './commit'
import { describeSource, type MirroredTable, mirrorName, type TablePlan } from './mirrored-table'
import type { Plan } from './reconcile'
import { mirrorProperties, readState, setRole, writeState } from './state'
import { removeLeaves, retire } from './swap'

/** What no leaf has as `attachedBy`: its rows are copied before they are believed. */
const IN_DOUBT = '?'

/**
 * Makes the changes of mirrored tables that need no copy, in one commit beside what readers see. What is to be copied
 * is remembered as in doubt, so that a session that is broken off does not believe it.
 */
export async function bringIntoStep(
  store: Store,
  slot: string,
  plan: Plan,
  ensureNotStopped: () => void,
): Promise<void> {
  const { publishedAs, removed, systemId, publication } = plan
  const state = readState(store, slot)!
  const altered = plan.changes
    .map((change) => ({ ...change, description: descriptionOf(change, publishedAs.get(change.source.oid) ?? '') }))
    .filter(({ source, description }) => {
      const known = mirrorProperties(store, mirrorName(source))!.source
      return JSON.stringify(known) !== JSON.stringify(description)
    })
  const isSameState = state.publication === publication && state.systemId === systemId
  if (altered.length === 0 && removed.length === 0 && isSameState) return
  await store.bulkWrite(async (transaction) => {
    transaction.manage()
    ensureNotStopped()
    for (const { source, plan: change, description } of altered) {
      const name = mirrorName(source)
      if (change.removed.length > 0) await removeLeaves(transaction, name, change.removed)
      alter(transaction, name, change)
      setRole(transaction, name, slot, 'served', description)
    }
    for (const name of removed) retire(transaction, store, slot, name)
    writeState(transaction, slot, { ...state, publication, systemId })
  }, UNSYNCED)
}

function alter(transaction: Transaction, name: string, { steps }: TablePlan): void {
  for (const step of steps) {
    if (step.kind === 'drop') transaction.dropColumn(name, step.name)
    else if (step.kind === 'rename') transaction.renameColumn(name, step.name, step.newName)
    else if (step.kind === 'allow null') transaction.changeColumn(name, step.name, { nullable: true })
    else transaction.addColumn(name, step.name, { ...step.definition, nullable: true })
  }
}

function descriptionOf({ source, plan }: { source: SourceTable; plan: TablePlan }, publishedAs: string): MirroredTable {
  const description = describeSource(source, publishedAs)
  const leaves = { ...description.leaves }
  for (const { oid } of plan.copied) leaves[oid] = { ...leaves[oid]!, attachedBy: IN_DOUBT }
  return { ...description, leaves }
}
