import pg from 'pg'
import { SnapheapError } from '../errors'
import { qualifiedName, type SourceTable, type TableIdentity } from './catalogue'
import { queryRows } from './connection'

/** Which mirror has made a publication: its comment. */
const MARK = 'Made by the snapheap mirror '

/** A publication as the server has it. */
export interface Publication {
  name: string
  /** Changes with its options, and when it is dropped and made anew. */
  identity: string
  owner: string
  /** The connected role may change it. */
  isOwner: boolean
  /** Identity of the mirror that has made it; undefined if somebody else has. */
  madeBy: string | undefined
  isForAll: boolean
  /** What it leaves out, of insert, update, delete, truncate. */
  leftOut: string[]
  isByRoot: boolean
  hasGenerated: boolean
  /** Its entries of tables, by oid. */
  entries: ReadonlyMap<number, { identity: string; isPart: boolean }>
  /** Its entries of whole schemas, by the schema's name. */
  schemas: ReadonlyMap<string, string>
  /**
   * By oid: the transaction that put a mirrored table into its schema; it differs after a move to another and back.
   */
  placements: ReadonlyMap<number, string>
}

/** What a publication is looked at for. */
export type PublishedTable = Pick<SourceTable, 'oid' | 'schema' | 'name' | 'isPartitioned' | 'leaves'>

interface PublicationRow extends Omit<Publication, 'madeBy' | 'entries' | 'schemas' | 'placements' | 'name'> {
  comment: string | null
  entries: { oid: number; identity: string; isPart: boolean }[]
  schemas: { name: string; identity: string }[]
  placements: { oid: number; identity: string }[]
}

/**
 * The publication called `name`, as far as `tables` are concerned; undefined if there is none. Row filters, column
 * lists, schemas and generated columns came in later versions of Postgres: this asks for them in a way that earlier
 * ones understand. Throws `POSTGRES`.
 */
export async function readPublication(
  client: pg.Client,
  name: string,
  tables: readonly Pick<TableIdentity, 'oid'>[],
): Promise<Publication | undefined> {
  const oids = `'{${tables.map(({ oid }) => oid).join(', ')}}'::oid[]`
  const [row] = await queryRows<PublicationRow>(
    client,
    `reading the publication "${name}" failed`,
    `SELECT concat_ws(' ', p.oid, p.xmin) AS identity, pg_get_userbyid(p.pubowner) AS owner,
            pg_has_role(p.pubowner, 'USAGE') AS "isOwner", obj_description(p.oid, 'pg_publication') AS comment,
            p.puballtables AS "isForAll", p.pubviaroot AS "isByRoot",
            coalesce(to_jsonb(p) ->> 'pubgencols', 'n') <> 'n' AS "hasGenerated",
            ARRAY(SELECT o.name FROM (VALUES ('insert', p.pubinsert), ('update', p.pubupdate), ('delete', p.pubdelete),
                                             ('truncate', p.pubtruncate)) o (name, isIn) WHERE NOT o.isIn) AS "leftOut",
            coalesce((SELECT jsonb_agg(jsonb_build_object('oid', pr.prrelid::int8,
                               'identity', concat_ws(' ', pr.oid, pr.xmin),
                               'isPart', coalesce(to_jsonb(pr) ->> 'prqual', to_jsonb(pr) ->> 'prattrs') IS NOT NULL))
                      FROM pg_catalog.pg_publication_rel pr WHERE pr.prpubid = p.oid), '[]') AS entries,
            coalesce(s.entries, '[]') AS schemas, coalesce(s.placements, '[]') AS placements
     FROM pg_catalog.pg_publication p
     CROSS JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object('name', n.nspname, 'identity', d.objid::text)) AS entries,
              (SELECT jsonb_agg(jsonb_build_object('oid', t.objid::int8, 'identity', t.xmin::text))
               FROM pg_catalog.pg_depend t
               WHERE t.classid = 'pg_catalog.pg_class'::regclass AND t.objid = ANY (${oids}) AND t.objsubid = 0
                 AND t.refclassid = 'pg_catalog.pg_namespace'::regclass AND count(n.oid) > 0) AS placements
       FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_depend e ON e.classid = d.classid AND e.objid = d.objid
                 AND e.refclassid = 'pg_catalog.pg_namespace'::regclass
            JOIN pg_catalog.pg_namespace n ON n.oid = e.refobjid
       WHERE d.refclassid = 'pg_catalog.pg_publication'::regclass AND d.refobjid = p.oid
         AND d.classid = to_regclass('pg_catalog.pg_publication_namespace')
     ) s
     WHERE p.pubname = ${pg.escapeLiteral(name)}`,
  )
  if (row === undefined) return undefined
  const { comment, entries, schemas, placements, ...facts } = row
  return {
    ...facts,
    name,
    madeBy: comment?.startsWith(MARK) === true ? comment.slice(MARK.length) : undefined,
    entries: new Map(entries.map(({ oid, ...entry }) => [oid, entry])),
    schemas: new Map(schemas.map((schema) => [schema.name, schema.identity])),
    placements: new Map(placements.map(({ oid, identity }) => [oid, identity])),
  }
}

/**
 * Why a publication does not give exactly the changes of `tables`, each with the SQL that its owner may run; empty if
 * it does.
 */
export interface Unfitness {
  what: string
  sql: string
}

/** A publication with further tables fits, too: their changes are left out. */
export function unfitness(publication: Publication, tables: readonly SourceTable[]): Unfitness[] {
  const found: Unfitness[] = []
  const alter = `ALTER PUBLICATION ${pg.escapeIdentifier(publication.name)}`
  const { leftOut, entries } = publication
  if (leftOut.length > 0)
    found.push({
      what: `leaves out ${leftOut.join(', ')}`,
      sql: `${alter} SET (publish = 'insert, update, delete, truncate');`,
    })
  if (publication.isByRoot)
    found.push({
      what: 'publishes partitions under the names of their roots',
      sql: `${alter} SET (publish_via_partition_root = false);`,
    })
  if (publication.hasGenerated && tables.some((table) => table.generatedColumns.length > 0))
    found.push({
      what: 'publishes generated columns, which are not mirrored',
      sql: `${alter} SET (publish_generated_columns = none);`,
    })
  const missing = tables.filter((table) => !isCovered(publication, table))
  if (missing.length > 0)
    found.push({
      what: `lacks ${missing.map(qualifiedName).join(', ')}`,
      sql: `${alter} ADD TABLE ${missing.map(publishedTable).join(', ')};`,
    })
  for (const table of tables) {
    if (entries.get(table.oid)?.isPart === true) {
      const name = publishedTable(table)
      found.push({
        what: `publishes ${qualifiedName(table)} with a row filter or a list of columns`,
        sql: `${alter} DROP TABLE ${name}; ${alter} ADD TABLE ${name};`,
      })
    }
    for (const leaf of table.leaves)
      if (leaf.oid !== table.oid && entries.get(leaf.oid)?.isPart === true)
        found.push({
          what: `publishes the partition ${qualifiedName(leaf)} with a row filter or a list of columns`,
          sql: `${alter} DROP TABLE ${qualifiedName(leaf)};`,
        })
  }
  return found
}

function isCovered({ isForAll, entries, schemas }: Publication, { oid, schema }: PublishedTable): boolean {
  return isForAll || entries.has(oid) || schemas.has(schema)
}

/** The number of further tables that it publishes; undefined if that is not known. */
export function furtherTables(publication: Publication, tables: readonly PublishedTable[]): number | undefined {
  if (publication.isForAll || publication.schemas.size > 0) return undefined
  const own = new Set(tables.flatMap(({ oid, leaves }) => [oid, ...leaves.map((leaf) => leaf.oid)]))
  return [...publication.entries.keys()].filter((oid) => !own.has(oid)).length
}

/** The SQL that makes a publication of exactly `tables`. */
export function createPublication(name: string, tables: readonly TableIdentity[]): string {
  const list = tables.map(publishedTable).join(', ')
  return `CREATE PUBLICATION ${pg.escapeIdentifier(name)} FOR TABLE ${list} WITH (publish_via_partition_root = false);`
}

/** Without ONLY, tables that inherit from an ordinary one would be published too, and copied not. */
function publishedTable(table: TableIdentity): string {
  return table.isPartitioned ? qualifiedName(table) : `ONLY ${qualifiedName(table)}`
}

/**
 * Makes `name` publish exactly `tables`, if this mirror has made it, or if it does not exist: then it is created, with
 * the mark of the mirror `id`. One that somebody else has made is left as it is. Touches nothing that is right already.
 * Returns whether anything was changed. Throws `POSTGRES`.
 */
export async function ensurePublication(
  client: pg.Client,
  name: string,
  tables: readonly SourceTable[],
  id: string,
): Promise<boolean> {
  const found = await readPublication(client, name, tables)
  const mayRepair = found?.madeBy === id && canRepair(found, tables)
  const commands = found === undefined ? creation(name, tables, id) : mayRepair ? repair(found, tables) : []
  if (commands.length > 0) await queryRows(client, `setting up the publication "${name}" failed`, commands.join('; '))
  return commands.length > 0
}

function creation(name: string, tables: readonly TableIdentity[], id: string): string[] {
  const identifier = pg.escapeIdentifier(name)
  return [
    createPublication(name, tables).slice(0, -1),
    `COMMENT ON PUBLICATION ${identifier} IS ${pg.escapeLiteral(`${MARK}${id}`)}`,
  ]
}

/** Whether the connected role may change a publication that its mirror has made. */
export function canRepair(publication: Publication, tables: readonly SourceTable[]): boolean {
  return publication.isOwner && tables.every(({ isOwner }) => isOwner)
}

function repair(publication: Publication, tables: readonly SourceTable[]): string[] {
  const alter = `ALTER PUBLICATION ${pg.escapeIdentifier(publication.name)}`
  const { entries, isByRoot, hasGenerated, leftOut } = publication
  const commands: string[] = []
  const isExact =
    entries.size === tables.length &&
    publication.schemas.size === 0 &&
    tables.every(({ oid }) => entries.get(oid)?.isPart === false)
  if (!isExact) commands.push(`${alter} SET TABLE ${tables.map(publishedTable).join(', ')}`)
  const options = [
    ...(leftOut.length > 0 ? [`publish = 'insert, update, delete, truncate'`] : []),
    ...(isByRoot ? ['publish_via_partition_root = false'] : []),
    ...(hasGenerated ? ['publish_generated_columns = none'] : []),
  ]
  if (options.length > 0) commands.push(`${alter} SET (${options.join(', ')})`)
  return commands
}

/** Which publication it is, and how it publishes tables: every change gives other texts, which never come again. */
export interface PublicationIdentity {
  /** `Publication.identity`. Empty where there is none: a server of version 18 streams on then, and sends nothing. */
  publication: string
  /**
   * By oid of the table: what publishes it, which changes with row filter and column list, and when it is removed and
   * added again.
   */
  entries: ReadonlyMap<number, string>
}

/**
 * Tells whether a publication has been the same all along; if not, changes may be missing from the stream, and nothing
 * in it says so.
 */
export function publicationIdentity(
  publication: Publication | undefined,
  tables: readonly PublishedTable[],
): PublicationIdentity {
  if (publication === undefined) return { publication: '', entries: new Map() }
  const published = tables.filter((table) => isCovered(publication, table))
  return {
    publication: publication.identity,
    entries: new Map(published.map((table) => [table.oid, entryOf(publication, table)])),
  }
}

function entryOf({ entries, schemas, placements }: Publication, { oid, schema, leaves }: PublishedTable): string {
  const inSchema = schemas.get(schema)
  const partitions = leaves.filter((leaf) => leaf.oid !== oid).map((leaf) => entries.get(leaf.oid)?.identity)
  const parts = [
    entries.get(oid)?.identity,
    ...(inSchema === undefined ? [] : [inSchema, placements.get(oid)]),
    ...partitions,
  ]
  return parts.filter((part) => part !== undefined).join(', ')
}

/** Throws `POSTGRES` unless the publication gives exactly the changes of `tables`. */
export function ensureFits(name: string, publication: Publication | undefined, tables: readonly SourceTable[]): void {
  const problems = publication === undefined ? ['is gone'] : unfitness(publication, tables).map(({ what }) => what)
  if (problems.length === 0) return
  throw new SnapheapError('POSTGRES', `Postgres: the publication "${name}" ${problems.join(', and ')}.`, {
    isTransient: true,
  })
}

/** Drops the publication if the mirror `id` has made it. Throws `POSTGRES`. */
export async function dropPublication(client: pg.Client, name: string, id: string): Promise<void> {
  const found = await readPublication(client, name, [])
  if (found?.madeBy !== id) return
  await queryRows(
    client,
    `dropping the publication "${name}" failed`,
    `DROP PUBLICATION IF EXISTS ${pg.escapeIdentifier(name)}`,
  )
}
