import type pg from 'pg'
import type { Store } from '../db/store'
import type { SourceTable } from './catalogue'
import { type ConnectionOptions, queryRows, withConnections } from './connection'
import type { Lsn } from './lsn'
import type { CopyMeter } from './progress'
import { createSlot, type SlotKind } from './slot'
import { beginAtSlot, lockUnchanged, neverStill } from './slot-snapshot'
import type { CopyNote, KeptCopy } from './state'
import type { Replacement } from './swap'
import { TableCopy } from './table-copy'

/** How long the creation of a slot may wait for one writing transaction. A notice names it meanwhile. */
const SLOT_TIMEOUT_MS = 600_000
/** How long the lock on the tables may wait for a statement that alters or truncates one. */
const LOCK_TIMEOUT_MS = 20_000

/** TRUNCATE or ALTER TABLE may come in between so often. */
const MOST_ATTEMPTS = 10

export interface CopyRequest {
  store: Store
  connection: ConnectionOptions
  /** The mirror's own slot: the owner of the copies. */
  slot: string
  /** The slot whose beginning is where the copies are taken. */
  copySlot: SlotKind & { name: string }
  /** To be made anew, or in parts. */
  tables: readonly SourceTable[]
  /** Bytes of rows after which no other table is begun. */
  mostBytes: number
  /**
   * Oids of the leaves whose rows the copy replaces, for a table as it is at the place of the copy; undefined for one
   * that is made anew.
   */
  leavesOf: (source: SourceTable) => readonly number[] | undefined
  /** The copies of a table that another session has begun. */
  kept: (oid: number) => readonly KeptCopy[]
  publishedAs: ReadonlyMap<number, string>
  /** Of what is copied, in every note. */
  origin: Pick<CopyNote, 'systemId' | 'publication' | 'isAtSlot'>
  /** Called with the place of the copy when it begins, and before each note. */
  onPlace: (lsn: Lsn) => void
  meter: CopyMeter
  /** Ends the copy with an error when it throws. */
  checkpoint: () => void
  /** Called with the name of each copy before it is written. */
  onTable: (copyName: string) => void
  /** Called with what the server waits for before the copy can begin. */
  onNotice: (text: string) => void
  /** Ends everything that is waited for. */
  signal: AbortSignal
}

/** The moment of the server at which copies are taken. */
export interface CopyPlace {
  lsn: Lsn
  /** All transactions before this id have ended: what they have committed is visible. */
  xmin: string
  /** The id of the next transaction. */
  nextXid: bigint
}

export interface CopiedTable extends Replacement {
  /** As it was at the place of the copy. */
  source: SourceTable
}

export interface Copies {
  /** Where all of the copies were taken. */
  lsn: Lsn
  /** The first of those that were asked for, or all. */
  tables: CopiedTable[]
}

/**
 * Copies tables at one place of the log into new tables that readers do not look at yet. Throws `POSTGRES`, `TIMEOUT`;
 * what is then left behind has the role `copy`.
 */
export function copyTables(request: CopyRequest): Promise<Copies> {
  return withConnections(request.connection, request.signal, async (client, outside) => {
    const { place, sources } = await beginCopy(request, client, outside)
    const copies: Copies = { lsn: place.lsn, tables: [] }
    request.onPlace(place.lsn)
    const before = request.meter.bytes
    for (const source of sources) {
      copies.tables.push(await new TableCopy(request, client, place, source).run())
      if (request.meter.bytes - before >= request.mostBytes) break
    }
    await queryRows(client, 'ending the copy failed', 'COMMIT')
    return copies
  })
}

/** Makes the slot and begins the transaction that shows the tables as they were at its beginning. */
async function beginCopy(
  { connection, copySlot, tables, checkpoint, onNotice: onWait, signal }: CopyRequest,
  client: pg.Client,
  outside: pg.Client,
): Promise<{ place: CopyPlace; sources: SourceTable[] }> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    checkpoint()
    const created = await createSlot(connection, copySlot.name, SLOT_TIMEOUT_MS, { ...copySlot, onWait, signal })
    await beginAtSlot(client, created)
    const sources = await lockUnchanged(client, outside, tables, LOCK_TIMEOUT_MS)
    if (sources !== undefined) return { place: await placeOf(client, created.consistentLsn), sources }
    await queryRows(client, 'beginning the copy anew failed', 'ROLLBACK')
    await created.discard(outside)
  }
  throw neverStill()
}

async function placeOf(client: pg.Client, lsn: Lsn): Promise<CopyPlace> {
  const [row] = await queryRows<{ xmin: string; xmax: string }>(
    client,
    'reading the snapshot failed',
    `SELECT pg_snapshot_xmin(s)::text AS xmin, pg_snapshot_xmax(s)::text AS xmax FROM pg_current_snapshot() s`,
  )
  return { lsn, xmin: row!.xmin, nextXid: BigInt(row!.xmax) }
}
