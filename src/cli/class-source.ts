import { snakeCase } from '../entity/mapping'
import type { ColumnType, ScalarType } from '../table/column-type'
import { isRenamed, type NamedColumn, namesOf, pascalCase, propertiesOf, quoted } from './generated-names'
import type { TableModel } from './table-models'

/** What each type of column reads as, and whether the compiler's metadata tells it from every other. */
const TYPES: Readonly<Record<ScalarType, { readonly type: string; readonly isTold: boolean }>> = {
  any: { type: 'unknown', isTold: false },
  boolean: { type: 'boolean', isTold: true },
  integer: { type: 'number', isTold: false },
  bigint: { type: 'bigint', isTold: true },
  number: { type: 'number', isTold: true },
  decimal: { type: 'Decimal', isTold: true },
  string: { type: 'string', isTold: true },
  bytes: { type: 'Uint8Array', isTold: true },
  uuid: { type: 'string', isTold: false },
  timestamp: { type: 'Date', isTold: true },
  day: { type: 'string', isTold: false },
  time: { type: 'string', isTold: false },
  json: { type: 'unknown', isTold: false },
}

const IMPORTED = ['Column', 'Decimal', 'Entity', 'Id', 'Ref', 'Reference']

/** The source of a module with a class for each table. */
export function classSource(tables: readonly TableModel[]): string {
  const names = namesOf(tables, pascalCase, IMPORTED)
  const classes = tables.map((table) => classOf(table, tables, names))
  const text = classes.join('\n')
  const imports = ['Column', 'Decimal', 'Entity', 'Id', 'Ref'].filter((name) =>
    name === 'Decimal' ? /\bDecimal\b/.test(types(text)) : text.includes(`@${name}(`),
  )
  if (text.includes('Reference<')) imports.push('type Reference')
  const header = '// Written by `snapheap generate`: a class for each table, to be changed as you like.\n'
  return tables.length === 0
    ? `${header}export {}\n`
    : `${header}import { ${imports.join(', ')} } from 'snapheap'\n\n${text}`
}

/** What stands behind the properties of classes. */
function types(text: string): string {
  return [...text.matchAll(/!: (.*)$/gm)].map(([, type]) => type).join('\n')
}

function classOf(table: TableModel, tables: readonly TableModel[], names: ReadonlyMap<string, string>): string {
  const name = names.get(table.name)!
  const lines = propertiesOf(table, tables).map((each) => `  ${line(each, names)}\n`)
  const isDerived = snakeCase(name) === table.name && name.length >= 3
  const options = isDerived ? '' : `{ name: ${quoted(table.name)} }`
  return `@Entity(${options})\nexport class ${name} {\n${lines.join('')}}\n`
}

function line(named: NamedColumn, names: ReadonlyMap<string, string>): string {
  const { column, property, isKey, target } = named
  const isNullable = column.nullable && !isKey && column.type !== 'any'
  const name = isRenamed(named) ? [`name: ${quoted(column.name)}`] : []
  const more = isKey
    ? []
    : [
        ...(isNullable ? ['nullable: true'] : []),
        ...(column.unique ? ['unique: true'] : []),
        ...(column.index === undefined
          ? []
          : [`index: ${column.index === 'ordered' ? quoted(column.index) : column.index}`]),
      ]
  if (target !== undefined) {
    const refersTo = names.get(target.name)!
    const options = [...name, ...more]
    const given = options.length === 0 ? '' : `, { ${options.join(', ')} }`
    const type = `Reference<${refersTo}>${isNullable ? ' | null' : ''}`
    return `${isKey ? '@Id() ' : ''}@Ref(() => ${refersTo}${given}) ${property}!: ${type}`
  }
  const { type, isTold } = typeOf(column.type)
  const isDerived = isKey && type === 'number' ? column.type === 'integer' : isTold && !isNullable
  const options = [...name, ...(isDerived ? [] : [`type: '${column.type}'`]), ...more]
  const given = options.length === 0 ? '' : `{ ${options.join(', ')} }`
  const isWide = type === 'unknown' // null is among its values
  return `@${isKey ? 'Id' : 'Column'}(${given}) ${property}!: ${type}${isNullable && !isWide ? ' | null' : ''}`
}

function typeOf(type: ColumnType): { type: string; isTold: boolean } {
  if (!type.endsWith('[]')) return TYPES[type as ScalarType]
  const element = TYPES[type.slice(0, -2) as ScalarType].type
  return { type: element === 'unknown' ? 'unknown[]' : `(${element} | null)[]`, isTold: false }
}
