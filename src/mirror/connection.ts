import pg from 'pg'
import { SnapheapError } from '../errors'

/** A connection URL (`postgres://user:password@host:port/database`) or the configuration object of the `pg` package. */
export type ConnectionOptions = string | pg.ClientConfig

/**
 * What every connection of the mirror sets, so that a value has one text form whichever connection it comes over and
 * however server, database and role are configured. A setting the server does not know yet is left out.
 */
const SESSION_SETTINGS: Record<string, string> = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'iso_8601',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1', // the shortest digits that read back as the same float
  lc_monetary: 'C',
  row_security: 'off', // an error instead of silently missing rows
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
}

/** Connection attempts give up after this long unless the options say otherwise. */
const CONNECT_TIMEOUT_MS = 10_000
/** A server that has not closed a connection after this long is not waited for. */
const DISCONNECT_TIMEOUT_MS = 2_000

/**
 * A connected client with the mirror's session settings; the caller ends it. `purpose` `'replication'` makes it a
 * logical replication connection, which takes replication commands as well as simple queries. A loss of the connection
 * rejects what is under way; `onLost` hears of it when nothing is. Throws `POSTGRES`.
 */
export async function connect(
  options: ConnectionOptions,
  purpose: 'query' | 'replication',
  onLost: (error: SnapheapError) => void = () => undefined,
): Promise<pg.Client> {
  const given = typeof options === 'string' ? { connectionString: options } : options
  const config: pg.ClientConfig & { replication?: string } = {
    fallback_application_name: 'snapheap',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    ...given,
    query_timeout: 0,
    pipeline: false,
    ...(purpose === 'replication' ? { replication: 'database' } : {}),
  }
  let client: pg.Client | undefined
  try {
    client = new pg.Client(config)
    client.on('error', (error) => onLost(postgresError('the connection was lost', error)))
    await client.connect()
    await client.query('SET statement_timeout = 0') // first: a configured one may be too short for what follows
    const settings = Object.entries(SESSION_SETTINGS).map(([name, value]) => `('${name}', '${value}')`)
    await client.query(
      `SELECT set_config(s.name, s.value, false) FROM (VALUES ${settings.join(', ')}) AS s (name, value)
       WHERE current_setting(s.name, true) IS NOT NULL`,
    )
    return client
  } catch (error) {
    client?.end().catch(() => undefined)
    throw postgresError('connecting failed', error)
  }
}

/** Two connections, opened at the same time, for work that looks at the server from two of them; ended when it has ended. Throws `POSTGRES`. */
export async function withConnections<T>(
  options: ConnectionOptions,
  work: (client: pg.Client, outside: pg.Client) => Promise<T>,
): Promise<T> {
  const both = await Promise.allSettled([connect(options, 'query'), connect(options, 'query')])
  try {
    const [client, outside] = both.map((each) => {
      if (each.status === 'rejected') throw each.reason
      return each.value
    }) as [pg.Client, pg.Client]
    return await work(client, outside)
  } finally {
    await Promise.all(both.map((each) => each.status === 'fulfilled' && disconnect(each.value)))
  }
}

/** Remedies by SQLSTATE or system error code, the more specific first; a prefix stands for its whole class. */
const REMEDIES: [code: string, remedy: string][] = [
  ['28', "Check user, password and the server's pg_hba.conf (a replication connection needs a matching line too)"],
  ['3D000', 'Check the database name in the connection options'],
  ['42501', 'Grant the role the right the message names, or connect as another role'],
  ['42P01', 'Check the name and the search_path, or qualify it with its schema'],
  ['53300', 'Raise max_connections or max_wal_senders, or close connections that are not needed'],
  ['53400', 'Drop a replication slot that is not needed, or raise max_replication_slots'],
  ['55006', 'Stop the other process that uses it, or choose another slot name'],
  ['55P03', 'Wait for the transaction that holds the lock, or end it'],
  ['57P0', 'The server is stopping or starting; try again when it is up'],
  ['08', 'Check the network and that the server is up, then try again'],
  ['ECONNREFUSED', 'Check host and port, and that the server is running'],
  ['ENOENT', 'Check the socket folder in `host`, and that the server is running'],
  ['ENOTFOUND', 'Check the host name'],
  ['', "See the server's log for the circumstances"],
]

/** SQLSTATE classes and codes after which the same attempt may succeed: connection, resources, server shutting down. */
const TRANSIENT = /^(08|53|57P0|40|55006|55P03|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOENT|EAI_AGAIN)/

/**
 * `error` from `pg` as a `POSTGRES` error: what was `doing`, the server's words, the remedy. `details.sqlState` has the
 * SQLSTATE where the server gave one, `details.isTransient` tells whether trying again can help.
 */
export function postgresError(doing: string, error: unknown): SnapheapError {
  if (error instanceof SnapheapError) return error
  const { message, code = '', detail, hint } = error as Partial<pg.DatabaseError>
  const remedy = hint ?? REMEDIES.find(([prefix]) => code.startsWith(prefix))![1]
  const isServerAnswer = error instanceof pg.DatabaseError
  const words = [message, detail].filter(Boolean).join('; ').replace(/\.$/, '')
  return new SnapheapError(
    'POSTGRES',
    `Postgres: ${doing}: ${words}${code === '' ? '' : ` (${code})`}. ${remedy.replace(/\.$/, '')}.`,
    {
      ...(isServerAnswer ? { sqlState: code } : {}),
      // Without a code the connection itself broke ("Connection terminated unexpectedly", "timeout expired").
      isTransient: code === '' ? !isServerAnswer : TRANSIENT.test(code),
    },
    error,
  )
}

/** Rows of the simple query `sql`, which the caller knows to be of type `Row`. Throws `POSTGRES`, saying what was `doing`. */
export async function queryRows<Row extends pg.QueryResultRow>(
  client: pg.Client,
  doing: string,
  sql: string,
): Promise<Row[]> {
  try {
    return (await client.query<Row>(sql)).rows
  } catch (error) {
    throw postgresError(doing, error)
  }
}

/** Ends a connection, in order if the server answers soon, and in any case. */
export async function disconnect(client: pg.Client): Promise<void> {
  const { stream } = (client as unknown as { connection: pg.Connection }).connection
  const timer = setTimeout(() => stream.destroy(), DISCONNECT_TIMEOUT_MS)
  await client.end().catch(() => undefined)
  clearTimeout(timer)
}

/** Runs `work` where all statements of `client` see the same state of the catalogue. */
export async function inOneSnapshot<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  const doing = 'reading the catalogue failed'
  await queryRows(client, doing, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    return await work()
  } finally {
    await queryRows(client, doing, 'ROLLBACK').catch(() => undefined) // the connection is lost, as `work` tells
  }
}
