import { ensure, RECORD, show } from '../arguments'
import { SnapheapError } from '../errors'
import { ROOT } from '../heap/layout'
import type { View } from '../heap/view'
import { CLOSED_GENERATION } from '../heap/view'
import { finish, mix } from '../struct/hash'
import { HashTable } from '../struct/hash-table'
import { WordOrder } from '../value/compare'
import { Decoder } from '../value/decoder'
import { Encoder } from '../value/encoder'
import { LooseEncoder } from '../value/loose-word'
import { CONSTANT, CONSTANT_HIGH } from '../value/word'
import { Column } from './column'
import { columnTypeNamed, encodeAs } from './column-type'
import { CATALOGUE_SLOT, COLUMN, KEY_MODE, TABLE } from './layout'
import { cannotHold } from './messages'
import type { OrderedIndex } from './ordered-index'
import { findRows } from './row-finder'
import { atScale } from './scale'
import { TableIndex } from './table-index'

/** A key: the value of the key column, or the values of several in their order. */
export type Key = string | number | bigint | Date | Uint8Array | readonly unknown[]

/** What the tables of one view share. */
export class TableContext {
  readonly decoder: Decoder
  /** Looks values up without creating them. */
  readonly finder: Encoder
  readonly order: WordOrder
  /** Makes words of values that may be stored nowhere; they last until its next use. */
  readonly loose = new LooseEncoder()

  constructor(readonly view: View) {
    this.order = new WordOrder(view)
    this.decoder = new Decoder(view)
    this.finder = Encoder.of(view)
  }
}

/** A table as one view of the heap has it. Rows are known by row numbers, which stay the same while the row exists. */
export class Table {
  readonly columns: readonly Column[]
  /** The columns of the key, in its order. */
  readonly keyColumns: readonly Column[]
  /** Those that were given a definition, in the order in which they were made, also while they are being built. */
  readonly definedIndexes: readonly TableIndex[]
  private readonly byName = new Map<string, Column>()
  private generation = -2
  private keyMode: number = KEY_MODE.direct
  /** Rows below this have their numbers as keys and bits that say whether they exist; 0 where keys are looked up. */
  private directRows = 0
  private presenceBase = 0
  private presenceRows = 0
  /** The schema version in which the table got the shape that this handle knows. */
  readonly shape: number
  private readonly view: View

  constructor(
    readonly context: TableContext,
    /** Fixed for the table's life. */
    readonly descriptor: number,
    readonly name: string,
  ) {
    const { view, decoder } = context
    this.view = view
    this.shape = view.low(descriptor + TABLE.shape)
    const list = view.low(descriptor + TABLE.columns) >>> 0
    const columns: Column[] = []
    const keys: Column[] = []
    for (let i = 0; i < view.high(descriptor + TABLE.columns); i++) {
      const address = view.low(list + i) >>> 0
      const columnName = decoder.read(address + COLUMN.name) as string
      const type = columnTypeNamed(decoder.read(address + COLUMN.type))
      const column = new Column(view, decoder, this, address, columnName, type)
      columns.push(column)
      this.byName.set(columnName, column)
      const keyPosition = view.high(list + i)
      if (keyPosition > 0) keys[keyPosition - 1] = column
    }
    this.columns = columns
    this.keyColumns = keys
    const indexes = view.high(descriptor + TABLE.key) >>> 0
    const count = indexes === 0 ? 0 : view.low(indexes)
    this.definedIndexes = Array.from({ length: count }, (_, i) => new TableIndex(this, view.low(indexes + 1 + i) >>> 0))
  }

  get rowCount(): number {
    this.ensureUsable()
    return this.view.low(this.descriptor + TABLE.rows)
  }

  /** One above the highest row number in use. */
  get rowLimit(): number {
    this.ensureUsable()
    return this.view.high(this.descriptor + TABLE.rows)
  }

  /** Whether the row number is the key itself, so that a look-up by key touches no index. */
  get isDirect(): boolean {
    if (this.generation !== this.view.generation) this.refresh()
    return this.keyMode === KEY_MODE.direct
  }

  /** What the layer above keeps with the table; undefined when it keeps nothing. */
  get properties(): unknown {
    this.ensureUsable()
    return this.context.decoder.read(this.descriptor + TABLE.properties)
  }

  get columnNames(): string[] {
    return this.columns.map((column) => column.name)
  }

  /** Its indexes that were given a definition and are whole; those of single columns by value are at the columns. */
  get indexes(): readonly TableIndex[] {
    this.ensureUsable()
    return this.definedIndexes.filter((each) => each.isWhole)
  }

  /** The index of every row in the order of one column first; undefined without one. */
  orderedBy(column: Column): OrderedIndex | undefined {
    for (const each of this.definedIndexes) {
      if (each.columns[0] === column && each.kind === 'ordered' && each.conditions.length === 0 && each.isWhole)
        return each.ordered
    }
    return undefined
  }

  hasColumn(name: string): boolean {
    return this.byName.has(name)
  }

  /** Throws `NOT_FOUND`, naming the columns there are. */
  column(name: string): Column {
    const column = this.byName.get(name)
    if (column === undefined) {
      throw new SnapheapError(
        'NOT_FOUND',
        `Table ${this.name} has no column ${show(name)}. It has ${this.columnNames.join(', ')}.`,
        { table: this.name, column: name },
      )
    }
    return column
  }

  hasRow(row: number): boolean {
    if (this.generation !== this.view.generation) this.refresh()
    return typeof row === 'number' && this.isPresent(row)
  }

  /**
   * Schema version in which the table was made: with `descriptor`, it tells this table from every other of its name.
   */
  get madeIn(): number {
    return this.view.high(this.descriptor + TABLE.shape)
  }

  /**
   * Rows removed so far. Remembered beside a row number, it tells later, by `wasRemovedSince`, whether that row still
   * exists.
   */
  get removals(): number {
    return this.view.number(this.descriptor + TABLE.removals)
  }

  /**
   * Whether the row with this number, which existed when `removals` was the given number, has been removed since; its
   * number may be in use again.
   */
  wasRemovedSince(row: number, removals: number): boolean {
    this.ensureUsable()
    const { view, descriptor } = this
    if (view.number(descriptor + TABLE.removals) === removals) return false
    if (view.number(descriptor + TABLE.emptiedAt) > removals) return true
    const removedAt = view.low(descriptor + TABLE.removedAt) >>> 0
    if (removedAt === 0 || row >= 2 ** view.high(descriptor + TABLE.removedAt)) return false
    return view.number(removedAt + row) > removals
  }

  /**
   * Row number of a key, -1 when there is no such row. Throws `TYPE` when the key cannot be one. Small, so that engines
   * inline it.
   */
  rowOf(key: Key): number {
    if (this.generation !== this.view.generation) this.refresh()
    return this.currentRowOf(key)
  }

  /** `rowOf` where this handle is known to be up to date. */
  currentRowOf(key: Key): number {
    return typeof key === 'number' && this.isBelow(key, this.directRows) && this.isMarked(key) ? key : this.seekKey(key)
  }

  /** The whole row as an object, undefined when there is no such key. */
  get(key: Key): Record<string, unknown> | undefined {
    const row = this.rowOf(key)
    return row < 0 ? undefined : this.read(row)
  }

  /** A row as an object, by its number. Throws `NOT_FOUND` where no row has it. */
  read(row: number): Record<string, unknown> {
    this.ensureRow(row)
    const object: Record<string, unknown> = {}
    for (const column of this.columns) object[column.name] = column.get(row)
    return object
  }

  /** The key of a row: a value, or an array of them where the key has several columns. Throws `NOT_FOUND` as `read`. */
  keyOf(row: number): unknown {
    this.ensureRow(row)
    const keys = this.keyColumns.map((column) => column.get(row))
    return keys.length === 1 ? keys[0] : keys
  }

  /** Every row number, ascending. The table must not change meanwhile: iterate a snapshot if it might. */
  *rows(): Generator<number> {
    const limit = this.rowLimit
    for (let row = 0; row < limit; row += 32) {
      const address = this.presenceBase + (row >>> 6)
      let bits = (row & 32) === 0 ? this.view.low(address) : this.view.high(address)
      while (bits !== 0) {
        yield row + 31 - Math.clz32(bits & -bits)
        bits &= bits - 1
      }
    }
  }

  /** The rows whose columns have these values, as objects, by row number. Throws as `findRows`. */
  find(conditions: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
    return this.findRows(conditions).map((row) => this.read(row))
  }

  /**
   * The row numbers, ascending, of the rows whose columns have these values (null: no value). Uses the index with the
   * fewest rows; scans where there is none. Throws `NOT_FOUND` for an unknown column and `TYPE` for a value that its
   * column cannot hold.
   */
  findRows(conditions: Readonly<Record<string, unknown>>): number[] {
    if (typeof conditions !== 'object' || conditions === null) ensure('table.findRows()', conditions, RECORD)
    return findRows(this, conditions)
  }

  private ensureRow(row: number): void {
    if (this.hasRow(row)) return
    throw new SnapheapError(
      'NOT_FOUND',
      `Table ${this.name} has no row with number ${show(row)}. Look its number up with find or rowOf.`,
      { table: this.name },
    )
  }

  /** Throws when the table was closed, dropped or altered since this handle was made. */
  ensureUsable(): void {
    if (this.generation !== this.view.generation) this.refresh()
  }

  /** Hash of the words of a composite key that `wordOf` gives for each key column in turn. */
  compositeHash(words: Int32Array): number {
    let hash = this.view.low(ROOT.seed)
    for (const half of words) hash = mix(hash, half)
    return finish(hash, words.length)
  }

  /** Row whose key has these words, low and high half for each key column in turn; -1 without one. */
  rowOfWords(words: Int32Array): number {
    if (this.generation !== this.view.generation) this.refresh()
    if (this.keyMode === KEY_MODE.direct) {
      const row = integerOf(words[0], words[1])
      return this.hasRow(row) ? row : -1
    }
    if (this.keyMode === KEY_MODE.column) return this.keyColumns[0].index?.first(words[0], words[1]) ?? -1
    const table = new HashTable(this.view, this.view.low(this.descriptor + TABLE.key) >>> 0)
    const hash = this.compositeHash(words)
    for (let entry = table.seek(hash); entry !== 0; entry = table.seekNext(hash)) {
      const row = table.foundPayload
      if (this.keyColumns.every((column, i) => this.hasWord(column, row, words[i * 2], words[i * 2 + 1]))) return row
    }
    return -1
  }

  /** Whether a row exists, where this handle is known to be up to date. */
  private isPresent(row: number): boolean {
    return this.isBelow(row, this.presenceRows) && this.isMarked(row)
  }

  private isBelow(row: number, limit: number): boolean {
    return (row | 0) === row && row >= 0 && row < limit
  }

  private isMarked(row: number): boolean {
    const bits = this.view.half(this.presenceBase + (row >>> 6), (row >>> 5) & 1)
    return (bits & (1 << (row & 31))) !== 0
  }

  private seekKey(key: Key): number {
    if (this.keyMode === KEY_MODE.direct) {
      const row = this.directKey(key)
      return this.isPresent(row) ? row : -1
    }
    if (this.keyMode === KEY_MODE.composite) return this.rowOfComposite(key)
    const column = this.keyColumns[0]
    const { finder } = this.context
    const isTuple = Array.isArray(key) && key.length === 1 && column.type !== 'json' && !column.type.endsWith('[]')
    const single: unknown = isTuple ? key[0] : key
    if (single === undefined || (single === null && !keepsNull(column))) throw this.wrongKey(key)
    return this.seekValue(column, single) ? (column.index?.first(finder.low, finder.high) ?? -1) : -1
  }

  /** Whether a row's word in a column has these halves. */
  hasWord(column: Column, row: number, low: number, high: number): boolean {
    const address = column.addressOf(row)
    if (address === 0) return low === 0 && high === 0
    return this.view.isWord(address, low, high)
  }

  private rowOfComposite(key: Key): number {
    const { finder } = this.context
    if (!Array.isArray(key) || key.length !== this.keyColumns.length) throw this.wrongKey(key)
    const words = new Int32Array(key.length * 2)
    for (const [i, column] of this.keyColumns.entries()) {
      if (!this.seekValue(column, key[i])) return -1
      words[i * 2] = finder.low
      words[i * 2 + 1] = finder.high
    }
    return this.rowOfWords(words)
  }

  /** Leaves the word of a value in the finder. False when no row can have it. */
  seekValue(column: Column, value: unknown): boolean {
    const { finder } = this.context
    finder.isMissing = false
    if (value === null || value === undefined) {
      if (value === null && keepsNull(column)) finder.null()
      else finder.absent()
      return true
    }
    let cause: unknown
    try {
      const wanted = column.scale === undefined ? value : atScale(value, column.scale)
      if (encodeAs(column.type, wanted, finder)) return !finder.isMissing
    } catch (error) {
      cause = error
    }
    finder.abandon()
    throw cannotHold(column, value, cause)
  }

  private directKey(key: Key): number {
    const single: unknown = Array.isArray(key) && key.length === 1 ? key[0] : key
    if (typeof single === 'bigint' || Number.isInteger(single)) return Number(single)
    throw this.wrongKey(key)
  }

  private wrongKey(key: unknown): SnapheapError {
    const names = this.keyColumns.map((column) => `${column.name} (${column.type})`).join(', ')
    return new SnapheapError('TYPE', `${show(key)} is no key of table ${this.name}. Its key is ${names}.`, {
      table: this.name,
    })
  }

  private refresh(): void {
    if (this.view.generation === CLOSED_GENERATION) {
      throw new SnapheapError(
        'CLOSED',
        `Table ${this.name} was read after its database, snapshot or transaction had ended. Look it up in one ` +
          'that is open.',
      )
    }
    if (!isListed(this.view, this.descriptor) || this.view.low(this.descriptor + TABLE.shape) !== this.shape) {
      throw new SnapheapError(
        'NOT_FOUND',
        `Table ${this.name} was dropped or altered. Look it up again with db.table("${this.name}").`,
      )
    }
    const { descriptor, view } = this
    this.keyMode = view.low(descriptor + TABLE.keyMode)
    this.presenceBase = view.low(descriptor + TABLE.presence) >>> 0
    this.presenceRows = this.presenceBase === 0 ? 0 : (64 << view.high(descriptor + TABLE.presence)) >>> 0
    this.directRows = this.keyMode === KEY_MODE.direct ? this.presenceRows : 0
    this.generation = view.generation
  }
}

const numberScratch = new Float64Array(1)
const numberHalves = new Int32Array(numberScratch.buffer)

/** The number that a word of an integer column says; NaN for a tagged word other than zero. */
export function integerOf(low: number, high: number): number {
  numberHalves[0] = low
  numberHalves[1] = high
  const number = numberScratch[0]
  return high === CONSTANT_HIGH && low === CONSTANT.zero ? 0 : number
}

/**
 * Whether null is a value of the column, not the absence of one: a document may be null where each row has a document.
 */
function keepsNull(column: Column): boolean {
  return column.type === 'any' || (column.type === 'json' && !column.isNullable)
}

/** Whether the catalogue lists a table with this descriptor. */
function isListed(view: View, descriptor: number): boolean {
  const list = view.low(CATALOGUE_SLOT) >>> 0
  const count = list === 0 ? 0 : view.low(list)
  for (let i = 1; i <= count; i++) if (view.low(list + i) >>> 0 === descriptor) return true
  return false
}
