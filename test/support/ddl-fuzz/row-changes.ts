import type { ChangeKind } from './change'
import { freeColumns, leavesOf, mainTables, quoted, type SceneTable, type Setting } from './scene'
import { columnValue, KEY_LIMIT, rowNumber } from './values'

const FEW_ROWS = 20

/** A table to write to: mostly one that is mirrored, or a partition of it. */
function target(setting: Setting): SceneTable | undefined {
  const { scene, choice } = setting
  if (choice.chance(0.1)) return choice.pick(scene.tables.filter(({ isPartitioned }) => !isPartitioned))
  const main = choice.pick(mainTables(setting))
  if (main === undefined || !main.isPartitioned || choice.chance(0.7)) return main
  return choice.pick(leavesOf(scene, main.name)) ?? main
}

/** Adds rows; those whose keys are there already are left out. */
export function insertRows(setting: Setting, table: SceneTable, first: number, count: number): string {
  const { scene, choice } = setting
  const columns = table.columns.filter(
    ({ isGenerated, isKey, hasDefault }) => !isGenerated && (isKey || !hasDefault || choice.chance(0.5)),
  )
  const salt = choice.int(200)
  const values = columns.map((column) => columnValue(scene, column, 'k', salt))
  return `INSERT INTO ${quoted(table.name)} (${columns.map(({ name }) => quoted(name)).join(', ')})
    SELECT ${values.join(', ')} FROM generate_series(${first}, ${first + count - 1}) k ON CONFLICT DO NOTHING`
}

/** A third to a ninth of the rows. */
function someRows(setting: Setting, table: SceneTable): string {
  const part = setting.choice.between(3, 9)
  return `${rowNumber(table)} % ${part} = ${setting.choice.int(part)}`
}

function insert(setting: Setting): string | undefined {
  const table = target(setting)
  const { choice } = setting
  return table && insertRows(setting, table, choice.int(KEY_LIMIT - FEW_ROWS), choice.between(1, FEW_ROWS))
}

function update(setting: Setting): string | undefined {
  const { scene, choice } = setting
  const table = target(setting)
  const columns = table && choice.some(freeColumns(table), choice.between(1, 2))
  if (table === undefined || columns!.length === 0) return undefined
  const salt = choice.int(200)
  const sets = columns!.map(
    (column) => `${quoted(column.name)} = ${columnValue(scene, column, rowNumber(table), salt)}`,
  )
  return `UPDATE ${quoted(table.name)} SET ${sets.join(', ')} WHERE ${someRows(setting, table)}`
}

/** Gives some rows other keys, which moves them to other partitions. */
function updateKey(setting: Setting): string | undefined {
  const { scene, choice } = setting
  const table = target(setting)
  const column = choice.pick(table?.columns.filter(({ isKey }) => isKey) ?? [])
  if (column === undefined) return undefined
  const number = /^(integer|bigint|smallint)$/.test(column.type)
  const name = quoted(column.name)
  const value = number
    ? `${name} + ${choice.between(1, KEY_LIMIT)}`
    : columnValue(scene, column, rowNumber(table!), choice.int(9))
  const order = table!.columns.filter(({ isKey }) => isKey).map((each) => `${quoted(each.name)}::text`)
  // One row: most others would meet keys that are there.
  return `UPDATE ${quoted(table!.name)} SET ${name} = ${value} WHERE (tableoid, ctid) =
    (SELECT tableoid, ctid FROM ${quoted(table!.name)} ORDER BY ${order.join(', ')} OFFSET ${choice.int(20)} LIMIT 1)`
}

function remove(setting: Setting): string | undefined {
  const table = target(setting)
  return table && `DELETE FROM ${quoted(table.name)} WHERE ${someRows(setting, table)}`
}

/** Changes of rows of several tables. */
function several(setting: Setting): string[] {
  const kinds = [insert, update, remove]
  const made = Array.from({ length: 3 }, () => setting.choice.pick(kinds)!(setting))
  return made.filter((sql) => sql !== undefined)
}

const one = (make: (setting: Setting) => string | undefined) => (setting: Setting) => {
  const sql = make(setting)
  return sql === undefined ? undefined : { statements: [sql] }
}

export const ROW_CHANGES: readonly ChangeKind[] = [
  { name: 'insert', weight: 8, make: one(insert) },
  { name: 'update', weight: 8, make: one(update) },
  { name: 'update of keys', weight: 3, make: one(updateKey) },
  { name: 'delete', weight: 3, make: one(remove) },
  { name: 'rows of several tables', weight: 4, make: (setting) => ({ statements: several(setting), scope: 'whole' }) },
  {
    name: 'rows that come to nothing',
    weight: 2,
    make: (setting) => ({
      statements: ['SAVEPOINT undone', ...several(setting), 'ROLLBACK TO SAVEPOINT undone'],
      scope: 'whole',
    }),
  },
]
