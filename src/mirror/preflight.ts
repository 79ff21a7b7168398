import pg from 'pg'
import { SnapheapError } from '../errors'
import { readTables, type SourceTable } from './catalogue'
import { inOneSnapshot, queryRows } from './connection'
import { ddlTriggerFindings } from './ddl-trigger'
import type { MirroredTable } from './mirrored-table'
import { type Publication, readPublication } from './publication'
import { publicationFindings, publicationNotices } from './publication-findings'
import { followRenamed } from './renamed'
import { type Finding, fitTables, tableNotices, type UnfitTables } from './table-findings'

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
  /** Those that can be mirrored. */
  tables: SourceTable[]
  unfit: UnfitTables
  /** What is allowed, but may be unexpected. */
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
 * every reason against it, each with what mends it, also as `details.findings`. What is wrong with a table that is
 * mirrored already concerns only that one, as long as another one is left.
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
  const { tables, unfit, problems } = fitTables(found, request, server.role)
  let publication: Publication | undefined
  if (isVersionKnown) {
    publication = await readPublication(client, request.publication, tables)
    findings.push(...publicationFindings({ ...server, ...request }, publication, tables))
    if (request.ddlTrigger === true) findings.push(...(await ddlTriggerFindings(client, request.slot)))
  }
  findings.push(...problems)
  if (findings.length > 0) throw preflightError(findings)
  if (publication !== undefined) notices.push(...publicationNotices(publication, tables))
  notices.push(...serverNotices(server), ...tables.flatMap(tableNotices))
  return { tables, unfit, notices, isStandby: server.isStandby }
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
  /** What uses the name of the slot; undefined if it is free. */
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
              WHERE m.rolname IN ('rds_replication', 'cloudsqlsuperuser', 'azure_pg_admin')
                AND pg_has_role(m.oid, 'MEMBER')
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

/**
 * Schemas of the named tables that the role may not look into, so that not even the tables' existence can be asked for.
 */
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
    const copy = pg.escapeIdentifier(`${server.database}_utf8`)
    add(
      `the database "${server.database}" has the encoding SQL_ASCII, so its texts have no known characters`,
      `CREATE DATABASE ${copy} ENCODING 'UTF8' TEMPLATE template0; -- then load the data into it`,
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
    const drop = `SELECT pg_drop_replication_slot(${pg.escapeLiteral(slot)});`
    return [
      {
        problem: `the replication slot "${slot}" exists (${server.slotUser}), and this mirror has not made it`,
        remedy: `${drop} -- if it is not needed; or name another slot`,
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
