import type { Store } from '../db/store'
import type { Column } from '../table/column'
import type { Table } from '../table/table'
import type { SourceTable } from './catalogue'
import { commit } from './commit'
import { labelText, type MirroredTable, mirrorName, withAddedLabels } from './mirrored-table'
import { mirrorProperties, setRole } from './state'

/**
 * Takes labels that were added to enums into what is known of a table, if none of its rows has one. A row with a new
 * label may have come while the label had another name, and the catalogue does not tell whether it was renamed: false,
 * and the table must be copied. Everything that was committed before the labels were seen must be applied.
 */
export async function acceptLabels(
  store: Store,
  slot: string,
  before: MirroredTable,
  source: SourceTable,
): Promise<boolean> {
  const name = mirrorName(source)
  const known = mirrorProperties(store, name)
  if (known?.role !== 'served' || known.source === null) return false
  const accepted = withAddedLabels(known.source, source)
  const table = store.table(name)
  const isUnused = before.columns.every(({ number, name: columnName, labels }) => {
    const { type } = source.columns.find((column) => column.number === number)!
    if (Object.keys(type.text.labels).length === Object.keys(labels).length) return true
    // within other types a label is part of a text
    return type.kind === 'enum' && hasOnly(table, table.column(columnName), Object.values(labels).map(labelText))
  })
  if (!isUnused) return false
  await commit(store, (transaction) => setRole(transaction, name, slot, 'served', accepted))
  return true
}

/** Whether each row has one of these values in a column, or none. */
function hasOnly(table: Table, column: Column, values: readonly string[]): boolean {
  const { index } = column
  if (index === undefined) return false
  const { finder } = table.context
  const rowsWith = (value: string | null): number =>
    table.seekValue(column, value) ? index.count(finder.low, finder.high) : 0
  return [null, ...values].reduce((sum, value) => sum + rowsWith(value), 0) === table.rowCount
}
