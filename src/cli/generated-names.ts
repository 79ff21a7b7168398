import { runInNewContext } from 'node:vm'
import { snakeCase } from '../entity/mapping'
import type { ColumnModel, TableModel } from './table-models'

/** What the language itself calls something: `BigInt`, `Date`, `escape` … */
const GLOBALS = runInNewContext('Object.getOwnPropertyNames(globalThis)') as readonly string[]

const KEYWORDS =
  'arguments as async await break case catch class const continue debugger default delete do else enum export ' +
  'extends false finally for from function get if implements import in instanceof interface let new null of ' +
  'package private protected public return set static super switch this throw true try type typeof var void while ' +
  'with yield'

/** What cannot be a property: every object has something else under these names. */
const EVERY_OBJECT = [...Object.getOwnPropertyNames(Object.prototype), 'toJSON']

/** A name for each table: as `spelled`, unlike all others, what the language has, and what the source imports. */
export function namesOf(
  tables: readonly TableModel[],
  spelled: (name: string) => string,
  imported: readonly string[],
): Map<string, string> {
  const taken = new Set([...GLOBALS, ...KEYWORDS.split(' '), ...imported])
  return new Map(tables.map(({ name }) => [name, unique(spelled(name) || spelled('table'), taken)]))
}

/** A column of a table, the name of the property for it, and the table that it refers to, if to any. */
export interface NamedColumn {
  readonly column: ColumnModel
  readonly property: string
  readonly isKey: boolean
  readonly target: TableModel | undefined
}

/** The columns of a table as properties, those of the key first. */
export function propertiesOf(table: TableModel, tables: readonly TableModel[]): NamedColumn[] {
  const taken = new Set(EVERY_OBJECT)
  const columns = [
    ...table.key.map((key) => table.columns.find((each) => each.name === key)!),
    ...table.columns.filter((each) => !table.key.includes(each.name)),
  ]
  const plain = new Set(columns.map((each) => camelCase(each.name)))
  return columns.map((column) => {
    const target = tables.find((each) => each.name === column.refersTo && each.key.length === 1)
    const short = camelCase(column.name).replace(/Id$/, '')
    const wanted = target !== undefined && short !== '' && !plain.has(short) ? short : camelCase(column.name)
    const property = unique(wanted || 'column', taken)
    return { column, property, isKey: table.key.includes(column.name), target }
  })
}

/** Whether a property's column has another name than it would by itself. */
export function isRenamed({ property, column }: NamedColumn): boolean {
  return snakeCase(property) !== column.name
}

/** "order_line" -> "OrderLine"; letters and digits only, beginning with a letter. */
export function pascalCase(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter((each) => each !== '')
  const text = words.map((each) => each[0].toUpperCase() + each.slice(1)).join('')
  return /^\p{N}/u.test(text) ? `_${text}` : text
}

/** "order_line" -> "orderLine". */
export function camelCase(name: string): string {
  const text = pascalCase(name)
  return text.replace(/^(\p{Lu}+)(?=\p{Lu}\p{Ll}|\P{L}|$)|^\p{Lu}/u, (start) => start.toLowerCase())
}

/** A string as a literal of the source. */
export function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`
}

/** The name, or the first of name2, name3 … that is free; taken from then on. */
function unique(name: string, taken: Set<string>): string {
  let free = name
  for (let i = 2; taken.has(free); i++) free = `${name}${i}`
  taken.add(free)
  return free
}
