import { readOnlyReason } from '../db/transaction'
import { SnapheapError } from '../errors'
import type { Catalogue } from '../table/catalogue'
import type { ColumnType } from '../table/column-type'
import type { ColumnDefinition } from '../table/definition'
import type { IndexDefinition } from '../table/index-definition'
import type { Table } from '../table/table'
import type { EntityMapping, MappedProperty } from './mapping'
import { canRead, definition, lacksIndex } from './table-match'

/** One difference between classes and stored tables, as what would have to be done to the tables. */
export type SchemaStep = {
  readonly table: string /** Why it cannot be done as it is, with the remedy; undefined where it can. */
  readonly problem?: string
} & (
  | { readonly kind: 'createTable'; readonly class: string }
  | { readonly kind: 'changeKey'; readonly from: readonly string[]; readonly to: readonly string[] }
  | { readonly kind: 'addColumn'; readonly column: string; readonly definition: ColumnDefinition }
  | { readonly kind: 'changeType'; readonly column: string; readonly from: ColumnType; readonly to: ColumnType }
  | { readonly kind: 'changeNullable'; readonly column: string; readonly nullable: boolean }
  | { readonly kind: 'changeUnique'; readonly column: string; readonly unique: boolean }
  | { readonly kind: 'addIndex' | 'dropIndex' | 'dropColumn'; readonly column: string }
  | { readonly kind: 'buildIndex'; readonly index: IndexDefinition }
)

/** How stored tables differ from classes: nothing is done by it. As text, one line for each step. */
export class SchemaPlan {
  constructor(readonly steps: readonly SchemaStep[]) {
    Object.freeze(this)
  }

  /** Whether tables and classes agree. */
  get isEmpty(): boolean {
    return this.steps.length === 0
  }

  toString(): string {
    if (this.isEmpty) return 'The tables are as the classes say.'
    return this.steps
      .map((step) => `${sentence(step)}${step.problem === undefined ? '' : ` (${step.problem})`}`)
      .join('\n')
  }
}

/**
 * What differs. Tables that no class is about are none of its business, and neither are those that somebody else
 * manages.
 */
export function planOf(mappings: readonly EntityMapping[], catalogue: Catalogue): SchemaPlan {
  return new SchemaPlan(mappings.flatMap((mapping) => stepsFor(mapping, catalogue.find(mapping.tableName))))
}

/** Throws `SCHEMA` unless a plan has no steps (of these kinds). */
export function ensureEmpty(plan: SchemaPlan): void {
  if (plan.isEmpty) return
  throw new SnapheapError(
    'SCHEMA',
    `The tables are not as the classes say:\n${plan}\nOpen with schema: 'apply' to change the tables so, or ` +
      'change the classes.',
    { steps: plan.steps },
  )
}

function stepsFor(mapping: EntityMapping, table: Table | undefined): SchemaStep[] {
  if (table === undefined) return [{ kind: 'createTable', table: mapping.tableName, class: mapping.className }]
  if (readOnlyReason(table) !== undefined) return []
  const steps = keySteps(mapping, table)
  for (const property of mapping.properties) {
    if (!table.hasColumn(property.column)) steps.push(addition(mapping, property, table))
    else if (!property.isId) steps.push(...columnSteps(mapping, property, table))
  }
  for (const index of mapping.indexes)
    if (lacksIndex(table, index)) steps.push({ kind: 'buildIndex', table: table.name, index })
  const known = new Set(mapping.properties.map((each) => each.column))
  for (const { name } of table.columns) {
    if (!known.has(name) && !table.keyColumns.includes(table.column(name)))
      steps.push({ kind: 'dropColumn', table: table.name, column: name })
  }
  return steps
}

function keySteps(mapping: EntityMapping, table: Table): SchemaStep[] {
  const to = mapping.ids.map((each) => each.column)
  const from = table.keyColumns.map((each) => each.name)
  const unfit = mapping.ids.some(
    (each) =>
      table.hasColumn(each.column) &&
      !canRead(mapping.columnType(each), each.isTypeGiven, table.column(each.column).type),
  )
  if (!unfit && to.length === from.length && to.every((each) => from.includes(each))) return []
  const problem = 'a key is not changed: make another table in a migration, and move the rows'
  return [{ kind: 'changeKey', table: table.name, from, to, problem }]
}

function addition(mapping: EntityMapping, property: MappedProperty, table: Table): SchemaStep {
  const step = {
    kind: 'addColumn',
    table: table.name,
    column: property.column,
    definition: definition(mapping, property),
  } as const
  const isNeeded = !property.nullable && property.defaultValue === undefined && table.rowCount > 0
  if (!isNeeded) return step
  return { ...step, problem: 'rows need a value: give the property a default, or declare it nullable' }
}

function columnSteps(mapping: EntityMapping, property: MappedProperty, table: Table): SchemaStep[] {
  const column = table.column(property.column)
  const at = { table: table.name, column: property.column }
  const type = mapping.columnType(property)
  const steps: SchemaStep[] = []
  if (!canRead(type, property.isTypeGiven, column.type))
    steps.push({ kind: 'changeType', ...at, from: column.type, to: type })
  if (column.isNullable !== property.nullable && column.type !== 'any')
    steps.push({ kind: 'changeNullable', ...at, nullable: property.nullable })
  if (column.isUnique !== property.unique) steps.push({ kind: 'changeUnique', ...at, unique: property.unique })
  else {
    const isWanted =
      property.index === 'ordered' ? property.unique : (property.index ?? (property.unique || type !== 'boolean'))
    if (isWanted !== column.isIndexed) steps.push({ kind: isWanted ? 'addIndex' : 'dropIndex', ...at })
  }
  return steps
}

function sentence(step: SchemaStep): string {
  switch (step.kind) {
    case 'createTable':
      return `create table ${step.table} for ${step.class}`
    case 'changeKey':
      return `change the key of ${step.table} from (${step.from.join(', ')}) to (${step.to.join(', ')})`
    case 'addColumn': {
      const { type, nullable, unique } = step.definition
      return (
        `add column ${step.table}.${step.column} of type ` +
        `${type}${nullable ? ', nullable' : ''}${unique ? ', unique' : ''}`
      )
    }
    case 'changeType':
      return `change the type of ${step.table}.${step.column} from ${step.from} to ${step.to}`
    case 'changeNullable':
      return `have ${step.table}.${step.column} ${step.nullable ? 'allow' : 'refuse'} null`
    case 'changeUnique':
      return `have ${step.table}.${step.column} ${step.unique ? 'refuse' : 'allow'} equal values`
    case 'addIndex':
      return `build the index of ${step.table}.${step.column}`
    case 'buildIndex': {
      const { columns, kind = 'hash', unique = false } = step.index
      return `build the ${unique ? 'unique ' : ''}${kind} index of ${step.table} over ${columns.join(', ')}`
    }
    case 'dropIndex':
      return `drop the index of ${step.table}.${step.column}`
    case 'dropColumn':
      return `drop column ${step.table}.${step.column}, which no property has`
  }
}
