import pg from 'pg'
import { qualifiedName, type SourceTable } from './catalogue'
import { canRepair, createPublication, furtherTables, type Publication, unfitness } from './publication'
import type { Finding } from './table-findings'

export interface PublicationRequest {
  /** Name of the publication. */
  publication: string
  /** Identity of the mirror, undefined if it has none yet. */
  id: string | undefined
  role: string
  database: string
  isStandby: boolean
  canCreateInDatabase: boolean
}

/**
 * What keeps a publication from being used, and the smallest SQL for the owner of the tables to run. One that somebody
 * has made with all tables in it is used as it is, and needs no rights.
 */
export function publicationFindings(
  request: PublicationRequest,
  found: Publication | undefined,
  tables: readonly SourceTable[],
): Finding[] {
  if (tables.length === 0) return []
  if (found === undefined) return missingFindings(request, tables)
  if (found.madeBy !== undefined && found.madeBy === request.id && !request.isStandby)
    return ownFindings(request, found, tables)
  const name = pg.escapeIdentifier(request.publication)
  const apart = createPublication(`${request.publication}_mirror`, tables)
  if (found.madeBy !== undefined && found.madeBy !== request.id)
    return [
      {
        problem: `the publication ${name} belongs to another mirror (${found.madeBy})`,
        remedy:
          `${apart} -- and name it as publication of the mirror; or, if that mirror is gone: DROP PUBLICATION ` +
          `${name};`,
      },
    ]
  return unfitness(found, tables).map(({ what, sql }) => ({
    problem: `the publication ${name} ${what}`,
    remedy: `${sql} -- as ${pg.escapeIdentifier(found.owner)}; or, if others use it: ${apart}`,
  }))
}

function missingFindings(request: PublicationRequest, tables: readonly SourceTable[]): Finding[] {
  const role = pg.escapeIdentifier(request.role)
  const name = pg.escapeIdentifier(request.publication)
  const create = createPublication(request.publication, tables)
  if (request.isStandby)
    return [
      {
        problem: `there is no publication ${name}, and a standby cannot make one`,
        remedy: `${create} -- on the primary`,
      },
    ]
  const foreign = tables.filter((table) => !table.isOwner)
  if (foreign.length > 0) {
    const problem =
      `there is no publication ${name}, and the role ${role} cannot make it: it does not own ` +
      `${foreign.map(qualifiedName).join(', ')}`
    return [{ problem, remedy: `${create} -- as their owner, and name it as publication of the mirror` }]
  }
  if (request.canCreateInDatabase) return []
  const problem = `the role ${role} may not create a publication`
  return [{ problem, remedy: `GRANT CREATE ON DATABASE ${pg.escapeIdentifier(request.database)} TO ${role};` }]
}

/** The mirror mends what it has made, as far as it may. */
function ownFindings(request: PublicationRequest, found: Publication, tables: readonly SourceTable[]): Finding[] {
  const name = pg.escapeIdentifier(request.publication)
  const wrong = unfitness(found, tables)
  if (wrong.length === 0 || canRepair(found, tables)) return []
  const problem =
    `the role ${pg.escapeIdentifier(request.role)} may not change the publication ${name}, which ` +
    `${wrong.map(({ what }) => what).join(', and ')}`
  return [{ problem, remedy: wrong.map(({ sql }) => sql).join(' ') }]
}

/** What may be unexpected of a publication that fits. */
export function publicationNotices(found: Publication, tables: readonly SourceTable[]): string[] {
  const further = furtherTables(found, tables)
  if (further === 0) return []
  const what = further === undefined ? 'other tables' : `${further} other ${further === 1 ? 'table' : 'tables'}`
  return [
    `The publication "${found.name}" publishes ${what} too: their changes are sent to the mirror, which leaves ` +
      'them out.',
  ]
}
