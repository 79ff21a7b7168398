import type pg from 'pg'
import { SnapheapError } from '../errors'
import { qualifiedName, readTables, type SourceTable } from './catalogue'
import { queryRows } from './connection'
import { describeSource } from './mirrored-table'
import type { CreatedSlot } from './slot'

const LOCK_NOT_AVAILABLE = '55P03'
/** Less than the `deadlock_timeout` of any server, by default 1 s. */
const LOCK_TRY_MS = 300

/** Begins a transaction of `client` that sees exactly what was committed before the beginning of a new slot. */
export async function beginAtSlot(client: pg.Client, created: CreatedSlot): Promise<void> {
  try {
    await queryRows(
      client,
      'taking over the snapshot failed',
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${created.snapshotName}'; SELECT 1`,
    )
  } finally {
    await created.close() // the transaction holds the snapshot now
  }
}

/**
 * Locks tables against TRUNCATE and ALTER TABLE, which do not keep to snapshots, until the transaction of `client`
 * ends, and returns them as it sees them; undefined if one of them was truncated or altered between the snapshot and
 * the lock: what a COPY gave then would not be what the snapshot shows. `outside` is a connection without a
 * transaction.
 *
 * The lock comes after the slot, whose making waits for writing transactions: one of them might wait for the lock.
 */
export async function lockUnchanged(
  client: pg.Client,
  outside: pg.Client,
  tables: readonly SourceTable[],
  timeoutMs: number,
): Promise<SourceTable[] | undefined> {
  const names = tables.map(qualifiedName)
  await lock(client, names, timeoutMs)
  const seen = await readTables(client, names)
  // Takes no locks: a statement that alters a table waits for `client`.
  const current = (await isStill(client, outside)) ? seen : await readTables(outside, names)
  for (const [i, { mirroredAs }] of tables.entries())
    if (mirroredAs !== undefined && seen[i] !== undefined) seen[i].mirroredAs = mirroredAs
  const isSame = seen.every((table, i) => {
    const now = current[i]
    return (
      table !== undefined &&
      now !== undefined &&
      table.oid === tables[i]!.oid &&
      JSON.stringify(describeSource(table, '')) === JSON.stringify(describeSource(now, ''))
    )
  })
  return isSame ? (seen as SourceTable[]) : undefined
}

/** Whether no transaction has ended since the snapshot of `client`. False where a standby does not tell. */
async function isStill(client: pg.Client, outside: pg.Client): Promise<boolean> {
  const read = async (from: pg.Client) => {
    const sql = `SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_snapshot()::text END AS snapshot`
    const [row] = await queryRows<{ snapshot: string | null }>(from, 'reading the open transactions failed', sql)
    return row!.snapshot
  }
  const seen = await read(client)
  return seen !== null && seen === (await read(outside))
}

/**
 * Waits for locks in short tries, between which it holds none: a statement of others that waits for one of them, in a
 * circle, would be ended by the server as a deadlock.
 */
async function lock(client: pg.Client, names: readonly string[], timeoutMs: number): Promise<void> {
  const doing = 'locking the tables against schema changes failed'
  const giveUpMs = performance.now() + timeoutMs
  const sql =
    `SAVEPOINT unlocked; SET LOCAL lock_timeout = ${LOCK_TRY_MS}; ` +
    `LOCK TABLE ${names.join(', ')} IN ACCESS SHARE MODE`
  for (;;) {
    try {
      await queryRows(client, doing, sql)
      return
    } catch (error) {
      const { sqlState } = (error as SnapheapError).details
      if (sqlState !== LOCK_NOT_AVAILABLE || performance.now() > giveUpMs) throw error
      await queryRows(client, doing, 'ROLLBACK TO unlocked; RELEASE unlocked')
      await new Promise((resolve) => setTimeout(resolve, LOCK_TRY_MS))
    }
  }
}

/** The error for tables that are truncated or altered faster than they can be locked. */
export function neverStill(): SnapheapError {
  return new SnapheapError(
    'POSTGRES',
    'Postgres: the tables were truncated or altered again and again while their copy was to begin. Try again later.',
    { isTransient: true },
  )
}
