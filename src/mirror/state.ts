import { randomUUID } from 'node:crypto'
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
  /**
   * Where the newest transaction in the tables ended, and its number; null where none has come since they were copied.
   */
  lastLsn: Lsn | null
  lastXid: number | null
}

/** Without an LSN a row is the claim of a mirror that has not copied anything yet. */
const STATE_COLUMNS = {
  slot: 'string',
  id: { type: 'string', index: false },
  lsn: { type: 'bigint', index: false, nullable: true },
  systemId: { type: 'string', index: false, nullable: true },
  publication: { type: 'string', index: false, nullable: true },
  lastLsn: { type: 'bigint', index: false, nullable: true },
  lastXid: { type: 'integer', index: false, nullable: true },
} as const

const NOTHING_COPIED = { lsn: null, systemId: null, publication: null, lastLsn: null, lastXid: null }

/**
 * `served`: what readers see. `copy`: being filled to take a served table's place, or to bring it into step. `old`: has
 * lost its place. `leaves`: which leaf each row of another table comes from.
 */
export type TableRole = 'served' | 'copy' | 'old' | 'leaves'

/** What is known of a copy, so that another session can go on with it. A plain document. */
export interface CopyNote {
  /** Where it was taken, as Postgres prints it. */
  lsn: string
  /** The mirror's own slot begins there. */
  isAtSlot: boolean
  /** `MirrorState.systemId` */
  systemId: string
  /** `MirrorState.publication` */
  publication: string
  /** What all transactions before this id have done is in the copy: `pg_snapshot_xmin` of its snapshot. */
  xmin: string
  /** Oids of the leaves that are copied; null where the table is made anew. */
  leaves: readonly number[] | null
  /** By oid of a leaf: how many of its blocks are in the copy; null for all of them. */
  blocks: Readonly<Record<string, number | null>>
  /** Size of the rows in it, as they were sent. */
  sizeBytes: number
  /** It lacks neither rows nor indexes. */
  isWhole: boolean
}

/** What a table that a mirror manages has as its properties. */
export interface MirrorProperties {
  readOnly: string
  mirror: {
    slot: string
    role: TableRole
    source: MirroredTable | null
    /** Of a copy that another session than the one that began it may go on with. */
    note?: CopyNote
  }
}

/** A copy that an interrupted session has left. */
export interface KeptCopy {
  copyName: string
  description: MirroredTable
  note: CopyNote
}

export function readState(store: Store, slot: string): MirrorState | undefined {
  if (!store.tableNames.includes(STATE_TABLE)) return undefined
  const row = store.table(STATE_TABLE).get(slot)
  return row == null || row.lsn === null ? undefined : (row as unknown as MirrorState)
}

/** The slots of all mirrors of this database; of those that have copied something, if any has. */
export function knownSlots(store: Store): string[] {
  if (!store.tableNames.includes(STATE_TABLE)) return []
  const table = store.table(STATE_TABLE)
  const claimed = [...table.rows()].map((row) => table.keyOf(row) as string)
  const used = claimed.filter((slot) => readState(store, slot) !== undefined)
  return used.length > 0 ? used : claimed
}

/**
 * The identity of the mirror with this slot, by which it knows what it has made on the server; undefined if it has none
 * yet.
 */
export function readIdentity(store: Store, slot: string): string | undefined {
  if (!store.tableNames.includes(STATE_TABLE)) return undefined
  return store.table(STATE_TABLE).get(slot)?.id as string | undefined
}

/** Whether a slot of this name is this database's: it has claimed it before it was made, or has tables from it. */
export function isOwnSlot(store: Store, slot: string): boolean {
  return readIdentity(store, slot) !== undefined || tablesInRole(store, slot, 'served', 'copy').length > 0
}

/**
 * Claims a slot, before it is made. Returns the identity of its mirror, which stays the same. Needs `createStateTable`.
 */
export async function claimSlot(store: Store, slot: string): Promise<string> {
  const known = readIdentity(store, slot)
  if (known !== undefined) return known
  const id = randomUUID()
  await commit(store, (transaction) => transaction.insert(STATE_TABLE, { slot, id, ...NOTHING_COPIED }))
  if (store.path !== undefined) await store.sync()
  return id
}

/** Gives up a claim where the slot was made by another one first. */
export async function disclaimSlot(store: Store, slot: string): Promise<void> {
  if (readState(store, slot) === undefined) await commit(store, (transaction) => transaction.delete(STATE_TABLE, slot))
}

/** Within a transaction that may change managed tables. The slot must be claimed. */
export function writeState(transaction: Transaction, slot: string, state: MirrorState): void {
  transaction.update(STATE_TABLE, slot, { ...state })
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
  note?: CopyNote,
): void {
  const mirror = { slot, role, source, ...(note === undefined ? {} : { note }) }
  const properties: MirrorProperties = { readOnly: READ_ONLY, mirror }
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

/** Copies that interrupted sessions have left, and that no session has given up since. */
export function keptCopies(store: Store, slot: string): KeptCopy[] {
  return tablesInRole(store, slot, 'copy').flatMap((copyName) => {
    const { source, note } = mirrorProperties(store, copyName)!
    return source === null || note === undefined ? [] : [{ copyName, description: source, note }]
  })
}

/** The tables that readers see, by name. */
export function servedTables(store: Store, slot: string): Map<string, MirroredTable> {
  return new Map(
    tablesInRole(store, slot, 'served').map((name) => [name, mirrorProperties(store, name)!.source as MirroredTable]),
  )
}

/** In place of a table's entry in the publication: what the stream tells of the table is not applied. */
const LEFT_BEHIND = 'left behind'

/** Has served tables copied again when they are mirrored again, because the stream goes on without them. */
export async function leaveBehind(store: Store, slot: string, names: readonly string[]): Promise<void> {
  const served = servedTables(store, slot)
  const left = names.filter((name) => !isLeftBehind(served.get(name)!))
  if (left.length === 0) return
  await commit(store, (transaction) => {
    for (const name of left)
      setRole(transaction, name, slot, 'served', { ...served.get(name)!, publishedAs: LEFT_BEHIND })
  })
}

/** Whether a served table is not followed. */
export function isLeftBehind({ publishedAs }: MirroredTable): boolean {
  return publishedAs === LEFT_BEHIND
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
