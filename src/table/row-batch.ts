import type { Writer } from '../heap/writer'
import type { Interner } from '../value/interner'
import type { RowWords } from './row-encoder'
import { integerOf, type Table } from './table'

/**
 * The words of up to `capacity` rows, column by column: of column `i` and the `r`th row the low half is at
 * (i * capacity + r) * 2, the high half behind it.
 */
export class RowBatch {
  /** Rows in it. */
  count = 0
  readonly words: Int32Array
  /** The same words as doubles: of column `i` and the `r`th row at i * capacity + r. */
  readonly numbers: Float64Array
  /** Their row numbers, once they have been inserted. */
  readonly rows: Int32Array

  constructor(
    columns: number,
    readonly capacity: number,
  ) {
    this.numbers = new Float64Array(columns * capacity)
    this.words = new Int32Array(this.numbers.buffer)
    this.rows = new Int32Array(capacity)
  }

  /** Where the words of a column begin. */
  start(column: number): number {
    return column * this.capacity * 2
  }

  /** Copies the words of the `r`th row in these columns to a row's words. */
  read(r: number, columns: readonly number[], row: RowWords): void {
    for (const i of columns) {
      const at = this.start(i) + r * 2
      row[i * 2] = this.words[at]
      row[i * 2 + 1] = this.words[at + 1]
    }
  }

  /**
   * Takes the values of a column as row numbers, if they are integers below `limit`, none negative, each larger than
   * the one before. Returns whether they are.
   */
  numberBy(column: number, limit: number): boolean {
    const { words, rows, count } = this
    let last = -1
    for (let r = 0, at = this.start(column); r < count; r++, at += 2) {
      const number = integerOf(words[at], words[at + 1])
      if (!(number > last && number < limit) || !Number.isInteger(number)) return false
      rows[r] = last = number
    }
    return true
  }

  /** Whether any of the row numbers exists in a table. */
  hasAny(table: Table): boolean {
    for (let r = 0; r < this.count; r++) if (table.hasRow(this.rows[r])) return true
    return false
  }

  /** How many rows have no value in a column. */
  absentIn(column: number): number {
    const { words } = this
    let absent = 0
    for (let at = this.start(column), end = at + this.count * 2; at < end; at += 2) {
      if (words[at] === 0 && words[at + 1] === 0) absent++
    }
    return absent
  }

  /** The highest of the row numbers. */
  get highestRow(): number {
    let highest = 0
    for (let r = 0; r < this.count; r++) if (this.rows[r] > highest) highest = this.rows[r]
    return highest
  }

  /** Writes a column's words to the flat array at `base`, those of neighbouring rows at once. */
  write(writer: Writer, base: number, column: number): void {
    const { rows, count } = this
    for (let from = 0, to = 1; from < count; from = to++) {
      while (to < count && rows[to] === rows[to - 1] + 1) to++
      writer.write(base + rows[from], this.words, this.start(column) + from * 2, (to - from) * 2)
    }
  }

  /** Gives the references of a column's words back, those of the rows from the `first`th on. */
  release(interner: Interner, column: number, first: number): void {
    const start = this.start(column)
    for (let r = first; r < this.count; r++) interner.release(this.words[start + r * 2], this.words[start + r * 2 + 1])
  }
}
