import type { Heap } from '../heap/heap'
import { MutableHashTable } from '../struct/hash-table'
import type { Interner } from '../value/interner'
import type { Column } from './column'
import type { ResolvedColumn } from './definition'
import { CATALOGUE_SLOT, COLUMN, COLUMN_FLAG, KEY_MODE, SCALE_SHIFT, TABLE } from './layout'
import type { Table } from './table'

/** A column in its table's list: the address of its descriptor, and its place in the key, from 1 on, or 0. */
interface ColumnEntry {
  readonly address: number
  readonly keyPosition: number
}

/**
 * Makes, changes and frees the words that say which tables and columns there are. Whether they may is for
 * `SchemaWriter` to know.
 */
export class Descriptors {
  constructor(
    private readonly heap: Heap,
    private readonly interner: Interner,
  ) {}

  /** A table without rows, in no list yet. */
  makeTable(name: string, key: readonly string[], columns: readonly ResolvedColumn[]): number {
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
    return descriptor
  }

  /** Frees a table that has neither rows nor indexes, and is in no list any more. */
  freeTable(table: Table): void {
    const { allocator, writer } = this.heap
    for (const column of table.columns) this.freeColumn(column)
    const composite = writer.view.low(table.descriptor + TABLE.key) >>> 0
    if (composite !== 0) new MutableHashTable(this.heap, composite).destroy()
    this.releaseWord(table.descriptor + TABLE.name)
    this.releaseWord(table.descriptor + TABLE.properties)
    allocator.free(writer.view.low(table.descriptor + TABLE.columns) >>> 0)
    allocator.free(table.descriptor)
  }

  /** A column that so many rows have no value in. */
  makeColumn(column: ResolvedColumn, rows = 0): number {
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

  freeColumn(column: Column): void {
    const { view } = this.heap.writer
    const index = view.low(column.descriptor + COLUMN.index) >>> 0
    if (index !== 0) new MutableHashTable(this.heap, index).destroy()
    this.releaseWord(column.descriptor + COLUMN.name)
    this.releaseWord(column.descriptor + COLUMN.type)
    this.heap.allocator.free(column.descriptor)
  }

  /** Replaces the list of a table's columns. */
  setColumns(table: Table, change: (columns: ColumnEntry[]) => ColumnEntry[]): void {
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
  }

  /** Replaces the list of tables. */
  list(descriptors: readonly number[]): void {
    const { allocator, writer } = this.heap
    const earlier = writer.view.low(CATALOGUE_SLOT) >>> 0
    if (earlier !== 0) allocator.free(earlier)
    const list = allocator.allocate(descriptors.length + 1)
    writer.set(list, descriptors.length, 0)
    for (const [i, descriptor] of descriptors.entries()) writer.set(list + 1 + i, descriptor | 0, 0)
    writer.set(CATALOGUE_SLOT, list | 0, writer.view.high(CATALOGUE_SLOT))
  }

  setProperties({ descriptor }: Table, value: unknown): void {
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

  /** Writes a text in place of another. */
  setText(address: number, text: string): void {
    this.releaseWord(address)
    this.setString(address, text)
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
