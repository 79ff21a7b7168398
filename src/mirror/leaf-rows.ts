import type { Transaction } from '../db/transaction'
import { RowBatch } from '../table/row-batch'
import type { TableWriter } from '../table/table-writer'
import { setRole } from './state'

const ROW = 0
const LEAF = 1

/** The table beside a mirrored one that knows where its rows come from. */
export function leavesName(table: string): string {
  return `${table}~leaves`
}

/** Makes it. The mirrored table must be without rows. */
export function createLeaves(transaction: Transaction, table: string, slot: string): void {
  const name = leavesName(table)
  transaction.createTable(name, { key: 'row', columns: { row: 'integer', leaf: 'integer' } })
  setRole(transaction, name, slot, 'leaves', null)
}

export function hasLeaves(store: { readonly tableNames: readonly string[] }, table: string): boolean {
  return store.tableNames.includes(leavesName(table))
}

/**
 * From which leaf of a partitioned table each mirrored row comes, so that exactly the rows of a leaf can go. Within one
 * transaction.
 */
export class LeafRows {
  private readonly writer: TableWriter
  private readonly words = new Int32Array(4)
  private batch: RowBatch | undefined

  constructor(transaction: Transaction, table: string) {
    this.writer = transaction.writer(leavesName(table))
  }

  add(row: number, leaf: number): void {
    this.put(this.words, ROW * 2, row)
    this.put(this.words, LEAF * 2, leaf)
    this.writer.insertWords(this.words)
  }

  /** The first `count` of `rows`, all from one leaf. */
  addAll(rows: Int32Array, count: number, leaf: number): void {
    if (this.batch === undefined || this.batch.capacity < count) this.batch = new RowBatch(2, rows.length)
    const { batch } = this
    batch.count = count
    for (let r = 0; r < count; r++) {
      this.put(batch.words, batch.start(ROW) + r * 2, rows[r]!)
      this.put(batch.words, batch.start(LEAF) + r * 2, leaf)
    }
    this.writer.insertBatch(batch)
  }

  remove(row: number): void {
    this.writer.delete(this.placeOf(row))
  }

  /** A row that is there comes from this leaf from now on. */
  moveTo(row: number, leaf: number): void {
    const place = this.placeOf(row)
    if (this.writer.table.column('leaf').number(place) !== leaf) this.writer.update(place, { leaf })
  }

  /** The numbers of a leaf's rows, ascending. */
  rowsOf(leaf: number): number[] {
    const { table } = this.writer
    const rows = table.column('row')
    return table.findRows({ leaf }).map((each) => rows.number(each))
  }

  clear(): void {
    this.writer.truncate()
  }

  private placeOf(row: number): number {
    this.put(this.words, ROW, row)
    return this.writer.table.rowOfWords(this.words)
  }

  private put(words: Int32Array, at: number, value: number): void {
    const { interner } = this.writer
    interner.number(value)
    words[at] = interner.low
    words[at + 1] = interner.high
  }
}
