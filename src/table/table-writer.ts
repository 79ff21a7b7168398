import type { Heap } from '../heap/heap'
import { atOnce, type Steps } from '../struct/steps'
import type { Interner } from '../value/interner'
import type { Column } from './column'
import { ColumnWriter } from './column-writer'
import { CompositeKeys } from './composite-keys'
import { IndexBuilder } from './index-builder'
import { IndexSet } from './index-set'
import { DIRECT_AT_LEAST, DIRECT_SPREAD, KEY_MODE, MAX_ROWS, TABLE } from './layout'
import { noRow, notUnique } from './messages'
import type { RowBatch } from './row-batch'
import { missingValue, RowEncoder, type RowWords } from './row-encoder'
import { RowSet } from './row-set'
import { SortMemory } from './sort-memory'
import { integerOf, type Table } from './table'

/**
 * Changes one table, within a transaction. Every method does all of its work or, when it throws for a reason of the
 * user's, none.
 */
export class TableWriter {
  private readonly rows: RowSet
  private readonly columns: readonly ColumnWriter[]
  private generation = -2
  private sortMemory: SortMemory | undefined
  private readonly encoder: RowEncoder
  private readonly compositeKeys: CompositeKeys
  private readonly indexSet: IndexSet
  /**
   * How many rows are about to be inserted, in any order: keys are dense by that measure. Default 0: by the rows there
   * are.
   */
  expectedRows = 0
  /** Positions of the key's columns, in its order. */
  private readonly keyPositions: readonly number[]
  /** Positions of the columns whose values no two rows share. */
  private readonly uniquePositions: readonly number[]
  private readonly allPositions: readonly number[]
  /** Positions of the columns that say whether a row may exist beside the others. */
  private readonly claimedPositions: readonly number[]

  constructor(
    private readonly heap: Heap,
    /** Makes the words that `insertWords` and `updateWords` take over. */
    readonly interner: Interner,
    readonly table: Table,
  ) {
    this.rows = new RowSet(heap, table.descriptor)
    this.columns = table.columns.map((column) => new ColumnWriter(heap, interner, column))
    this.encoder = new RowEncoder(interner, table)
    this.compositeKeys = new CompositeKeys(heap, table)
    this.indexSet = new IndexSet(heap, interner, table)
    const { columns, keyColumns } = table
    this.keyPositions = keyColumns.map((column) => columns.indexOf(column))
    const isOnlyKey = (column: Column): boolean => keyColumns.length === 1 && keyColumns[0] === column
    this.uniquePositions = columns.flatMap((column, i) => (column.isUnique || isOnlyKey(column) ? [i] : []))
    this.allPositions = columns.map((_, i) => i)
    const claiming = new Set([...this.keyPositions, ...this.uniquePositions, ...this.indexSet.decidingPositions])
    this.claimedPositions = this.allPositions.filter((i) => claiming.has(i))
  }

  /**
   * Adds a row given by column names. Returns its row number. Throws `TYPE`, `NOT_NULL`, `UNIQUE`, `NOT_FOUND`
   * (column).
   */
  insert(values: Readonly<Record<string, unknown>>): number {
    this.refresh()
    return this.insertWords(this.encoder.encodeRow(values))
  }

  /**
   * Changes columns of an existing row. Returns its row number, another one where the key it is made of changed. Throws
   * as `insert`.
   */
  update(row: number, changes: Readonly<Record<string, unknown>>): number {
    this.refresh()
    return this.updateWords(row, this.encoder.encode(changes), this.encoder.given)
  }

  /** Adds a row given as words, one reference each, which this takes over even when it throws. */
  insertWords(words: RowWords): number {
    this.refresh()
    let row: number
    try {
      row = this.newRow(words)
      this.checkUnique(words, -1)
    } catch (error) {
      this.encoder.release(words)
      throw error
    }
    this.occupy(row, words, this.allPositions)
    this.indexSet.add(row, false)
    return row
  }

  /**
   * Adds many rows given as words, one reference each, which this takes over even when it throws: all of the rows or
   * none.
   */
  insertBatch(batch: RowBatch): void {
    this.refresh()
    const isClaimed = this.claimAscending(batch)
    if (!isClaimed) this.claimEach(batch)
    for (const i of this.allPositions)
      if (isClaimed || !this.claimedPositions.includes(i)) this.columns[i].putBatch(batch, i)
    for (let r = 0; r < batch.count; r++) this.indexSet.add(batch.rows[r], false)
  }

  /**
   * Makes the rows exist at once where their keys are their numbers, ascending and new, and nothing else decides.
   * Returns whether it has.
   */
  private claimAscending(batch: RowBatch): boolean {
    const { table, keyPositions } = this
    if (!table.isDirect || this.claimedPositions.length > 1 || batch.count === 0) return false
    if (this.indexSet.decidingPositions.length > 0) return false
    if (!batch.numberBy(keyPositions[0], this.directLimit())) return false
    if (batch.rows[0] < table.rowLimit && batch.hasAny(table)) return false
    if (this.rows.addAscending(batch.rows, batch.count)) this.moved()
    return true
  }

  /** Makes the rows exist one after the other, with what decides whether they may. */
  private claimEach(batch: RowBatch): void {
    const { claimedPositions } = this
    const claimed = new Int32Array(this.table.columns.length * 2)
    let claims = 0
    try {
      for (; claims < batch.count; claims++) {
        batch.read(claims, claimedPositions, claimed)
        const row = this.newRow(claimed)
        this.checkUnique(claimed, -1)
        this.occupy(row, claimed, claimedPositions)
        batch.rows[claims] = row
      }
    } catch (error) {
      for (const i of this.allPositions) batch.release(this.interner, i, claimedPositions.includes(i) ? claims : 0)
      for (const row of batch.rows.subarray(0, claims)) {
        this.vacate(row, claimedPositions)
        this.rows.takeBack(row)
      }
      throw error
    }
  }

  /** Makes a row exist, with its words in these columns. */
  private occupy(row: number, words: RowWords, positions: readonly number[]): void {
    if (this.rows.add(row)) this.moved()
    for (const i of positions) {
      if (words[i * 2] === 0 && words[i * 2 + 1] === 0) this.columns[i].countAbsent(1)
      else this.columns[i].put(row, words[i * 2], words[i * 2 + 1])
    }
    if (this.keyPositions.length > 1) this.compositeKeys.add(row)
    this.indexSet.add(row, true)
  }

  /** Takes a row's words in these columns away. */
  private vacate(row: number, positions: readonly number[]): void {
    this.indexSet.remove(row, true)
    if (this.keyPositions.length > 1) this.compositeKeys.remove(row)
    for (const i of positions) if (!this.columns[i].erase(row)) this.columns[i].countAbsent(-1)
  }

  /**
   * Changes the columns of a row whose `given` is 1 to these words, one reference each, which this takes over even when
   * it throws.
   */
  updateWords(row: number, words: RowWords, given: Uint8Array): number {
    this.refresh()
    const { table } = this
    try {
      this.ensureRow(row)
      this.checkUnique(words, row, given)
    } catch (error) {
      this.encoder.release(words, given)
      throw error
    }
    if (this.changesKey(row, words, given)) return this.rekey(row, words, given)
    this.indexSet.leave(row, words, given)
    for (let i = 0; i < table.columns.length; i++) {
      if (given[i] === 1) this.columns[i].replace(row, words[i * 2], words[i * 2 + 1])
    }
    this.indexSet.enter(row)
    return row
  }

  /** Deletes an existing row and what only it used. */
  delete(row: number): void {
    this.refresh()
    this.ensureRow(row)
    this.indexSet.remove(row, false)
    this.vacate(row, this.allPositions)
    this.rows.remove(row)
  }

  /** Deletes every row. */
  truncate(): void {
    this.refresh()
    this.indexSet.clear()
    for (const column of this.columns) column.empty(this.table.rowLimit)
    this.rows.clear()
    if (this.keyPositions.length > 1) this.compositeKeys.clear()
    this.moved()
  }

  /** Empties a column: every value, its space and its index; an indexed column keeps an empty index. */
  emptyColumn(column: Column): void {
    this.writerOf(column).empty(this.table.rowLimit)
  }

  /** Builds the index of a column that has none. Throws `UNIQUE` when it must be unique and is not. */
  buildIndex(column: Column): void {
    this.sortMemory ??= new SortMemory()
    const builder = IndexBuilder.of(this.table, column, this.sortMemory)
    atOnce(builder.sort())
    atOnce(this.writeIndex(column, builder))
  }

  /** The same in steps, for a column whose rows `builder` has sorted, since when the table must not have changed. */
  *writeIndex(column: Column, builder: IndexBuilder): Steps {
    const isUnique = this.uniquePositions.includes(this.table.columns.indexOf(column))
    const fail = (row: number): never => {
      throw notUnique(this.table, column, row)
    }
    this.writerOf(column).setIndex(yield* builder.write(this.heap, isUnique ? fail : undefined))
  }

  /** Drops a column's index. */
  dropIndex(column: Column): void {
    this.writerOf(column).dropIndex()
  }

  /** The row number for a new row with these words. Throws `UNIQUE`, `NOT_NULL`. */
  private newRow(words: RowWords): number {
    const { table } = this
    for (const i of this.keyPositions) {
      if (words[i * 2] === 0 && words[i * 2 + 1] === 0) throw missingValue(table, table.columns[i])
    }
    if (!table.isDirect) return this.rows.next()
    const key = this.directRow(words)
    if (key >= 0) {
      if (table.hasRow(key)) throw notUnique(this.table, table.keyColumns[0], key)
      return key
    }
    this.lookKeysUp()
    return this.rows.next()
  }

  /** The row number that a direct key is, -1 where it is too large or too sparse to be one. */
  private directRow(words: RowWords): number {
    const at = this.keyPositions[0] * 2
    const key = integerOf(words[at], words[at + 1])
    return Number.isInteger(key) && key >= 0 && key < this.directLimit() ? key : -1
  }

  /** Keys from here on are too sparse to be row numbers. */
  private directLimit(): number {
    const rows = Math.max(this.table.rowCount + 1, this.expectedRows)
    return Math.min(MAX_ROWS, Math.max(DIRECT_AT_LEAST, rows * DIRECT_SPREAD))
  }

  /**
   * Turns a table whose row numbers are its keys into one that looks its keys up: its key column gets a unique index.
   */
  private lookKeysUp(): void {
    const { descriptor, keyColumns } = this.table
    const mode = descriptor + TABLE.keyMode
    this.heap.writer.set(mode, KEY_MODE.column, this.heap.writer.view.high(mode))
    if (!keyColumns[0].isIndexed) this.buildIndex(keyColumns[0])
    this.moved()
    this.refresh()
  }

  private checkUnique(words: RowWords, self: number, given?: Uint8Array): void {
    const { table } = this
    for (const i of this.uniquePositions) {
      if (given !== undefined && given[i] === 0) continue
      const low = words[i * 2]
      const high = words[i * 2 + 1]
      const isAbsent = low === 0 && high === 0
      if (isAbsent && this.keyPositions.includes(i)) throw missingValue(table, table.columns[i])
      const other = isAbsent ? -1 : (this.columns[i].index?.first(low, high) ?? -1)
      if (other >= 0 && other !== self) throw notUnique(this.table, table.columns[i], other)
    }
    if (this.keyPositions.length > 1) this.checkCompositeKey(words, self, given)
    this.indexSet.check(words, self, given)
  }

  private checkCompositeKey(words: RowWords, self: number, given?: Uint8Array): void {
    const { table } = this
    const key = self < 0 ? new Int32Array(this.keyPositions.length * 2) : this.compositeKeys.wordsOf(self)
    for (const [k, i] of this.keyPositions.entries()) {
      if (given !== undefined && given[i] === 0) continue
      if (words[i * 2] === 0 && words[i * 2 + 1] === 0) throw missingValue(table, table.columns[i])
      key[k * 2] = words[i * 2]
      key[k * 2 + 1] = words[i * 2 + 1]
    }
    const other = table.rowOfWords(key)
    if (other >= 0 && other !== self) throw notUnique(this.table, table.keyColumns[0], other)
  }

  private changesKey(row: number, words: RowWords, given: Uint8Array): boolean {
    const { table } = this
    if (!table.isDirect && table.keyColumns.length === 1) return false
    const { view } = this.heap.writer
    for (const i of this.keyPositions) {
      const isChanged = given[i] === 1 && !view.isWord(table.columns[i].addressOf(row), words[i * 2], words[i * 2 + 1])
      if (isChanged) return true
    }
    return false
  }

  /** Gives a row another key where the key decides the row number, or is indexed over several columns. */
  private rekey(row: number, words: RowWords, given: Uint8Array): number {
    const { table } = this
    const { view } = this.heap.writer
    const all = new Int32Array(words.length)
    for (const [i, column] of table.columns.entries()) {
      const address = column.addressOf(row)
      const isGiven = given[i] === 1
      all[i * 2] = isGiven ? words[i * 2] : address === 0 ? 0 : view.low(address)
      all[i * 2 + 1] = isGiven ? words[i * 2 + 1] : address === 0 ? 0 : view.high(address)
      if (!isGiven) this.interner.retain(all[i * 2], all[i * 2 + 1])
    }
    if (table.isDirect) {
      const target = this.directRow(all)
      if (target >= 0 && table.hasRow(target)) {
        this.encoder.release(all)
        throw notUnique(this.table, table.keyColumns[0], target)
      }
    }
    this.delete(row)
    return this.insertWords(all)
  }

  private writerOf(column: Column): ColumnWriter {
    return this.columns[this.table.columns.indexOf(column)]
  }

  private ensureRow(row: number): void {
    if (!this.table.hasRow(row)) throw noRow(this.table, row)
  }

  /** Tells every reader of the writer's view that addresses have moved. */
  private moved(): void {
    this.heap.writer.view.generation++
  }

  private refresh(): void {
    this.table.ensureUsable()
    if (this.generation === this.heap.writer.view.generation) return
    for (const column of this.columns) column.refresh()
    this.indexSet.refresh()
    this.generation = this.heap.writer.view.generation
  }
}
