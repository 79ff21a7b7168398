import type pg from 'pg'
import { SnapheapError } from '../errors'
import { type ConnectionOptions, connect, disconnect, postgresError, queryRows } from './connection'
import { type Lsn, parseLsn } from './lsn'

/** Runs transactions in Postgres for those who read its mirror, one after the other over one connection, opened when it is needed. */
export class WriteThrough {
  private client: pg.Client | undefined
  private last: Promise<unknown> = Promise.resolve()

  constructor(private readonly connection: ConnectionOptions) {}

  /**
   * Runs `work` as one transaction. Returns what it returned, and an LSN that is not before its commit. What it throws rolls
   * back and is thrown again. Throws `POSTGRES` where the server cannot be reached, or refuses to commit.
   */
  run<T>(work: (client: pg.Client) => Promise<T>): Promise<{ result: T; lsn: Lsn }> {
    const next = this.last.then(() => this.transaction(work))
    this.last = next.catch(() => undefined)
    return next
  }

  async close(): Promise<void> {
    await this.last
    await this.letGo()
  }

  private async transaction<T>(work: (client: pg.Client) => Promise<T>): Promise<{ result: T; lsn: Lsn }> {
    const client = await this.connected()
    await queryRows(client, 'beginning a transaction failed', 'BEGIN')
    let result: T
    try {
      result = await work(client)
    } catch (error) {
      await client.query('ROLLBACK').catch(() => this.letGo())
      throw error
    }
    const { command } = await client.query('COMMIT').catch((error) => {
      throw postgresError('committing failed', error)
    })
    if (command === 'ROLLBACK') {
      throw new SnapheapError(
        'POSTGRES',
        'Postgres: the transaction was rolled back, because a statement in it had failed. Let that error through, and run the transaction again.',
        { isTransient: false },
      )
    }
    const sql = 'SELECT pg_current_wal_insert_lsn()::text AS lsn'
    const [{ lsn }] = await queryRows<{ lsn: string }>(client, 'asking for the LSN failed', sql)
    return { result, lsn: parseLsn(lsn) }
  }

  private async connected(): Promise<pg.Client> {
    if (this.client !== undefined) return this.client
    const client = await connect(this.connection, 'query', () => {
      this.client = undefined
    })
    // the mirror's own settings are for reading; what writes gets those of server, database and role
    await queryRows(client, 'resetting the session failed', 'RESET ALL')
    this.client = client
    return client
  }

  private async letGo(): Promise<void> {
    const { client } = this
    this.client = undefined
    if (client !== undefined) await disconnect(client)
  }
}
