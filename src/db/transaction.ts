import { ensure, RECORD, show, TEXT } from '../arguments'
import { SnapheapError } from '../errors'
import { type ColumnChange, changeColumn } from '../table/column-change'
import type { ColumnType } from '../table/column-type'
import type { ColumnDefinition, TableDefinition } from '../table/definition'
import type { IndexDefinition } from '../table/index-definition'
import { insertMany } from '../table/insert-many'
import type { SchemaWriter } from '../table/schema-writer'
import type { Key, Table } from '../table/table'
import type { TableWriter } from '../table/table-writer'

const MAX_ANNOTATION_BYTES = 1 << 16

/** Column values by name. */
export type RowValues = Readonly<Record<string, unknown>>

/**
 * What the function given to `write` changes the database through. Its own changes are visible to it at once. It ends
 * with that function: every later use throws `NO_TRANSACTION`.
 */
export class Transaction {
  private givenAnnotation = ''
  private isOver = false
  private isManager = false
  private readonly writable = new Set<Table>()

  constructor(private readonly schema: SchemaWriter) {}

  /**
   * Kept with the commit in the log: what it is to somebody, to be found again by. At most 64 KiB of UTF-8. Default ''.
   * Setting it throws `INVALID_ARGUMENT` for more.
   */
  get annotation(): string {
    return this.givenAnnotation
  }

  set annotation(text: string) {
    ensure('tx.annotation', text, TEXT)
    // a unit of UTF-16 is at most 3 bytes of UTF-8: most texts need not be measured
    if (text.length * 3 > MAX_ANNOTATION_BYTES) ensureFits(text)
    this.givenAnnotation = text
  }

  /** A table as this transaction sees it. Throws `NOT_FOUND`. */
  table(name: string): Table {
    return this.open().catalogue.table(name)
  }

  /** The row with this key as this transaction sees it, undefined without one. */
  get(table: string, key: Key): Record<string, unknown> | undefined {
    return this.table(table).get(key)
  }

  /** Adds a row. Returns its row number. Throws `UNIQUE`, `NOT_NULL`, `TYPE`, `NOT_FOUND`. */
  insert(table: string, values: RowValues): number {
    return this.writer(table).insert(values)
  }

  /**
   * Adds many rows, about twice as fast as one by one. Returns how many. Throws as `insert`; then none has been added.
   */
  insertMany(table: string, rows: Iterable<RowValues>): number {
    return insertMany(this.writer(table), rows)
  }

  /** Changes columns of the row with this key. Throws `NOT_FOUND` without one, else as `insert`. */
  update(table: string, key: Key, changes: RowValues): void {
    this.writer(table).update(this.existingRow(table, key), changes)
  }

  /** Adds the row, or changes the one with the same key to these values. */
  upsert(table: string, values: RowValues): void {
    const { keyColumns } = this.table(table)
    ensure('tx.upsert()', values, RECORD)
    const key = keyColumns.map(({ name }) => (Object.hasOwn(values, name) ? values[name] : undefined))
    const isWhole = key.every((each) => each !== undefined && each !== null)
    const row = isWhole ? this.table(table).rowOf((key.length === 1 ? key[0] : key) as Key) : -1
    if (row < 0) this.insert(table, values)
    else this.writer(table).update(row, values)
  }

  /** Deletes the row with this key. Returns whether there was one. */
  delete(table: string, key: Key): boolean {
    const row = this.table(table).rowOf(key)
    if (row >= 0) this.writer(table).delete(row)
    return row >= 0
  }

  /** Deletes every row of a table. */
  truncate(table: string): void {
    this.writer(table).truncate()
  }

  /** Throws `EXISTS`, `INVALID_ARGUMENT`. */
  createTable(name: string, definition: TableDefinition): void {
    this.open().createTable(name, definition)
  }

  dropTable(name: string): void {
    this.change(name).dropTable(name)
  }

  renameTable(name: string, newName: string): void {
    this.change(name).renameTable(name, newName)
  }

  /** Adds a column; `value` is what existing rows get, needed where the column is not nullable. */
  addColumn(table: string, name: string, definition: ColumnType | ColumnDefinition, value?: unknown): void {
    this.change(table).addColumn(table, name, definition, value)
  }

  dropColumn(table: string, name: string): void {
    this.change(table).dropColumn(table, name)
  }

  renameColumn(table: string, name: string, newName: string): void {
    this.change(table).renameColumn(table, name, newName)
  }

  /**
   * Changes what a column may hold; what `change` leaves out stays. With another type, its values become what `convert`
   * makes of them. Throws `NOT_NULL`, `UNIQUE`, `TYPE` where rows do not fit, `INVALID_ARGUMENT` for a column of the
   * key.
   */
  changeColumn(table: string, name: string, change: ColumnChange, convert?: (value: unknown) => unknown): void {
    changeColumn(this.change(table), table, name, change, convert)
  }

  /**
   * Builds an index by its definition, or the one of a column's values by the column's name, where there may be one
   * already. Throws `EXISTS`, `UNIQUE`, `INVALID_ARGUMENT`, `TYPE`. `db.buildIndex` does the same beside other commits.
   */
  addIndex(table: string, index: string | IndexDefinition): void {
    this.change(table).addIndex(table, index)
  }

  /** Drops an index by its name, or the one of a column's values by the column's name. Throws `NOT_FOUND`. */
  dropIndex(table: string, name: string): void {
    this.change(table).dropIndex(table, name)
  }

  /** Begins an index that `growIndex` builds, in transactions of its own. Returns its name. Throws as `addIndex`. */
  beginIndex(table: string, index: IndexDefinition): string {
    return this.change(table).beginIndex(table, index)
  }

  /**
   * Builds more of such an index, until `isOver` says so. Returns whether it is whole. Throws `UNIQUE`, `NOT_FOUND`.
   */
  growIndex(table: string, name: string, isOver: () => boolean): boolean {
    return this.change(table).growIndex(table, name, isOver)
  }

  /** Drops such an index if it is not whole. */
  dropUnfinishedIndex(table: string, name: string): void {
    const isUnfinished = this.table(table).definedIndexes.some((each) => each.name === name && !each.isWhole)
    if (isUnfinished) this.dropIndex(table, name)
  }

  /** Stores any value with a table, for the code that manages it. `table(name).properties` reads it. */
  setProperties(table: string, value: unknown): void {
    this.change(table).setProperties(table, value)
    this.writable.clear()
  }

  /** The writer of one table, for many rows at once. Throws `NOT_FOUND`. */
  writer(table: string): TableWriter {
    return this.change(table).writer(table)
  }

  /**
   * Allows this transaction to change read-only tables; for the code that manages them. A table is read-only when its
   * properties are an object with `readOnly`: a sentence with the reason that names the manager.
   */
  manage(): void {
    this.isManager = true
  }

  /** Does what is left to do before the commit, which it may refuse by throwing. */
  complete(): void {}

  /** Says that the transaction has ended, and how. */
  end(_isCommitted: boolean): void {
    this.isOver = true
  }

  private existingRow(name: string, key: Key): number {
    const row = this.table(name).rowOf(key)
    if (row >= 0) return row
    throw new SnapheapError('NOT_FOUND', `Table ${name} has no row with key ${show(key)}. Insert it, or use upsert.`, {
      table: name,
    })
  }

  /** What changes a table, once it is known that this transaction may. */
  private change(name: string): SchemaWriter {
    const schema = this.open()
    const table = schema.catalogue.table(name)
    if (this.isManager || this.writable.has(table)) return schema
    const reason = readOnlyReason(table)
    if (reason !== undefined)
      throw new SnapheapError('READ_ONLY', `Table ${name} cannot be changed here. ${reason}`, { table: name })
    this.writable.add(table)
    return schema
  }

  protected open(): SchemaWriter {
    if (!this.isOver) return this.schema
    throw new SnapheapError('NO_TRANSACTION', 'This transaction has ended. Make the change inside db.write(tx => …).')
  }
}

function ensureFits(annotation: string): void {
  const sizeBytes = Buffer.byteLength(annotation)
  if (sizeBytes <= MAX_ANNOTATION_BYTES) return
  throw new SnapheapError(
    'INVALID_ARGUMENT',
    `The annotation of a transaction has ${sizeBytes} bytes of UTF-8; at most ${MAX_ANNOTATION_BYTES} fit. ` +
      'Shorten it, or keep the text in a table.',
  )
}

/** Why only the manager of a table may change it, undefined for a table that everybody may change. */
export function readOnlyReason(table: Table): string | undefined {
  const { properties } = table
  const reason =
    typeof properties === 'object' && properties !== null ? (properties as { readOnly?: unknown }).readOnly : undefined
  return typeof reason === 'string' ? reason : undefined
}
