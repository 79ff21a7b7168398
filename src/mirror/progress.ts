import type { SourceTable } from './catalogue'
import { mirrorName } from './mirrored-table'

/** How far a copy of tables is. */
export interface CopyState {
  /** The table being copied. */
  table: string
  /** Rows and bytes copied so far, of all tables. */
  rows: number
  bytes: number
  /** Estimates for all tables, which rise or fall while copying. */
  rowsTotal: number
  bytesTotal: number
  /** 0 to 1. */
  share: number
  /** Estimated milliseconds left; undefined while there is nothing to estimate from. */
  etaMs: number | undefined
}

/** What a row costs on disk beyond its values. */
const ROW_OVERHEAD_BYTES = 28
/** Supposed of a row as long as none has been seen. */
const TYPICAL_ROW_BYTES = 100
const REPORT_INTERVAL_MS = 100

interface Measured {
  name: string
  rows: number
  bytes: number
  isDone: boolean
  estimatedRows: number
  sizeBytes: number
}

/**
 * Measures a copy of several tables, one after the other, and reports each one's beginning and end, and ten times a
 * second between.
 */
export class CopyMeter {
  private readonly tables: Measured[]
  private readonly startMs = performance.now()
  private reportedMs = Number.NEGATIVE_INFINITY
  private current = -1
  /** The newest share reported: it does not decrease when an estimate is corrected. */
  private share = 0

  constructor(
    tables: readonly SourceTable[],
    private readonly report: (state: CopyState) => void,
  ) {
    this.tables = tables.map((table) => ({
      name: mirrorName(table),
      rows: 0,
      bytes: 0,
      isDone: false,
      estimatedRows: table.estimatedRows,
      sizeBytes: table.sizeBytes,
    }))
  }

  /** Of rows, copied so far. */
  get bytes(): number {
    return this.tables.reduce((total, { bytes }) => total + bytes, 0)
  }

  begin(table: SourceTable): void {
    this.current = this.tables.findIndex(({ name }) => name === mirrorName(table))
    this.tell()
  }

  /** Of the table being copied. */
  get copied(): { rows: number; bytes: number } {
    const { rows, bytes } = this.tables[this.current]!
    return { rows, bytes }
  }

  update(rows: number, bytes: number): void {
    const table = this.tables[this.current]!
    table.rows = rows
    table.bytes = bytes
    if (performance.now() - this.reportedMs >= REPORT_INTERVAL_MS) this.tell()
  }

  end(): void {
    this.tables[this.current]!.isDone = true
    this.tell()
  }

  private tell(): void {
    this.reportedMs = performance.now()
    const sum = (of: (table: Measured) => number) => this.tables.reduce((total, table) => total + of(table), 0)
    const rows = sum((table) => table.rows)
    const rowsTotal = sum(rowsIn)
    const isDone = this.tables.every((table) => table.isDone)
    const share = isDone ? 1 : Math.max(this.share, Math.min(rows / Math.max(rowsTotal, 1), 0.999))
    this.share = share
    const elapsedMs = performance.now() - this.startMs
    this.report({
      table: this.tables[this.current]!.name,
      rows,
      bytes: this.bytes,
      rowsTotal,
      bytesTotal: sum((table) => (table.isDone ? table.bytes : Math.round(rowsIn(table) * rowBytes(table)))),
      share,
      etaMs: share === 0 ? undefined : Math.round((elapsedMs * (1 - share)) / share),
    })
  }
}

/** The planner's estimate, else one from the size on disk. */
function rowsIn(table: Measured): number {
  if (table.isDone) return table.rows
  const estimate =
    table.estimatedRows > 0 ? table.estimatedRows : table.sizeBytes / (rowBytes(table) + ROW_OVERHEAD_BYTES)
  return Math.max(Math.round(estimate), table.rows)
}

function rowBytes(table: Measured): number {
  return table.rows === 0 ? TYPICAL_ROW_BYTES : table.bytes / table.rows
}
