import type { ClassRows } from './class-rows'

/** The rows of a class that has a parent, by property values of which some are in the parent's rows. Ascending. */
export function findShared(source: ClassRows, parent: ClassRows, conditions: object): readonly number[] {
  const { mapping } = source
  const entries = Object.entries(conditions)
  const own = entries.filter(([name]) => mapping.owns(mapping.property(name)))
  const inherited = entries.filter(([name]) => !mapping.owns(mapping.property(name)))
  const found = (): number[] => source.table.findRows(source.columnValues(Object.fromEntries(own)))
  if (inherited.length === 0) return found()
  const rows = parent.find(Object.fromEntries(inherited)).map((row) => source.rowSharing(parent.keyColumn, row))
  const among = own.length === 0 ? undefined : new Set(found())
  return rows.filter((row) => row >= 0 && among?.has(row) !== false).sort((a, b) => a - b)
}
