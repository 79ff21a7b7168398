import type pg from 'pg'
import { qualifiedName, readTables, type SourceTable, TABLE_NAME } from './catalogue'
import { queryRows } from './connection'
import { type MirroredTable, mirrorName } from './mirrored-table'
import { isLeftBehind } from './state'

/**
 * Fills in `found`, the tables that `names` stand for, where a name stands for none: with the table that is mirrored by
 * it already, if Postgres has that under another name or in another schema now, and no other of `names` stands for it.
 * It keeps its name here. Returns notices
 * of it.
 */
export async function followRenamed(
  client: pg.Client,
  names: readonly string[],
  found: (SourceTable | undefined)[],
  served: ReadonlyMap<string, MirroredTable>,
): Promise<string[]> {
  const notices: string[] = []
  const lost = [...names.entries()].flatMap(([i, name]) => {
    const mirroredAs = found[i] === undefined ? servedAs(name, [...served.keys()]) : undefined
    return mirroredAs === undefined ? [] : [{ i, name, mirroredAs, known: served.get(mirroredAs)! }]
  })
  // Two names may have had the same table, one after the other: it belongs to the one that is followed.
  lost.sort((a, b) => Number(isLeftBehind(a.known)) - Number(isLeftBehind(b.known)))
  for (const { i, name, mirroredAs, known } of lost) {
    if (found.some((table) => table?.oid === known.oid)) continue
    const [row] = await queryRows<{ name: string }>(
      client,
      'looking for a renamed table failed',
      `SELECT format('%I.%I', n.nspname, c.relname) AS name
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = ${known.oid}`,
    )
    const [table] = row === undefined ? [] : await readTables(client, [row.name])
    if (table === undefined) continue
    found[i] = { ...table, mirroredAs }
    notices.push(
      `The table ${name} is called ${qualifiedName(table)} now: it is still mirrored as ${mirroredAs}. Name it so ` +
        'in tables to have it copied under its new name.',
    )
  }
  return notices
}

/** The mirrored table that a name as in SQL stood for: without a schema it may have been in any. */
export function servedAs(name: string, served: readonly string[]): string | undefined {
  const [, schema, table] = TABLE_NAME.exec(name) ?? []
  if (table === undefined) return undefined
  const plain = unquoted(table)
  if (schema !== undefined) return served.find((each) => each === mirrorName({ schema: unquoted(schema), name: plain }))
  return served.find((each) => each === plain) ?? served.find((each) => each.endsWith(`.${plain}`))
}

function unquoted(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier.toLowerCase()
}
