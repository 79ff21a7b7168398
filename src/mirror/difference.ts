import type { Transaction } from '../db/transaction'
import type { Steps } from '../struct/steps'
import type { Table } from '../table/table'
import type { TableWriter } from '../table/table-writer'
import { hasLeaves, LeafRows } from './leaf-rows'

const ROWS_PER_STEP = 256

/** How many rows a difference has changed. */
export interface DifferenceCounts {
  inserted: number
  updated: number
  deleted: number
}

/**
 * Brings the rows of a mirrored table that come from some leaves (all of its rows where it is not partitioned) to what
 * a copy of these leaves holds, in steps, within one transaction. Rows that are the same are not touched: watchers are
 * notified of what has changed, and objects stay what they are. Both tables have the same columns.
 */
export class Difference {
  readonly counts: DifferenceCounts = { inserted: 0, updated: 0, deleted: 0 }
  private readonly writer: TableWriter
  private readonly served: Table
  private readonly copy: Table
  private readonly leaves: { served: LeafRows; copy: LeafRows } | undefined
  /** Positions in the served table and in the copy: key first to last, then every column. */
  private readonly keys: readonly (readonly [served: number, copy: number])[]
  private readonly columns: readonly (readonly [served: number, copy: number])[]
  private readonly keyWords: Int32Array
  private readonly words: Int32Array
  private readonly given: Uint8Array

  constructor(
    transaction: Transaction,
    tables: { readonly tableNames: readonly string[] },
    served: string,
    copy: string,
  ) {
    this.writer = transaction.writer(served)
    this.served = this.writer.table
    this.copy = transaction.table(copy)
    this.leaves = hasLeaves(tables, served)
      ? { served: new LeafRows(transaction, served), copy: new LeafRows(transaction, copy) }
      : undefined
    const { columns, keyColumns } = this.served
    const pair = (name: string): readonly [number, number] => [
      columns.findIndex((column) => column.name === name),
      this.copy.columns.findIndex((column) => column.name === name),
    ]
    this.keys = keyColumns.map(({ name }) => pair(name))
    this.columns = columns.map(({ name }) => pair(name))
    this.keyWords = new Int32Array(this.keys.length * 2)
    this.words = new Int32Array(columns.length * 2)
    this.given = new Uint8Array(columns.length)
  }

  /** Rows that have gone make room before others take their keys. */
  *steps(leaves: readonly number[]): Steps {
    for (const leaf of this.leaves === undefined ? [undefined] : leaves) {
      yield* this.each(leaf === undefined ? this.allOf(this.served) : this.leaves!.served.rowsOf(leaf), (row) =>
        this.keep(row),
      )
    }
    for (const leaf of this.leaves === undefined ? [undefined] : leaves) {
      const rows = leaf === undefined ? this.allOf(this.copy) : this.leaves!.copy.rowsOf(leaf)
      yield* this.each(rows, (row) => this.put(row, leaf))
    }
  }

  private *each(rows: Iterable<number>, work: (row: number) => void): Steps {
    let count = 0
    for (const row of rows) {
      work(row)
      if (++count % ROWS_PER_STEP === 0) yield
    }
  }

  /** Also while rows are deleted and inserted: those that come are not of interest. */
  private *allOf(table: Table): Generator<number> {
    for (let row = 0, limit = table.rowLimit; row < limit; row++) if (table.hasRow(row)) yield row
  }

  /** Deletes a served row that the copy has not. */
  private keep(row: number): void {
    this.readKey(this.served, row, 0)
    if (this.copy.rowOfWords(this.keyWords) >= 0) return
    this.writer.delete(row)
    this.leaves?.served.remove(row)
    this.counts.deleted++
  }

  /** Has the served table hold a row of the copy. */
  private put(copied: number, leaf: number | undefined): void {
    this.readKey(this.copy, copied, 1)
    const row = this.served.rowOfWords(this.keyWords)
    if (row < 0) this.insert(copied, leaf)
    else this.update(row, copied, leaf)
  }

  private insert(copied: number, leaf: number | undefined): void {
    for (const [to, from] of this.columns) this.take(to, from, copied)
    const row = this.writer.insertWords(this.words)
    if (leaf !== undefined) this.leaves!.served.add(row, leaf)
    this.counts.inserted++
  }

  private update(row: number, copied: number, leaf: number | undefined): void {
    let isSame = true
    const { view } = this.served.context
    for (const [to, from] of this.columns) {
      const [low, high] = [this.low(this.copy, from, copied), this.high(this.copy, from, copied)]
      const address = this.served.columns[to]!.addressOf(row)
      const isKept =
        (address === 0 ? 0 : view.low(address)) === low && (address === 0 ? 0 : view.high(address)) === high
      this.given[to] = isKept ? 0 : 1
      if (!isKept) this.take(to, from, copied)
      isSame &&= isKept
    }
    if (leaf !== undefined) this.leaves!.served.moveTo(row, leaf)
    if (isSame) return
    this.writer.updateWords(row, this.words, this.given) // the key is the same: the row keeps its number
    this.counts.updated++
  }

  private readKey(table: Table, row: number, side: 0 | 1): void {
    for (const [k, pair] of this.keys.entries()) {
      this.keyWords[k * 2] = this.low(table, pair[side], row)
      this.keyWords[k * 2 + 1] = this.high(table, pair[side], row)
    }
  }

  /** The words of a copied value, with a reference of their own. */
  private take(to: number, from: number, copied: number): void {
    this.words[to * 2] = this.low(this.copy, from, copied)
    this.words[to * 2 + 1] = this.high(this.copy, from, copied)
    this.writer.interner.retain(this.words[to * 2]!, this.words[to * 2 + 1]!)
  }

  private low(table: Table, column: number, row: number): number {
    const address = table.columns[column]!.addressOf(row)
    return address === 0 ? 0 : table.context.view.low(address)
  }

  private high(table: Table, column: number, row: number): number {
    const address = table.columns[column]!.addressOf(row)
    return address === 0 ? 0 : table.context.view.high(address)
  }
}
