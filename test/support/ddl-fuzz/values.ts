import type { Choice } from './choice'
import type { Scene, SceneColumn, SceneTable } from './scene'

/** Types that a column may get. Names of types that the schema makes come last. */
export const COLUMN_TYPES = [
  'integer',
  'bigint',
  'text',
  'character varying(30)',
  'numeric(10,2)',
  'numeric',
  'boolean',
  'jsonb',
  'date',
  'timestamp with time zone',
  'double precision',
  'integer[]',
  'text[]',
  'mood',
  'mood[]',
  'pair',
  'pair[]',
  'nest',
  'score',
  'label',
] as const

const PLAIN: Readonly<Record<string, (k: string) => string>> = {
  smallint: (k) => `(${k}) % 1000`,
  integer: (k) => `(${k}) * 7`,
  bigint: (k) => `(${k})::bigint * 1000000007`,
  boolean: (k) => `(${k}) % 2 = 0`,
  jsonb: (k) => `jsonb_build_object('k', ${k}, 'of', ARRAY['a', NULL])`,
  date: (k) => `date '2024-01-01' + (${k}) % 300`,
  'timestamp with time zone': (k) => `timestamptz '2024-01-01' + (${k}) * interval '1 hour'`,
  'double precision': (k) => `(${k}) / 4.0`,
  score: (k) => `(${k}) % 100`,
  label: (k) => `'label ' || (${k}) % 9`,
  text: (k) => `'text ' || (${k})`,
}

/** SQL for a value of `type` that depends on the integer that the SQL `k` gives. */
export function sqlValue(scene: Scene, type: string, k: string): string {
  if (type.endsWith('[]')) {
    const element = type.slice(0, -2)
    const [first, second] = [sqlValue(scene, element, k), sqlValue(scene, element, `${k} + 1`)]
    return `ARRAY[${first}, NULL, ${second}]::${type}`
  }
  const labels = scene.enums.find(({ name }) => name === type)?.labels
  if (labels !== undefined) {
    const list = labels.map((label) => `'${label.replaceAll("'", "''")}'`).join(', ')
    return `(ARRAY[${list}])[1 + abs(${k}) % ${labels.length}]::${type}`
  }
  const attributes = scene.composites.find(({ name }) => name === type)?.attributes
  if (attributes !== undefined) {
    return `ROW(${attributes.map((attribute) => sqlValue(scene, attribute.type, k)).join(', ')})::${type}`
  }
  const numeric = /^numeric(?:\((\d+),(\d+)\))?$/.exec(type)
  if (numeric !== null) return `round((${k}) / 8.0, ${numeric[2] ?? 3})`
  return `(${(PLAIN[type] ?? PLAIN.text!)(k)})::${type}`
}

/** Keys of rows lie below this. */
export const KEY_LIMIT = 500
/** What the column `grp` of partitioned tables can have. */
export const GROUPS = ['n', 's', 'e', 'w', 'x']

/** SQL for a column of a row whose key the integer `k` gives. */
export function columnValue(scene: Scene, column: SceneColumn, k: string, salt: number): string {
  if (column.name.startsWith('grp')) return `(ARRAY['${GROUPS.join("', '")}'])[1 + (${k}) % ${GROUPS.length}]`
  if (column.isKey) {
    if (/^(integer|bigint|smallint)$/.test(column.type)) return k
    return sqlValue(scene, column.type, k)
  }
  // Long enough to be stored beside the row, since the column is not compressed.
  if (column.name.startsWith('body')) return `repeat(md5((${k} + ${salt})::text), 80)`
  const value = sqlValue(scene, column.type, `${k} + ${salt}`)
  return column.isRequired ? value : `CASE WHEN (${k} + ${salt}) % 5 > 0 THEN ${value} END`
}

/** A value to name in a DEFAULT. */
export function constant(scene: Scene, type: string, choice: Choice): string {
  return sqlValue(scene, type, String(choice.between(1, 300)))
}

/** SQL for an integer that differs from row to row. */
export function rowNumber(table: SceneTable): string {
  const key = table.columns.find(({ isKey }) => isKey) ?? table.columns.find(({ isGenerated }) => !isGenerated)
  return `place("${key?.name}"::text)`
}
