import pg from 'pg'
import { SnapheapError } from '../errors'
import { type ConnectionOptions, connect, disconnect, postgresError, queryRows } from './connection'
import { type Lsn, NO_LSN, parseLsn } from './lsn'
import { SlotWait } from './slot-wait'

/** A replication slot as the server sees it. */
export interface SlotStatus {
  /** A connection is streaming from it. */
  isActive: boolean
  /** Process id of that connection's server process. */
  activePid: number | undefined
  /** Where the server would continue: it has been told that everything before is durable. */
  confirmedLsn: Lsn
  /** The server has removed log that the slot still needed: the slot is of no more use. */
  isLost: boolean
  /** Bytes of log that may still be written before the slot is in danger; undefined if there is no limit. */
  safeWalSizeBytes: number | undefined
  /** Bytes of log the server keeps for the slot. */
  retainedBytes: number
  /** It is kept on standby servers too. Always false before version 17. */
  isFailover: boolean
  /** It goes with the connection that made it. */
  isTemporary: boolean
}

interface SlotRow {
  plugin: string | null
  isHere: boolean | null
  active: boolean
  active_pid: number | null
  confirmed_flush_lsn: string | null
  wal_status: string | null
  safe_wal_size: number | null
  retained: number | null
  failover: boolean
  temporary: boolean
}

/** SQL for the end of the server's log: of a standby, as far as it has replayed it. */
export const END_OF_LOG = 'CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END'

/** SQL for the end of what may have been sent from slots. */
export const FLUSHED_LOG =
  'CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END'

/** State of the slot, or undefined if there is none of that name. Throws `POSTGRES`. */
export async function slotStatus(client: pg.Client, slot: string): Promise<SlotStatus | undefined> {
  const [row] = await queryRows<SlotRow>(
    client,
    'reading the state of the replication slot failed',
    `SELECT plugin, database = current_database() AS "isHere", active, active_pid, confirmed_flush_lsn::text,
            wal_status, safe_wal_size::float8 AS safe_wal_size,
            pg_wal_lsn_diff(${END_OF_LOG}, restart_lsn)::float8 AS retained,
            coalesce((to_jsonb(s) ->> 'failover')::boolean, false) AS failover, temporary
     FROM pg_catalog.pg_replication_slots s WHERE slot_name = ${pg.escapeLiteral(slot)}`,
  )
  if (row === undefined) return undefined
  if (row.plugin !== 'pgoutput' || !row.isHere) {
    const owner = row.isHere ? `the plugin ${row.plugin ?? '(physical)'}` : 'another database'
    throw new SnapheapError(
      'POSTGRES',
      `The replication slot "${slot}" belongs to ${owner}. Choose another slot name.`,
      { slot, isTransient: true },
    )
  }
  return {
    isActive: row.active,
    activePid: row.active_pid ?? undefined,
    confirmedLsn: row.confirmed_flush_lsn === null ? NO_LSN : parseLsn(row.confirmed_flush_lsn),
    isLost: row.wal_status === 'lost',
    safeWalSizeBytes: row.safe_wal_size ?? undefined,
    retainedBytes: row.retained ?? 0,
    isFailover: row.failover,
    isTemporary: row.temporary,
  }
}

export interface SlotKind {
  temporary?: boolean
  /** Kept on standby servers too, so that it survives a fail-over. From version 17 on. */
  failover?: boolean
  /**
   * The replication connection to make it on, and to stream from it: the only one that may use a temporary slot.
   * Default: one of its own, which `close` ends.
   */
  on?: pg.Client
  /** Called with what the server waits for. */
  onWait?: ((text: string) => void) | undefined
  /** Ends the waiting. */
  signal?: AbortSignal | undefined
}

/** A new slot and the view of the data at the very place where it starts. */
export interface CreatedSlot {
  /** Everything committed before this is in the snapshot, everything after comes from the slot. */
  consistentLsn: Lsn
  /** For `SET TRANSACTION SNAPSHOT`; valid until `close`. A transaction that has taken it over keeps it longer. */
  snapshotName: string
  /** Ends the connection that holds the snapshot. */
  close(): Promise<void>
  /** Drops the slot, over `client` where that can be. After `close`. */
  discard(client: pg.Client): Promise<void>
}

/**
 * Creates a logical slot and exports its snapshot. The server first waits until every transaction that is writing at
 * this moment has ended, one after the other; when one keeps it waiting for `timeoutMs`, this gives up with `TIMEOUT`,
 * naming them, and leaves no slot behind. A standby waits for its primary to log which transactions are under way, for
 * `timeoutMs` in all. A `temporary` slot goes with its connection. `onWait` is called with what the server waits for;
 * `signal` ends it.
 */
export async function createSlot(
  options: ConnectionOptions,
  slot: string,
  timeoutMs: number,
  { temporary = false, failover = false, on, onWait, signal }: SlotKind = {},
): Promise<CreatedSlot> {
  const client = on ?? (await connect(options, 'replication', undefined, signal))
  const end = async () => (on === undefined ? disconnect(client) : undefined)
  const doing = `creating the replication slot "${slot}" failed`
  let wait: SlotWait | undefined
  try {
    const isStandby = await limitLocks(client, doing, timeoutMs)
    wait = new SlotWait(client, { connection: options, slot, isStandby, timeoutMs, onWait, signal })
    // The spelling without parentheses is what servers 14 to 18 have in common.
    const wish = failover ? "(SNAPSHOT 'export', FAILOVER true)" : 'EXPORT_SNAPSHOT'
    const result = await client.query(
      `CREATE_REPLICATION_SLOT ${pg.escapeIdentifier(slot)} ${temporary ? 'TEMPORARY ' : ''}LOGICAL pgoutput ${wish}`,
    )
    const row = result.rows[0]
    return {
      consistentLsn: parseLsn(row.consistent_point),
      snapshotName: row.snapshot_name,
      close: end,
      discard: async (other) => {
        if (!temporary) await dropSlot(other, slot)
        else if (on !== undefined) await on.query(`DROP_REPLICATION_SLOT ${pg.escapeIdentifier(slot)}`)
      },
    }
  } catch (error) {
    await end()
    signal?.throwIfAborted()
    throw (await wait?.timeout(error)) ?? postgresError(doing, error)
  } finally {
    await wait?.stop()
  }
}

/**
 * Has the server wait so long for each lock, as a slot does for one transaction after the other: `statement_timeout`
 * does not reach replication commands. Returns whether it is a standby.
 */
async function limitLocks(client: pg.Client, doing: string, timeoutMs: number): Promise<boolean> {
  const [row] = await queryRows<{ isStandby: boolean }>(
    client,
    doing,
    `SELECT pg_is_in_recovery() AS "isStandby"
     FROM set_config('lock_timeout', '${Math.max(1, Math.ceil(timeoutMs))}', false)`,
  )
  return row!.isStandby
}

/**
 * Has a slot kept on standby servers, or not. On a replication connection; no connection may stream from the slot.
 * Throws `POSTGRES`.
 */
export async function setFailover(client: pg.Client, slot: string, failover: boolean): Promise<void> {
  await queryRows(
    client,
    `altering the replication slot "${slot}" failed`,
    `ALTER_REPLICATION_SLOT ${pg.escapeIdentifier(slot)} (FAILOVER ${failover})`,
  )
}

/**
 * Drops the slot if it exists. Where the server process `ownPid`, the caller's, still streams from it, that is ended
 * before. Throws `POSTGRES`, also when another process uses the slot.
 */
export async function dropSlot(client: pg.Client, slot: string, ownPid?: number): Promise<void> {
  const status = await slotStatus(client, slot)
  if (status === undefined) return
  if (status.activePid !== undefined && status.activePid === ownPid) {
    // The second argument makes the server wait until the process has let go of the slot.
    await queryRows(
      client,
      'ending the use of the slot failed',
      `SELECT pg_terminate_backend(${status.activePid}, 10000)`,
    )
    return dropSlot(client, slot) // a temporary one has gone with its connection
  }
  await queryRows(
    client,
    `dropping the replication slot "${slot}" failed`,
    `SELECT pg_drop_replication_slot(${pg.escapeLiteral(slot)})`,
  )
}
