import pg from 'pg'
import { SnapheapError } from '../errors'
import { qualifiedName, readTables, type SourceLeaf, type SourceTable } from './catalogue'
import { inOneSnapshot, queryRows } from './connection'
import { ddlTriggerFindings } from './ddl-trigger'
import type { MirroredTable } from './mirrored-table'
import { type Publication, readPublication } from './publication'
import { publicationFindings, publicationNotices } from './publication-findings'
import { followRenamed } from './renamed'
import { mapType } from './types'

/** One reason why the server, the role or a table cannot be mirrored. */
export interface Finding {
  /** What is wrong, naming the thing. */
  problem: string
  /** The SQL (or, where SQL cannot help, the words) that mends it. */
  remedy: string
}

export interface PreflightRequest {
  /** Table names as in SQL. */
  tables: readonly string[]
  slot: string
  /** The mirror has made the slot, or nothing yet that is called so. */
  isOwnSlot: boolean
  failover: boolean
  publication: string
  /** By which the mirror knows its publication; undefined if it has made nothing on the server yet. */
  id: string | undefined
  /** The tables that are mirrored already, by the names of their mirrors. */
  served: ReadonlyMap<string, MirroredTable>
  /** Default false. */
  ddlTrigger?: boolean
}

export interface PreflightResult {
  tables: SourceTable[]
  /** Things that are allowed but that somebody may not expect. */
  notices: string[]
  isStandby: boolean
}

const OLDEST_VERSION = 14
/** The newest that the tests run on. */
const NEWEST_VERSION = 18
/** From which on a standby can be mirrored, and a slot can be kept on standbys. */
const STANDBY_VERSION = 16
const FAILOVER_VERSION = 17
/**
 * One to stream, one that holds the snapshot that is copied. Only asked for at the beginning: later on, one of the
 * senders counted may be this mirror's own, whose connection has broken and whom the server has not given up yet.
 */
const SENDERS_TO_COPY = 2

/**
 * Finds out over `client` whether the tables can be mirrored, and reads them. Throws one `PREFLIGHT` error that lists
 * every reason against it, each with what mends it, also as `details.findings`.
 */
export async function preflight(client: pg.Client, request: PreflightRequest): Promise<PreflightResult> {
  const server = await readServer(client, request)
  const findings = [...serverFindings(server, request), ...slotFindings(server, request)]
  const isVersionKnown = server.version >= OLDEST_VERSION
  // An older version has another catalogue; what it says about tables would not be worth much.
  const hidden = isVersionKnown ? await hiddenSchemas(client, request.tables) : []
  findings.push(...hidden.map((schema) => hiddenSchema(schema, server)))
  const found: (SourceTable | undefined)[] = []
  const notices: string[] = []
  if (isVersionKnown && hidden.length === 0) {
    await inOneSnapshot(client, async () => {
      found.push(...(await readTables(client, request.tables)))
      if (found.length > 0) notices.push(...(await followRenamed(client, request.tables, found, request.served)))
    })
  }
  if (request.tables.length === 0) {
    findings.push({ problem: 'no tables are named', remedy: 'Name at least one table in `tables`' })
  }
  const tables: SourceTable[] = []
  found.forEach((table, i) => {
    if (table === undefined) findings.push(unknownTable(request.tables[i]!))
    else if (tables.some(({ oid }) => oid === table.oid)) findings.push(namedTwice(table))
    else tables.push(table)
  })
  let publication: Publication | undefined
  if (isVersionKnown) {
    publication = await readPublication(client, request.publication, tables)
    findings.push(...publicationFindings({ ...server, ...request }, publication, tables))
    if (request.ddlTrigger === true) findings.push(...(await ddlTriggerFindings(client, request.slot)))
  }
  for (const table of tables) findings.push(...tableFindings(table, server, tables))
  if (findings.length > 0) throw preflightError(findings)
  if (publication !== undefined) notices.push(...publicationNotices(publication, tables))
  notices.push(...serverNotices(server), ...tables.flatMap(tableNotices))
  return { tables, notices, isStandby: server.isStandby }
}

function preflightError(findings: Finding[]): SnapheapError {
  const list = findings.map(({ problem, remedy }) => `- ${problem}\n    ${remedy}`)
  return new SnapheapError(
    'PREFLIGHT',
    `The tables cannot be mirrored yet:\n${list.join('\n')}\nMend what is listed and start the mirror again.`,
    { findings },
  )
}

interface ServerState {
  version: number
  role: string
  database: string
  encoding: string
  walLevel: string
  isStandby: boolean
  canReplicate: boolean
  /** A server that gives the right to replicate by a role. */
  isRds: boolean
  canCreateInDatabase: boolean
  slotCount: number
  slotLimit: number
  /** Who uses the slot's name; undefined if nobody does. */
  slotUser: string | undefined
  senderCount: number
  senderLimit: number
}

async function readServer(client: pg.Client, request: PreflightRequest): Promise<ServerState> {
  const [row] = await queryRows<ServerState>(
    client,
    'reading the state of the server failed',
    `SELECT current_setting('server_version_num')::int / 10000 AS version,
            current_user AS role, current_database() AS database, current_setting('server_encoding') AS encoding,
            current_setting('wal_level') AS "walLevel", pg_is_in_recovery() AS "isStandby",
            r.rolreplication OR r.rolsuper OR EXISTS (
              SELECT FROM pg_catalog.pg_roles m -- how hosted servers hand out the right
              WHERE m.rolname IN ('rds_replication', 'cloudsqlsuperuser', 'azure_pg_admin') AND pg_has_role(m.oid, 'MEMBER')
            ) AS "canReplicate",
            EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rds_replication') AS "isRds",
            has_database_privilege(current_database(), 'CREATE') AS "canCreateInDatabase",
            (SELECT count(*)::int FROM pg_catalog.pg_replication_slots) AS "slotCount",
            current_setting('max_replication_slots')::int AS "slotLimit",
            (SELECT concat_ws(', ', coalesce('plugin ' || plugin, 'physical'), 'database ' || database,
                              'in use by process ' || active_pid)
             FROM pg_catalog.pg_replication_slots WHERE slot_name = ${pg.escapeLiteral(request.slot)}) AS "slotUser",
            (SELECT count(*)::int FROM pg_catalog.pg_stat_replication) AS "senderCount",
            current_setting('max_wal_senders')::int AS "senderLimit"
     FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`,
  )
  return { ...row!, slotUser: row!.slotUser ?? undefined }
}

/** Schemas of the named tables that the role may not look into, so that not even the tables' existence can be asked for. */
async function hiddenSchemas(client: pg.Client, names: readonly string[]): Promise<string[]> {
  const schemas = names
    .map((name) => /^\s*(?:"((?:[^"]|"")+)"|([^".]+?))\s*\./.exec(name))
    .filter((match) => match !== null)
  if (schemas.length === 0) return []
  const list = schemas.map(([, quoted, plain]) =>
    pg.escapeLiteral(quoted === undefined ? plain!.toLowerCase() : quoted.replaceAll('""', '"')),
  )
  const rows = await queryRows<{ nspname: string }>(
    client,
    'reading the schemas failed',
    `SELECT nspname FROM pg_catalog.pg_namespace
     WHERE nspname IN (${list.join(', ')}) AND NOT has_schema_privilege(oid, 'USAGE')`,
  )
  return rows.map(({ nspname }) => nspname)
}

function hiddenSchema(schema: string, server: ServerState): Finding {
  const [name, role] = [pg.escapeIdentifier(schema), pg.escapeIdentifier(server.role)]
  return {
    problem: `the role ${role} may not look into the schema ${name}`,
    remedy: `GRANT USAGE ON SCHEMA ${name} TO ${role};`,
  }
}

function serverFindings(server: ServerState, request: PreflightRequest): Finding[] {
  const findings: Finding[] = []
  const add = (problem: string, remedy: string) => findings.push({ problem, remedy })
  const role = pg.escapeIdentifier(server.role)
  if (server.version < OLDEST_VERSION) {
    add(
      `the server is Postgres ${server.version}; versions from ${OLDEST_VERSION} on are supported`,
      `Connect to a server of version ${OLDEST_VERSION} or newer`,
    )
  }
  if (server.isStandby && server.version < STANDBY_VERSION)
    add(
      `the server is a standby, which can be mirrored from version ${STANDBY_VERSION} on`,
      'Connect to the primary server',
    )
  if (request.failover && server.version < FAILOVER_VERSION)
    add(
      `the server is Postgres ${server.version}, and slots have failover from version ${FAILOVER_VERSION} on`,
      'Leave the option failover out',
    )
  if (server.encoding === 'SQL_ASCII') {
    add(
      `the database "${server.database}" has the encoding SQL_ASCII, so its texts have no known characters`,
      `CREATE DATABASE ${pg.escapeIdentifier(`${server.database}_utf8`)} ENCODING 'UTF8' TEMPLATE template0; -- then load the data into it`,
    )
  }
  if (server.walLevel !== 'logical') {
    add(`wal_level is "${server.walLevel}"`, `ALTER SYSTEM SET wal_level = 'logical'; -- then restart the server`)
  }
  if (!server.canReplicate) {
    const remedy = server.isRds ? `GRANT rds_replication TO ${role};` : `ALTER ROLE ${role} REPLICATION;`
    add(`the role ${role} may not replicate`, remedy)
  }
  return findings
}

function slotFindings(server: ServerState, { slot, isOwnSlot }: PreflightRequest): Finding[] {
  if (server.slotUser !== undefined) {
    if (isOwnSlot) return []
    return [
      {
        problem: `the replication slot "${slot}" exists (${server.slotUser}), and this mirror has not made it`,
        remedy: `SELECT pg_drop_replication_slot(${pg.escapeLiteral(slot)}); -- if nobody needs it; or name another slot`,
      },
    ]
  }
  const findings: Finding[] = []
  const add = (problem: string, remedy: string) => findings.push({ problem, remedy })
  if (server.slotCount >= server.slotLimit) {
    add(
      `all ${server.slotLimit} replication slots are taken`,
      `ALTER SYSTEM SET max_replication_slots = ${server.slotLimit + 5}; -- then restart the server; ` +
        `or drop one that is not needed: SELECT pg_drop_replication_slot('…');`,
    )
  }
  const freeSenders = server.senderLimit - server.senderCount
  if (freeSenders < SENDERS_TO_COPY) {
    add(
      `of ${server.senderLimit} WAL senders ${Math.max(freeSenders, 0)} are free, and a copy needs ${SENDERS_TO_COPY}`,
      `ALTER SYSTEM SET max_wal_senders = ${server.senderLimit + 5}; -- then restart the server`,
    )
  }
  return findings
}

function serverNotices({ version }: ServerState): string[] {
  if (version <= NEWEST_VERSION) return []
  return [`The server is Postgres ${version}, and the newest that the mirror was tested with is ${NEWEST_VERSION}.`]
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

/** What has no changes to replicate, and what to mirror instead. */
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

function tableFindings(table: SourceTable, server: ServerState, all: readonly SourceTable[]): Finding[] {
  const name = qualifiedName(table)
  const role = pg.escapeIdentifier(server.role)
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
    const problem = `the key of ${name} has the generated column ${pg.escapeIdentifier(generated[0]!)}, which is not replicated`
    return [
      { problem, remedy: useIndex(table) ?? `ALTER TABLE ${name} ADD CONSTRAINT … UNIQUE (…); -- ordinary columns` },
    ]
  }
  const naming = table.key.find((column) => table.namingColumns.includes(column))
  if (naming !== undefined) {
    const problem = `the key of ${name} has the column ${pg.escapeIdentifier(naming)}, which holds names of other objects and is not mirrored`
    return [{ problem, remedy: useIndex(table) ?? `ALTER TABLE ${name} ADD CONSTRAINT … UNIQUE (…); -- other columns` }]
  }
  if (table.replicaIdentity === 'n' && primary !== undefined) {
    return [{ problem: `${name} has no replica identity`, remedy: `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;` }]
  }
  if (table.key.length === 0) {
    return [
      {
        problem: `${name} has no primary key${table.replicaIdentity === 'f' ? ', so that equal rows cannot be told apart' : ''}`,
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
        ? `ALTER TABLE ${name} REPLICA IDENTITY FULL; -- or, cheaper, USING INDEX with its index on ${root.key.join(', ')}`
        : `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`,
    },
  ]
}

function tableNotices(table: SourceTable): string[] {
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
      `${name}.${pg.escapeIdentifier(column)} holds names of other objects, which can be renamed without its changing: it is not mirrored.`,
    )
  }
  return notices
}
