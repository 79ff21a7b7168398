import type pg from 'pg'
import type { Snapshot } from '../db/snapshot'
import { SnapheapError } from '../errors'
import { type ConnectionOptions, queryEach, queryRows } from './connection'
import type { Follower } from './follower'
import { type Lsn, parseLsn } from './lsn'
import { createSlot } from './slot'
import { beginAtSlot } from './slot-snapshot'
import type { ReplicationStream } from './stream'

export interface PlaceRequest {
  follower: Follower
  stream: ReplicationStream
  connection: ConnectionOptions
  slot: string
  /** Ends everything that is waited for. */
  signal: AbortSignal
  /** It is slowed down, and ends where statements of others or the stream wait for it. */
  isBackground?: boolean
}

/** Where Postgres and the heap are compared. */
export interface Place {
  lsn: Lsn
  /** The heap at that LSN; the transaction of the client shows Postgres there. */
  snapshot: Snapshot
}

/** How long the server may wait for one transaction that is writing; nothing is applied meanwhile. */
const SLOT_TIMEOUT_MS = 5_000
const BACKGROUND_SLOT_TIMEOUT_MS = 250
/** How long a place on a standby is looked for; what is committed is applied meanwhile. */
const STANDBY_TIMEOUT_MS = 5_000
/** Nothing is applied while a standby answers. */
const STANDBY_ANSWER_MS = 1_000
const ASK_INTERVAL_MS = 20
/** More than the header of a page of the log, which may stand between two records. */
const BEYOND_HEADER = 64n

/**
 * Begins a transaction of `client` that sees exactly what was committed before an LSN, and gives the heap as it is at
 * that LSN. Throws `TIMEOUT`, `POSTGRES`, `BUSY` where the stream has ended.
 */
export async function findPlace(request: PlaceRequest, client: pg.Client): Promise<Place> {
  const sql = 'SELECT pg_is_in_recovery() AS "isStandby"'
  const [row] = await queryRows<{ isStandby: boolean }>(client, 'looking for a place to verify failed', sql)
  return row!.isStandby ? placeOnStandby(request, client) : placeAtSlot(request, client)
}

/** At the beginning of a temporary slot, whose exported snapshot shows exactly what was committed before. */
function placeAtSlot(request: PlaceRequest, client: pg.Client): Promise<Place> {
  const { follower, stream, connection, slot, signal, isBackground } = request
  const timeoutMs = isBackground === true ? BACKGROUND_SLOT_TIMEOUT_MS : SLOT_TIMEOUT_MS
  const choose = async (): Promise<Lsn> => {
    const created = await createSlot(connection, `${slot}_verify`, timeoutMs, { temporary: true, signal })
    await beginAtSlot(client, created)
    setImmediate(() => stream.requestKeepalive())
    return created.consistentLsn
  }
  return follower.standAt(choose, (lsn) => ({ lsn, snapshot: follower.snapshot() }))
}

/**
 * Where the standby has replayed its log to when it takes a snapshot. A slot there would wait for the primary to log
 * its running transactions. Commits become visible on a standby in the order of the log, each when its record is
 * replayed: a snapshot shows exactly those before some place between two readings of where the replay is. The place is
 * known where none of the mirrored transactions ended between them; otherwise it is looked for again.
 */
async function placeOnStandby({ follower, stream }: PlaceRequest, client: pg.Client): Promise<Place> {
  const giveUpMs = performance.now() + STANDBY_TIMEOUT_MS
  const asking = setInterval(() => stream.requestKeepalive(), ASK_INTERVAL_MS)
  try {
    for (let attempts = 1; ; attempts++) {
      let seen: SnapshotOnStandby | undefined
      const choose = async (): Promise<Lsn> => {
        seen = await beginOnStandby(client)
        return seen.toLsn
      }
      const compared = (): Place | undefined =>
        follower.newestLsn <= seen!.fromLsn ? { lsn: seen!.fromLsn, snapshot: follower.snapshot() } : undefined
      const place = await follower.standAt(choose, compared, STANDBY_TIMEOUT_MS)
      if (place !== undefined) return place
      await queryRows(client, 'looking for another place failed', 'ROLLBACK')
      if (performance.now() > giveUpMs) throw noPlace(attempts)
    }
  } finally {
    clearInterval(asking)
  }
}

/** A snapshot that shows all commits before `fromLsn`, perhaps some of those between, and none after `toLsn`. */
interface SnapshotOnStandby {
  fromLsn: Lsn
  toLsn: Lsn
}

async function beginOnStandby(client: pg.Client): Promise<SnapshotOnStandby> {
  const doing = 'taking a snapshot of the standby failed'
  const results = await queryEach<Record<string, string | boolean | null>>(
    client,
    doing,
    `BEGIN; SELECT pg_last_wal_replay_lsn()::text AS replayed; COMMIT;
     BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
     SELECT pg_last_wal_replay_lsn()::text AS replayed, pg_last_wal_receive_lsn()::text AS received,
            pg_is_in_recovery() AS "isStandby"`,
    STANDBY_ANSWER_MS,
  )
  const before = results[1]![0]!
  const { replayed, received, isStandby } = results[4]![0]!
  if (isStandby !== true) {
    const message = 'Postgres: the standby was promoted while a place to verify was looked for. Try again.'
    throw new SnapheapError('POSTGRES', message, { isTransient: true })
  }
  const fromLsn = parseLsn(before.replayed as string)
  const toLsn = parseLsn(replayed as string)
  // The next record may have been under way, visible and not counted as replayed, unless there was none.
  return { fromLsn, toLsn: received === replayed ? toLsn : toLsn + BEYOND_HEADER }
}

function noPlace(attempts: number): SnapheapError {
  return new SnapheapError(
    'TIMEOUT',
    `The verification found no place on the standby within ${STANDBY_TIMEOUT_MS} ms: transactions were replayed ` +
      `during each of ${attempts} attempts to take a snapshot. Try again when fewer are committed.`,
    { timeoutMs: STANDBY_TIMEOUT_MS, isTransient: true },
  )
}
