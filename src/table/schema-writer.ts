import { ensure, TEXT } from '../arguments'
import { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import type { Interner } from '../value/interner'
import type { Catalogue } from './catalogue'
import type { ColumnType } from './column-type'
import { type ColumnDefinition, resolveColumn, resolveTable, type TableDefinition } from './definition'
import { Descriptors } from './descriptors'
import { IndexCatalogue } from './index-catalogue'
import { type IndexDefinition, orderedBy, type ResolvedIndex, resolveIndex } from './index-definition'
import { fillIndex, growIndex } from './index-growth'
import { CATALOGUE_SLOT, COLUMN, COLUMN_FLAG, TABLE } from './layout'
import { checkName } from './names'
import { ObservedTableWriter, type RowObservers } from './observed-table-writer'
import type { Table } from './table'
import type { TableIndex } from './table-index'
import { TableWriter } from './table-writer'

/** The newest schema version that any transaction of this process has used. */
export interface SchemaVersions {
  newest: number
}

/** Makes, alters and drops tables, within a transaction. */
export class SchemaWriter {
  private readonly writers = new Map<Table, TableWriter>()
  private observers: RowObservers | undefined
  private readonly indexes: IndexCatalogue
  private readonly descriptors: Descriptors

  constructor(
    private readonly heap: Heap,
    private readonly interner: Interner,
    /** The tables as the writer's view has them. */
    readonly catalogue: Catalogue,
    private readonly versions: SchemaVersions,
  ) {
    this.indexes = new IndexCatalogue(heap, interner)
    this.descriptors = new Descriptors(heap, interner)
  }

  /** The writer of a table. Throws `NOT_FOUND`. */
  writer(name: string): TableWriter {
    const table = this.catalogue.table(name)
    let writer = this.writers.get(table)
    if (writer === undefined) {
      const observer = this.observers?.observerOf(name)
      writer =
        observer === undefined
          ? new TableWriter(this.heap, this.interner, table)
          : new ObservedTableWriter(this.heap, this.interner, table, observer)
      this.writers.set(table, writer)
    }
    return writer
  }

  /** Has somebody hear of what happens to rows from now on, in place of whoever heard before. */
  observe(observers: RowObservers): void {
    this.observers = observers
    for (const [table, writer] of this.writers) {
      if (writer instanceof ObservedTableWriter || observers.observerOf(table.name) !== undefined)
        this.writers.delete(table)
    }
  }

  /** Forgets what a rollback has taken back. */
  rolledBack(): void {
    this.interner.reset()
    this.writers.clear()
  }

  /** Throws `EXISTS`, `INVALID_ARGUMENT`. */
  createTable(name: string, definition: TableDefinition): Table {
    const { key, columns, indexes } = resolveTable(name, definition)
    this.ensureFree(name)
    for (const [i, each] of indexes.entries())
      if (indexes.findIndex((other) => other.name === each.name) < i) throw exists('index', `${name}.${each.name}`)
    const descriptor = this.descriptors.makeTable(name, key, columns)
    this.descriptors.list([...this.catalogue.descriptors(), descriptor])
    const version = this.changed()
    this.heap.writer.set(descriptor + TABLE.shape, version, version)
    try {
      for (const each of indexes) this.addDefinedIndex(name, each)
    } catch (error) {
      this.dropTable(name)
      throw error
    }
    return this.catalogue.table(name)
  }

  dropTable(name: string): void {
    const table = this.catalogue.table(name)
    this.writer(name).truncate()
    this.indexes.drop(table, table.definedIndexes)
    this.descriptors.list(this.catalogue.descriptors().filter((each) => each !== table.descriptor))
    this.descriptors.freeTable(table)
    this.changed()
  }

  renameTable(name: string, newName: string): void {
    const { descriptor } = this.catalogue.table(name)
    checkName('table', newName)
    this.ensureFree(newName)
    this.descriptors.setText(descriptor + TABLE.name, newName)
    this.changeShape(descriptor)
  }

  /**
   * Adds a column. A table with rows needs it nullable, or a `value` for the rows there are.
   * Throws `EXISTS`, `NOT_NULL`, `INVALID_ARGUMENT`, `TYPE`.
   */
  addColumn(tableName: string, name: string, given: ColumnType | ColumnDefinition, value?: unknown): void {
    const table = this.catalogue.table(tableName)
    const column = resolveColumn(tableName, name, given)
    if (table.hasColumn(name)) throw exists('column', `${tableName}.${name}`)
    if (table.rowCount > 0 && value === undefined && !column.nullable) {
      throw new SnapheapError(
        'NOT_NULL',
        `Column ${tableName}.${name} is not nullable, but the table has rows. Give a value for them, or declare ` +
          'it nullable.',
        { table: tableName, column: name },
      )
    }
    this.setColumns(table, (columns) => [
      ...columns,
      { address: this.descriptors.makeColumn(column, table.rowCount), keyPosition: 0 },
    ])
    if (column.isOrdered) this.addIndex(tableName, orderedBy(name))
    if (value === undefined) return
    const writer = this.writer(tableName)
    try {
      for (const row of [...writer.table.rows()]) writer.update(row, { [name]: value })
    } catch (error) {
      this.dropColumn(tableName, name)
      throw error
    }
  }

  /**
   * Drops a column, and every index over it or with a condition on it. Throws `INVALID_ARGUMENT` for a column of the
   * key.
   */
  dropColumn(tableName: string, name: string): void {
    const table = this.catalogue.table(tableName)
    const column = table.column(name)
    if (table.keyColumns.includes(column)) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `Column ${tableName}.${name} is part of the key and cannot be dropped. Drop the table.`,
      )
    }
    this.dropDefined(
      table,
      (index) => index.columns.includes(column) || index.conditions.some((each) => each.column === column),
    )
    this.writer(tableName).emptyColumn(this.catalogue.table(tableName).column(name))
    this.setColumns(table, (columns) => columns.filter((each) => each.address !== column.descriptor))
    this.descriptors.freeColumn(column)
  }

  renameColumn(tableName: string, name: string, newName: string): void {
    const table = this.catalogue.table(tableName)
    const { descriptor } = table.column(name)
    checkName('column', newName)
    if (table.hasColumn(newName)) throw exists('column', `${tableName}.${newName}`)
    this.descriptors.setText(descriptor + COLUMN.name, newName)
    this.changeShape(table.descriptor)
  }

  /**
   * Sets whether a column may be without a value, and whether values may be equal. Throws `NOT_NULL`, `UNIQUE` where
   * rows do not fit.
   */
  allow(tableName: string, name: string, { nullable, unique }: { nullable: boolean; unique: boolean }): void {
    const table = this.catalogue.table(tableName)
    const column = table.column(name)
    const { writer } = this.heap
    const flags = column.descriptor + COLUMN.flags
    const absent = writer.view.high(flags)
    if (!nullable && absent > 0) {
      throw new SnapheapError(
        'NOT_NULL',
        `Column ${tableName}.${name} cannot refuse null: ${absent} rows have no value. Give them one first.`,
        { table: tableName, column: name },
      )
    }
    if (unique && !column.isUnique) this.dropIndex(tableName, name)
    const kept = writer.view.low(flags) & ~(COLUMN_FLAG.nullable | COLUMN_FLAG.unique)
    writer.set(flags, kept | (nullable ? COLUMN_FLAG.nullable : 0) | (unique ? COLUMN_FLAG.unique : 0), absent)
    this.changeShape(table.descriptor)
    if (unique) this.addIndex(tableName, name)
  }

  /**
   * Builds an index; for a column, the one of its values, and does nothing where there is one. Throws `EXISTS`,
   * `UNIQUE`, `INVALID_ARGUMENT`, `TYPE`.
   */
  addIndex(tableName: string, given: string | IndexDefinition): void {
    const table = this.catalogue.table(tableName)
    if (typeof given !== 'string') {
      this.addDefinedIndex(tableName, resolveIndex(tableName, given, table.columns))
      return
    }
    if (table.column(given).isIndexed) return
    this.writer(tableName).buildIndex(table.column(given))
    this.changeShape(table.descriptor)
  }

  /** Lists an index that is built in slices, by `growIndex`. Returns its name. Throws as `addIndex`. */
  beginIndex(tableName: string, given: IndexDefinition): string {
    const index = resolveIndex(tableName, given, this.catalogue.table(tableName).columns)
    this.listIndex(tableName, index, 0)
    return index.name
  }

  /** Goes on building it until `isOver` says so. Returns whether it is whole. Throws `UNIQUE`, `NOT_FOUND`. */
  growIndex(tableName: string, name: string, isOver: () => boolean): boolean {
    const table = this.catalogue.table(tableName)
    const index = table.definedIndexes.find((each) => each.name === name)
    if (index === undefined) throw noIndex(table, name)
    const isWhole = index.isWhole || growIndex(this.heap, this.interner, table, index, isOver)
    if (isWhole) this.changeShape(table.descriptor)
    return isWhole
  }

  /**
   * Drops an index by its name, or that of a column's values by the column's. Throws `NOT_FOUND`, and
   * `INVALID_ARGUMENT` for one that a key or a unique column needs.
   */
  dropIndex(tableName: string, name: string): void {
    ensure('tx.dropIndex()', name, TEXT)
    const table = this.catalogue.table(tableName)
    if (this.dropDefined(table, (index) => index.name === name)) return
    if (!table.hasColumn(name)) throw noIndex(table, name)
    const column = table.column(name)
    if (column.isUnique || (table.keyColumns.length === 1 && table.keyColumns[0] === column)) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `The index of ${tableName}.${name} keeps its values unique and cannot be dropped.`,
      )
    }
    if (!column.isIndexed) return
    this.writer(tableName).dropIndex(column)
    this.changeShape(table.descriptor)
  }

  /** Keeps any value with a table, for the layer above. */
  setProperties(tableName: string, value: unknown): void {
    this.descriptors.setProperties(this.catalogue.table(tableName), value)
  }

  private addDefinedIndex(tableName: string, index: ResolvedIndex): void {
    this.listIndex(tableName, index)
    const table = this.catalogue.table(tableName)
    try {
      fillIndex(this.heap, this.interner, table, table.definedIndexes[table.definedIndexes.length - 1])
    } catch (error) {
      this.dropIndex(tableName, index.name)
      throw error
    }
  }

  /** Lists a new index. One of the same name whose building was broken off gives way to it. */
  private listIndex(tableName: string, index: ResolvedIndex, builtTo?: number): void {
    this.dropDefined(this.catalogue.table(tableName), (each) => each.name === index.name && !each.isWhole)
    const table = this.catalogue.table(tableName)
    if (table.definedIndexes.some((each) => each.name === index.name))
      throw exists('index', `${tableName}.${index.name}`)
    this.indexes.add(table, index, builtTo)
    this.changeShape(table.descriptor)
  }

  /** Drops the chosen indexes. Returns whether there were any. */
  private dropDefined(table: Table, isDropped: (index: TableIndex) => boolean): boolean {
    const dropped = table.definedIndexes.filter(isDropped)
    if (dropped.length === 0) return false
    this.indexes.drop(table, dropped)
    this.changeShape(table.descriptor)
    return true
  }

  /**
   * Raises the schema version, past those that were rolled back: a table handle made there must not fit another table.
   */
  private changed(): number {
    const { writer } = this.heap
    const version = Math.max(writer.view.high(CATALOGUE_SLOT), this.versions.newest) + 1
    this.versions.newest = version
    writer.set(CATALOGUE_SLOT, writer.view.low(CATALOGUE_SLOT), version)
    writer.view.generation++
    this.writers.clear()
    return version
  }

  private changeShape(descriptor: number): void {
    const { writer } = this.heap
    writer.set(descriptor + TABLE.shape, this.changed(), writer.view.high(descriptor + TABLE.shape))
  }

  private setColumns(table: Table, change: Parameters<Descriptors['setColumns']>[1]): void {
    this.descriptors.setColumns(table, change)
    this.changeShape(table.descriptor)
  }

  private ensureFree(name: string): void {
    if (this.catalogue.find(name) !== undefined) throw exists('table', name)
  }
}

function exists(what: string, name: string): SnapheapError {
  return new SnapheapError('EXISTS', `There is already a ${what} ${name}. Choose another name, or drop it first.`, {
    [what]: name,
  })
}

function noIndex(table: Table, name: string): SnapheapError {
  const names = [...table.definedIndexes.map((each) => each.name), ...table.columnNames]
  return new SnapheapError(
    'NOT_FOUND',
    `Table ${table.name} has no index "${name}". Name an index, or a column for the index of its values: ` +
      `${names.join(', ')}.`,
    { table: table.name, index: name },
  )
}
