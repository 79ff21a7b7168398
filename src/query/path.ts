import { SnapheapError } from '../errors'
import type { Column } from '../table/column'
import type { Table } from '../table/table'
import type { Path } from './plan'

/** Where a query finds its tables. */
export interface TableSource {
  /** Throws `NOT_FOUND`. */
  table(name: string): Table
}

interface Hop {
  readonly column: Column
  readonly target: Table
  /** The unique column that the values are found in; undefined for the key. */
  readonly by: Column | undefined
}

const NO_ROW = -1
const keyWords = new Int32Array(2)

/** A path over the tables of one view. Reads no value before it is asked to. */
export class BoundPath {
  /** The table at the end of the references. */
  readonly table: Table
  readonly column: Column
  readonly hops: readonly Hop[]

  /** Throws `NOT_FOUND` for an unknown table or column, `INVALID_ARGUMENT` for a reference by what is not unique. */
  constructor(
    readonly start: Table,
    readonly path: Path,
    tables: TableSource,
  ) {
    let table = start
    const hops: Hop[] = []
    for (const reference of path.references) {
      const column = table.column(reference.column)
      const target = tables.table(reference.table)
      const by = reference.by === undefined ? undefined : target.column(reference.by)
      if (by === undefined ? target.keyColumns.length !== 1 : !by.isUnique && !isKey(target, by)) {
        throw new SnapheapError(
          'INVALID_ARGUMENT',
          `${table.name}.${reference.column} cannot be followed to ` +
            (by === undefined
              ? `${target.name}, whose key has several columns. `
              : `${target.name}.${by.name}, which is not unique. `) +
            `Start from ${target.name} instead, or name a unique column.`,
          { table: table.name, column: reference.column },
        )
      }
      hops.push({ column, target, by: by === undefined || isKey(target, by) ? undefined : by })
      table = target
    }
    this.hops = hops
    this.table = table
    this.column = table.column(path.column)
  }

  /** Whether it ends in a column of the row it starts from, as a whole. */
  get isDirect(): boolean {
    return this.hops.length === 0 && this.path.inside.length === 0
  }

  /** The row at the end of the references, -1 where one of them is missing or leads nowhere. */
  rowAt(row: number): number {
    let at = row
    for (const hop of this.hops) {
      at = follow(hop, at)
      if (at < 0) return NO_ROW
    }
    return at
  }

  /** The value, null where there is none. */
  value(row: number): unknown {
    const at = this.hops.length === 0 ? row : this.rowAt(row)
    if (at < 0) return null
    const { inside } = this.path
    return (inside.length === 0 ? this.column.get(at) : this.column.path(at, inside)) ?? null
  }
}

function isKey(table: Table, column: Column): boolean {
  return table.keyColumns.length === 1 && table.keyColumns[0] === column
}

/** Compares words, not values: equal keys are equal words in whatever column they stand. */
function follow(hop: Hop, row: number): number {
  const { column, target } = hop
  const { view } = target.context
  const address = column.addressOf(row)
  if (address === 0) return NO_ROW
  const low = view.low(address)
  const high = view.high(address)
  if (low === 0 && high === 0) return NO_ROW
  if (hop.by !== undefined) return hop.by.index?.first(low, high) ?? NO_ROW
  keyWords[0] = low
  keyWords[1] = high
  return target.rowOfWords(keyWords)
}
