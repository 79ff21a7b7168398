import type pg from 'pg'
import type { Table } from '../table/table'
import type { SourceTable } from './catalogue'
import { queryRows, withConnections } from './connection'
import { type CopySilence, copyRows } from './copy'
import { copyCommand } from './copy-tables'
import { copySilence } from './liveness'
import { formatLsn } from './lsn'
import { mirrorName } from './mirrored-table'
import { lockUnchanged, neverStill } from './slot-snapshot'
import { mapType } from './types'
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
  private readonly decoders
  private readonly columns
  /** Places of the key's columns in a row. */
  private readonly keyPlaces: readonly number[]
  private readonly words: Int32Array
  private readonly isMissing: Uint8Array
  private readonly keyWords: Int32Array

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
    this.decoders = source.columns.map((column) => mapType(column.type).decode)
    this.columns = source.columns.map((column) => table.column(column.name))
    this.keyPlaces = source.key.map((name) => source.columns.findIndex((column) => column.name === name))
    this.words = new Int32Array(this.decoders.length * 2)
    this.isMissing = new Uint8Array(this.decoders.length)
    this.keyWords = new Int32Array(this.keyPlaces.length * 2)
  }

  compare(bytes: Buffer, starts: Int32Array, ends: Int32Array): void {
    const { finder, view } = this.table.context
    for (let i = 0; i < this.decoders.length; i++) {
      finder.isMissing = false
      if (ends[i] === -1) finder.absent()
      else this.decoders[i]!(bytes, starts[i]!, ends[i]!, finder)
      this.words[i * 2] = finder.low
      this.words[i * 2 + 1] = finder.high
      this.isMissing[i] = finder.isMissing ? 1 : 0
    }
    const row = this.row()
    if (row < 0) {
      this.result.missingRows++
      this.note(
        'missing',
        this.keyPlaces.map((place) => bytes.toString('utf8', starts[place], ends[place])),
      )
      return
    }
    this.seen[row] = 1
    const isSame = this.columns.every((column, i) => {
      if (this.isMissing[i] === 1) return false
      const address = column.addressOf(row)
      const low = address === 0 ? 0 : view.low(address)
      const high = address === 0 ? 0 : view.high(address)
      return low === this.words[i * 2] && high === this.words[i * 2 + 1]
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

  private row(): number {
    for (const [i, place] of this.keyPlaces.entries()) {
      if (this.isMissing[place] === 1) return -1
      this.keyWords[i * 2] = this.words[place * 2]!
      this.keyWords[i * 2 + 1] = this.words[place * 2 + 1]!
    }
    return this.table.rowOfWords(this.keyWords)
  }

  private note(kind: TableVerification['examples'][number]['kind'], key: unknown): void {
    if (this.result.examples.length < MOST_EXAMPLES) this.result.examples.push({ kind, key })
  }
}
