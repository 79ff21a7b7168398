import type { Heap } from '../heap/heap'
import type { Interner } from '../value/interner'
import type { RowBatch } from './row-batch'
import type { RowWords } from './row-encoder'
import type { Table } from './table'
import { TableWriter } from './table-writer'

/**
 * Hears of what happens to the rows of a table within a transaction. Its methods must not change anything, nor throw.
 */
export interface RowObserver {
  /** A row has been added. */
  added(table: Table, row: number): void
  /** Columns of a row are about to change: those whose `given` is 1, by position. */
  changing(table: Table, row: number, given: Uint8Array): void
  /** A row is about to be removed. */
  removing(table: Table, row: number): void
  /** Every row is about to be removed. */
  emptying(): void
}

/** Tells the tables that somebody must hear of. */
export interface RowObservers {
  /** Undefined for a table that nobody need hear of. */
  observerOf(table: string): RowObserver | undefined
}

/** The writer of a table that somebody must hear of. The others are written without a word, and at no cost. */
export class ObservedTableWriter extends TableWriter {
  constructor(
    heap: Heap,
    interner: Interner,
    table: Table,
    private readonly observer: RowObserver,
  ) {
    super(heap, interner, table)
  }

  override insertWords(words: RowWords): number {
    const row = super.insertWords(words)
    this.observer.added(this.table, row)
    return row
  }

  override insertBatch(batch: RowBatch): void {
    super.insertBatch(batch)
    for (const row of batch.rows.subarray(0, batch.count)) this.observer.added(this.table, row)
  }

  override updateWords(row: number, words: RowWords, given: Uint8Array): number {
    if (this.table.hasRow(row)) this.observer.changing(this.table, row, given)
    return super.updateWords(row, words, given)
  }

  override delete(row: number): void {
    if (this.table.hasRow(row)) this.observer.removing(this.table, row)
    super.delete(row)
  }

  override truncate(): void {
    this.observer.emptying()
    super.truncate()
  }
}
