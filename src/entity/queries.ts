import { SnapheapError } from '../errors'
import { QueryBuilder, type QueryRoot } from '../query/builder'
import { jsonQuery } from '../query/json'
import { jsonFault } from '../query/json-shape'
import { nearestName } from '../query/nearest'
import type { QueryReader } from '../query/pipeline'
import { frozen } from '../query/plan'
import type { Query } from '../query/query'
import { type PathResolver, TablePaths } from '../query/table-paths'
import { ClassPaths } from './class-paths'
import type { EntityView } from './entity-view'
import type { ClassQuery } from './query-types'
import type { EntityClass } from './types'

/** A query over the rows of a table, as objects of all columns. */
export type TableQuery = QueryBuilder<Record<string, unknown>, Record<string, unknown>>

/** A builder over a class or a table, as one scope sees it. */
export function queryOf(
  of: EntityClass | string,
  reader: QueryReader,
  scope: EntityView,
): ClassQuery<object> | TableQuery {
  return new QueryBuilder(reader, rootOf(of, reader, scope)) as unknown as ClassQuery<object> & TableQuery
}

/** A query that came as JSON data, as one scope sees it. */
export function jsonQueryOf(json: unknown, reader: QueryReader, scope: EntityView): Query<Record<string, unknown>> {
  return jsonQuery(json, reader, (from) => rootOf(named(from, reader, scope), reader, scope))
}

/** The class of this name, else the table. Throws `INVALID_ARGUMENT`, naming the nearest. */
function named(from: string, reader: QueryReader, scope: EntityView): EntityClass | string {
  const classes = scope.registry.all()
  const mapping = classes.find(({ className }) => className === from)
  if (mapping !== undefined) return mapping.type
  try {
    return reader.table(from).name
  } catch (error) {
    if (!(error instanceof SnapheapError) || error.code !== 'NOT_FOUND') throw error
    const nearest = nearestName(from, [...classes.map(({ className }) => className), ...scope.catalogue.names()])
    const remedy = nearest === undefined ? 'Name a class or a table of this database.' : `Did you mean "${nearest}"?`
    throw jsonFault('from', `there is no table or class "${from}". ${remedy}`, { name: from })
  }
}

function rootOf(of: EntityClass | string, reader: QueryReader, scope: EntityView): QueryRoot {
  const pathsOf = (each: EntityClass | string): PathResolver =>
    typeof each === 'string'
      ? new TablePaths(reader.table(each))
      : new ClassPaths(scope.registry.mapping(each), (mapping) => scope.reader.source(mapping.type))
  const paths = pathsOf(of)
  const type = typeof of === 'string' ? undefined : of
  return {
    paths,
    object: frozen({ kind: 'object', table: paths.table, type }),
    other: (each) => pathsOf(each as EntityClass | string),
  }
}
