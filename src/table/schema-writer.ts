import { ensure, TEXT } from '../arguments'
import { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import { MutableHashTable } from '../struct/hash-table'
import type { Interner } from '../value/interner'
import type { Catalogue } from './catalogue'
import type { Column } from './column'
import type { ColumnType } from './column-type'
import {
  type ColumnDefinition,
  type ResolvedColumn,
  resolveColumn,
  resolveTable,
  type TableDefinition,
} from './definition'
import { IndexCatalogue } from './index-catalogue'
import { type IndexDefinition, orderedBy, type ResolvedIndex, resolveIndex } from './index-definition'
import { fillIndex, growIndex } from './index-growth'
import { CATALOGUE_SLOT, COLUMN, COLUMN_FLAG, KEY_MODE, SCALE_SHIFT, TABLE } from './layout'
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

  constructor(
    private readonly heap: Heap,
    private readonly interner: Interner,
    /** The tables as the writer's view has them. */
    readonly catalogue: Catalogue,
    private readonly versions: SchemaVersions,
  ) {
    this.indexes = new IndexCatalogue(heap, interner)
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
    const { allocator, writer } = this.heap
    const descriptor = allocator.allocateZeroed(TABLE.words)
    this.setString(descriptor + TABLE.name, name)
    const keyTypes = key.map((each) => columns.find((column) => column.name === each)!.type)
    const isDirect = key.length === 1 && (keyTypes[0] === 'integer' || keyTypes[0] === 'bigint')
    const mode = isDirect ? KEY_MODE.direct : key.length === 1 ? KEY_MODE.column : KEY_MODE.composite
    writer.set(descriptor + TABLE.keyMode, mode, 0)
    if (mode === KEY_MODE.composite) writer.set(descriptor + TABLE.key, MutableHashTable.create(this.heap) | 0, 0)
    const list = allocator.allocateZeroed(columns.length)
    writer.set(descriptor + TABLE.columns, list | 0, columns.length)
    for (const [i, column] of columns.entries()) {
      const isOnlyKey = key.length === 1 && key[0] === column.name
      const index = isOnlyKey ? !isDirect : column.index
      const address = this.makeColumn({ ...column, index })
      writer.set(list + i, address | 0, key.indexOf(column.name) + 1)
    }
    this.list([...this.catalogue.descriptors(), descriptor])
    const version = this.changed()
    writer.set(descriptor + TABLE.shape, version, version)
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
    const { allocator } = this.heap
    const view = this.heap.writer.view
    for (const column of table.columns) this.freeColumn(column)
    const composite = view.low(table.descriptor + TABLE.key) >>> 0
    if (composite !== 0) new MutableHashTable(this.heap, composite).destroy()
    this.releaseWord(table.descriptor + TABLE.name)
    this.releaseWord(table.descriptor + TABLE.properties)
    allocator.free(view.low(table.descriptor + TABLE.columns) >>> 0)
    this.list(this.catalogue.descriptors().filter((each) => each !== table.descriptor))
    allocator.free(table.descriptor)
    this.changed()
  }

  renameTable(name: string, newName: string): void {
    const { descriptor } = this.catalogue.table(name)
    checkName('table', newName)
    this.ensureFree(newName)
    this.releaseWord(descriptor + TABLE.name)
    this.setString(descriptor + TABLE.name, newName)
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
        `Column ${tableName}.${name} is not nullable, but the table has rows. Give a value for them, or declare it nullable.`,
        { table: tableName, column: name },
      )
    }
    this.setColumns(table, (columns) => [
      ...columns,
      { address: this.makeColumn(column, table.rowCount), keyPosition: 0 },
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

  /** Drops a column, and every index over it or with a condition on it. Throws `INVALID_ARGUMENT` for a column of the key. */
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
    this.freeColumn(column)
  }

  renameColumn(tableName: string, name: string, newName: string): void {
    const table = this.catalogue.table(tableName)
    const { descriptor } = table.column(name)
    checkName('column', newName)
    if (table.hasColumn(newName)) throw exists('column', `${tableName}.${newName}`)
    this.releaseWord(descriptor + COLUMN.name)
    this.setString(descriptor + COLUMN.name, newName)
    this.changeShape(table.descriptor)
  }

  /** Sets whether a column may be without a value, and whether values may be equal. Throws `NOT_NULL`, `UNIQUE` where rows do not fit. */
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

  /** Builds an index; for a column, the one of its values, and does nothing where there is one. Throws `EXISTS`, `UNIQUE`, `INVALID_ARGUMENT`, `TYPE`. */
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

  /** Drops an index by its name, or that of a column's values by the column's. Throws `NOT_FOUND`, and `INVALID_ARGUMENT` for one that a key or a unique column needs. */
  dropIndex(tableName: string, name: string): void {
    ensure('The name of an index', name, TEXT)
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
    const { descriptor } = this.catalogue.table(tableName)
    try {
      this.interner.value(value)
    } catch (error) {
      this.interner.abandon()
      throw error
    }
    const [low, high] = [this.interner.low, this.interner.high]
    this.releaseWord(descriptor + TABLE.properties)
    this.heap.writer.set(descriptor + TABLE.properties, low, high)
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

  private makeColumn(column: ResolvedColumn, rows = 0): number {
    const { allocator, writer } = this.heap
    const address = allocator.allocateZeroed(COLUMN.words)
    this.setString(address + COLUMN.name, column.name)
    this.setString(address + COLUMN.type, column.type)
    const flags = (column.nullable ? COLUMN_FLAG.nullable : 0) | (column.unique ? COLUMN_FLAG.unique : 0)
    const scale = column.scale === undefined ? 0 : (column.scale + 1) << SCALE_SHIFT
    writer.set(address + COLUMN.flags, flags | scale, rows)
    if (column.index) writer.set(address + COLUMN.index, MutableHashTable.create(this.heap) | 0, 0)
    return address
  }

  private freeColumn(column: Column): void {
    const { view } = this.heap.writer
    const index = view.low(column.descriptor + COLUMN.index) >>> 0
    if (index !== 0) new MutableHashTable(this.heap, index).destroy()
    this.releaseWord(column.descriptor + COLUMN.name)
    this.releaseWord(column.descriptor + COLUMN.type)
    this.heap.allocator.free(column.descriptor)
  }

  private setColumns(table: Table, change: (columns: ColumnEntry[]) => ColumnEntry[]): void {
    const { allocator, writer } = this.heap
    const { view } = writer
    const word = table.descriptor + TABLE.columns
    const list = view.low(word) >>> 0
    const columns = Array.from({ length: view.high(word) }, (_, i) => ({
      address: view.low(list + i) >>> 0,
      keyPosition: view.high(list + i),
    }))
    const changed = change(columns)
    allocator.free(list)
    const target = allocator.allocate(changed.length)
    for (const [i, each] of changed.entries()) writer.set(target + i, each.address | 0, each.keyPosition)
    writer.set(word, target | 0, changed.length)
    this.changeShape(table.descriptor)
  }

  private list(descriptors: readonly number[]): void {
    const { allocator, writer } = this.heap
    const earlier = writer.view.low(CATALOGUE_SLOT) >>> 0
    if (earlier !== 0) allocator.free(earlier)
    const list = allocator.allocate(descriptors.length + 1)
    writer.set(list, descriptors.length, 0)
    for (const [i, descriptor] of descriptors.entries()) writer.set(list + 1 + i, descriptor | 0, 0)
    writer.set(CATALOGUE_SLOT, list | 0, writer.view.high(CATALOGUE_SLOT))
  }

  /** Raises the schema version, past those that were rolled back: a table handle made there must not fit another table. */
  private changed(): number {
    const { writer } = this.heap
    const version = Math.max(writer.view.high(CATALOGUE_SLOT), this.versions.newest) + 1
    this.versions.newest = version
    writer.set(CATALOGUE_SLOT, writer.view.low(CATALOGUE_SLOT), version)
    writer.view.epoch++
    this.writers.clear()
    return version
  }

  private changeShape(descriptor: number): void {
    const { writer } = this.heap
    writer.set(descriptor + TABLE.shape, this.changed(), writer.view.high(descriptor + TABLE.shape))
  }

  private ensureFree(name: string): void {
    if (this.catalogue.find(name) !== undefined) throw exists('table', name)
  }

  private setString(address: number, text: string): void {
    this.interner.string(text)
    this.heap.writer.set(address, this.interner.low, this.interner.high)
  }

  private releaseWord(address: number): void {
    const { view } = this.heap.writer
    this.interner.release(view.low(address), view.high(address))
    this.heap.writer.set(address, 0, 0)
  }
}

interface ColumnEntry {
  readonly address: number
  readonly keyPosition: number
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
    `Table ${table.name} has no index "${name}". Name an index, or a column for the index of its values: ${names.join(', ')}.`,
    { table: table.name, index: name },
  )
}
