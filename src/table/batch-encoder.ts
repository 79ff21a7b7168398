import type { Interner } from '../value/interner'
import type { Column } from './column'
import { encodeAs } from './column-type'
import { cannotHold } from './messages'
import { RowBatch } from './row-batch'
import { missingValue } from './row-encoder'
import type { Table } from './table'

/** Rows encoded together: what is known of them stays within the processor's caches. */
export const BATCH_ROWS = 1024
/** Longer strings are encoded one by one: many of them would take too much memory at once. */
const LONGEST_BATCHED = 256

export type Values = Readonly<Record<string, unknown>>

/**
 * Turns many rows given by column names into a batch, column by column, each word with one reference of its own. When
 * it throws, the references are given back.
 */
export class BatchEncoder {
  private readonly batch: RowBatch
  /** The names of the row looked at last: the next one's are usually the same strings. */
  private names: string[] = []
  /** No row of the batch has anything from its class. */
  private isPlain = true
  private readonly starts = new Int32Array(BATCH_ROWS)
  private readonly ends = new Int32Array(BATCH_ROWS)
  private readonly bytes = new Uint8Array(BATCH_ROWS * LONGEST_BATCHED)

  constructor(
    private readonly interner: Interner,
    private readonly table: Table,
  ) {
    this.batch = new RowBatch(table.columns.length, BATCH_ROWS)
  }

  /** The words of at most `BATCH_ROWS` rows. Reused by the next call. Throws `TYPE`, `NOT_NULL`, `NOT_FOUND`. */
  encode(rows: readonly Values[]): RowBatch {
    const { batch, table } = this
    batch.count = rows.length
    this.isPlain = true
    for (const values of rows) this.checkNames(values)
    batch.words.fill(0)
    try {
      for (const [i, column] of table.columns.entries()) {
        if (column.type === 'string') this.encodeTexts(i, column, rows)
        else if (column.type === 'integer' || column.type === 'number') this.encodeNumbers(i, column, rows)
        else this.encodeValues(i, column, rows)
      }
    } catch (error) {
      for (let i = 0; i < table.columns.length; i++) batch.release(this.interner, i, 0)
      throw error
    }
    return batch
  }

  private checkNames(values: Values): void {
    if (Object.getPrototypeOf(values) !== Object.prototype) this.isPlain = false
    let count = 0
    const { names } = this
    for (const name in values) {
      if (names[count] !== name) {
        if (!Object.hasOwn(values, name)) continue
        this.table.column(name)
        names[count] = name
      }
      count++
    }
  }

  private encodeNumbers(i: number, column: Column, rows: readonly Values[]): void {
    const { count, numbers } = this.batch
    const isInteger = column.type === 'integer'
    const read = this.reader(column.name)
    for (let r = 0, at = this.batch.start(i) >>> 1; r < count; r++, at++) {
      const value = read(rows[r])
      const isPlain = typeof value === 'number' && value !== 0 && value === value
      if (isPlain && (!isInteger || Number.isSafeInteger(value))) numbers[at] = value
      else this.encodeValue(i, column, r, value)
    }
  }

  private encodeTexts(i: number, column: Column, rows: readonly Values[]): void {
    const { starts, ends, bytes } = this
    const { count, words } = this.batch
    const read = this.reader(column.name)
    let end = 0
    let others = 0
    for (let r = 0; r < count; r++) {
      const value = read(rows[r])
      starts[r] = end
      if (typeof value === 'string' && value.length <= LONGEST_BATCHED) end = layAscii(value, bytes, end)
      if (end < 0 || (end === starts[r] && value !== '')) {
        others++
        end = starts[r]
        ends[r] = -1
      } else ends[r] = end
    }
    this.interner.texts({ bytes, starts, ends, first: 0, count }, words, this.batch.start(i))
    for (let r = 0; r < count && others > 0; r++) {
      if (ends[r] !== -1) continue
      others--
      this.encodeValue(i, column, r, read(rows[r]))
    }
  }

  private encodeValues(i: number, column: Column, rows: readonly Values[]): void {
    const read = this.reader(column.name)
    for (let r = 0; r < rows.length; r++) this.encodeValue(i, column, r, read(rows[r]))
  }

  /** How the values of a column are read: only what an object has itself, not by its prototype. */
  private reader(name: string): (values: Values) => unknown {
    if (this.isPlain && !(name in Object.prototype)) return (values) => values[name]
    return (values) => (Object.hasOwn(values, name) ? values[name] : undefined)
  }

  private encodeValue(i: number, column: Column, r: number, value: unknown): void {
    const { interner } = this
    const isNull = value === null && column.type !== 'any'
    if (value === undefined || isNull) {
      if (!column.isNullable) throw missingValue(this.table, column)
      return
    }
    let cause: unknown
    let isEncoded = false
    try {
      if (value === null) interner.null()
      isEncoded = value === null || encodeAs(column.type, value, interner)
    } catch (error) {
      cause = error
    }
    if (!isEncoded) {
      interner.abandon()
      throw cannotHold(column, value, cause)
    }
    const at = this.batch.start(i) + r * 2
    this.batch.words[at] = interner.low
    this.batch.words[at + 1] = interner.high
  }
}

/** Lays a string of ASCII out from `at` on. Returns where it ends, -1 when it is another kind of string. */
function layAscii(value: string, bytes: Uint8Array, at: number): number {
  const { length } = value
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i)
    if (code > 127) return -1
    bytes[at + i] = code
  }
  return at + length
}
