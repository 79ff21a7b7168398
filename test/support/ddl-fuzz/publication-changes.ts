import pg from 'pg'
import type { ChangeKind } from './change'
import { makeChange } from './change'
import { ROW_CHANGES } from './row-changes'
import { freeColumns, mainTables, type ScenePublication, type Setting } from './scene'

/** A kind of change of the publication that is taken back at the end, with changes of rows in between. */
function forAWhile(
  name: string,
  weight: number,
  make: (setting: Setting, publication: ScenePublication) => { change: string[]; back: string[] } | undefined,
): ChangeKind {
  return {
    name,
    weight,
    make(setting) {
      const publication = setting.scene.publications.find((each) => each.name === setting.publication)
      const made = publication && make(setting, publication)
      if (made === undefined) return undefined
      const between = Array.from({ length: setting.choice.int(3) }, () => rowChange(setting))
      return { statements: [...made.change, ...between.flat(), ...made.back] }
    },
  }
}

/** The table of an entry of a publication. */
const unqualified = (entry: string) => entry.replace(/^ONLY /, '')

function rowChange(setting: Setting): string[] {
  const kinds = ROW_CHANGES.filter(({ name }) => /^(insert|update|delete)$/.test(name))
  return makeChange(kinds, setting).statements
}

function options({ choice }: Setting, publication: ScenePublication) {
  const alter = `ALTER PUBLICATION ${publication.name} SET`
  const others = choice.pick([
    "publish = 'insert'",
    "publish = 'insert, update'",
    "publish = 'update, delete, truncate'",
    "publish = 'insert, update, delete'",
    'publish_via_partition_root = false',
    'publish_generated_columns = stored',
  ])!
  const isGenerated = others.startsWith('publish_generated')
  const back = isGenerated ? 'publish_generated_columns = none' : publication.options
  return { change: [`${alter} (${others})`], back: [`${alter} (${back})`] }
}

function removed({ choice }: Setting, publication: ScenePublication) {
  const table = choice.pick(publication.tables)
  if (table === undefined || publication.tables.length < 2) return undefined
  const alter = `ALTER PUBLICATION ${publication.name}`
  return {
    change: [`${alter} DROP TABLE ${unqualified(table)}`],
    back: [`${alter} ADD TABLE ${table}`],
  }
}

/** Rows or columns of one table are left out. */
function restricted(setting: Setting, { name, tables }: ScenePublication) {
  const { choice } = setting
  const published = mainTables(setting).filter((each) => tables.some((entry) => unqualified(entry) === each.name))
  const table = choice.pick(published)
  const key = table?.primaryKey?.columns
  if (key === undefined) return undefined
  const compared = table!.columns.find(
    (column) => key.includes(column.name) && /^(integer|bigint|text)$/.test(column.type),
  )
  const filter = compared && `WHERE (${compared.name} > ${compared.type === 'text' ? "'n'" : '100'})`
  const kept = [...key, ...choice.some(freeColumns(table!), 1).map((column) => column.name)]
  const restriction = filter !== undefined && choice.chance(0.5) ? filter : `(${kept.join(', ')})`
  const list = tables.map((entry) => (unqualified(entry) === table!.name ? `${entry} ${restriction}` : entry))
  const set = `ALTER PUBLICATION ${name} SET TABLE`
  return { change: [`${set} ${list.join(', ')}`], back: [`${set} ${tables.join(', ')}`] }
}

/** By the mirror's own means: without its mark it would be somebody else's. */
function madeAnew(_: Setting, { name, options: all, tables, comment }: ScenePublication) {
  if (tables.length === 0) return undefined
  return {
    change: [`DROP PUBLICATION ${name}`],
    back: [
      `CREATE PUBLICATION ${name} FOR TABLE ${tables.join(', ')} WITH (${all})`,
      `COMMENT ON PUBLICATION ${name} IS ${comment === null ? 'NULL' : pg.escapeLiteral(comment)}`,
    ],
  }
}

export const PUBLICATION_CHANGES: readonly ChangeKind[] = [
  forAWhile('other options for a while', 3, options),
  forAWhile('a table not published for a while', 2, removed),
  forAWhile('a restricted table for a while', 2, restricted),
  forAWhile('a publication made anew', 2, madeAnew),
]
