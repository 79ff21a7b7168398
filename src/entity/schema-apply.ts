import type { Transaction } from '../db/transaction'
import { SnapheapError } from '../errors'
import { isDate } from '../kinds'
import type { ColumnType } from '../table/column-type'
import { Decimal } from '../value/decimal'
import type { SchemaPlan, SchemaStep } from './drift'
import type { EntityMapping } from './mapping'
import { createTable, storedDefault } from './table-match'

/**
 * Changes tables as a plan says, within a transaction. Throws `SCHEMA` for a plan with problems, `NOT_NULL`, `UNIQUE`,
 * `TYPE` where rows do not fit.
 */
export function applyPlan(transaction: Transaction, plan: SchemaPlan, mappings: readonly EntityMapping[]): void {
  const problems = plan.steps.filter((each) => each.problem !== undefined)
  if (problems.length > 0) {
    throw new SnapheapError(
      'SCHEMA',
      `The tables cannot be changed as the classes say:\n${plan}\nSolve what is in parentheses, or write a migration.`,
      { steps: problems },
    )
  }
  for (const step of plan.steps) {
    const mapping = mappings.find((each) => each.tableName === step.table)!
    apply(transaction, step, mapping)
  }
}

function apply(transaction: Transaction, step: SchemaStep, mapping: EntityMapping): void {
  const { table } = step
  switch (step.kind) {
    case 'createTable':
      return createTable(transaction, mapping)
    case 'addColumn': {
      const property = mapping.properties.find((each) => each.column === step.column)!
      const value = transaction.table(table).rowCount === 0 ? undefined : storedDefault(property)
      return transaction.addColumn(table, step.column, step.definition, value)
    }
    case 'changeType':
      return transaction.changeColumn(table, step.column, { type: step.to }, (value) => converted(value, step.to))
    case 'changeNullable': {
      if (!step.nullable) fillMissing(transaction, table, step.column, mapping)
      return transaction.changeColumn(table, step.column, { nullable: step.nullable })
    }
    case 'changeUnique':
      return transaction.changeColumn(table, step.column, { unique: step.unique })
    case 'addIndex':
      return transaction.addIndex(table, step.column)
    case 'buildIndex':
      return transaction.addIndex(table, step.index)
    case 'dropIndex':
      return transaction.dropIndex(table, step.column)
    case 'dropColumn':
      return transaction.dropColumn(table, step.column)
    case 'changeKey':
  }
}

/** Gives rows without a value the property's default, where it has one. */
function fillMissing(transaction: Transaction, table: string, column: string, mapping: EntityMapping): void {
  const property = mapping.properties.find((each) => each.column === column)!
  if (property.defaultValue === undefined) return
  const writer = transaction.writer(table)
  for (const row of writer.table.findRows({ [column]: null })) writer.update(row, { [column]: storedDefault(property) })
}

/** A value of a column as one of another type, where it says the same; else as it is, for the column to refuse. */
function converted(value: unknown, type: ColumnType): unknown {
  if (type === 'string') return asText(value)
  const text = typeof value === 'object' && !(value instanceof Decimal) ? undefined : String(value)
  if (text === undefined || text.trim() === '') return value
  const isNumber = typeof value !== 'boolean' && Number.isFinite(Number(text))
  if (type === 'decimal') return isNumber ? Decimal.parse(text) : value
  if (type === 'bigint') return /^-?\d+$/.test(text) ? BigInt(text) : value
  if (type === 'number' || type === 'integer') return isNumber && isExact(text) ? Number(text) : value
  if (type === 'timestamp' && typeof value === 'string' && !Number.isNaN(Date.parse(value))) return new Date(value)
  return value
}

function asText(value: unknown): unknown {
  if (isDate(value)) return value.toISOString()
  if (typeof value === 'object' && !(value instanceof Decimal)) return value
  return String(value)
}

/** Whether a double says the same number as the text, digit by digit. */
function isExact(text: string): boolean {
  const digits = text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text
  return String(Number(text)) === digits
}
