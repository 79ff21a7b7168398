import type pg from 'pg'
import { type ConnectionOptions, connect, disconnect, queryRows } from './connection'
import { cutOff, serverPid } from './cut-off'
import { isAtWork } from './liveness'

/** Until it is looked whom a slot waits for, and how often then. */
const FIRST_LOOK_MS = 2_000
const LOOK_EVERY_MS = 5_000
/** Looks at a server process that has nothing to do, after which its answer counts as lost. */
const IDLE_LOOKS = 2
const MOST_NAMED = 5
const LONGEST_STATEMENT = 200

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
  /** Hears for whom the server waits, and again when these are others. */
  onWait?: ((text: string) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Looks after the making of a slot, which waits for every transaction that is writing: tells whom it waits for, and cuts the
 * connection off when the server does not work on it any more.
 */
export class SlotWait {
  private timer: NodeJS.Timeout
  private looking: pg.Client | undefined
  private isOver = false
  private idleLooks = 0
  private told = ''

  constructor(
    /** The connection that makes the slot. */
    private readonly maker: pg.Client,
    private readonly options: SlotWaitOptions,
    firstLookMs = FIRST_LOOK_MS,
  ) {
    this.timer = setTimeout(() => this.look(), firstLookMs)
  }

  /** The slot is there, or will not be. */
  async stop(): Promise<void> {
    this.isOver = true
    clearTimeout(this.timer)
    if (this.looking !== undefined) await disconnect(this.looking)
  }

  private async look(): Promise<void> {
    try {
      const { connection, signal } = this.options
      this.looking ??= await connect(connection, 'query', undefined, signal)
      if (this.isOver) return void (await disconnect(this.looking))
      const isWorking = await isAtWork(this.looking, serverPid(this.maker)!)
      this.idleLooks = isWorking ? 0 : this.idleLooks + 1
      const writers = await readWriters(this.looking)
      if (!this.isOver) this.tell(writers)
    } catch {
      this.idleLooks = IDLE_LOOKS // the server cannot be reached
    }
    if (this.isOver) return
    if (this.idleLooks >= IDLE_LOOKS) cutOff(this.maker)
    else this.timer = setTimeout(() => this.look(), LOOK_EVERY_MS)
  }

  private tell(writers: readonly Writer[]): void {
    const who = writers.map(({ pid, gid }) => pid ?? gid).join()
    if (writers.length === 0 || who === this.told) return
    this.told = who
    this.options.onWait?.(
      `The replication slot "${this.options.slot}" begins when transactions that are writing have ended. The server waits for ${described(writers)}.`,
    )
  }
}

/** Whom a slot waits for, in words. Throws `POSTGRES`. */
export async function describeWriters(options: ConnectionOptions, signal?: AbortSignal): Promise<string> {
  const client = await connect(options, 'query', undefined, signal)
  try {
    const writers = await readWriters(client)
    return writers.length === 0
      ? 'a transaction that was writing did not end'
      : `the server still waits for ${described(writers)}`
  } finally {
    await disconnect(client)
  }
}

/** Transactions that have written something, in any database, the oldest first. The locks on their numbers are seen by every role. */
function readWriters(client: pg.Client): Promise<Writer[]> {
  const secondsSince = (time: string) => `round(extract(epoch FROM clock_timestamp() - ${time}))::float8`
  const utc = (time: string) => `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'`
  return queryRows<Writer>(
    client,
    'reading the open transactions failed',
    `SELECT pid, gid, role, application, database, ${utc('begun')} AS since, ${secondsSince('begun')} AS seconds, statement
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
    return `the prepared transaction '${gid}' (${who})${time}: end it with COMMIT PREPARED or ROLLBACK PREPARED '${gid}'`
  }
  const last =
    statement === null || statement === '' ? '' : `; its last statement: ${statement.replace(/\s+/g, ' ').trim()}`
  return `process ${pid} (${who})${time}${last}`
}
