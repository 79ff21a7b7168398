import type pg from 'pg'
import { SnapheapError } from '../errors'
import { type ConnectionOptions, connect, disconnect, postgresError, queryRows } from './connection'
import { type Lsn, parseLsn } from './lsn'

/** How long a transaction under way may still take when its mirror is closed. */
const CLOSING_PATIENCE_MS = 2000

interface Connected {
  readonly client: pg.Client
  readonly pid: number
}

/** Runs transactions in Postgres for those who read its mirror, one after the other over one connection, opened when it is needed. */
export class WriteThrough {
  private connected: Connected | undefined
  private last: Promise<unknown> = Promise.resolve()
  private isClosing = false
  private isCommitting = false
  private giveUp: (error: SnapheapError) => void = () => undefined
  private isGivenUp = false

  constructor(private readonly connection: ConnectionOptions) {}

  /**
   * Runs `work` as one transaction. Returns what it returned, and an LSN that is not before its commit. What it throws rolls
   * back and is thrown again. Throws `POSTGRES` where the server cannot be reached, or refuses to commit; `CLOSED` where
   * `close` came before it began or could end.
   */
  run<T>(work: (client: pg.Client) => Promise<T>): Promise<{ result: T; lsn: Lsn }> {
    const next = this.last.then(() => {
      if (this.isClosing)
        throw new SnapheapError('CLOSED', `The mirror was closed before the transaction began. ${AGAIN}`)
      return new Promise<{ result: T; lsn: Lsn }>((resolve, reject) => {
        this.giveUp = reject // whatever becomes of it then, nobody waits for it
        this.transaction(work).then(resolve, reject)
      })
    })
    this.last = next.catch(() => undefined)
    return next
  }

  /** Lets a transaction under way end, within 2 s; one that does not is given up, and ended on the server. */
  async close(): Promise<void> {
    this.isClosing = true
    let ended: Promise<void> | undefined
    const timer = setTimeout(() => {
      ended = this.abort()
    }, CLOSING_PATIENCE_MS)
    await this.last
    clearTimeout(timer)
    await ended
    await this.letGo()
  }

  private async transaction<T>(work: (client: pg.Client) => Promise<T>): Promise<{ result: T; lsn: Lsn }> {
    const { client } = await this.connect()
    await this.query(client, 'beginning a transaction failed', 'BEGIN')
    let result: T
    try {
      result = await work(client)
    } catch (error) {
      await client.query('ROLLBACK').catch(() => this.letGo())
      throw error
    }
    await this.commit(client)
    const sql = 'SELECT pg_current_wal_insert_lsn()::text AS lsn'
    const [{ lsn }] = await this.query<{ lsn: string }>(client, 'asking for the LSN failed', sql)
    return { result, lsn: parseLsn(lsn) }
  }

  private async commit(client: pg.Client): Promise<void> {
    this.isCommitting = true
    try {
      const { command } = await client.query('COMMIT')
      if (command !== 'ROLLBACK') return
    } catch (error) {
      throw await this.failed('committing failed', error)
    } finally {
      this.isCommitting = false
    }
    throw new SnapheapError(
      'POSTGRES',
      'Postgres: the transaction was rolled back, because a statement in it had failed. Let that error through, and run the transaction again.',
      { isTransient: false },
    )
  }

  private async connect(): Promise<Connected> {
    if (this.connected !== undefined) return this.connected
    const client = await connect(this.connection, 'query', () => {
      if (this.connected?.client === client) this.connected = undefined
    })
    try {
      const [{ pid }] = await queryRows<{ pid: number }>(
        client,
        'asking for the pid failed',
        'SELECT pg_backend_pid() AS pid',
      )
      // the mirror's own settings are for reading; what writes gets those of server, database and role
      await queryRows(client, 'resetting the session failed', 'RESET ALL')
      if (this.isGivenUp) throw new SnapheapError('CLOSED', `The mirror was closed. ${AGAIN}`)
      this.connected = { client, pid }
      return this.connected
    } catch (error) {
      await disconnect(client)
      throw error
    }
  }

  private async query<Row extends pg.QueryResultRow>(client: pg.Client, doing: string, sql: string): Promise<Row[]> {
    try {
      return await queryRows<Row>(client, doing, sql)
    } catch (error) {
      throw await this.failed(doing, error)
    }
  }

  /** `error` as one of `POSTGRES`. A connection that may be the cause is not used again. */
  private async failed(doing: string, error: unknown): Promise<SnapheapError> {
    const failure = postgresError(doing, error)
    if (failure.details.isTransient === true) await this.letGo()
    return failure
  }

  /** Rejects the transaction under way, and ends what the server does for it: a statement that waits for a lock does not hear of a lost client. */
  private async abort(): Promise<void> {
    this.isGivenUp = true
    const { connected } = this
    const outcome = this.isCommitting
      ? 'was being committed: look in Postgres whether it was'
      : `had not ended ${CLOSING_PATIENCE_MS} ms later, and is rolled back`
    this.giveUp(new SnapheapError('CLOSED', `The mirror was closed, and a transaction ${outcome}. ${AGAIN}`))
    if (connected === undefined) return
    try {
      const other = await connect(this.connection, 'query')
      const sql = `SELECT pg_terminate_backend(${connected.pid})`
      await queryRows(other, 'ending a transaction failed', sql).finally(() => disconnect(other))
    } catch {} // closing the connection is all that is left
  }

  private async letGo(): Promise<void> {
    const { connected } = this
    this.connected = undefined
    if (connected !== undefined) await disconnect(connected.client)
  }
}

const AGAIN = 'Mirror again, and run it again.'
