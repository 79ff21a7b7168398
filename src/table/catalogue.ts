import { show } from '../arguments'
import { SnapheapError } from '../errors'
import type { View } from '../heap/view'
import { CATALOGUE_SLOT, TABLE } from './layout'
import { Table, TableContext } from './table'

/** The tables of one view, by name. */
export class Catalogue {
  readonly context: TableContext
  private readonly tables = new Map<string, Table>()
  private schemaVersion = -1

  constructor(protected readonly view: View) {
    this.context = new TableContext(view)
  }

  /** Throws `NOT_FOUND`, naming the tables there are. */
  table(name: string): Table {
    const table = this.find(name)
    if (table !== undefined) return table
    const names = this.names()
    const remedy =
      names.length === 0 ? 'There are no tables yet: create one with tx.createTable.' : `There are ${names.join(', ')}.`
    throw new SnapheapError('NOT_FOUND', `There is no table ${show(name)}. ${remedy}`, { table: name })
  }

  find(name: string): Table | undefined {
    this.refresh()
    return this.tables.get(name)
  }

  names(): string[] {
    this.refresh()
    return [...this.tables.keys()]
  }

  /** Every table. */
  all(): Table[] {
    this.refresh()
    return [...this.tables.values()]
  }

  /** Descriptors of the tables, in the order in which they were made. */
  descriptors(): number[] {
    const list = this.view.low(CATALOGUE_SLOT) >>> 0
    const count = list === 0 ? 0 : this.view.low(list)
    return Array.from({ length: count }, (_, i) => this.view.low(list + 1 + i) >>> 0)
  }

  private refresh(): void {
    const version = this.view.high(CATALOGUE_SLOT)
    if (version === this.schemaVersion) return
    const known = new Map([...this.tables.values()].map((table) => [table.descriptor, table]))
    this.tables.clear()
    for (const descriptor of this.descriptors()) {
      const name = this.context.decoder.read(descriptor + TABLE.name) as string
      const earlier = known.get(descriptor)
      const isSame = earlier !== undefined && earlier.shape === this.view.low(descriptor + TABLE.shape)
      this.tables.set(name, isSame ? earlier : new Table(this.context, descriptor, name))
    }
    this.schemaVersion = version
  }
}
