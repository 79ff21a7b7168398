import { SnapheapError } from '../errors'
import { isPlainObject } from '../kinds'
import { type Arrow, ArrowColumn } from './arrow-column'
import type { Flow } from './flow'

/**
 * A `Table` of the package apache-arrow, as far as this library says: what you get is the package's own, so cast it to
 * that for the rest (`(await query.toArrow()) as Table`).
 */
export interface ArrowTable {
  readonly numRows: number
  readonly numCols: number
  getChild(name: string): { readonly length: number; get(row: number): unknown; toArray(): unknown } | null
  toArray(): unknown[]
}

/** The name of results that are no records. */
const VALUE = 'value'

/** Gathers results as columns of Arrow. */
export class ArrowResults {
  private readonly columns = new Map<string, ArrowColumn>()
  private count = 0

  constructor(flow: Flow) {
    if (flow.kind !== 'records') return
    for (const name of flow.members) this.columns.set(name, new ArrowColumn(name, flow.types?.get(name)))
  }

  add(result: unknown): void {
    if (isPlainObject(result)) {
      for (const name of Object.keys(result)) this.column(name).add(result[name], this.count)
    } else this.column(VALUE).add(result, this.count)
    this.count++
  }

  table(arrow: Arrow): ArrowTable {
    const vectors = [...this.columns].map(([name, column]) => {
      column.fillTo(this.count)
      return [name, column.vector(arrow)] as const
    })
    return new arrow.Table(Object.fromEntries(vectors)) as ArrowTable
  }

  private column(name: string): ArrowColumn {
    let column = this.columns.get(name)
    if (column === undefined) {
      column = new ArrowColumn(name)
      this.columns.set(name, column)
    }
    return column
  }
}

/** The package, which nobody has who does not ask for it. Throws `NOT_FOUND`. */
export async function loadArrow(name = 'apache-arrow'): Promise<Arrow> {
  try {
    return (await import(/* @vite-ignore */ name)) as Arrow
  } catch (error) {
    throw new SnapheapError(
      'NOT_FOUND',
      'Results as Arrow are made by the package apache-arrow, which cannot be loaded. Install it: npm install ' +
        'apache-arrow',
      { name },
      error,
    )
  }
}
