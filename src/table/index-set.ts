import { show } from '../arguments'
import { SnapheapError } from '../errors'
import type { Heap } from '../heap/heap'
import { MutableHashTable } from '../struct/hash-table'
import { MutableOrderedTree } from '../struct/ordered-tree-writer'
import type { Interner } from '../value/interner'
import { LooseWord } from '../value/loose-word'
import type { Column } from './column'
import { MutableHashIndex } from './hash-index'
import { type IndexKind, structureOf } from './index-definition'
import { typeOf } from './index-type'
import { INDEX } from './layout'
import { MutableOrderedIndex } from './ordered-index'
import type { RowWords } from './row-encoder'
import type { MutableRowIndex } from './row-index'
import type { Table } from './table'
import { fulfils, type TableIndex } from './table-index'
import { MutableTermIndex } from './term-index'

/** An index with where its columns stand among the table's. */
interface Kept {
  readonly definition: TableIndex
  readonly index: MutableRowIndex
  readonly positions: readonly number[]
  readonly conditionPositions: readonly number[]
  readonly words: readonly LooseWord[]
  /** Its row has been taken out for a change. */
  isLeft: boolean
}

/** Makes an empty structure for an index. Returns its address. */
export function makeStructure(heap: Heap, kind: IndexKind): number {
  return kind === 'ordered' ? MutableOrderedTree.create(heap) : MutableHashTable.create(heap)
}

/** What can change an index that is there. */
export function openStructure(heap: Heap, interner: Interner, definition: TableIndex): MutableRowIndex {
  switch (structureOf(definition.kind)) {
    case 'ordered':
      return new MutableOrderedIndex(heap, definition)
    case 'hash':
      return new MutableHashIndex(heap, definition)
    case 'terms':
      return new MutableTermIndex(heap, interner, definition)
  }
}

/** The indexes of a table that were given a definition, kept in step with its rows, within a transaction. */
export class IndexSet {
  private unique: Kept[] = []
  private byTerms: Kept[] = []
  private others: Kept[] = []
  /** Positions of the columns that say whether a row may exist beside the others. */
  readonly decidingPositions: readonly number[]

  constructor(
    private readonly heap: Heap,
    private readonly interner: Interner,
    private readonly table: Table,
  ) {
    const deciding = table.definedIndexes.filter((each) => each.isUnique || structureOf(each.kind) === 'terms')
    this.decidingPositions = deciding.flatMap((each) => {
      const columns = [...each.columns, ...each.conditions.map(({ column }) => column)]
      return columns.map((column) => table.columns.indexOf(column))
    })
  }

  /** Looks up again where the indexes are. Throws `SCHEMA` for one whose type this process does not know. */
  refresh(): void {
    const { columns, definedIndexes } = this.table
    for (const each of definedIndexes) if (structureOf(each.kind) === 'terms') typeOf(each)
    const kept = definedIndexes.map((definition): Kept => {
      const positionOf = (column: Column): number => columns.indexOf(column)
      return {
        definition,
        index: openStructure(this.heap, this.interner, definition),
        positions: definition.columns.map(positionOf),
        conditionPositions: definition.conditions.map(({ column }) => positionOf(column)),
        words: definition.columns.map(() => new LooseWord(this.heap.writer.view)),
        isLeft: false,
      }
    })
    this.unique = kept.filter((each) => each.definition.isUnique)
    this.others = kept.filter((each) => !each.definition.isUnique)
    this.byTerms = kept.filter((each) => structureOf(each.definition.kind) === 'terms')
  }

  /**
   * Throws `UNIQUE` where a row with these words may not exist beside the others, `TYPE` where its values have no
   * terms. `self` is the row that gets them, in the `given` columns, or -1 for a new one.
   */
  check(words: RowWords, self: number, given: Uint8Array | undefined): void {
    for (const each of this.byTerms) {
      const [i] = each.positions
      if (given !== undefined && given[i] === 0) continue
      if (this.coversWords(each, words, self, given))
        each.definition.ensureTerms(valueIn(this.table, i, words[i * 2], words[i * 2 + 1]))
    }
    for (const each of this.unique) {
      if (given !== undefined && !isGiven(each, given)) continue
      if (!this.coversWords(each, words, self, given) || !this.loadWords(each, words, self, given)) continue
      const other = each.index.first(each.words)
      if (other >= 0 && other !== self) throw notUnique(this.table, each.definition, other)
    }
  }

  /** Adds a row to the unique indexes, or to the others; its words are in their columns. */
  add(row: number, toUnique: boolean): void {
    for (const each of toUnique ? this.unique : this.others) if (has(each, row)) each.index.add(row)
  }

  remove(row: number, fromUnique: boolean): void {
    for (const each of fromUnique ? this.unique : this.others) if (has(each, row)) each.index.remove(row)
  }

  /** Takes a row out of the indexes that a change of these columns concerns. `enter` comes after the change. */
  leave(row: number, words: RowWords, given: Uint8Array): void {
    this.leaveEach(this.unique, row, words, given)
    this.leaveEach(this.others, row, words, given)
  }

  enter(row: number): void {
    this.enterEach(this.unique, row)
    this.enterEach(this.others, row)
  }

  /** Empties every index. */
  clear(): void {
    const { writer } = this.heap
    for (const { definition, index } of [...this.unique, ...this.others]) {
      index.destroy()
      const word = definition.descriptor + INDEX.structure
      writer.set(word, makeStructure(this.heap, definition.kind) | 0, writer.view.high(word))
    }
  }

  private leaveEach(all: readonly Kept[], row: number, words: RowWords, given: Uint8Array): void {
    for (const each of all) {
      if (!isGiven(each, given) || !this.changes(each, row, words, given)) continue
      each.isLeft = true
      if (has(each, row)) each.index.remove(row)
    }
  }

  private enterEach(all: readonly Kept[], row: number): void {
    for (const each of all) {
      if (!each.isLeft) continue
      each.isLeft = false
      if (has(each, row)) each.index.add(row)
    }
  }

  private changes(each: Kept, row: number, words: RowWords, given: Uint8Array): boolean {
    const differs = (i: number): boolean =>
      given[i] === 1 && !this.table.hasWord(this.table.columns[i], row, words[i * 2], words[i * 2 + 1])
    return each.positions.some(differs) || each.conditionPositions.some(differs)
  }

  private coversWords(each: Kept, words: RowWords, self: number, given: Uint8Array | undefined): boolean {
    const { view } = this.heap.writer
    return each.definition.conditions.every((condition, k) => {
      const i = each.conditionPositions[k]
      if (given === undefined || given[i] === 1) return fulfils(condition, words[i * 2], words[i * 2 + 1])
      const address = condition.column.addressOf(self)
      return fulfils(condition, address === 0 ? 0 : view.low(address), address === 0 ? 0 : view.high(address))
    })
  }

  /** Leaves what the row will have in `each.words`. Returns whether it is a value in every column. */
  private loadWords(each: Kept, words: RowWords, self: number, given: Uint8Array | undefined): boolean {
    const { view } = this.heap.writer
    for (const [k, i] of each.positions.entries()) {
      const word = each.words[k]
      if (given === undefined || given[i] === 1) word.set(view, words[i * 2], words[i * 2 + 1])
      else word.load(view, this.table.columns[i].addressOf(self))
      if (word.number === 0) return false
    }
    return true
  }
}

/** The value that a word is, in a column. */
function valueIn({ context, columns }: Table, i: number, low: number, high: number): unknown {
  const word = new LooseWord(context.view)
  word.set(context.view, low, high)
  if (word.number === 0) return null
  const value = word.number === word.number ? word.number : context.decoder.tagged(low, high)
  return columns[i].type === 'bigint' && typeof value === 'number' ? BigInt(value) : value
}

function has({ definition }: Kept, row: number): boolean {
  return row < definition.builtTo && definition.covers(row)
}

function isGiven({ positions, conditionPositions }: Kept, given: Uint8Array): boolean {
  return positions.some((i) => given[i] === 1) || conditionPositions.some((i) => given[i] === 1)
}

/** The error for values that another row of a unique index has. */
export function notUnique(table: Table, { name, columns }: TableIndex, other: number): SnapheapError {
  const names = columns.map((each) => each.name)
  const values = columns.map((each) => show(each.get(other))).join(', ')
  const key = table.keyOf(other)
  return new SnapheapError(
    'UNIQUE',
    `Table ${table.name} already has a row (key ${show(key)}) with ${names.join(', ')} = ${values}, which index ` +
      `${name} ` +
      'allows once. Update that row, or choose other values.',
    { table: table.name, index: name, columns: names, row: other, key },
  )
}
