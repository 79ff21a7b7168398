import type pg from 'pg'
import { SnapheapError } from '../errors'
import { type ConnectionOptions, connect, disconnect, queryRows } from './connection'
import { cutOff, serverPid } from './cut-off'
import { isAtWork } from './liveness'

/** Time until the first look at what a slot waits for, and between looks. */
const FIRST_LOOK_MS = 2_000
const LOOK_INTERVAL_MS = 5_000
/** Looks at a server process that has nothing to do, after which its answer counts as lost. */
const IDLE_LOOKS = 2
const MOST_NAMED = 5
const LONGEST_STATEMENT = 200
/** SQLSTATE of a statement that has waited for a lock too long, and of one that was cancelled. */
const WAITED: readonly unknown[] = ['55P03', '57014']
const LOG_SNAPSHOT = 'SELECT pg_log_standby_snapshot();'
const STANDBY_WAITS =
  'the primary of this standby has logged which transactions are under way. ' +
  `A primary without activity does that when asked: ${LOG_SNAPSHOT} -- on the primary`

interface Writer {
  /** Null for a prepared transaction. */
  pid: number | null
  gid: string | null
  role: string | null
  application: string | null
  database: string | null
  since: string | null
  seconds: number | null
  statement: string | null
}

export interface SlotWaitOptions {
  connection: ConnectionOptions
  slot: string
  /** The server waits for its primary instead of for locks, so that `lock_timeout` does not end the wait. */
  isStandby: boolean
  timeoutMs: number
  /** Called with what the server waits for, and again when that has changed. */
  onWait?: ((text: string) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Watches the creation of a slot, which waits for every transaction that is writing, on a standby for its primary:
 * tells what it waits for, and cuts the connection off when the server does not work on it any more, or a standby has
 * waited too long.
 */
export class SlotWait {
  private timer: NodeJS.Timeout
  private readonly deadline: NodeJS.Timeout | undefined
  private looking: pg.Client | undefined
  private isOver = false
  /** The time for a standby is over, and the connection was cut off. */
  private isOverdue = false
  private idleLooks = 0
  private told = ''

  constructor(
    /** The connection that makes the slot. */
    private readonly maker: pg.Client,
    private readonly options: SlotWaitOptions,
    firstLookMs = FIRST_LOOK_MS,
  ) {
    this.timer = setTimeout(() => this.look(), firstLookMs)
    if (!options.isStandby) return
    this.deadline = setTimeout(() => {
      this.isOverdue = true
      cutOff(this.maker)
    }, options.timeoutMs)
  }

  /** The slot is there, or will not be. */
  async stop(): Promise<void> {
    this.isOver = true
    clearTimeout(this.timer)
    clearTimeout(this.deadline)
    if (this.looking !== undefined) await disconnect(this.looking)
  }

  /** The error for a slot that was waited for too long; undefined where `cause` is another one. Throws `POSTGRES`. */
  async timeout(cause: unknown): Promise<SnapheapError | undefined> {
    const { connection, slot, isStandby, timeoutMs, signal } = this.options
    if (!this.isOverdue && !WAITED.includes((cause as Partial<pg.DatabaseError>).code)) return undefined
    const reason = isStandby
      ? `the primary of this standby has not logged which transactions are under way. Run ${LOG_SNAPSHOT} on the ` +
        'primary, and try again'
      : `${await describeWriters(connection, signal)}. End that transaction, or allow more time`
    return new SnapheapError(
      'TIMEOUT',
      `The replication slot "${slot}" could not be created: after ${timeoutMs} ms ${reason}.`,
      { slot, timeoutMs, isTransient: true },
      cause,
    )
  }

  private async look(): Promise<void> {
    try {
      const { connection, signal } = this.options
      this.looking ??= await connect(connection, 'query', undefined, signal)
      if (this.isOver) return void (await disconnect(this.looking))
      const isWorking = await isAtWork(this.looking, serverPid(this.maker)!)
      this.idleLooks = isWorking ? 0 : this.idleLooks + 1
      if (this.options.isStandby) this.tell('primary', STANDBY_WAITS)
      else this.tellWriters(await readWriters(this.looking))
    } catch {
      this.idleLooks = IDLE_LOOKS // the server cannot be reached
    }
    if (this.isOver) return
    if (this.idleLooks >= IDLE_LOOKS) cutOff(this.maker)
    else this.timer = setTimeout(() => this.look(), LOOK_INTERVAL_MS)
  }

  private tellWriters(writers: readonly Writer[]): void {
    if (writers.length === 0) return
    const who = writers.map(({ pid, gid }) => pid ?? gid).join()
    this.tell(who, `transactions that are writing have ended. The server waits for ${described(writers)}.`)
  }

  private tell(who: string, what: string): void {
    if (this.isOver || who === this.told) return
    this.told = who
    this.options.onWait?.(`The replication slot "${this.options.slot}" begins when ${what}`)
  }
}

async function describeWriters(connection: ConnectionOptions, signal?: AbortSignal): Promise<string> {
  const client = await connect(connection, 'query', undefined, signal)
  try {
    const writers = await readWriters(client)
    return writers.length === 0
      ? 'a transaction that was writing did not end'
      : `the server still waits for ${described(writers)}`
  } finally {
    await disconnect(client)
  }
}

/**
 * Transactions that have written something, in any database, the oldest first. The locks on their numbers are seen by
 * every role.
 */
function readWriters(client: pg.Client): Promise<Writer[]> {
  const secondsSince = (time: string) => `round(extract(epoch FROM clock_timestamp() - ${time}))::float8`
  const utc = (time: string) => `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'`
  return queryRows<Writer>(
    client,
    'reading the open transactions failed',
    `SELECT pid, gid, role, application, database, statement,
            ${utc('begun')} AS since, ${secondsSince('begun')} AS seconds
     FROM (
       SELECT l.pid, NULL AS gid, a.usename::text AS role, nullif(a.application_name, '') AS application,
              a.datname::text AS database, a.xact_start AS begun, left(a.query, ${LONGEST_STATEMENT}) AS statement
       FROM (SELECT DISTINCT pid FROM pg_catalog.pg_locks
             WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted AND pid <> pg_backend_pid()) l
            LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
       UNION ALL
       SELECT NULL, gid, owner::text, NULL, database::text, prepared, NULL FROM pg_catalog.pg_prepared_xacts
     ) w ORDER BY begun NULLS LAST`,
  )
}

function described(writers: readonly Writer[]): string {
  const named = writers.slice(0, MOST_NAMED).map(describedWriter)
  if (writers.length > MOST_NAMED) named.push(`${writers.length - MOST_NAMED} others`)
  return named.join('; ')
}

function describedWriter({ pid, gid, role, application, database, since, seconds, statement }: Writer): string {
  const who = [role && `role ${role}`, application, database && `database ${database}`].filter(Boolean).join(', ')
  const time = since === null ? '' : `, whose transaction has been open since ${since} (${seconds} s)`
  if (pid === null) {
    const remedy = `end it with COMMIT PREPARED or ROLLBACK PREPARED '${gid}'`
    return `the prepared transaction '${gid}' (${who})${time}: ${remedy}`
  }
  const last =
    statement === null || statement === '' ? '' : `; its last statement: ${statement.replace(/\s+/g, ' ').trim()}`
  return `process ${pid} (${who})${time}${last}`
}
