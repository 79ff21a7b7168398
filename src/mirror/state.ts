import type { Store } from '../db/store'
import type { Transaction } from '../db/transaction'
import { SnapheapError } from '../errors'
import { commit } from './commit'
import { formatLsn, type Lsn } from './lsn'
import type { MirroredTable } from './mirrored-table'

/** One row per slot. */
const STATE_TABLE = 'snapheap.mirror'
const READ_ONLY = 'It is mirrored from Postgres: write there.'

/** How far a mirror has come, kept in the same commits as its data. */
export interface MirrorState {
  /** Everything that Postgres committed before this is in the mirrored tables, and nothing after. */
  lsn: Lsn
  /** Of the Postgres cluster. */
  systemId: string
  /** `PublicationIdentity.publication` */
  publication: string
  /** Where the newest transaction in the tables ended, and its number; null where none has come since they were copied. */
  lastLsn: Lsn | null
  lastXid: number | null
}

const STATE_COLUMNS = {
  slot: 'string',
  lsn: { type: 'bigint', index: false },
  systemId: { type: 'string', index: false },
  publication: { type: 'string', index: false },
  lastLsn: { type: 'bigint', index: false, nullable: true },
  lastXid: { type: 'integer', index: false, nullable: true },
} as const

/**
 * `served`: what readers see. `copy`: being filled to take a served table's place, or to bring it into step. `old`: has
 * lost its place. `leaves`: which leaf each row of another table comes from.
 */
export type TableRole = 'served' | 'copy' | 'old' | 'leaves'

/** What a table that a mirror manages has as its properties. */
export interface MirrorProperties {
  readOnly: string
  mirror: { slot: string; role: TableRole; source: MirroredTable | null }
}

export function readState(store: Store, slot: string): MirrorState | undefined {
  if (!store.tableNames.includes(STATE_TABLE)) return undefined
  const row = store.table(STATE_TABLE).get(slot)
  return row as MirrorState | undefined
}

/** The slots of all mirrors of this database. */
export function knownSlots(store: Store): string[] {
  if (!store.tableNames.includes(STATE_TABLE)) return []
  const table = store.table(STATE_TABLE)
  return [...table.rows()].map((row) => table.keyOf(row) as string)
}

/** Within a transaction that may change managed tables. */
export function writeState(transaction: Transaction, slot: string, state: MirrorState): void {
  transaction.upsert(STATE_TABLE, { slot, ...state })
}

/** What a mirror has come to with a commit. */
export type Progress = Pick<MirrorState, 'lsn' | 'lastLsn' | 'lastXid'>

export function writeProgress(transaction: Transaction, slot: string, progress: Progress): void {
  transaction.update(STATE_TABLE, slot, progress)
  transaction.annotation = formatLsn(progress.lsn)
}

/** Makes the table for the state of mirrors, if it is missing or of an earlier build, whose state tells too little. */
export async function createStateTable(store: Store): Promise<void> {
  const isThere = store.tableNames.includes(STATE_TABLE)
  if (isThere && store.table(STATE_TABLE).columnNames.join() === Object.keys(STATE_COLUMNS).join()) return
  await commit(store, (transaction) => {
    if (isThere) transaction.dropTable(STATE_TABLE)
    transaction.createTable(STATE_TABLE, { key: 'slot', columns: STATE_COLUMNS })
    transaction.setProperties(STATE_TABLE, { readOnly: 'It belongs to the mirror: leave it alone.' })
  })
}

/** Marks a table as one of this mirror. */
export function setRole(
  transaction: Transaction,
  table: string,
  slot: string,
  role: TableRole,
  source: MirroredTable | null,
): void {
  const properties: MirrorProperties = { readOnly: READ_ONLY, mirror: { slot, role, source } }
  transaction.setProperties(table, properties)
}

/** What is known of a table as one of the mirror's, undefined if it is none. */
export function mirrorProperties(store: Store, table: string): MirrorProperties['mirror'] | undefined {
  const properties = store.table(table).properties as Partial<MirrorProperties> | undefined
  return typeof properties === 'object' && properties !== null ? properties.mirror : undefined
}

/** Names of this mirror's tables in a role. */
export function tablesInRole(store: Store, slot: string, ...roles: TableRole[]): string[] {
  return store.tableNames.filter((name) => {
    const mirror = mirrorProperties(store, name)
    return mirror !== undefined && mirror.slot === slot && roles.includes(mirror.role)
  })
}

/** The tables that readers see, by name. */
export function servedTables(store: Store, slot: string): Map<string, MirroredTable> {
  return new Map(
    tablesInRole(store, slot, 'served').map((name) => [name, mirrorProperties(store, name)!.source as MirroredTable]),
  )
}

/** Throws `EXISTS` if a table of this name holds rows that are not this mirror's. */
export function ensureReplaceable(store: Store, slot: string, table: string): void {
  if (!store.tableNames.includes(table)) return
  const mirror = mirrorProperties(store, table)
  if (mirror?.slot === slot || (mirror === undefined && store.table(table).rowCount === 0)) return
  throw new SnapheapError(
    'EXISTS',
    mirror === undefined
      ? `Table ${table} has rows of its own. Drop or rename it, so that it can be mirrored.`
      : `Table ${table} belongs to the mirror with slot "${mirror.slot}". Name that slot, or open another database.`,
    { table, slot },
  )
}
