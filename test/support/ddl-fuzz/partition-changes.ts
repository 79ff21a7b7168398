import type { ChangeKind } from './change'
import { insertRows } from './row-changes'
import { leavesOf, mainTables, quoted, type SceneTable, type Setting } from './scene'
import { GROUPS } from './values'

interface Bound {
  /** As at the end of a partition's name. */
  suffix: string
  /** As ATTACH PARTITION takes it. */
  sql: string
  /** First key of rows that it holds. */
  first: number
}

function rangeBound(hundred: number): Bound {
  const first = hundred * 100
  return { suffix: `r${hundred}`, sql: `FOR VALUES FROM (${first}) TO (${first + 100})`, first }
}

function listBound(group: string): Bound {
  return { suffix: `l${group}`, sql: `FOR VALUES IN ('${group}')`, first: GROUPS.indexOf(group) }
}

const DEFAULT: Bound = { suffix: 'd', sql: 'DEFAULT', first: 470 }

/** The bound that a partition's name tells. */
function boundOf(name: string): Bound | undefined {
  const [, kind, value] = /^p\d+_([rld])(\w*)$/.exec(name) ?? []
  if (kind === 'd') return DEFAULT
  if (kind === undefined) return undefined
  return kind === 'r' ? rangeBound(Number(value)) : listBound(value!)
}

/** A bound of the root that no partition has. */
function freeBound({ scene, choice }: Setting, root: SceneTable): Bound | undefined {
  const taken = scene.tables.filter(({ parent }) => parent === root.name).map(({ name }) => boundOf(name)?.suffix)
  const isRange = root.partitionKey!.startsWith('RANGE')
  const all = isRange ? [0, 1, 2, 3, 4].map(rangeBound) : GROUPS.map(listBound)
  return choice.pick([...all, DEFAULT].filter(({ suffix }) => !taken.includes(suffix)))
}

const roots = (setting: Setting) => mainTables(setting).filter(({ isPartitioned }) => isPartitioned)

/** A kind of change of a partitioned table. */
function ofRoot(
  name: string,
  weight: number,
  make: (setting: Setting, root: SceneTable) => string[] | undefined,
  scope?: 'alone' | 'whole',
): ChangeKind {
  return {
    name,
    weight,
    make(setting) {
      const root = setting.choice.pick(roots(setting))
      const statements = root && make(setting, root)
      return statements && { statements, scope }
    },
  }
}

/** A kind of change of a partition that holds rows. `at` begins an ALTER TABLE of the table above it. */
function ofLeaf(
  name: string,
  weight: number,
  make: (setting: Setting, leaf: SceneTable, alterParent: string) => string[] | undefined,
  scope?: 'alone' | 'whole',
): ChangeKind {
  return ofRoot(
    name,
    weight,
    (setting, root) => {
      const leaf = setting.choice.pick(leavesOf(setting.scene, root.name))
      return leaf && make(setting, leaf, `ALTER TABLE ${quoted(leaf.parent!)}`)
    },
    scope,
  )
}

/** Rows for a table that is to be a partition. */
function rowsFor(setting: Setting, like: SceneTable, name: string, bound: Bound): string {
  const first = bound.first + setting.choice.int(20)
  const rows = insertRows(setting, { ...like, name }, first, 15)
  const group = bound.suffix.startsWith('l') ? bound.suffix.slice(1) : undefined
  // Of the groups that go round, only the partition's own.
  return group === undefined
    ? rows
    : rows.replace(' k ON CONFLICT', ` k WHERE k % ${GROUPS.length} = ${GROUPS.indexOf(group)} ON CONFLICT`)
}

function create(setting: Setting, root: SceneTable): string[] | undefined {
  const bound = freeBound(setting, root)
  const name = bound && `p${setting.fresh()}_${bound.suffix}`
  return bound && [`CREATE TABLE ${name} PARTITION OF ${quoted(root.name)} ${bound.sql}`]
}

function createFillAttach(setting: Setting, root: SceneTable): string[] | undefined {
  const bound = freeBound(setting, root)
  if (bound === undefined) return undefined
  const name = `p${setting.fresh()}_${bound.suffix}`
  return [
    `CREATE TABLE ${name} (LIKE ${quoted(root.name)} INCLUDING ALL)`,
    rowsFor(setting, root, name, bound),
    `ALTER TABLE ${quoted(root.name)} ATTACH PARTITION ${name} ${bound.sql}`,
  ]
}

/** Attaches a table that was detached before, or filled beside. */
function attach(setting: Setting, root: SceneTable): string[] | undefined {
  const names = root.columns.map(({ name }) => name).join()
  const aside = setting.scene.tables.filter(
    ({ parent, name, columns }) =>
      parent === null && boundOf(name) !== undefined && columns.map((column) => column.name).join() === names,
  )
  const table = setting.choice.pick(aside)
  return (
    table && [`ALTER TABLE ${quoted(root.name)} ATTACH PARTITION ${quoted(table.name)} ${boundOf(table.name)!.sql}`]
  )
}

function detachChangeAttach(setting: Setting, leaf: SceneTable, alterParent: string): string[] | undefined {
  const { choice } = setting
  const bound = boundOf(leaf.name)
  if (bound === undefined) return undefined
  const name = quoted(leaf.name)
  const changes = [
    () => rowsFor(setting, leaf, leaf.name, bound),
    () => `DELETE FROM ${name} WHERE place(id::text) % 3 = 1`,
    () => `TRUNCATE ${name}`,
    () => `DELETE FROM ${name}`,
  ]
  return [
    `${alterParent} DETACH PARTITION ${name}`,
    ...Array.from({ length: choice.between(1, 2) }, () => choice.pick(changes)!()),
    `${alterParent} ATTACH PARTITION ${name} ${bound.sql}`,
  ]
}

/** Rows of the default partition get one of their own. */
function splitDefault(setting: Setting, root: SceneTable): string[] | undefined {
  const rest = setting.scene.tables.find(({ parent, bound }) => parent === root.name && bound === 'DEFAULT')
  const bound = freeBound(setting, root)
  if (rest === undefined || rest.isPartitioned || bound === undefined || bound === DEFAULT) return undefined
  const name = `p${setting.fresh()}_${bound.suffix}`
  const isRange = bound.suffix.startsWith('r')
  const columns = root.columns.filter(({ isGenerated }) => !isGenerated).map((column) => quoted(column.name))
  const key = /\((.*)\)/.exec(root.partitionKey!)![1]
  const condition = isRange
    ? `${key} >= ${bound.first} AND ${key} < ${bound.first + 100}`
    : `${key} = '${bound.suffix.slice(1)}'`
  return [
    `CREATE TABLE ${name} (LIKE ${quoted(root.name)} INCLUDING ALL)`,
    `WITH moved AS (DELETE FROM ${quoted(rest.name)} WHERE ${condition} RETURNING ${columns.join(', ')})
    INSERT INTO ${name} (${columns.join(', ')}) SELECT * FROM moved`,
    `ALTER TABLE ${quoted(root.name)} ATTACH PARTITION ${name} ${bound.sql}`,
  ]
}

export const PARTITION_CHANGES: readonly ChangeKind[] = [
  ofRoot('a new partition', 4, create),
  ofRoot('a partition made, filled and attached', 4, createFillAttach, 'whole'),
  ofRoot('a partition made, filled and attached in several transactions', 2, createFillAttach, 'alone'),
  ofRoot('a table attached', 6, attach),
  ofLeaf('a partition detached', 4, (_, leaf, alter) => [`${alter} DETACH PARTITION ${quoted(leaf.name)}`]),
  ofLeaf(
    'a partition detached beside its use',
    1,
    (setting, leaf, alter) =>
      setting.scene.tables.some(({ parent, bound }) => parent === leaf.parent && bound === 'DEFAULT')
        ? undefined // refused where there is a default partition
        : [`${alter} DETACH PARTITION ${quoted(leaf.name)} CONCURRENTLY`],
    'alone',
  ),
  ofLeaf('a partition detached, changed and attached', 5, detachChangeAttach),
  ofLeaf('a partition dropped', 2, (_, leaf) => [`DROP TABLE ${quoted(leaf.name)}`]),
  ofLeaf('a partition truncated', 4, (_, leaf) => [`TRUNCATE ${quoted(leaf.name)}`]),
  ofLeaf('a partition with all columns as identity', 1, (_, leaf) => [
    `ALTER TABLE ${quoted(leaf.name)} REPLICA IDENTITY ${leaf.identity === 'f' ? 'DEFAULT' : 'FULL'}`,
  ]),
  ofRoot('a partitioned table truncated', 2, (_, root) => [`TRUNCATE ${quoted(root.name)}`]),
  ofRoot('rows moved out of the default partition', 3, splitDefault, 'whole'),
]
