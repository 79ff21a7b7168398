import type pg from 'pg'
import type { Table } from '../table/table'
import type { SourceTable } from './catalogue'
import { queryRows, withConnections } from './connection'
import { type CopySilence, copyRows } from './copy'
import { copyCommand } from './copy-command'
import { copySilence } from './liveness'
import { formatLsn } from './lsn'
import { mirrorName } from './mirrored-table'
import { RowFinder } from './row-finder'
import { lockUnchanged, neverStill } from './slot-snapshot'
import { VerifyPace } from './verify-pace'
import { findPlace, type Place, type PlaceRequest } from './verify-place'

/** What was found about one table. */
export interface TableVerification {
  table: string
  /** Rows in Postgres, and in the mirror. */
  postgresRows: number
  mirrorRows: number
  /** Rows of Postgres that the mirror lacks, rows that only it has, and rows with other values. */
  missingRows: number
  extraRows: number
  differentRows: number
  /** Keys of the first ten of them. */
  examples: { kind: 'missing' | 'extra' | 'different'; key: unknown }[]
}

export interface Verification {
  /** The place in the log at which both were compared. */
  lsn: string
  /** Every table has the same rows with the same values. */
  isSame: boolean
  tables: TableVerification[]
}

export interface VerifyRequest extends PlaceRequest {
  sources: readonly SourceTable[]
}

const LOCK_TIMEOUT_MS = 5_000
const MOST_EXAMPLES = 10
/** TRUNCATE or ALTER TABLE may come in between so often. */
const MOST_ATTEMPTS = 10

/** Compares tables word by word with what Postgres has at one LSN. */
export function verifyTables(request: VerifyRequest): Promise<Verification> {
  return withConnections(request.connection, request.signal, async (client, outside) => {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const place = await findPlace(request, client)
      try {
        if ((await lockUnchanged(client, outside, request.sources, LOCK_TIMEOUT_MS)) !== undefined) {
          return await compareTables(request, place, client, outside)
        }
      } finally {
        place.snapshot.close()
      }
      await queryRows(client, 'beginning the verification anew failed', 'ROLLBACK')
    }
    throw neverStill()
  })
}

async function compareTables(
  { sources, connection, signal, isBackground }: VerifyRequest,
  { lsn, snapshot }: Place,
  client: pg.Client,
  outside: pg.Client,
): Promise<Verification> {
  const tables: TableVerification[] = []
  const silence = copySilence(client, connection, signal)
  for (const source of sources) {
    const name = mirrorName(source)
    const pace = isBackground === true ? new VerifyPace(client, outside, name) : undefined
    tables.push(await verifyTable(source, snapshot.table(name), client, silence, pace))
  }
  return { lsn: formatLsn(lsn), isSame: tables.every((table) => table.examples.length === 0), tables }
}

async function verifyTable(
  source: SourceTable,
  table: Table,
  client: pg.Client,
  silence: CopySilence,
  pace: VerifyPace | undefined,
): Promise<TableVerification> {
  const comparison = new RowComparison(source, table)
  const { result } = comparison
  let readBytes = 0
  const totals = await copyRows(client, copyCommand(source), source.columns.length, {
    onRow: (bytes, starts, ends) => comparison.compare(bytes, starts, ends),
    silence,
    onProgress: (progress) => {
      readBytes = progress.bytes
    },
    onChunk(read) {
      const before = readBytes
      read()
      return pace?.after(readBytes - before)
    },
  })
  result.postgresRows = totals.rows
  comparison.findExtra()
  return result
}

/** Compares the rows of one table as they come. */
class RowComparison {
  readonly result: TableVerification
  private readonly seen: Uint8Array
  private readonly finder: RowFinder
  private readonly columns

  constructor(
    source: SourceTable,
    private readonly table: Table,
  ) {
    this.result = {
      table: table.name,
      postgresRows: 0,
      mirrorRows: table.rowCount,
      missingRows: 0,
      extraRows: 0,
      differentRows: 0,
      examples: [],
    }
    this.seen = new Uint8Array(table.rowLimit)
    this.finder = new RowFinder(table, source.columns, source.key)
    this.columns = source.columns.map((column) => table.column(column.name))
  }

  compare(bytes: Buffer, starts: Int32Array, ends: Int32Array): void {
    const { finder } = this
    const row = finder.find(bytes, starts, ends)
    if (row < 0) {
      this.result.missingRows++
      this.note(
        'missing',
        finder.keyPlaces.map((place) => bytes.toString('utf8', starts[place], ends[place])),
      )
      return
    }
    this.seen[row] = 1
    const { view } = this.table.context
    const isSame = this.columns.every((column, i) => {
      if (finder.isMissing[i] === 1) return false
      const address = column.addressOf(row)
      const low = address === 0 ? 0 : view.low(address)
      const high = address === 0 ? 0 : view.high(address)
      return low === finder.words[i * 2] && high === finder.words[i * 2 + 1]
    })
    if (isSame) return
    this.result.differentRows++
    this.note('different', this.table.keyOf(row))
  }

  /** Rows that Postgres has not told of. */
  findExtra(): void {
    for (const row of this.table.rows()) {
      if (this.seen[row] === 1) continue
      this.result.extraRows++
      this.note('extra', this.table.keyOf(row))
    }
  }

  private note(kind: TableVerification['examples'][number]['kind'], key: unknown): void {
    if (this.result.examples.length < MOST_EXAMPLES) this.result.examples.push({ kind, key })
  }
}
