import type pg from 'pg'
import type { Store } from '../db/store'
import { qualifiedName, type SourceTable } from './catalogue'
import { commit } from './commit'
import { type ConnectionOptions, queryRows, withConnections } from './connection'
import { copyRows } from './copy'
import { indexColumns } from './index-copy'
import type { Lsn } from './lsn'
import { describeSource, indexedColumns, mirrorName, tableDefinition } from './mirrored-table'
import type { CopyMeter } from './progress'
import { RowLoader } from './row-loader'
import { createSlot, dropSlot } from './slot'
import { beginAtSlot, lockUnchanged, neverStill } from './slot-snapshot'
import { setRole } from './state'

/** How long the server may wait, when a slot is created, for transactions that are writing. */
export const SLOT_TIMEOUT_MS = 30_000

/** TRUNCATE or ALTER TABLE may come in between so often. */
const MOST_ATTEMPTS = 10

export interface CopyRequest {
  store: Store
  connection: ConnectionOptions
  /** The mirror's own slot: the owner of the copies. */
  slot: string
  /** The slot whose beginning is where the copies are taken. A temporary one goes again. */
  copySlot: { name: string; isTemporary: boolean }
  tables: readonly SourceTable[]
  publishedAs: ReadonlyMap<number, string>
  meter: CopyMeter
  /** Ends the copy with an error when it throws. */
  checkpoint: () => void
  /** Hears the name of each new table before it exists. */
  onTable: (copyName: string) => void
}

export interface CopiedTable {
  /** As it was at the place of the copy. */
  source: SourceTable
  /** The table that holds the rows, beside the one that readers see. */
  copyName: string
}

export interface Copies {
  /** Where all of the copies were taken. */
  lsn: Lsn
  tables: CopiedTable[]
}

/**
 * Copies tables at one place of the log into new tables that readers do not look at yet. Throws `POSTGRES`, `TIMEOUT`; what
 * is then left behind has the role `copy`.
 */
export function copyTables(request: CopyRequest): Promise<Copies> {
  return withConnections(request.connection, async (client, outside) => {
    const { lsn, sources } = await beginCopy(request, client, outside)
    const copies: Copies = { lsn, tables: [] }
    for (const source of sources) copies.tables.push({ source, copyName: await copyTable(request, client, source) })
    await queryRows(client, 'ending the copy failed', 'COMMIT')
    return copies
  })
}

/** Makes the slot and begins the transaction that shows the tables as they were at its beginning. */
async function beginCopy(
  { connection, copySlot, tables, checkpoint }: CopyRequest,
  client: pg.Client,
  outside: pg.Client,
): Promise<{ lsn: Lsn; sources: SourceTable[] }> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    checkpoint()
    const created = await createSlot(connection, copySlot.name, SLOT_TIMEOUT_MS, copySlot.isTemporary)
    await beginAtSlot(client, created)
    const sources = await lockUnchanged(client, outside, tables, SLOT_TIMEOUT_MS)
    if (sources !== undefined) return { lsn: created.consistentLsn, sources }
    await queryRows(client, 'beginning the copy anew failed', 'ROLLBACK')
    if (!copySlot.isTemporary) await dropSlot(outside, copySlot.name)
  }
  throw neverStill()
}

/** Copies one table and indexes it. Returns the name of the copy. */
async function copyTable(request: CopyRequest, client: pg.Client, source: SourceTable): Promise<string> {
  const { store, slot, publishedAs, meter, checkpoint } = request
  const copyName = `${mirrorName(source)}~copy${store.version}`
  request.onTable(copyName)
  await commit(store, (transaction) => {
    transaction.createTable(copyName, tableDefinition(source))
    setRole(transaction, copyName, slot, 'copy', describeSource(source, publishedAs.get(source.oid) ?? ''))
  })
  const loader = new RowLoader(source, store.kernels, store.hashSeed)
  meter.begin(source)
  await copyRows(client, copyCommand(source), source.columns.length, {
    onRow: (bytes, starts, ends) => loader.load(bytes, starts, ends),
    prepare: (bytes) => loader.prepare(bytes),
    onMessages: (bytes, position) => loader.loadMessages(bytes, position),
    onChunk(read) {
      checkpoint()
      const committed = commit(store, (transaction) => {
        loader.writer = transaction.writer(copyName)
        loader.writer.expectedRows = source.estimatedRows
        read()
        loader.flush()
      })
      return committed instanceof Promise ? committed : undefined
    },
    onProgress: (progress) => meter.update(progress.rows, progress.bytes),
  })
  await indexColumns(store, copyName, indexedColumns(source), checkpoint)
  meter.end()
  return copyName
}

/** A partitioned table holds no rows itself; a plain one is copied without those of tables that inherit from it. */
export function copyCommand(source: SourceTable): string {
  const columns = source.columns.map((column) => `"${column.name.replaceAll('"', '""')}"`).join(', ')
  const table = qualifiedName(source)
  return source.isPartitioned
    ? `COPY (SELECT ${columns} FROM ${table}) TO STDOUT`
    : `COPY ${table} (${columns}) TO STDOUT`
}
