import { show } from '../arguments'
import { SnapheapError } from '../errors'
import type { Column } from '../table/column'
import type { RowObserver, RowObservers } from '../table/observed-table-writer'
import type { Key, Table } from '../table/table'
import type { OnDelete } from './class-definition'
import type { EntityView } from './entity-view'
import type { EntityMapping, MappedProperty } from './mapping'

/** A reference that must always lead somewhere. */
export interface ReferenceRule {
  readonly from: EntityMapping
  readonly property: MappedProperty
  readonly to: EntityMapping
  readonly onDelete: OnDelete
}

/** The rules that classes have between them. Throws `SCHEMA` for one that cannot be kept. */
export function rulesOf(mappings: readonly EntityMapping[]): ReferenceRule[] {
  const rules: ReferenceRule[] = []
  for (const from of mappings) {
    // without its parent's row an object is none
    const { parent } = from
    if (parent !== undefined) rules.push({ from, property: from.ids[0], to: parent, onDelete: 'cascade' })
    for (const property of from.properties) {
      const { onDelete } = property
      if (onDelete === undefined) continue
      if (property.index === false)
        throw from.fault(property.name, 'has a rule for deletions, which needs its index. Leave index out.')
      if (onDelete === 'setNull' && !property.nullable)
        throw from.fault(
          property.name,
          `is set to null by a deletion, but cannot be null. ${from.spelling.allowNull} Or say onDelete: 'restrict'.`,
        )
      rules.push({ from, property, to: property.target!(), onDelete })
    }
  }
  return rules
}

/** What happened in a transaction to a table that rules are about. */
class TableChanges implements RowObserver {
  /** Rows that may refer to something else than before. */
  readonly rows = new Set<number>()
  /** Keys that were removed; their rows may have been made anew. */
  readonly keys: unknown[] = []
  /** How often every row was removed at once. */
  emptied = 0
  private table: Table | undefined
  private references: readonly number[] = []
  private keyPosition = -1

  constructor(
    /** Rules about what the table's rows refer to, and about what refers to them. */
    readonly outgoing: readonly ReferenceRule[],
    readonly incoming: readonly ReferenceRule[],
  ) {}

  added(_table: Table, row: number): void {
    if (this.outgoing.length > 0) this.rows.add(row)
  }

  changing(table: Table, row: number, given: Uint8Array): void {
    this.bind(table)
    if (this.references.some((i) => given[i] === 1)) this.rows.add(row)
    if (this.keyPosition >= 0 && given[this.keyPosition] === 1) this.keys.push(table.keyOf(row))
  }

  removing(table: Table, row: number): void {
    if (this.incoming.length > 0) this.keys.push(table.keyOf(row))
  }

  emptying(): void {
    this.emptied++
  }

  private bind(table: Table): void {
    if (table === this.table) return
    this.table = table
    const { columnNames } = table
    this.references = this.outgoing.map(({ property }) => columnNames.indexOf(property.column)).filter((i) => i >= 0)
    this.keyPosition = this.incoming.length === 0 ? -1 : columnNames.indexOf(table.keyColumns[0].name)
  }
}

/** For transactions that no rule is kept in. */
export const NOBODY: RowObservers = { observerOf: () => undefined }

/** What a rule does to the objects that refer to what is gone. */
export interface RuleActions {
  delete(object: object): void
  update(object: object, changes: object): void
}

/**
 * Keeps the rules of one transaction. It hears of every change of the tables that rules are about, and settles them all
 * when the transaction ends, so that their order within it does not matter.
 */
export class ReferenceKeeper implements RowObservers {
  private readonly changes = new Map<string, TableChanges>()

  constructor(rules: readonly ReferenceRule[]) {
    const names = new Set(rules.flatMap(({ from, to }) => [from.tableName, to.tableName]))
    for (const name of names) {
      const outgoing = rules.filter(({ from }) => from.tableName === name)
      const incoming = rules.filter(({ to }) => to.tableName === name)
      this.changes.set(name, new TableChanges(outgoing, incoming))
    }
  }

  observerOf(table: string): RowObserver | undefined {
    return this.changes.get(table)
  }

  /**
   * Follows every deletion to what refers to it, and makes sure that every reference leads somewhere. Throws
   * `REFERENCE`, naming the object.
   */
  settle(scope: EntityView, actions: RuleActions): void {
    const followed = new Map<TableChanges, { keys: number; emptied: number }>()
    for (let isQuiet = false; !isQuiet; ) {
      isQuiet = true
      for (const changes of this.changes.values()) {
        const { keys, emptied } = followed.get(changes) ?? { keys: 0, emptied: 0 }
        if (changes.keys.length === keys && changes.emptied === emptied) continue
        isQuiet = false
        const removed = changes.emptied > emptied ? undefined : changes.keys.slice(keys)
        followed.set(changes, { keys: changes.keys.length, emptied: changes.emptied })
        for (const rule of changes.incoming) if (rule.onDelete !== 'restrict') follow(rule, removed, scope, actions)
      }
    }
    for (const { incoming, outgoing, keys, emptied, rows } of this.changes.values()) {
      for (const rule of incoming) ensureNoneRefer(rule, emptied > 0 ? undefined : keys, scope)
      for (const rule of outgoing) ensureLeadSomewhere(rule, rows, scope)
    }
  }
}

/** Does what a rule says to the rows that refer to keys that are gone; to any, without keys. */
function follow(
  rule: ReferenceRule,
  keys: readonly unknown[] | undefined,
  scope: EntityView,
  actions: RuleActions,
): void {
  for (const row of rowsWithout(rule, keys, scope)) {
    const ends = endsOf(rule, scope)
    // what was done for one before may have changed or deleted it, and its number may be that of another by now
    if (ends === undefined || !ends.table.hasRow(row) || leadsSomewhere(ends, row)) continue
    const object = scope.source(rule.from.type).object(row)
    if (rule.onDelete === 'cascade') actions.delete(object)
    else actions.update(object, { [rule.property.name]: null })
  }
}

function ensureNoneRefer(rule: ReferenceRule, keys: readonly unknown[] | undefined, scope: EntityView): void {
  for (const row of rowsWithout(rule, keys, scope)) {
    throw broken(
      endsOf(rule, scope)!,
      row,
      (from) => `which was deleted. Delete ${from} first, or have it refer to another ${rule.to.className}.`,
    )
  }
}

function ensureLeadSomewhere(rule: ReferenceRule, rows: ReadonlySet<number>, scope: EntityView): void {
  const ends = rows.size === 0 ? undefined : endsOf(rule, scope)
  if (ends === undefined) return
  for (const row of rows) {
    if (!ends.table.hasRow(row) || leadsSomewhere(ends, row)) continue
    const property = `${rule.from.className}.${rule.property.name}`
    throw broken(
      ends,
      row,
      () => `which does not exist. Create it in the same transaction, or set ${property} to one that does.`,
    )
  }
}

/** What a rule is between now. Of tables, not of classes, which need not fit them while a transaction alters tables. */
interface Ends {
  readonly rule: ReferenceRule
  readonly table: Table
  readonly column: Column
  /** Undefined where it is gone. */
  readonly target: Table | undefined
}

/** Undefined where nothing can refer, because the table or the column is gone. */
function endsOf(rule: ReferenceRule, { catalogue }: EntityView): Ends | undefined {
  const table = catalogue.find(rule.from.tableName)
  if (table?.hasColumn(rule.property.column) !== true) return undefined
  const column = table.column(rule.property.column)
  return { rule, table, column, target: catalogue.find(rule.to.tableName) }
}

function leadsSomewhere(ends: Ends, row: number): boolean {
  return exists(ends, ends.column.get(row))
}

function exists({ target }: Ends, key: unknown): boolean {
  if (key === null || key === undefined) return true
  return target !== undefined && target.rowOf(fitting(target.keyColumns[0], key) as Key) >= 0
}

/** The rows that refer to those of these keys that are gone; without keys, to any that is. */
function rowsWithout(rule: ReferenceRule, keys: readonly unknown[] | undefined, scope: EntityView): number[] {
  const ends = keys?.length === 0 ? undefined : endsOf(rule, scope)
  if (ends === undefined) return []
  const { table, column } = ends
  if (keys === undefined) return [...table.rows()].filter((row) => !leadsSomewhere(ends, row))
  const gone = keys.filter((key) => !exists(ends, key))
  return gone.flatMap((key) => table.findRows({ [column.name]: fitting(column, key) }))
}

/** A key as a column of integers takes it, where it comes from one of a wider type. */
function fitting({ type }: Column, key: unknown): unknown {
  return type === 'integer' && typeof key === 'bigint' && Number.isSafeInteger(Number(key)) ? Number(key) : key
}

function broken({ rule, table, column }: Ends, row: number, problem: (from: string) => string): SnapheapError {
  const key = table.keyOf(row)
  const target = column.get(row)
  const name = `${rule.from.className} ${show(key)}`
  return new SnapheapError(
    'REFERENCE',
    `${name} refers by ${rule.property.name} to ${rule.to.className} ${show(target)}, ${problem(name)}`,
    { class: rule.from.className, key, property: rule.property.name, target },
  )
}
