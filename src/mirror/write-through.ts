import { AsyncLocalStorage } from 'node:async_hooks'
import type pg from 'pg'
import { SnapheapError } from '../errors'
import { type ConnectionOptions, connect, disconnect, postgresError, queryRows } from './connection'
import { cutOff } from './cut-off'
import { FLUSH_LOG, type Lsn, parseLsn } from './lsn'
import { WriteTurn } from './write-turn'

/** How long a transaction under way may still take when its mirror is closed. */
const CLOSING_PATIENCE_MS = 2000
/** An idle connection that does not answer after this long is replaced. */
const IDLE_ANSWER_MS = 2000
const BEGIN = 'BEGIN READ WRITE'
/** In one message: a pooler that gives the next transaction another server session resets this one. */
const COMMIT = 'COMMIT; RESET ALL; RESET SESSION AUTHORIZATION'
/** SQLSTATE classes of errors after which a COMMIT may have happened: the connection or the server ended. */
const ENDED = /^(08|57P|58|XX)/

/** What `pg` remembers of a session, and its types do not tell. */
interface Remembered {
  connection: { parsedStatements: Record<string, string> }
  /** Parsers set by `client.setTypeParser`. */
  _types: { text: object; binary: object }
}

export interface Written<T> {
  result: T
  /** Not before the end of the commit; everything up to here is on the server's device, so that it is sent. */
  lsn: Lsn
  /** Undefined where nothing was changed. */
  xid: string | undefined
}

/**
 * Runs transactions in Postgres for readers of its mirror, one after the other over one connection, opened when it is
 * needed.
 */
export class WriteThrough {
  private client: pg.Client | undefined
  private last: Promise<unknown> = Promise.resolve()
  private readonly turns = new Set<WriteTurn>()
  private isClosing = false
  /** The work that runs, and what it calls. */
  private readonly inner = new AsyncLocalStorage<{ isOver: boolean }>()
  /** The session of the client is as the next transaction may find it. */
  private isClean: Promise<unknown> = Promise.resolve()

  constructor(private readonly connection: ConnectionOptions) {}

  /**
   * Runs `work` as one transaction, which must have begun and ended within `withinMs`. What it throws rolls back and is
   * thrown again. Throws `BUSY` inside the work of another; `POSTGRES` where the server cannot be reached, or refuses
   * to commit; `TIMEOUT`, `CLOSED` where it was not begun, or is rolled back; `OUTCOME_UNKNOWN` where COMMIT was sent
   * and not answered.
   */
  async run<T>(work: (client: pg.Client) => Promise<T>, withinMs: number): Promise<Written<T>> {
    this.ensureOutside()
    const turn = new WriteTurn(withinMs)
    this.turns.add(turn)
    if (this.isClosing) turn.giveUp(turn.closed(CLOSING_PATIENCE_MS))
    const written = this.last.then(() => Promise.race([this.perform(turn, work), turn.givenUp]))
    this.last = written.catch(() => undefined)
    try {
      return await Promise.race([written, turn.givenUp])
    } finally {
      turn.end()
      this.turns.delete(turn)
    }
  }

  /**
   * Lets a transaction under way end, within 2 s; one that does not is given up, and ended on the server. Takes 3 s at
   * most.
   */
  async close(): Promise<void> {
    this.isClosing = true
    for (const turn of this.turns) if (turn.phase === 'waiting') turn.giveUp(turn.closed(CLOSING_PATIENCE_MS))
    const timer = setTimeout(() => {
      for (const turn of this.turns) turn.giveUp(turn.closed(CLOSING_PATIENCE_MS))
    }, CLOSING_PATIENCE_MS)
    await this.last
    clearTimeout(timer)
    await this.letGo()
  }

  private ensureOutside(): void {
    const scope = this.inner.getStore()
    if (scope === undefined || scope.isOver) return
    throw new SnapheapError(
      'BUSY',
      'write was called inside the work of another write, and each would wait for the other. Use the client that ' +
        'the work is given, or call it after the first has resolved.',
    )
  }

  private async perform<T>(turn: WriteTurn, work: (client: pg.Client) => Promise<T>): Promise<Written<T>> {
    turn.signal.throwIfAborted()
    const client = await this.begin(turn)
    const giveUp = () => {
      this.forget(client)
      cutOff(client)
    }
    turn.signal.addEventListener('abort', giveUp)
    try {
      turn.signal.throwIfAborted()
      turn.phase = 'open'
      const result = await this.runWork(client, turn, work)
      const isAsync = await this.commit(client, turn)
      turn.phase = 'committed'
      const lsn = await this.flushedLsn(client, isAsync)
      return { result, lsn, xid: turn.xid }
    } finally {
      turn.signal.removeEventListener('abort', giveUp)
      if (this.client === client) this.isClean = this.clean(client)
    }
  }

  private async runWork<T>(client: pg.Client, turn: WriteTurn, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const scope = { isOver: false }
    const end = () => {
      scope.isOver = true
    }
    turn.signal.addEventListener('abort', end)
    try {
      return await this.inner.run(scope, () => work(client))
    } catch (error) {
      await client.query('ROLLBACK').catch(() => this.letGo())
      throw error
    } finally {
      end()
      turn.signal.removeEventListener('abort', end)
      this.inner.disable() // turns are one at a time: outside of the work, promises must cost nothing more
    }
  }

  /** Returns whether the commit may not be on the server's device yet. */
  private async commit(client: pg.Client, turn: WriteTurn): Promise<boolean> {
    turn.signal.throwIfAborted()
    const doing = 'committing failed'
    const [state] = await this.queryBeforeCommit(client, doing)
    turn.signal.throwIfAborted()
    turn.xid = state?.xid ?? undefined
    turn.phase = 'committing'
    let command: string
    try {
      const [committed] = (await client.query(COMMIT)) as unknown as pg.QueryResult[]
      command = committed!.command
    } catch (error) {
      throw await this.commitFailed(turn, doing, error)
    }
    if (command !== 'ROLLBACK') return state?.isAsync === true
    throw new SnapheapError(
      'POSTGRES',
      'Postgres: the transaction was rolled back, because a statement in it had failed. Let that error through, ' +
        'and run the transaction again.',
      { isTransient: false },
    )
  }

  /** What must be known before COMMIT is sent; nothing where a statement has failed, and COMMIT will roll back. */
  private async queryBeforeCommit(
    client: pg.Client,
    doing: string,
  ): Promise<{ xid: string | null; isAsync: boolean }[]> {
    const sql =
      `SELECT pg_current_xact_id_if_assigned()::text AS xid, ` +
      `current_setting('synchronous_commit') = 'off' AS "isAsync"`
    try {
      return await this.query(client, doing, sql)
    } catch (error) {
      if ((error as SnapheapError).details.sqlState === '25P02') return [] // in_failed_sql_transaction
      throw error
    }
  }

  private async commitFailed(turn: WriteTurn, doing: string, error: unknown): Promise<SnapheapError> {
    const failure = await this.failed(doing, error)
    const { sqlState } = failure.details
    const isAnswer = typeof sqlState === 'string' && !ENDED.test(sqlState)
    if (isAnswer || turn.xid === undefined) return failure
    return turn.unknown('the connection was lost', failure)
  }

  /** What is sent up to here includes the last commit. */
  private async flushedLsn(client: pg.Client, isAsync: boolean): Promise<Lsn> {
    if (isAsync) await this.query(client, 'flushing the log failed', FLUSH_LOG)
    const sql = 'SELECT pg_current_wal_flush_lsn()::text AS lsn'
    const [row] = await this.query<{ lsn: string }>(client, 'asking for the LSN failed', sql)
    return parseLsn(row!.lsn)
  }

  /**
   * A connection with a transaction begun. An idle connection that was lost without notice is replaced: it has done
   * nothing yet.
   */
  private async begin(turn: WriteTurn): Promise<pg.Client> {
    const doing = 'beginning a transaction failed'
    await this.isClean
    turn.signal.throwIfAborted()
    const { client: idle } = this
    if (idle !== undefined) {
      try {
        await queryRows(idle, doing, BEGIN, Math.min(IDLE_ANSWER_MS, turn.restMs / 2))
        return idle
      } catch {
        await this.letGo()
      }
    }
    const client = await connect(this.connection, 'write', () => this.forget(client), turn.signal)
    turn.signal.throwIfAborted()
    this.client = client
    await this.query(client, doing, BEGIN)
    return client
  }

  /**
   * Brings the session back to what it was when it began: settings, role, prepared statements, locks, temporary tables,
   * listeners and parsers of types.
   */
  private async clean(client: pg.Client): Promise<void> {
    try {
      await queryRows(client, 'resetting the session failed', 'DISCARD ALL', IDLE_ANSWER_MS)
      const { connection, _types } = client as unknown as Remembered
      connection.parsedStatements = {} // pg would not prepare again what it remembers
      Object.assign(_types, { text: {}, binary: {} })
      for (const event of ['notice', 'notification']) client.removeAllListeners(event)
    } catch {
      if (this.client === client) await this.letGo()
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

  private forget(client: pg.Client): void {
    if (this.client === client) this.client = undefined
  }

  private async letGo(): Promise<void> {
    const { client } = this
    this.client = undefined
    if (client !== undefined) await disconnect(client)
  }
}
