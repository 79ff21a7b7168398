import { QueryBuilder, type QueryRoot } from '../query/builder'
import type { QueryReader } from '../query/pipeline'
import { frozen } from '../query/plan'
import { type PathResolver, TablePaths } from '../query/table-paths'
import { ClassPaths } from './class-paths'
import type { ClassQuery } from './query-types'
import type { Scope } from './scope'
import type { EntityClass } from './types'

/** A query over the rows of a table, as objects of all columns. */
export type TableQuery = QueryBuilder<Record<string, unknown>, Record<string, unknown>>

/** A builder over a class or a table, as one scope sees it. */
export function queryOf(of: EntityClass | string, reader: QueryReader, scope: Scope): ClassQuery<object> | TableQuery {
  const pathsOf = (each: EntityClass | string): PathResolver =>
    typeof each === 'string'
      ? new TablePaths(reader.table(each))
      : new ClassPaths(scope.registry.mapping(each), (mapping) => scope.reader.source(mapping.type))
  const paths = pathsOf(of)
  const type = typeof of === 'string' ? undefined : of
  const root: QueryRoot = {
    paths,
    object: frozen({ kind: 'object', table: paths.table, type }),
    other: (each) => pathsOf(each as EntityClass | string),
  }
  return new QueryBuilder(reader, root) as unknown as ClassQuery<object> & TableQuery
}
