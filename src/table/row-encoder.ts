import { ensure, RECORD } from '../arguments'
import { SnapheapError } from '../errors'
import type { Interner } from '../value/interner'
import type { Column } from './column'
import { encodeAs } from './column-type'
import { cannotHold } from './messages'
import { atScale, fitsScale } from './scale'
import type { Table } from './table'

/** One row's words by column position: low halves at 2i, high halves at 2i + 1. */
export type RowWords = Int32Array

/**
 * Turns values by column name into the words of a row of one table, each with one reference of its own. When it throws,
 * the references are given back.
 */
export class RowEncoder {
  private readonly words: RowWords
  /** 1 for each column that the last `encode` was given. */
  readonly given: Uint8Array

  constructor(
    private readonly interner: Interner,
    private readonly table: Table,
  ) {
    this.words = new Int32Array(table.columns.length * 2)
    this.given = new Uint8Array(table.columns.length)
  }

  /**
   * The words of a whole row; columns without a value are absent. Reused by the next call. Throws `TYPE`, `NOT_NULL`,
   * `NOT_FOUND`.
   */
  encodeRow(values: Readonly<Record<string, unknown>>): RowWords {
    const words = this.encode(values)
    for (const [i, column] of this.table.columns.entries()) {
      if (this.given[i] === 1) continue
      words[i * 2] = words[i * 2 + 1] = 0
      if (!column.isNullable) {
        this.release(words, this.given)
        throw missingValue(this.table, column)
      }
    }
    return words
  }

  /**
   * The words of the columns that have a value, marked in `given`. Reused by the next call. Throws `TYPE`, `NOT_NULL`,
   * `NOT_FOUND`.
   */
  encode(values: Readonly<Record<string, unknown>>): RowWords {
    const { interner, table } = this
    this.given.fill(0)
    if (typeof values !== 'object' || values === null) ensure(`Table ${table.name}`, values, RECORD)
    for (const name of Object.keys(values)) if (!table.hasColumn(name)) table.column(name)
    const { columns } = table
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]
      const value = Object.hasOwn(values, column.name) ? values[column.name] : undefined
      if (value === undefined) continue
      if (value === null && column.type !== 'any') {
        if (!column.isNullable) {
          this.release(this.words, this.given)
          throw missingValue(table, column)
        }
        interner.absent()
      } else {
        this.encodeValue(column, value)
      }
      this.words[i * 2] = interner.low
      this.words[i * 2 + 1] = interner.high
      this.given[i] = 1
    }
    return this.words
  }

  private encodeValue(column: Column, value: unknown): void {
    let cause: unknown
    try {
      if (value === null) return this.interner.null()
      const { scale } = column
      const scaled = scale === undefined ? value : atScale(value, scale)
      const fits = scale === undefined || fitsScale(scaled, scale)
      if (fits && encodeAs(column.type, scaled, this.interner)) return
    } catch (error) {
      cause = error
    }
    this.interner.abandon()
    this.release(this.words, this.given)
    throw cannotHold(column, value, cause)
  }

  /** Gives the references of a row's words back; with `given`, of the columns marked there. */
  release(words: RowWords, given?: Uint8Array): void {
    for (let i = 0; i < this.table.columns.length; i++) {
      if (given === undefined || given[i] === 1) this.interner.release(words[i * 2], words[i * 2 + 1])
    }
  }
}

export function missingValue(table: Table, column: Column): SnapheapError {
  return new SnapheapError(
    'NOT_NULL',
    `Column ${table.name}.${column.name} needs a value. Give one, or declare the column nullable.`,
    { table: table.name, column: column.name },
  )
}
