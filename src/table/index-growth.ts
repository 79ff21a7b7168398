import type { Heap } from '../heap/heap'
import { atOnce } from '../struct/steps'
import type { Interner } from '../value/interner'
import { LooseWord } from '../value/loose-word'
import { notUnique, openStructure } from './index-set'
import { ALL_ROWS, INDEX } from './layout'
import { OrderedBuilder } from './ordered-builder'
import type { Table } from './table'
import type { TableIndex } from './table-index'

/** Rows between two looks at the time. */
const ROWS_A_LOOK = 128

/** Fills a new index with the rows there are, at once. Throws `UNIQUE`. */
export function fillIndex(heap: Heap, interner: Interner, table: Table, index: TableIndex): void {
  if (index.kind !== 'ordered') {
    addRows(heap, interner, table, index, 0, table.rowLimit)
    return
  }
  const builder = new OrderedBuilder(index, Uint32Array.from([...table.rows()].filter((row) => index.covers(row))))
  atOnce(builder.sort())
  const duplicate = index.isUnique ? builder.duplicate() : undefined
  if (duplicate !== undefined) throw notUnique(table, index, duplicate)
  openStructure(heap, interner, index).destroy()
  const { writer } = heap
  const word = index.descriptor + INDEX.structure
  writer.set(word, atOnce(builder.write(heap)) | 0, writer.view.high(word))
  writer.view.generation++
}

/**
 * Adds further rows to an index that is being built, until `isOver` says so; from then on every change of theirs is
 * kept up. Returns whether the index is whole. Throws `UNIQUE`.
 */
export function growIndex(
  heap: Heap,
  interner: Interner,
  table: Table,
  index: TableIndex,
  isOver: () => boolean,
): boolean {
  const { writer } = heap
  const limit = table.rowLimit
  let row = index.builtTo
  do {
    const next = Math.min(limit, row + ROWS_A_LOOK)
    addRows(heap, interner, table, index, row, next)
    row = next
  } while (row < limit && !isOver())
  writer.set(index.descriptor + INDEX.builtTo, row < limit ? row : ALL_ROWS, 0)
  return row >= limit
}

function addRows(heap: Heap, interner: Interner, table: Table, index: TableIndex, from: number, to: number): void {
  const structure = openStructure(heap, interner, index)
  const { view } = heap.writer
  const words = index.columns.map(() => new LooseWord(view))
  for (let row = from; row < to; row++) {
    if (!table.hasRow(row) || !index.covers(row)) continue
    if (index.isUnique) {
      for (const [i, column] of index.columns.entries()) words[i].load(view, column.addressOf(row))
      const other = words.some((each) => each.number === 0) ? -1 : structure.first(words)
      if (other >= 0) throw notUnique(table, index, other)
    }
    structure.add(row)
  }
}
