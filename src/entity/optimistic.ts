import { setTimeout as sleep } from 'node:timers/promises'
import { SnapheapError } from '../errors'
import { hasSameValue, rowChanges } from '../table/row-changes'
import type { Key, Table } from '../table/table'
import { BINDING, type EntityObject, ROW } from './binding'
import { ensureKeys, type Registry } from './entity-view'
import type { Conditions, EntityClass, EntityReader, InsertValues, Row, UpdateValues } from './types'

/** A version to read. */
interface ReadVersion extends EntityReader {
  table(name: string): Table
}

/** The transaction that the changes are applied in. */
interface LiveTransaction extends EntityReader {
  table(name: string): Table
  insert<T extends object>(type: EntityClass<T>, values: InsertValues<T>): T
  update<T extends object>(object: T, changes: UpdateValues<T>): void
  delete(object: object): void
}

const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 100

/**
 * Reads one version and keeps changes back until the end. It does not see its own changes. What counts as read: objects
 * asked for by key, there or not, and for everything else the whole table.
 */
export class OptimisticTransaction implements EntityReader {
  private readonly keys = new Map<string, Set<Key>>()
  private readonly tables = new Set<string>()
  private readonly changes: ((live: LiveTransaction) => void)[] = []

  /** @internal */
  constructor(
    private readonly version: ReadVersion,
    private readonly registry: Registry,
  ) {}

  get<T extends object>(type: EntityClass<T>, id: Key): T | undefined
  get(table: string, key: Key): Row | undefined
  get(of: EntityClass | string, key: Key): object | undefined {
    const tableName = this.tableName(of)
    const keys = this.keys.get(tableName)
    if (keys === undefined) this.keys.set(tableName, new Set([key]))
    else keys.add(key)
    return this.version.get(of as EntityClass, key)
  }

  getMany<T extends object>(type: EntityClass<T>, ids: readonly Key[]): (T | undefined)[]
  getMany(table: string, keys: readonly Key[]): (Row | undefined)[]
  getMany(of: EntityClass | string, keys: readonly Key[]): unknown[] {
    ensureKeys(keys)
    return keys.map((key) => this.get(of as EntityClass, key))
  }

  find<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T[]
  find(table: string, conditions: Row): Row[]
  find(of: EntityClass | string, conditions: object): object[] {
    return this.whole(of).find(of as string, conditions as Row)
  }

  findOne<T extends object>(type: EntityClass<T>, conditions: Conditions<T>): T | undefined
  findOne(table: string, conditions: Row): Row | undefined
  findOne(of: EntityClass | string, conditions: object): object | undefined {
    return this.whole(of).findOne(of as string, conditions as Row)
  }

  all<T extends object>(type: EntityClass<T>): Generator<T>
  all(table: string): Generator<Row>
  all(of: EntityClass | string): Generator<object> {
    return this.whole(of).all(of as string)
  }

  count(of: EntityClass | string): number {
    return this.whole(of).count(of)
  }

  /** Adds an object at the end. */
  insert<T extends object>(type: EntityClass<T>, values: InsertValues<T>): void {
    this.changes.push((live) => live.insert(type, values))
  }

  /** Changes properties of an object at the end. It counts as read. */
  update<T extends object>(object: T, changes: UpdateValues<T>): void {
    const { type, key } = this.read(object)
    this.changes.push((live) => live.update(live.get(type, key)!, changes as UpdateValues<object>))
  }

  /** Deletes an object at the end. It counts as read. */
  delete(object: object): void {
    const { type, key } = this.read(object)
    this.changes.push((live) => live.delete(live.get(type, key)!))
  }

  /** Makes the changes, unless something that was read has changed; then it makes none and returns false. @internal */
  apply(live: LiveTransaction): boolean {
    for (const name of this.tables) {
      const { inserted, updated, deleted } = rowChanges(this.version.table(name), live.table(name))
      if (inserted.length + updated.length + deleted.length > 0) return false
    }
    for (const [name, keys] of this.keys) {
      const [before, after] = [this.version.table(name), live.table(name)]
      for (const key of keys) if (!isSameRow(before, before.rowOf(key), after, after.rowOf(key))) return false
    }
    for (const change of this.changes) change(live)
    return true
  }

  private whole(of: EntityClass | string): ReadVersion {
    this.tables.add(this.tableName(of))
    return this.version
  }

  private tableName(of: EntityClass | string): string {
    return typeof of === 'string' ? this.version.table(of).name : this.registry.mapping(of).tableName
  }

  private read(object: object): { type: EntityClass; key: Key } {
    const entity = object as EntityObject
    if (!(BINDING in object) || entity[BINDING].source === undefined) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        'tx.update() expects an object that was read from this database. Look it up with get or find.',
      )
    }
    const { source } = entity[BINDING]
    source.verify(entity)
    const key = source.table.keyOf(entity[ROW]) as Key
    this.get(source.type, key)
    return { type: source.type, key }
  }
}

function isSameRow(before: Table, row: number, after: Table, other: number): boolean {
  if (row < 0 || other < 0) return row === other
  return after.columns.every(
    (column) =>
      before.hasColumn(column.name) && hasSameValue(before, before.column(column.name), row, after, column, other),
  )
}

/**
 * Waits a random time, longer with every attempt, so that those who were in each other's way come back at different
 * times.
 */
export async function pauseAfter(attempt: number): Promise<void> {
  await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt))
}

export function conflict(attempts: number): SnapheapError {
  return new SnapheapError(
    'CONFLICT',
    `What the transaction had read was changed by others each of ${attempts} times. Make it shorter, read less, ` +
      'or use write.',
  )
}
