import pg from 'pg'
import { SnapheapError } from '../errors'
import { qualifiedName, type SourceLeaf, type SourceTable } from './catalogue'
import { type MirroredTable, mirrorName } from './mirrored-table'
import { servedAs } from './renamed'
import { mapType } from './types'

/** One reason why the server, the role or a table cannot be mirrored. */
export interface Finding {
  /** What is wrong, naming the thing. */
  problem: string
  /** The SQL (or, where SQL cannot help, the words) that mends it. */
  remedy: string
}

/** Why tables cannot be mirrored at the moment that were before, by the names of their mirrors. */
export type UnfitTables = ReadonlyMap<string, readonly Finding[]>

/**
 * Parts the tables that can be mirrored from those that were and cannot be now; what is wrong with others are
 * `problems`.
 */
export function fitTables(
  found: readonly (SourceTable | undefined)[],
  {
    tables: names,
    served,
  }: { readonly tables: readonly string[]; readonly served: ReadonlyMap<string, MirroredTable> },
  role: string,
): { tables: SourceTable[]; unfit: UnfitTables; problems: Finding[] } {
  const tables: SourceTable[] = []
  const problems: Finding[] = []
  const unfit = new Map<string, Finding[]>()
  const all = found.filter((table) => table !== undefined)
  found.forEach((table, i) => {
    const own = table === undefined ? [unknownTable(names[i]!)] : tableFindings(table, role, all)
    if (table !== undefined && found.findIndex((other) => other?.oid === table.oid) < i) own.push(namedTwice(table))
    const name = table === undefined ? servedAs(names[i]!, [...served.keys()]) : mirrorName(table)
    if (own.length > 0 && name !== undefined && served.has(name)) unfit.set(name, own)
    else {
      if (table !== undefined) tables.push(table)
      problems.push(...own)
    }
  })
  if (tables.length === 0) problems.push(...[...unfit.values()].flat())
  return { tables, unfit, problems }
}

/** The error of tables that cannot be mirrored at the moment. */
export function unfitError(unfit: UnfitTables): SnapheapError {
  const tables = [...unfit.keys()]
  const list = [...unfit].map(
    ([name, findings]) => `- ${name}: ${findings.map(({ problem, remedy }) => `${problem}. ${remedy}`).join(' ')}`,
  )
  return new SnapheapError(
    'PREFLIGHT',
    `Tables are not mirrored at the moment, and are served as they were:\n${list.join('\n')}\nThe others go on. ` +
      'These will, too, once what is listed is mended.',
    { tables, findings: [...unfit.values()].flat() },
  )
}

function unknownTable(name: string): Finding {
  return {
    problem: `there is no table ${name}`,
    remedy: 'Check the spelling (as in SQL: "Quote" with its capital is not quote), the schema and the search_path',
  }
}

function namedTwice(table: SourceTable): Finding {
  return { problem: `the table ${qualifiedName(table)} is named twice`, remedy: 'Name it once' }
}

/** Kinds of relations without changes to replicate, and what to mirror instead. */
const KINDS: Record<string, [kind: string, remedy: string]> = {
  v: ['a view', 'Name the tables that it is made of instead'],
  m: ['a materialized view', 'Name the tables that it is made of instead'],
  f: ['a foreign table', 'Connect to the server that it is a table of'],
  S: ['a sequence', 'Name a table instead'],
  i: ['an index', 'Name its table instead'],
  I: ['an index', 'Name its table instead'],
  c: ['a composite type', 'Name a table instead'],
  t: ['a TOAST table', 'Name its table instead'],
}

function tableFindings(table: SourceTable, roleName: string, all: readonly SourceTable[]): Finding[] {
  const name = qualifiedName(table)
  const role = pg.escapeIdentifier(roleName)
  if (table.kind !== 'r' && table.kind !== 'p') {
    const [kind, remedy] = KINDS[table.kind] ?? [`no table (kind "${table.kind}")`, 'Name a table instead']
    return [{ problem: `${name} is ${kind}, and has no changes to replicate`, remedy }]
  }
  const findings: Finding[] = []
  const add = (problem: string, remedy: string) => findings.push({ problem, remedy })
  if (table.schema === 'pg_catalog' || table.schema === 'information_schema') {
    add(`${name} is a system table`, 'Name tables of your own')
  }
  if (table.persistence === 't') add(`${name} is a temporary table`, 'Create it without TEMPORARY')
  if (table.persistence === 'u') add(`${name} is unlogged`, `ALTER TABLE ${name} SET LOGGED;`)
  // Objects of JavaScript cannot have a property of this name.
  if (table.columns.some((column) => column.name === '__proto__')) {
    add(`${name} has a column "__proto__"`, `ALTER TABLE ${name} RENAME COLUMN "__proto__" TO proto;`)
  }
  if (!table.isReadable) add(`the role ${role} may not read ${name}`, `GRANT SELECT ON ${name} TO ${role};`)
  if (table.isRowSecured) {
    add(`row security hides rows of ${name} from the role ${role}`, `ALTER ROLE ${role} BYPASSRLS;`)
  }
  const root = all.find((other) => table.ancestorOids.includes(other.oid))
  if (root !== undefined) {
    add(`${name} is a partition of ${qualifiedName(root)}, which is mirrored too`, 'Name only the root')
  }
  // Before the key: a root with foreign partitions cannot have one.
  if (table.isPartitioned) for (const leaf of table.leaves) findings.push(...partitionFindings(table, leaf))
  findings.push(...identityFindings(table))
  return findings
}

/** Without a replica identity the application's own UPDATE and DELETE would fail as soon as the table is published. */
function identityFindings(table: SourceTable): Finding[] {
  const name = qualifiedName(table)
  const primary = table.indexes.find((index) => index.isPrimary)
  const generated = table.key.filter((column) => table.generatedColumns.includes(column))
  if (generated.length > 0) {
    const column = pg.escapeIdentifier(generated[0]!)
    const problem = `the key of ${name} has the generated column ${column}, which is not replicated`
    return [
      { problem, remedy: useIndex(table) ?? `ALTER TABLE ${name} ADD CONSTRAINT … UNIQUE (…); -- ordinary columns` },
    ]
  }
  const naming = table.key.find((column) => table.namingColumns.includes(column))
  if (naming !== undefined) {
    const problem =
      `the key of ${name} has the column ${pg.escapeIdentifier(naming)}, which holds names of other objects and is ` +
      'not mirrored'
    return [{ problem, remedy: useIndex(table) ?? `ALTER TABLE ${name} ADD CONSTRAINT … UNIQUE (…); -- other columns` }]
  }
  if (table.replicaIdentity === 'n' && primary !== undefined) {
    return [{ problem: `${name} has no replica identity`, remedy: `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;` }]
  }
  if (table.key.length === 0) {
    return [
      {
        problem:
          `${name} has no primary key` +
          (table.replicaIdentity === 'f' ? ', so that equal rows cannot be told apart' : ''),
        remedy: useIndex(table) ?? `ALTER TABLE ${name} ADD PRIMARY KEY (…);`,
      },
    ]
  }
  if (isOneBoolean(table, table.key)) {
    const problem = `the key of ${name} is one boolean, which tells two rows apart at most`
    return [{ problem, remedy: useIndex(table) ?? `ALTER TABLE ${name} ADD CONSTRAINT … UNIQUE (…); -- other columns` }]
  }
  if (table.replicaIdentity === 'd' && !primary!.isIdentifying) {
    const problem = `the primary key of ${name} is deferrable and so no replica identity`
    return [{ problem, remedy: useIndex(table) ?? `ALTER TABLE ${name} REPLICA IDENTITY FULL;` }]
  }
  return []
}

function isOneBoolean(table: SourceTable, columns: readonly string[]): boolean {
  const only = columns.length === 1 ? table.columns.find((column) => column.name === columns[0]) : undefined
  return only !== undefined && mapType(only.type).columnType === 'boolean'
}

/** SQL that makes a suitable unique index the replica identity, if there is one. */
function useIndex(table: SourceTable): string | undefined {
  const isOrdinary = (column: string) =>
    !table.generatedColumns.includes(column) && !table.namingColumns.includes(column)
  const index = table.indexes.find(
    ({ isIdentifying, columns }) => isIdentifying && columns.every(isOrdinary) && !isOneBoolean(table, columns),
  )
  if (index === undefined) return undefined
  return `ALTER TABLE ${qualifiedName(table)} REPLICA IDENTITY USING INDEX ${pg.escapeIdentifier(index.name)};`
}

function partitionFindings(root: SourceTable, partition: SourceLeaf): Finding[] {
  const name = qualifiedName(partition)
  if (partition.kind === 'f') {
    return [
      {
        problem: `the partition ${name} of ${qualifiedName(root)} is a foreign table, and has no changes to replicate`,
        remedy: `ALTER TABLE ${qualifiedName(root)} DETACH PARTITION ${name};`,
      },
    ]
  }
  // Each partition has a replica identity of its own; it must tell at least the root's key.
  const byIndex = root.replicaIdentity === 'i'
  if (partition.replicaIdentity === (byIndex ? 'i' : 'd') || partition.replicaIdentity === 'f') return []
  return [
    {
      problem: `the partition ${name} has another replica identity than its root`,
      remedy: byIndex
        ? `ALTER TABLE ${name} REPLICA IDENTITY FULL; -- or, cheaper, USING INDEX with its index on ` +
          `${root.key.join(', ')}`
        : `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`,
    },
  ]
}

export function tableNotices(table: SourceTable): string[] {
  const name = qualifiedName(table)
  const notices = table.columns
    .filter((column) => mapType(column.type).isUnknown)
    .map(
      (column) =>
        `${name}.${pg.escapeIdentifier(column.name)} has the type ${column.type.name}: its text form is kept.`,
    )
  for (const column of table.generatedColumns) {
    notices.push(
      `${name}.${pg.escapeIdentifier(column)} is generated, which logical replication leaves out: it is not mirrored.`,
    )
  }
  for (const column of table.namingColumns) {
    notices.push(
      `${name}.${pg.escapeIdentifier(column)} holds names of other objects, which can be renamed without its ` +
        'changing: it is not mirrored.',
    )
  }
  return notices
}
