import pg from 'pg'
import { qualifiedName, type TableIdentity } from './catalogue'
import { queryRows } from './connection'

/** `fits`: it publishes exactly some tables, whole, with all operations, partitions under their own names. */
export type PublicationState = 'missing' | 'fits' | 'for all tables' | 'other'

/** What there is of `publication`, as seen from `tables`. Throws `POSTGRES`. */
export async function publicationState(
  client: pg.Client,
  publication: string,
  tables: readonly TableIdentity[],
): Promise<PublicationState> {
  const found = await readPublication(client, publication, tables)
  if (found === undefined) return 'missing'
  if (found.isForAll) return 'for all tables'
  return found.hasTables && found.hasOptions ? 'fits' : 'other'
}

interface PublicationFacts {
  isForAll: boolean
  /** It publishes all operations, and partitions, where there are any, under their own names. */
  hasOptions: boolean
  /** It publishes just the tables, whole. */
  hasTables: boolean
  serverVersion: number
}

async function readPublication(
  client: pg.Client,
  publication: string,
  tables: readonly TableIdentity[],
): Promise<PublicationFacts | undefined> {
  // Row filters, column lists and generated columns came in later versions; as JSON they can be asked for in any.
  const [found] = await queryRows<PublicationFacts>(
    client,
    `reading the publication "${publication}" failed`,
    `SELECT puballtables AS "isForAll", current_setting('server_version_num')::int / 10000 AS "serverVersion",
            pubinsert AND pubupdate AND pubdelete AND pubtruncate AND (NOT pubviaroot OR ${!tables.some(({ isPartitioned }) => isPartitioned)})
              AND coalesce(to_jsonb(p) ->> 'pubgencols', 'n') = 'n' AS "hasOptions",
            (SELECT coalesce(array_agg(pr.prrelid ORDER BY pr.prrelid), '{}') = ARRAY[${oidsOf(tables)}]::oid[]
                    AND NOT coalesce(bool_or(jsonb_typeof(to_jsonb(pr) -> 'prqual') <> 'null'
                                             OR jsonb_typeof(to_jsonb(pr) -> 'prattrs') <> 'null'), false)
             FROM pg_catalog.pg_publication_rel pr WHERE pr.prpubid = p.oid) AS "hasTables"
     FROM pg_catalog.pg_publication p WHERE pubname = ${pg.escapeLiteral(publication)}`,
  )
  return found
}

function oidsOf(tables: readonly TableIdentity[]): string {
  return tables
    .map(({ oid }) => oid)
    .sort((a, b) => a - b)
    .join(', ')
}

/**
 * Makes `publication` publish exactly `tables`, all operations, partitions under their own names; creates it if needed and
 * touches nothing that is right already. Returns whether anything was changed. Throws `POSTGRES`.
 */
export async function ensurePublication(
  client: pg.Client,
  publication: string,
  tables: readonly TableIdentity[],
): Promise<boolean> {
  const found = await readPublication(client, publication, tables)
  const name = pg.escapeIdentifier(publication)
  const list = tables.map(publishedTable).join(', ')
  const commands: string[] = []
  if (found === undefined) commands.push(`CREATE PUBLICATION ${name} FOR TABLE ${list}`)
  else if (!found.hasTables) commands.push(`ALTER PUBLICATION ${name} SET TABLE ${list}`)
  if (found?.hasOptions === false) {
    const generated = found.serverVersion >= 18 ? ', publish_generated_columns = none' : ''
    commands.push(
      `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false${generated})`,
    )
  }
  if (commands.length > 0)
    await queryRows(client, `setting up the publication "${publication}" failed`, commands.join('; '))
  return commands.length > 0
}

/** Without ONLY, tables that inherit from an ordinary one would be published too, and copied not. */
function publishedTable(table: TableIdentity): string {
  return table.isPartitioned ? qualifiedName(table) : `ONLY ${qualifiedName(table)}`
}

/** Which publication it is, and which entries it has: every change gives other texts, which never come again. */
export interface PublicationIdentity {
  /** Changes with its options, and when it is dropped and made anew. Empty where there is none: a server of version 18 streams on then, and sends nothing. */
  publication: string
  /** By oid of the table: its entry, which changes with its row filter and column list, and when it is removed and added again. */
  entries: ReadonlyMap<number, string>
}

/** Tells whether a publication has been the same all along; if not, changes may be missing from the stream, and nothing in it says so. */
export async function publicationIdentity(client: pg.Client, publication: string): Promise<PublicationIdentity> {
  const rows = await queryRows<{ identity: string; oid: number | null; entry: string | null }>(
    client,
    'reading the publication failed',
    `SELECT concat_ws(' ', p.oid, p.xmin) AS identity, pr.prrelid::int8::float8 AS oid, concat_ws(' ', pr.oid, pr.xmin) AS entry
     FROM pg_catalog.pg_publication p LEFT JOIN pg_catalog.pg_publication_rel pr ON pr.prpubid = p.oid
     WHERE p.pubname = ${pg.escapeLiteral(publication)}`,
  )
  const entries = rows.flatMap(({ oid, entry }): [number, string][] => (oid === null ? [] : [[oid, entry!]]))
  return { publication: rows[0]?.identity ?? '', entries: new Map(entries) }
}

/** Drops the publication if it exists. Throws `POSTGRES`. */
export async function dropPublication(client: pg.Client, publication: string): Promise<void> {
  const doing = `dropping the publication "${publication}" failed`
  await queryRows(client, doing, `DROP PUBLICATION IF EXISTS ${pg.escapeIdentifier(publication)}`)
}
