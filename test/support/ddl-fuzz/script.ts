import type pg from 'pg'
import { connect } from '../../../src/mirror/connection'
import type { ServerConnection } from '../postgres'

/** Longer than a statement of this small database ever takes unless somebody keeps it from running. */
const BLOCKED_MS = 20_000

/** The server did not take a statement, which is no fault: random changes may not fit. */
export class Refused extends Error {}
/** A statement could not run because of a lock, or the connection was lost. */
export class Blocked extends Error {}

/** Runs SQL on one connection and notes it, so that it can be told how a fault came to be. */
export class Script {
  readonly lines: string[] = []
  refused = 0
  statements = 0
  private connected: pg.Client | undefined

  constructor(private readonly connection: ServerConnection) {}

  async client(): Promise<pg.Client> {
    if (this.connected !== undefined) return this.connected
    const client = await connect(this.connection, 'query')
    await client.query(`SET statement_timeout = ${BLOCKED_MS}; SET client_min_messages = error`)
    return (this.connected = client)
  }

  async disconnect(): Promise<void> {
    await this.connected?.end()
    this.connected = undefined
  }

  note(what: string): void {
    this.lines.push(`-- ${what}`)
  }

  /** Throws `Refused` or `Blocked`. */
  async run(sql: string): Promise<void> {
    const client = await this.client()
    this.lines.push(`${sql.replaceAll(/\s+/g, ' ')};`)
    this.statements++
    try {
      await client.query(sql)
    } catch (error) {
      const { code = '', message } = error as Partial<pg.DatabaseError>
      this.note(`refused: ${message}`)
      this.refused++
      if (/^(57|55P03|40P01|08)/.test(code) || code === '') throw new Blocked(`${sql}: ${message}`)
      throw new Refused(message)
    }
  }
}
