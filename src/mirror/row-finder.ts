import type { Table } from '../table/table'
import type { SourceColumn } from './catalogue'
import { mapType } from './types'

/** Finds the mirrored rows of rows that come as text, without adding strings to the heap. */
export class RowFinder {
  /** Places of the key's columns in a row of text. */
  readonly keyPlaces: readonly number[]
  /** Of the row that was looked for: value `i` is the words at [i * 2] and [i * 2 + 1]. */
  readonly words: Int32Array
  /** Value `i` is 1 where the heap does not hold this value anywhere. */
  readonly isMissing: Uint8Array
  private readonly decoders
  private readonly keyWords: Int32Array

  /** `columns`: of the rows of text, in their order; those of the key among them. */
  constructor(
    private readonly table: Table,
    columns: readonly SourceColumn[],
    key: readonly string[],
  ) {
    this.decoders = columns.map((column) => mapType(column.type).decode)
    this.keyPlaces = key.map((name) => columns.findIndex((column) => column.name === name))
    this.words = new Int32Array(columns.length * 2)
    this.isMissing = new Uint8Array(columns.length)
    this.keyWords = new Int32Array(key.length * 2)
  }

  /** The number of the row with the same key, or -1. For the arguments see `CopyRowHandler`. */
  find(bytes: Buffer, starts: Int32Array, ends: Int32Array): number {
    const { finder } = this.table.context
    for (let i = 0; i < this.decoders.length; i++) {
      finder.isMissing = false
      if (ends[i] === -1) finder.absent()
      else this.decoders[i]!(bytes, starts[i]!, ends[i]!, finder)
      this.words[i * 2] = finder.low
      this.words[i * 2 + 1] = finder.high
      this.isMissing[i] = finder.isMissing ? 1 : 0
    }
    for (const [i, place] of this.keyPlaces.entries()) {
      if (this.isMissing[place] === 1) return -1
      this.keyWords[i * 2] = this.words[place * 2]!
      this.keyWords[i * 2 + 1] = this.words[place * 2 + 1]!
    }
    return this.table.rowOfWords(this.keyWords)
  }
}
