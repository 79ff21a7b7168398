import type { ScalarType } from '../table/column-type'
import { camelCase, isRenamed, type NamedColumn, namesOf, pascalCase, propertiesOf, quoted } from './generated-names'
import type { TableModel } from './table-models'

/** What makes a property of each type. */
const BUILDERS: Readonly<Record<ScalarType, string>> = {
  any: 'any',
  boolean: 'boolean',
  integer: 'integer',
  bigint: 'bigint',
  number: 'number',
  decimal: 'decimal',
  string: 'text',
  bytes: 'bytes',
  uuid: 'uuid',
  timestamp: 'timestamp',
  day: 'day',
  time: 'time',
  json: 'json',
}
const IMPORTED = [...Object.values(BUILDERS), 'ref', 'table', 'RowOf']

/** The source of a module with a definition by `table()` for each table, and the type of its objects. */
export function tableSource(tables: readonly TableModel[]): string {
  const header = '// Written by `snapheap generate`: a definition for each table, to be changed as you like.\n'
  if (tables.length === 0) return `${header}export {}\n`
  const names = namesOf(tables, camelCase, IMPORTED)
  const types = namesOf(tables, pascalCase, [...IMPORTED, ...names.values()])
  const text = tables.map((each) => tableOf(each, tables, names, types.get(each.name)!)).join('\n')
  const used = IMPORTED.filter((name) => new RegExp(`(?<![.\\w])${name}\\(`).test(text)).sort()
  return `${header}import { ${used.join(', ')}, type RowOf } from 'snapheap'\n\n${text}`
}

function tableOf(
  model: TableModel,
  tables: readonly TableModel[],
  names: ReadonlyMap<string, string>,
  type: string,
): string {
  const name = names.get(model.name)!
  const lines = propertiesOf(model, tables).map((each) => {
    const { property, target } = each
    if (target === undefined) return `  ${property}: ${columnOf(each)},\n`
    const reference = `ref(() => ${names.get(target.name)})${saidOf(each)}`
    if (!leadsTo(target, model, tables)) return `  ${property}: ${reference},\n`
    return `  get ${property}() {\n    return ${reference}\n  },\n` // the compiler follows no circle without
  })
  return (
    `export const ${name} = table(${quoted(model.name)}, {\n${lines.join('')}})\n` +
    `export type ${type} = RowOf<typeof ${name}>\n`
  )
}

function columnOf(named: NamedColumn): string {
  const { type } = named.column
  const isArray = type.endsWith('[]')
  const scalar = (isArray ? type.slice(0, -2) : type) as ScalarType
  return `${BUILDERS[scalar]}()${isArray ? '.array()' : ''}${saidOf(named)}`
}

/** What is said of a property besides its type. */
function saidOf(named: NamedColumn): string {
  const { column, isKey } = named
  const name = isRenamed(named) ? `.column(${quoted(column.name)})` : ''
  if (isKey) return `.key()${name}`
  const { index } = column
  const said = [
    column.nullable && column.type !== 'any' ? '.nullable()' : '',
    column.unique ? '.unique()' : '',
    index === undefined ? '' : `.index(${index === 'ordered' ? quoted(index) : index})`,
  ]
  return `${said.join('')}${name}`
}

/** Whether references lead from one table to another, or it is the same. */
function leadsTo(from: TableModel, to: TableModel, tables: readonly TableModel[]): boolean {
  const seen = new Set<TableModel>()
  const waiting = [from]
  for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
    if (each === to) return true
    if (seen.has(each)) continue
    seen.add(each)
    for (const { target } of propertiesOf(each, tables)) if (target !== undefined) waiting.push(target)
  }
  return false
}
