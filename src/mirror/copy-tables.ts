import type pg from 'pg'
import type { Store } from '../db/store'
import { qualifiedName, type SourceLeaf, type SourceTable } from './catalogue'
import { commit } from './commit'
import { type ConnectionOptions, queryRows, withConnections } from './connection'
import { copyRows } from './copy'
import { indexColumns } from './index-copy'
import { createLeaves, LeafRows } from './leaf-rows'
import { copySilence } from './liveness'
import { formatLsn, type Lsn } from './lsn'
import { describeSource, indexedColumns, mirrorName, tableDefinition } from './mirrored-table'
import type { CopyMeter } from './progress'
import { RowLoader } from './row-loader'
import { createSlot, type SlotKind } from './slot'
import { beginAtSlot, lockUnchanged, neverStill } from './slot-snapshot'
import { type CopyOrigin, setRole } from './state'
import type { Replacement } from './swap'

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
  /** What is copied of a table, as it is at the place of the copy: some leaves; undefined for a table made anew. */
  leavesOf: (source: SourceTable) => readonly SourceLeaf[] | undefined
  publishedAs: ReadonlyMap<number, string>
  /** Has whole copies outlive the session, as its slot does; undefined where that goes with its connection. */
  origin: Omit<CopyOrigin, 'lsn'> | undefined
  meter: CopyMeter
  /** Ends the copy with an error when it throws. */
  checkpoint: () => void
  /** Hears the name of each new table before it exists. */
  onTable: (copyName: string) => void
  /** Called with what the server waits for before the copy can begin. */
  onNotice: (text: string) => void
  /** Ends everything that is waited for. */
  signal: AbortSignal
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
    const { lsn, sources } = await beginCopy(request, client, outside)
    const copies: Copies = { lsn, tables: [] }
    const before = request.meter.bytes
    for (const source of sources) {
      copies.tables.push(await copyTable(request, client, source, lsn))
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
): Promise<{ lsn: Lsn; sources: SourceTable[] }> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    checkpoint()
    const created = await createSlot(connection, copySlot.name, SLOT_TIMEOUT_MS, { ...copySlot, onWait, signal })
    await beginAtSlot(client, created)
    const sources = await lockUnchanged(client, outside, tables, LOCK_TIMEOUT_MS)
    if (sources !== undefined) return { lsn: created.consistentLsn, sources }
    await queryRows(client, 'beginning the copy anew failed', 'ROLLBACK')
    await created.discard(outside)
  }
  throw neverStill()
}

/** Copies a table leaf by leaf; one that is made anew is indexed then, and is whole. */
async function copyTable(request: CopyRequest, client: pg.Client, source: SourceTable, lsn: Lsn): Promise<CopiedTable> {
  const { store, slot, publishedAs, meter, checkpoint } = request
  const name = mirrorName(source)
  const copyName = `${name}~copy${store.version}`
  const description = describeSource(source, publishedAs.get(source.oid) ?? '')
  const leaves = request.leavesOf(source)
  request.onTable(copyName)
  await commit(store, (transaction) => {
    transaction.createTable(copyName, tableDefinition(source))
    if (source.isPartitioned) createLeaves(transaction, copyName, slot)
    setRole(transaction, copyName, slot, 'copy', description)
  })
  meter.begin(source)
  for (const leaf of leaves ?? source.leaves) await copyLeaf(request, client, source, leaf, copyName)
  if (leaves === undefined) {
    await indexColumns(store, copyName, indexedColumns(source), checkpoint)
    const origin = request.origin && { ...request.origin, lsn: formatLsn(lsn) }
    await commit(store, (transaction) => setRole(transaction, copyName, slot, 'copy', description, origin))
    if (origin !== undefined) await store.sync()
  }
  meter.end()
  return { name, source, copyName, description, leaves: leaves?.map(({ oid }) => oid) }
}

async function copyLeaf(
  { store, meter, checkpoint, connection, signal }: CopyRequest,
  client: pg.Client,
  source: SourceTable,
  leaf: SourceLeaf,
  copyName: string,
): Promise<void> {
  const loader = new RowLoader(source, store.kernels, store.hashSeed)
  let leafRows: LeafRows | undefined
  loader.onRows = (rows, count) => leafRows?.addAll(rows, count, leaf.oid)
  const before = meter.copied
  await copyRows(client, copyCommand(source, leaf), source.columns.length, {
    onRow: (bytes, starts, ends) => loader.load(bytes, starts, ends),
    prepare: (bytes) => loader.prepare(bytes),
    onMessages: (bytes, position) => loader.loadMessages(bytes, position),
    onChunk(read) {
      checkpoint()
      const committed = commit(store, (transaction) => {
        loader.writer = transaction.writer(copyName)
        loader.writer.expectedRows = source.estimatedRows
        leafRows = source.isPartitioned ? new LeafRows(transaction, copyName) : undefined
        read()
        loader.flush()
      })
      return committed instanceof Promise ? committed : undefined
    },
    onProgress: ({ rows, bytes }) => meter.update(before.rows + rows, before.bytes + bytes),
    silence: copySilence(client, connection, signal),
  })
}

/**
 * Gives the rows of a leaf, in the table's columns; without one those of the whole table, but not of tables that
 * inherit from an ordinary one. A role that may read a partitioned table may lack the right to read a partition by its
 * own name.
 */
export function copyCommand(source: SourceTable, leaf?: SourceLeaf): string {
  const columns = source.columns.map((column) => `"${column.name.replaceAll('"', '""')}"`).join(', ')
  if (!source.isPartitioned) return `COPY ${qualifiedName(source)} (${columns}) TO STDOUT`
  if (leaf?.isReadable === true) return `COPY ${qualifiedName(leaf)} (${columns}) TO STDOUT`
  const condition = leaf === undefined ? '' : ` WHERE tableoid = ${leaf.oid}`
  return `COPY (SELECT ${columns} FROM ${qualifiedName(source)}${condition}) TO STDOUT`
}
