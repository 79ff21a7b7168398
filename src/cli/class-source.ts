import { snakeCase } from '../entity/mapping'
import type { ColumnType, ScalarType } from '../table/column-type'
import type { ColumnModel, TableModel } from './table-models'

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

/** Names that a class of the source cannot have: what it imports, what its types mean, and what the language keeps. */
const TAKEN: ReadonlySet<string> = new Set(
  [
    'Column',
    'Decimal',
    'Entity',
    'Id',
    'Ref',
    'Reference',
    'Date',
    'Uint8Array',
    'Object',
    'Function',
    'Symbol',
  ].concat([
    'Array',
    'String',
    'Number',
    'Boolean',
    'Promise',
    'Error',
    'Map',
    'Set',
    'Proxy',
    'Reflect',
    'JSON',
    'Math',
  ]),
)

/** The source of a module with a class for each table. */
export function classSource(tables: readonly TableModel[]): string {
  const names = classNames(tables)
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

function classNames(tables: readonly TableModel[]): Map<string, string> {
  const names = new Map<string, string>()
  const taken = new Set(TAKEN)
  for (const { name } of tables) names.set(name, unique(pascalCase(name) || 'Table', taken))
  return names
}

function classOf(table: TableModel, tables: readonly TableModel[], names: ReadonlyMap<string, string>): string {
  const name = names.get(table.name)!
  const taken = new Set(['constructor', 'toJSON'])
  const columns = [
    ...table.key.map((key) => table.columns.find((each) => each.name === key)!),
    ...table.columns.filter((each) => !table.key.includes(each.name)),
  ]
  const plain = new Set(columns.map((each) => camelCase(each.name)))
  const lines = columns.map((column) => {
    const target = tables.find((each) => each.name === column.refersTo && each.key.length === 1)
    const short = camelCase(column.name).replace(/Id$/, '')
    const wanted = target !== undefined && short !== '' && !plain.has(short) ? short : camelCase(column.name)
    const property = unique(wanted || 'column', taken)
    const refersTo = target === undefined ? undefined : names.get(target.name)
    return `  ${line(column, property, table.key.includes(column.name), refersTo)}\n`
  })
  const options = snakeCase(name) === table.name ? '' : `{ name: ${quoted(table.name)} }`
  return `@Entity(${options})\nexport class ${name} {\n${lines.join('')}}\n`
}

function line(column: ColumnModel, property: string, isKey: boolean, refersTo: string | undefined): string {
  const isNullable = column.nullable && !isKey && column.type !== 'any'
  const name = snakeCase(property) === column.name ? [] : [`name: ${quoted(column.name)}`]
  const more = isKey
    ? []
    : [
        ...(isNullable ? ['nullable: true'] : []),
        ...(column.unique ? ['unique: true'] : []),
        ...(column.index === undefined
          ? []
          : [`index: ${column.index === 'ordered' ? quoted(column.index) : column.index}`]),
      ]
  if (refersTo !== undefined) {
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

/** "order_line" -> "OrderLine"; letters and digits only, beginning with a letter. */
function pascalCase(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter((each) => each !== '')
  const text = words.map((each) => each[0].toUpperCase() + each.slice(1)).join('')
  return /^\p{N}/u.test(text) ? `_${text}` : text
}

function camelCase(name: string): string {
  const text = pascalCase(name)
  return text.replace(/^(\p{Lu}+)(?=\p{Lu}\p{Ll}|\P{L}|$)|^\p{Lu}/u, (start) => start.toLowerCase())
}

/** The name, or the first of name2, name3 … that is free; taken from then on. */
function unique(name: string, taken: Set<string>): string {
  let free = name
  for (let i = 2; taken.has(free); i++) free = `${name}${i}`
  taken.add(free)
  return free
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`
}
