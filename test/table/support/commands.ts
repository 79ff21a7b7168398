import fc from 'fast-check'
import type { Store } from '../../../src/db/store'
import type { Transaction } from '../../../src/db/transaction'
import { SnapheapError } from '../../../src/errors'
import type { ColumnType } from '../../../src/table/column-type'
import type { ColumnDefinition, TableDefinition } from '../../../src/table/definition'
import type { Key } from '../../../src/table/table'
import { exact } from '../../value/support/values'
import { expectSame } from './compare'
import { type ModelColumn, type ModelRow, ModelTable, type Outcome, poolOf } from './model'

/** Tables of every kind of key, with columns of every type, nullable, unique and without index. */
export const SHAPES: readonly TableDefinition[] = [
  { key: 'id', columns: { id: 'integer', flag: { type: 'boolean', nullable: true }, label: { type: 'string', unique: true, nullable: true }, n: 'integer' } },
  { key: 'id', columns: { id: 'bigint', dynamic: 'any', amount: { type: 'decimal', nullable: true } } },
  { key: 'id', columns: { id: 'uuid', at: { type: 'timestamp', nullable: true }, on: { type: 'day', nullable: true } } },
  { key: 'id', columns: { id: 'string', n: { type: 'integer', unique: true, nullable: true }, data: { type: 'json', nullable: true } } },
  { key: 'id', columns: { id: 'day', big: { type: 'bigint', nullable: true }, list: { type: 'integer[]', nullable: true } } },
  { key: ['a', 'b'], columns: { value: 'any', b: 'string', a: 'integer', x: { type: 'number', nullable: true } } },
  { key: ['u', 'd', 't'], columns: { t: 'time', u: 'uuid', d: 'day', bytes: { type: 'bytes', nullable: true } } },
  { key: 'id', columns: { id: 'decimal', x: { type: 'number', index: false, nullable: true }, dynamic: { type: 'any', unique: true } } },
  { key: 'id', columns: { id: 'timestamp', texts: { type: 'string[]', nullable: true } } },
  { key: 'id', columns: { id: 'integer[]', time: { type: 'time', nullable: true } } },
  { key: 'id', columns: { id: 'json', bytes: { type: 'bytes', unique: true, nullable: true } } },
] // biome-ignore format: one line per shape

/** How often each statement is made. */
const KINDS = {
  insert: 24,
  update: 10,
  upsert: 8,
  delete: 7,
  truncate: 1,
  createTable: 2,
  dropTable: 1,
  renameTable: 1,
  addColumn: 2,
  dropColumn: 1,
  renameColumn: 2,
  addIndex: 2,
  dropIndex: 2,
  setProperties: 1,
}

/** One statement, in numbers that are read as choices among what there is. */
export interface Command {
  readonly kind: keyof typeof KINDS
  readonly table: number
  readonly pick: number
  readonly values: readonly number[]
}

export const anyCommand: fc.Arbitrary<Command> = fc.record({
  kind: fc.constantFrom(...(Object.keys(KINDS) as Command['kind'][]).flatMap((kind) => Array(KINDS[kind]).fill(kind))),
  table: fc.constantFrom(0, 0, 0, 1, 1, 3),
  pick: fc.nat({ max: 200 }),
  values: fc.array(fc.nat({ max: 40 }), { minLength: 6, maxLength: 6 }),
})

const TABLE_NAMES = ['orders', 'constructor', 'items', 'a name with "quotes"']
const COLUMN_NAMES = ['id', 'label', 'extra', 'toString', 'n']
const NEW_COLUMNS: readonly { type: ColumnType; nullable?: boolean; unique?: boolean; index?: boolean }[] = [
  { type: 'integer', nullable: true },
  { type: 'string' },
  { type: 'any' },
  { type: 'string', unique: true, nullable: true },
  { type: 'decimal', nullable: true, index: false },
  { type: 'boolean' },
]

function columnOf(name: string, given: ColumnType | ColumnDefinition, isKey = false): ModelColumn {
  const each = typeof given === 'string' ? { type: given } : given
  const { type, unique = false } = each
  const nullable = !isKey && (each.nullable ?? type === 'any')
  return {
    name,
    type,
    nullable,
    unique,
    index: each.index === 'ordered' ? unique : (each.index ?? (unique || type !== 'boolean')),
  }
}

function tableOf(name: string, { key, columns }: TableDefinition): ModelTable {
  const keys = typeof key === 'string' ? [key] : key
  const all = Object.entries(columns).map(([column, each]) => columnOf(column, each, keys.includes(column)))
  return new ModelTable(
    name,
    keys.map((each) => all.find((column) => column.name === each)!),
    all,
  )
}

/** Runs statements on a transaction and on a model, and proves that both do the same. */
export class CommandRunner {
  model: ModelTable[] = []

  constructor(private readonly shapes: readonly TableDefinition[]) {}

  copy(): ModelTable[] {
    return this.model.map((table) => table.copy())
  }

  /** The outcome in the model and the one in the transaction, for the caller to compare. */
  run(tx: Transaction, command: Command): { expected: Outcome; actual: Outcome } {
    const name = TABLE_NAMES[command.table]
    const table = this.model.find((each) => each.name === name)
    const { kind } = command
    if (kind === 'createTable') return this.create(tx, name, command)
    if (table === undefined) return this.create(tx, name, command)
    if (kind === 'insert' || kind === 'upsert') {
      const row = this.row(table, command)
      return { expected: table[kind](row), actual: outcomeOf(() => tx[kind](name, namesOf(row))) }
    }
    if (kind === 'update' || kind === 'delete') return this.changeRow(tx, table, command)
    if (kind === 'truncate') {
      table.rows = []
      return { expected: 'ok', actual: outcomeOf(() => tx.truncate(name)) }
    }
    return this.alter(tx, table, command)
  }

  private create(tx: Transaction, name: string, { pick }: Command): { expected: Outcome; actual: Outcome } {
    const shape = this.shapes[pick % this.shapes.length]
    const isTaken = this.model.some((each) => each.name === name)
    if (!isTaken) this.model.push(tableOf(name, shape))
    return { expected: isTaken ? 'EXISTS' : 'ok', actual: outcomeOf(() => tx.createTable(name, shape)) }
  }

  private changeRow(tx: Transaction, table: ModelTable, command: Command): { expected: Outcome; actual: Outcome } {
    const existing = command.pick % 4 === 0 ? undefined : table.rows[command.pick % Math.max(1, table.rows.length)]
    const sought = existing ?? this.row(table, command)
    const parts = table.key.map((column) => sought.get(column) ?? poolOf(column.type)[0])
    const key = (parts.length === 1 ? parts[0] : parts) as Key
    const row = table.rows.find((each) => table.key.every((column, i) => exact(each.get(column)) === exact(parts[i])))
    if (command.kind === 'delete') {
      table.rows = table.rows.filter((each) => each !== row)
      return {
        expected: row === undefined ? 'NOT_FOUND' : 'ok',
        actual: tx.delete(table.name, key) ? 'ok' : 'NOT_FOUND',
      }
    }
    const changes = new Map([...this.row(table, { ...command, values: command.values.toReversed() })])
    for (const [i, column] of table.columns.entries()) if (command.values[i] % 3 === 0) changes.delete(column)
    return {
      expected: table.update(row, changes),
      actual: outcomeOf(() => tx.update(table.name, key, namesOf(changes))),
    }
  }

  private alter(
    tx: Transaction,
    table: ModelTable,
    { kind, pick, values }: Command,
  ): { expected: Outcome; actual: Outcome } {
    const { name } = table
    const column =
      pick % 5 === 0 ? COLUMN_NAMES[values[0] % COLUMN_NAMES.length] : table.columns[pick % table.columns.length].name
    const newName = COLUMN_NAMES[values[1] % COLUMN_NAMES.length]
    switch (kind) {
      case 'dropTable':
        this.model = this.model.filter((each) => each !== table)
        return { expected: 'ok', actual: outcomeOf(() => tx.dropTable(name)) }
      case 'renameTable': {
        const target = TABLE_NAMES[values[0] % TABLE_NAMES.length]
        const isTaken = this.model.some((each) => each.name === target)
        if (!isTaken) table.name = target
        return { expected: isTaken ? 'EXISTS' : 'ok', actual: outcomeOf(() => tx.renameTable(name, target)) }
      }
      case 'addColumn': {
        const definition = NEW_COLUMNS[values[2] % NEW_COLUMNS.length]
        const pool = [undefined, ...poolOf(definition.type), null]
        const value = pool[values[3] % pool.length]
        const expected = table.addColumn(columnOf(newName, definition), value)
        return { expected, actual: outcomeOf(() => tx.addColumn(name, newName, definition, value)) }
      }
      case 'dropColumn':
        return { expected: table.dropColumn(column), actual: outcomeOf(() => tx.dropColumn(name, column)) }
      case 'renameColumn':
        return {
          expected: table.renameColumn(column, newName),
          actual: outcomeOf(() => tx.renameColumn(name, column, newName)),
        }
      case 'addIndex':
      case 'dropIndex':
        return {
          expected: table.setIndex(column, kind === 'addIndex'),
          actual: outcomeOf(() => tx[kind](name, column)),
        }
      default:
        return { expected: 'ok', actual: outcomeOf(() => tx.setProperties(name, { note: `note number ${pick}` })) }
    }
  }

  /** A row of values out of the pools; now and then one is missing or null. */
  private row(table: ModelTable, { pick, values }: Command): ModelRow {
    const row: ModelRow = new Map()
    for (const [i, column] of table.columns.entries()) {
      const pool = poolOf(column.type)
      const choice = values[i % values.length] + (i >= values.length ? pick : 0)
      const isMissing = (choice + pick) % 17 === 0 || (column.nullable && (choice + pick) % 4 === 0)
      row.set(column, isMissing ? (choice % 2 === 0 ? null : undefined) : pool[choice % pool.length])
    }
    return row
  }
}

/** A transaction of commands and how it ends; a snapshot may be taken after it. */
export interface CommandBatch {
  readonly commands: readonly Command[]
  readonly isAborted: boolean
  readonly isBeside: boolean
  readonly snapshot: boolean
}

export const anyBatch: fc.Arbitrary<CommandBatch> = fc.record({
  commands: fc.array(anyCommand, { minLength: 1, maxLength: 30, size: 'max' }),
  isAborted: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  isBeside: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  snapshot: fc.boolean(),
})

const ABORT = new Error('aborted on purpose')

/** Runs batches on a store and a model, with snapshots held across later batches, and compares all of them. */
export async function runBatches(
  store: Store,
  shapes: readonly TableDefinition[],
  batches: readonly CommandBatch[],
): Promise<void> {
  const runner = new CommandRunner(shapes)
  const held: { tables: ReturnType<Store['snapshot']>; model: ModelTable[] }[] = []
  for (const { commands, isAborted, isBeside, snapshot } of batches) {
    const before = runner.copy()
    const change = (tx: Transaction): void => {
      for (const command of commands) {
        const { expected, actual } = runner.run(tx, command)
        if (expected !== actual) throw new Error(`${command.kind} did ${actual}, not ${expected}`)
      }
      expectSame({ table: (name) => tx.table(name) }, runner.model)
      if (isAborted) throw ABORT
    }
    try {
      if (isBeside) {
        await store.bulkWrite(async (tx) => {
          change(tx)
          expectSame(store, before)
        })
      } else store.write(change)
    } catch (error) {
      if (error !== ABORT) throw error
      runner.model = before
    }
    expectSame(store, runner.model)
    if (snapshot) held.push({ tables: store.snapshot(), model: runner.copy() })
    if (held.length > 3) held.splice(1, 1)[0].tables.close()
  }
  for (const { tables, model } of held) {
    expectSame(tables, model)
    tables.close()
  }
}

function namesOf(row: ModelRow): Record<string, unknown> {
  return Object.fromEntries([...row].map(([column, value]) => [column.name, value]))
}

function outcomeOf(run: () => unknown): Outcome {
  try {
    run()
    return 'ok'
  } catch (error) {
    if (error instanceof SnapheapError) return error.code
    throw error
  }
}
