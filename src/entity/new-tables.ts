import { readOnlyReason } from '../db/transaction'
import { SnapheapError } from '../errors'
import type { Catalogue } from '../table/catalogue'
import type { EntityMapping } from './mapping'

/** Tables that this library keeps for itself. */
const OWN = /^snapheap[._]/

/**
 * Makes sure that no class makes a table because it was renamed, by hand or by a build that shortens names: one whose
 * table is named by the class alone, and missing, is refused as long as there is a table that no class has, which may
 * be its own. Throws `SCHEMA`.
 */
export function ensureNoneRenamed(mappings: readonly EntityMapping[], catalogue: Catalogue): void {
  const renamed = mappings.find((each) => !each.isNamed && catalogue.find(each.tableName) === undefined)
  if (renamed === undefined) return
  const claimed = new Set<string | undefined>(
    mappings.flatMap((each) => [each.tableName, ...each.collections.map(({ through }) => through?.table)]),
  )
  const left = catalogue
    .names()
    .filter((name) => !claimed.has(name) && !OWN.test(name) && readOnlyReason(catalogue.table(name)) === undefined)
  if (left.length === 0) return
  const { className, tableName } = renamed
  throw new SnapheapError(
    'SCHEMA',
    `Class ${className} would make the new table ${tableName}, but no class has table ${left.join(', ')}. Name the ` +
      `table of ${className}: @Entity({ name: '${tableName}' }) if it is new, or the one it had if the class was ` +
      'renamed, by you or by a build that shortens names.',
    { class: className, table: tableName, tables: left },
  )
}
