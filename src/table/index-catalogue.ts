import { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import { requireLayout } from '../heap/layout-version'
import type { Interner } from '../value/interner'
import { encodeAs } from './column-type'
import { type ResolvedIndex, structureOf } from './index-definition'
import { makeStructure, openStructure } from './index-set'
import {
  ALL_ROWS,
  CONDITION,
  INDEX,
  INDEX_KIND,
  INDEX_LISTS_LAYOUT,
  INDEX_UNIQUE,
  TABLE,
  TERM_INDEXES_LAYOUT,
} from './layout'
import { cannotHold } from './messages'
import type { Table } from './table'
import type { TableIndex } from './table-index'

/** The lists of indexes in the catalogue, within a transaction. */
export class IndexCatalogue {
  constructor(
    private readonly heap: Heap,
    private readonly interner: Interner,
  ) {}

  /**
   * Lists a new, empty index, which has the rows with numbers below `builtTo` (as a signed half). Throws `TYPE`,
   * `EXISTS`.
   */
  add(table: Table, index: ResolvedIndex, builtTo = ALL_ROWS): void {
    const { allocator, writer } = this.heap
    const structure = structureOf(index.kind)
    if (structure === 'terms') ensureOnlyTerms(table, index)
    requireLayout(writer, structure === 'terms' ? TERM_INDEXES_LAYOUT : INDEX_LISTS_LAYOUT)
    const conditions = index.where.map((each) => this.encode(table, each))
    const words = INDEX.parts + index.columns.length + conditions.length * 2 + (structure === 'terms' ? 1 : 0)
    const descriptor = allocator.allocateZeroed(words)
    this.interner.string(index.name)
    writer.set(descriptor + INDEX.name, this.interner.low, this.interner.high)
    const kind = INDEX_KIND[structure] | (index.unique ? INDEX_UNIQUE : 0)
    writer.set(descriptor + INDEX.shape, kind, index.columns.length)
    writer.set(descriptor + INDEX.structure, makeStructure(this.heap, index.kind) | 0, conditions.length)
    writer.set(descriptor + INDEX.builtTo, builtTo, 0)
    let at = descriptor + INDEX.parts
    for (const name of index.columns) writer.set(at++, table.column(name).descriptor | 0, 0)
    for (const each of conditions) {
      writer.set(at++, each.column | 0, each.kind)
      writer.set(at++, each.low, each.high)
    }
    if (structure === 'terms') {
      this.interner.string(index.kind)
      writer.set(at, this.interner.low, this.interner.high)
    }
    this.list(table, [...table.definedIndexes.map((each) => each.descriptor), descriptor])
  }

  /** Takes indexes away, with all their space. */
  drop(table: Table, dropped: readonly TableIndex[]): void {
    if (dropped.length === 0) return
    const left = table.definedIndexes.filter((each) => !dropped.includes(each))
    for (const each of dropped) {
      openStructure(this.heap, this.interner, each).destroy()
      if (structureOf(each.kind) === 'terms') this.release(each.typeAddress)
      this.release(each.descriptor + INDEX.name)
      for (const { address } of each.conditions) this.release(address)
      this.heap.allocator.free(each.descriptor)
    }
    this.list(
      table,
      left.map((each) => each.descriptor),
    )
  }

  private encode(table: Table, { column: name, isPresent, value }: ResolvedIndex['where'][number]): EncodedCondition {
    const column = table.column(name)
    const { interner } = this
    if (isPresent || (value === null && column.type !== 'any')) {
      return { column: column.descriptor, kind: isPresent ? CONDITION.present : CONDITION.equals, low: 0, high: 0 }
    }
    let cause: unknown
    try {
      if (value === null) interner.null()
      else if (!encodeAs(column.type, value, interner)) throw cannotHold(column, value, undefined)
      return { column: column.descriptor, kind: CONDITION.equals, low: interner.low, high: interner.high }
    } catch (error) {
      cause = error
    }
    interner.abandon()
    throw cannotHold(column, value, cause)
  }

  private release(address: number): void {
    const { view } = this.heap.writer
    this.interner.release(view.low(address), view.high(address))
  }

  private list(table: Table, descriptors: readonly number[]): void {
    const { allocator, writer } = this.heap
    const word = table.descriptor + TABLE.key
    const earlier = writer.view.high(word) >>> 0
    if (earlier !== 0) allocator.free(earlier)
    let list = 0
    if (descriptors.length > 0) {
      list = allocator.allocate(descriptors.length + 1)
      writer.set(list, descriptors.length, 0)
      for (const [i, each] of descriptors.entries()) writer.set(list + 1 + i, each | 0, 0)
    }
    writer.set(word, writer.view.low(word), list | 0)
  }
}

/** Throws `EXISTS` for a second index by terms of one column: which one a condition asks could not be said. */
function ensureOnlyTerms(table: Table, { name, columns: [column] }: ResolvedIndex): void {
  const other = table.definedIndexes.find(
    (each) => structureOf(each.kind) === 'terms' && each.columns[0].name === column,
  )
  if (other === undefined) return
  throw new SnapheapError(
    'EXISTS',
    `Column ${table.name}.${column} has an index by terms, ${other.name}, and cannot get ${name} too. Drop that ` +
      'one, or have one type give the terms of both.',
    { table: table.name, index: other.name },
  )
}

interface EncodedCondition {
  readonly column: number
  readonly kind: number
  readonly low: number
  readonly high: number
}
