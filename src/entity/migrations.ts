import { createHash } from 'node:crypto'
import { SnapheapError } from '../errors'
import type { Database } from './database'
import type { EntityTransaction } from './entity-transaction'

/** A change of the database that is made once, in the order of versions. */
export interface Migration {
  /** A positive integer, higher than those of the migrations before it. */
  readonly version: number
  readonly name: string
  /** Makes the change: one transaction with the entry in the history. It must not be async. */
  up(transaction: EntityTransaction): void
  /**
   * What tells that the migration has been edited, to be changed by nobody. Default: the text of `up`, which another
   * compiler or a minifier changes: give one where the migrations are built.
   */
  readonly hash?: string
}

/** What has become of a migration. */
export interface MigrationStatus {
  readonly version: number
  readonly name: string
  /** `edited`: it is not what was applied. `missing`: it was applied, but is not among those given. */
  readonly state: 'applied' | 'pending' | 'edited' | 'missing'
  readonly appliedAt: Date | undefined
}

const HISTORY = 'snapheap_migration'

/** What has become of each migration, by version. Throws `INVALID_ARGUMENT` for a list that is in no order. */
export function migrationStatus(database: Database, migrations: readonly Migration[]): MigrationStatus[] {
  ensureOrder(migrations)
  const applied = appliedIn(database)
  const known = migrations.map((each): MigrationStatus => {
    const { version, name } = each
    const row = applied.get(version)
    if (row === undefined) return { version, name, state: 'pending', appliedAt: undefined }
    return { version, name, state: row.hash === hashOf(each) ? 'applied' : 'edited', appliedAt: row.appliedAt }
  })
  const missing = [...applied.values()]
    .filter(({ version }) => !migrations.some((each) => each.version === version))
    .map(({ version, name, appliedAt }): MigrationStatus => ({ version, name, state: 'missing', appliedAt }))
  return [...known, ...missing].sort((a, b) => a.version - b.version)
}

/**
 * Applies the migrations that are pending, each in a transaction of its own. Returns those. Throws `SCHEMA`, before
 * anything is done, where the history was edited: a migration that was applied has changed or is gone, or one before it
 * is new.
 */
export function migrate(database: Database, migrations: readonly Migration[]): MigrationStatus[] {
  const status = migrationStatus(database, migrations)
  const newest = Math.max(0, ...status.filter(({ appliedAt }) => appliedAt !== undefined).map(({ version }) => version))
  for (const each of status) {
    const problem = problemOf(each, newest)
    if (problem !== undefined) {
      throw new SnapheapError('SCHEMA', `Migration ${each.version} (${each.name}) ${problem}`, {
        version: each.version,
      })
    }
  }
  const pending = migrations.filter(({ version }) => version > newest)
  if (pending.length > 0 && database.isReadOnly) {
    throw new SnapheapError(
      'READ_ONLY',
      `Migration ${pending[0].version} (${pending[0].name}) is pending, but the database is open for reading. ` +
        'Open it for writing once.',
      { version: pending[0].version },
    )
  }
  for (const each of pending) apply(database, each)
  return migrationStatus(database, migrations).filter(({ version }) => version > newest)
}

function apply(database: Database, migration: Migration): void {
  database.write((transaction) => {
    if (!database.tableNames.includes(HISTORY)) {
      transaction.createTable(HISTORY, {
        key: 'version',
        columns: { version: 'integer', name: 'string', hash: 'string', applied_at: 'timestamp' },
      })
    }
    const { version, name } = migration
    transaction.insert(HISTORY, { version, name, hash: hashOf(migration), applied_at: new Date() })
    transaction.annotation = `migration ${version}: ${name}`.slice(0, 1000)
    return migration.up(transaction) // a promise is refused by `write`
  })
}

interface Applied {
  readonly version: number
  readonly name: string
  readonly hash: string
  readonly appliedAt: Date
}

function appliedIn(database: Database): Map<number, Applied> {
  const applied = new Map<number, Applied>()
  if (!database.tableNames.includes(HISTORY)) return applied
  const table = database.table(HISTORY)
  for (const row of table.rows()) {
    const { version, name, hash, applied_at } = table.read(row) as Record<string, never>
    applied.set(version, { version, name, hash, appliedAt: applied_at })
  }
  return applied
}

function problemOf({ state, version }: MigrationStatus, newest: number): string | undefined {
  if (state === 'edited')
    return 'was applied, and has been edited since. Restore it, and put the change into a new migration.'
  if (state === 'missing') return 'was applied, but is not among those given. Restore it.'
  return state === 'pending' && version < newest
    ? `comes before version ${newest}, which was applied already. Give it a higher version.`
    : undefined
}

/** SHA-256 of what a migration is. */
function hashOf({ version, name, up, hash }: Migration): string {
  return createHash('sha256')
    .update(JSON.stringify([version, name, hash ?? String(up)]))
    .digest('hex')
}

function ensureOrder(migrations: readonly Migration[]): void {
  let last = 0
  for (const { version, name } of migrations) {
    if (!Number.isSafeInteger(version) || version <= last) {
      throw new SnapheapError(
        'INVALID_ARGUMENT',
        `Migration ${String(name)} has version ${String(version)}, after version ${last}. Versions are integers ` +
          'from 1 on that rise in the order of the list.',
      )
    }
    last = version
  }
}
