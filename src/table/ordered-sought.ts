import type { Sought } from '../struct/ordered-node'
import type { WordOrder } from '../value/compare'
import { LooseWord } from '../value/loose-word'
import type { Column } from './column'

/** Before every row with the same values, and behind every one. */
export const BEFORE_EQUALS = -1
export const BEHIND_EQUALS = Number.POSITIVE_INFINITY

/**
 * A place in an ordered index: that of one row, or one before or behind all rows with the same values in the first
 * columns. Rows with the same values stand in the order of their numbers.
 */
export class OrderedSought implements Sought {
  number = Number.NaN
  /** One for each of the first columns that count. */
  private words: readonly LooseWord[] = []
  private readonly rowWords: LooseWord[]
  /** The row's number, or one of the places above. */
  tie = BEFORE_EQUALS
  /** Whether strings that begin with the last word count as the same. */
  private isBeginning = false

  constructor(
    private readonly order: WordOrder,
    private readonly columns: readonly Column[],
  ) {
    this.rowWords = columns.map(() => new LooseWord(order.view))
  }

  /** To the place of a row whose words are in its columns. */
  ofRow(row: number): this {
    const { columns, order, rowWords } = this
    for (let i = 0; i < columns.length; i++) rowWords[i].load(order.view, columns[i].addressOf(row))
    return this.ofWords(rowWords, row)
  }

  /** To a place among the rows with these values in the first columns. */
  ofWords(words: readonly LooseWord[], tie: number, isBeginning = false): this {
    const number = words.length === 0 ? 0 : words[0].number
    this.number = number === 0 ? Number.NaN : number
    this.words = words
    this.tie = tie
    this.isBeginning = isBeginning
    return this
  }

  compare(keyAddress: number, row: number): number {
    return this.compareValues(keyAddress, row) || this.tie - row
  }

  /** Zero where the row has the values sought. */
  compareValues(keyAddress: number, row: number): number {
    const { words, columns } = this
    for (let i = 0; i < words.length; i++) {
      const address = i === 0 ? keyAddress : columns[i].addressOf(row)
      const difference = this.order.compareNullsLast(words[i], address)
      if (difference !== 0) return i === words.length - 1 && this.isBeginningOf(address) ? 0 : difference
    }
    return 0
  }

  private isBeginningOf(address: number): boolean {
    return this.isBeginning && address !== 0 && this.order.beginsWith(address, this.words[this.words.length - 1])
  }
}
