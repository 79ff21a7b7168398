import type { Change, ChangeKind } from './change'
import { insertRows } from './row-changes'
import { freeColumns, mainTables, quoted, type SceneTable, type Setting } from './scene'
import { partitionedTable, plainTable } from './schema'
import { columnValue, KEY_LIMIT, rowNumber } from './values'

function ofTable(
  name: string,
  weight: number,
  make: (setting: Setting, table: SceneTable) => string[] | undefined,
  scope?: Change['scope'],
): ChangeKind {
  return {
    name,
    weight,
    make(setting) {
      const table = setting.choice.pick(mainTables(setting))
      const statements = table && make(setting, table)
      return statements && { statements, scope }
    },
  }
}

const isAway = ({ name }: SceneTable) => name.endsWith('_away')

/** A table of the same name takes the place of one that is dropped or renamed. */
function replaceTable(setting: Setting, table: SceneTable): string[] | undefined {
  if (isAway(table)) return undefined
  const { choice } = setting
  const name = quoted(table.name)
  const isSame = choice.chance(0.5) && !table.isPartitioned
  // Renamed at first: the new table may be made like the old one.
  const old = `old_${setting.fresh()}`
  const made = isSame ? [`CREATE TABLE ${name} (LIKE ${old} INCLUDING ALL)`] : createTable(setting, table.name)
  const filled = isSame ? [insertRows(setting, table, choice.int(KEY_LIMIT), 20)] : []
  const gone = choice.chance(0.7) ? [`DROP TABLE ${old}`] : []
  return [`ALTER TABLE ${name} RENAME TO ${old}`, ...made, ...filled, ...gone]
}

function createTable({ choice, fresh }: Setting, name: string): string[] {
  return choice.chance(0.3) ? partitionedTable(choice, quoted(name), fresh) : [plainTable(choice, quoted(name))]
}

function swap(setting: Setting): Change | undefined {
  const [first, second] = setting.choice.some(
    mainTables(setting).filter((table) => !isAway(table)),
    2,
  )
  if (second === undefined) return undefined
  return {
    statements: [
      `ALTER TABLE ${quoted(first!.name)} RENAME TO between_names`,
      `ALTER TABLE ${quoted(second.name)} RENAME TO ${quoted(first!.name)}`,
      `ALTER TABLE between_names RENAME TO ${quoted(second.name)}`,
    ],
    scope: 'whole',
  }
}

function rename({ scene }: Setting, table: SceneTable): string[] | undefined {
  const to = isAway(table) ? table.name.replace(/_away$/, '') : `${table.name}_away`
  if (scene.tables.some(({ name }) => name === to)) return undefined
  return [`ALTER TABLE ${quoted(table.name)} RENAME TO ${quoted(to)}`]
}

function renameAndBack(_: Setting, { name }: SceneTable): string[] {
  return [`ALTER TABLE ${quoted(name)} RENAME TO between_names`, `ALTER TABLE between_names RENAME TO ${quoted(name)}`]
}

function replicaIdentity(setting: Setting, table: SceneTable): string[] | undefined {
  if (table.isPartitioned) return undefined
  const alter = `ALTER TABLE ${quoted(table.name)}`
  if (table.identity !== 'd') return [`${alter} REPLICA IDENTITY DEFAULT`]
  if (setting.choice.chance(0.5)) return [`${alter} REPLICA IDENTITY FULL`]
  const known = setting.choice.pick(table.uniqueIndexes)
  if (known !== undefined) return [`${alter} REPLICA IDENTITY USING INDEX ${quoted(known)}`]
  if (table.primaryKey === null) return undefined
  const index = `u_${setting.fresh()}`
  const columns = table.primaryKey.columns.map(quoted).reverse().join(', ')
  return [
    `CREATE UNIQUE INDEX ${index} ON ${quoted(table.name)} (${columns})`,
    `${alter} REPLICA IDENTITY USING INDEX ${index}`,
  ]
}

/** The key gets a column, or loses the last of several. */
function replaceKey(setting: Setting, table: SceneTable): string[] | undefined {
  const { choice, scene } = setting
  const { primaryKey } = table
  if (primaryKey === null || table.identity === 'i') return undefined
  const alter = `ALTER TABLE ${quoted(table.name)}`
  const added = choice.pick(freeColumns(table).filter(({ type }) => /^(integer|text|numeric.*|date)$/.test(type)))
  const columns =
    added === undefined || choice.chance(0.3) ? [...primaryKey.columns].reverse() : [...primaryKey.columns, added.name]
  const prepared: string[] = []
  if (added !== undefined && columns.includes(added.name) && !added.isRequired) {
    const value = columnValue(scene, { ...added, isRequired: true }, rowNumber(table), choice.int(200))
    prepared.push(
      `UPDATE ${quoted(table.name)} SET ${quoted(added.name)} = ${value} WHERE ${quoted(added.name)} IS NULL`,
    )
  }
  const drop = `DROP CONSTRAINT ${quoted(primaryKey.name)}`
  const add = `ADD PRIMARY KEY (${columns.map(quoted).join(', ')})`
  const change = choice.chance(0.5) ? [`${alter} ${drop}, ${add}`] : [`${alter} ${drop}`, `${alter} ${add}`]
  return [...prepared, ...change]
}

function dropKey(_: Setting, table: SceneTable): string[] | undefined {
  return table.primaryKey === null
    ? undefined
    : [`ALTER TABLE ${quoted(table.name)} DROP CONSTRAINT ${quoted(table.primaryKey.name)}`]
}

function cluster(_: Setting, table: SceneTable): string[] | undefined {
  if (table.primaryKey === null || table.isPartitioned) return undefined
  return [`CLUSTER ${quoted(table.name)} USING ${quoted(table.primaryKey.name)}`]
}

export const TABLE_CHANGES: readonly ChangeKind[] = [
  ofTable('a table truncated', 4, (setting, table) => {
    const others = setting.choice.some(mainTables(setting), setting.choice.int(2))
    return [`TRUNCATE ${[...new Set([table, ...others])].map(({ name }) => quoted(name)).join(', ')}`]
  }),
  ofTable('a table renamed', 3, rename),
  ofTable('a table renamed and back', 2, renameAndBack),
  ofTable('a table replaced', 4, replaceTable, 'whole'),
  { name: 'tables that change names', weight: 3, make: swap },
  ofTable('a table dropped', 1, (_, table) => (isAway(table) ? undefined : [`DROP TABLE ${quoted(table.name)}`])),
  ofTable('VACUUM FULL', 2, (_, table) => [`VACUUM FULL ${quoted(table.name)}`], 'alone'),
  ofTable('CLUSTER', 1, cluster),
  ofTable('a replica identity', 3, replicaIdentity),
  ofTable('a key replaced', 3, replaceKey),
  ofTable('a key dropped', 1, dropKey),
]

/** Makes mirrored tables fit again: there, with a key by which rows are named. Undefined where they are. */
export function mend(setting: Setting): Change | undefined {
  const statements: string[] = []
  for (const name of setting.mirrored) {
    const tables = mainTables(setting)
    const table = tables.find((each) => each.name === name)
    const away = tables.find((each) => each.name === `${name}_away`)
    if (table === undefined && away === undefined) statements.push(...createTable(setting, name))
    for (const each of [table, away]) if (each !== undefined) statements.push(...mendKey(each))
  }
  return statements.length === 0 ? undefined : { statements, scope: 'alone' }
}

function mendKey(table: SceneTable): string[] {
  const alter = `ALTER TABLE ${quoted(table.name)}`
  if (table.identity === 'i' && table.uniqueIndexes.length === 0) return [`${alter} REPLICA IDENTITY DEFAULT`]
  if (table.primaryKey !== null) return []
  const key = table.columns.filter(({ name, isKey }) => isKey || /^(id|grp|kind)(_|$)/.test(name))
  // Without a key there may be equal rows by now.
  return [
    `TRUNCATE ${quoted(table.name)}`,
    key.length > 0
      ? `${alter} ADD PRIMARY KEY (${key.map(({ name }) => quoted(name)).join(', ')})`
      : `${alter} ADD id integer PRIMARY KEY`, // its columns were dropped
  ]
}
