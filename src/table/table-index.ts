import type { View } from '../heap/view'
import { LooseWord } from '../value/loose-word'
import type { Column } from './column'
import { decodeAs } from './column-type'
import { HashIndex } from './hash-index'
import { type IndexKind, structureOf } from './index-definition'
import { termsOf } from './index-type'
import { ALL_ROWS, CONDITION, INDEX, INDEX_KIND, INDEX_UNIQUE } from './layout'
import { OrderedIndex } from './ordered-index'
import type { TableContext } from './table'
import { TermIndex } from './term-index'

/** A condition that the rows of a partial index fulfil. */
export interface StoredCondition {
  readonly column: Column
  /** It has any value; else: the value of the word below. */
  readonly isPresent: boolean
  readonly low: number
  readonly high: number
  /** Of that word. */
  readonly address: number
}

/** What an index needs of the table that it belongs to. */
export interface IndexOwner {
  readonly name: string
  readonly columns: readonly Column[]
  readonly context: TableContext
  ensureUsable(): void
}

/** An index that was given a definition, as one view of the heap has it. */
export class TableIndex {
  readonly name: string
  readonly kind: IndexKind
  readonly isUnique: boolean
  /** In the order in which they are compared. */
  readonly columns: readonly Column[]
  /** All of them hold for the rows in the index; none: every row is in it. */
  readonly conditions: readonly StoredCondition[]
  private generation = -2
  private structure: OrderedIndex | HashIndex | TermIndex | undefined
  private readonly view: View

  constructor(
    readonly table: IndexOwner,
    /** Fixed for the index's life. */
    readonly descriptor: number,
  ) {
    const { view, decoder } = table.context
    this.view = view
    this.name = decoder.read(descriptor + INDEX.name) as string
    const shape = view.low(descriptor + INDEX.shape)
    this.isUnique = (shape & INDEX_UNIQUE) !== 0
    const columnAt = (address: number): Column =>
      table.columns.find((each) => each.descriptor === view.low(address) >>> 0)!
    const count = view.high(descriptor + INDEX.shape)
    this.columns = Array.from({ length: count }, (_, i) => columnAt(descriptor + INDEX.parts + i))
    this.conditions = Array.from({ length: view.high(descriptor + INDEX.structure) }, (_, i) => {
      const part = descriptor + INDEX.parts + count + i * 2
      const isPresent = view.high(part) === CONDITION.present
      const address = part + 1
      return { column: columnAt(part), isPresent, low: view.low(address), high: view.high(address), address }
    })
    const kind = shape & ~INDEX_UNIQUE
    if (kind === INDEX_KIND.terms) this.kind = decoder.read(this.typeAddress) as string
    else this.kind = kind === INDEX_KIND.ordered ? 'ordered' : 'hash'
  }

  /** Whether it has every row that it should have; one that is still being built is of no use to a reader. */
  get isWhole(): boolean {
    return this.view.low(this.descriptor + INDEX.builtTo) === ALL_ROWS
  }

  /** Rows with numbers below this are indexed so far. */
  get builtTo(): number {
    return this.view.low(this.descriptor + INDEX.builtTo) >>> 0
  }

  /** What its partial condition asks for, by column name: a value, or `{ isNull: false }`. Undefined without one. */
  get where(): Readonly<Record<string, unknown>> | undefined {
    if (this.conditions.length === 0) return undefined
    const { decoder } = this.table.context
    const shown = ({ column, isPresent, address }: StoredCondition): unknown => {
      if (isPresent) return { isNull: false }
      return this.view.isAbsent(address) ? null : decodeAs(column.type, this.view, decoder, address)
    }
    return Object.fromEntries(this.conditions.map((each) => [each.column.name, shown(each)]))
  }

  /** Rows in it. */
  get entries(): number {
    return this.index.entries
  }

  /** How many different values they have, estimated. */
  get distinct(): number {
    return this.index.distinct
  }

  /** What an index of kind `ordered` can do; undefined for one of kind `hash`. */
  get ordered(): OrderedIndex | undefined {
    const { index } = this
    return index instanceof OrderedIndex ? index : undefined
  }

  /** What an index of kind `hash` can do; undefined for one of kind `ordered`. */
  get hash(): HashIndex | undefined {
    const { index } = this
    return index instanceof HashIndex ? index : undefined
  }

  /** What an index by terms can do; undefined for one of another kind. */
  get terms(): TermIndex | undefined {
    const { index } = this
    return index instanceof TermIndex ? index : undefined
  }

  /** Where the word is that names its type, for an index by terms. */
  get typeAddress(): number {
    return this.descriptor + INDEX.parts + this.columns.length + this.conditions.length * 2
  }

  /** Throws `TYPE` where its type gives no terms for a value, `SCHEMA` where this process does not know the type. */
  ensureTerms(value: unknown): void {
    if (value !== null && value !== undefined) termsOf(this, value)
  }

  /** Where its structure is now. */
  get address(): number {
    return this.view.low(this.descriptor + INDEX.structure) >>> 0
  }

  get index(): OrderedIndex | HashIndex | TermIndex {
    if (this.generation !== this.view.generation || this.structure === undefined) {
      this.table.ensureUsable()
      const structure = structureOf(this.kind)
      if (structure === 'ordered') this.structure = new OrderedIndex(this, this.address)
      else if (structure === 'hash') this.structure = new HashIndex(this, this.address)
      else this.structure = new TermIndex(this, this.address)
      this.generation = this.view.generation
    }
    return this.structure
  }

  /** The first row with the same values as a row, which has one in every column. */
  firstLike(row: number): number {
    const words = this.columns.map((column) => {
      const word = new LooseWord(this.view)
      word.load(this.view, column.addressOf(row))
      return word
    })
    return this.index.first(words)
  }

  /** Whether a row fulfils the conditions; its words must be in its columns. */
  covers(row: number): boolean {
    for (const each of this.conditions) {
      const address = each.column.addressOf(row)
      if (!fulfils(each, address === 0 ? 0 : this.view.low(address), address === 0 ? 0 : this.view.high(address)))
        return false
    }
    return true
  }
}

export function fulfils(condition: StoredCondition, low: number, high: number): boolean {
  return condition.isPresent ? low !== 0 || high !== 0 : low === condition.low && high === condition.high
}
