import type pg from 'pg'
import type { Store } from '../db/store'
import { SnapheapError } from '../errors'
import type { TableWriter } from '../table/table-writer'
import { qualifiedName, readTables, type SourceTable } from './catalogue'
import { type ConnectionOptions, connect, disconnect, queryRows } from './connection'
import { commit } from './commit'
import { copyRows } from './copy'
import { nextTurn } from './follower'
import type { Lsn } from './lsn'
import { describeSource, indexedColumns, mirrorName, tableDefinition } from './mirrored-table'
import type { CopyMeter } from './progress'
import { createSlot } from './slot'
import { setRole } from './state'
import { mapType } from './types'

/** How long the server may wait, when a slot is created, for transactions that are writing. */
export const SLOT_TIMEOUT_MS = 30_000

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
export async function copyTables(request: CopyRequest): Promise<Copies> {
  const { store, connection, slot, copySlot, tables, checkpoint } = request
  const client = await connect(connection, 'query')
  try {
    const names = tables.map(qualifiedName)
    // Locked first: no ALTER TABLE or TRUNCATE comes between the place of the copy and the copying. A lock takes no snapshot.
    await queryRows(
      client,
      'locking the tables against schema changes failed',
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = ${SLOT_TIMEOUT_MS};
       LOCK TABLE ${names.join(', ')} IN ACCESS SHARE MODE`,
    )
    const created = await createSlot(connection, copySlot.name, SLOT_TIMEOUT_MS, copySlot.isTemporary)
    await queryRows(client, 'taking over the snapshot failed', `SET TRANSACTION SNAPSHOT '${created.snapshotName}'`)
    await created.close()
    const sources = await readTables(client, names)
    const copies: Copies = { lsn: created.consistentLsn, tables: [] }
    for (const [i, source] of sources.entries()) {
      checkpoint()
      if (source === undefined || source.oid !== tables[i]!.oid || source.key.length === 0) throw replaced(names[i]!)
      const copyName = `${mirrorName(source)}~copy${store.version}`
      request.onTable(copyName)
      await commit(store, (transaction) => {
        transaction.createTable(copyName, tableDefinition(source))
        setRole(transaction, copyName, slot, 'copy', describeSource(source, request.publishedAs.get(source.oid) ?? ''))
      })
      await copyTable(request, client, source, copyName)
      copies.tables.push({ source, copyName })
    }
    await queryRows(client, 'ending the copy failed', 'COMMIT')
    return copies
  } finally {
    await disconnect(client)
  }
}

async function copyTable(request: CopyRequest, client: pg.Client, source: SourceTable, copyName: string): Promise<void> {
  const { store, meter, checkpoint } = request
  const loader = new RowLoader(source)
  meter.begin(source)
  await copyRows(client, copyCommand(source), source.columns.length, {
    onRow: (bytes, starts, ends) => loader.load(bytes, starts, ends),
    onChunk(read) {
      checkpoint()
      const committed = commit(store, (transaction) => {
        loader.writer = transaction.writer(copyName)
        loader.writer.expectedRows = source.estimatedRows
        read()
      })
      return committed instanceof Promise ? committed : undefined
    },
    onProgress: (progress) => meter.update(progress.rows, progress.bytes),
  })
  for (const column of indexedColumns(source)) {
    checkpoint()
    await commit(store, (transaction) => transaction.addIndex(copyName, column))
    await nextTurn()
  }
  meter.end()
}

/** A partitioned table holds no rows itself; a plain one is copied without those of tables that inherit from it. */
export function copyCommand(source: SourceTable): string {
  const columns = source.columns.map((column) => `"${column.name.replaceAll('"', '""')}"`).join(', ')
  const table = qualifiedName(source)
  return source.isPartitioned
    ? `COPY (SELECT ${columns} FROM ${table}) TO STDOUT`
    : `COPY ${table} (${columns}) TO STDOUT`
}

/** Turns rows of text into words and inserts them. */
class RowLoader {
  writer!: TableWriter
  private readonly decoders
  private readonly words: Int32Array

  constructor(source: SourceTable) {
    this.decoders = source.columns.map((column) => mapType(column.type).decode)
    this.words = new Int32Array(this.decoders.length * 2)
  }

  load(bytes: Buffer, starts: Int32Array, ends: Int32Array): void {
    const { writer, decoders, words } = this
    const { interner } = writer
    for (let i = 0; i < decoders.length; i++) {
      if (ends[i] === -1) words[i * 2] = words[i * 2 + 1] = 0
      else {
        decoders[i]!(bytes, starts[i]!, ends[i]!, interner)
        words[i * 2] = interner.low
        words[i * 2 + 1] = interner.high
      }
    }
    writer.insertWords(words)
  }
}

function replaced(name: string): SnapheapError {
  return new SnapheapError('POSTGRES', `Postgres: the table ${name} was replaced while it was to be copied. Try again.`, {
    isTransient: true,
  })
}
