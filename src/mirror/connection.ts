import pg from 'pg'
import { SnapheapError } from '../errors'
import { cancellableClient, cutOff, isBusy } from './cut-off'
import { OWN_TYPES } from './own-types'
import { isFileOfConnection, tlsRemedy } from './tls-remedies'

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
  default_transaction_read_only: 'off', // the mirror sets up slot and publication
  default_transaction_isolation: 'read committed',
  synchronous_commit: 'local', // a synchronous standby may be the mirror itself, which does not stream yet
}

/** Connection attempts give up after this long unless the options say otherwise. */
const CONNECT_TIMEOUT_MS = 10_000
/** A server that has not closed a connection after this long is not waited for. */
const DISCONNECT_TIMEOUT_MS = 1_000
/** A statement on the catalogue that is not answered after this long is given up, and its connection with it. */
const ANSWER_TIMEOUT_MS = 30_000

/**
 * A connected client, for the caller to end. `purpose` `'query'`: with the mirror's session settings. `'replication'`:
 * the same as a logical replication connection, which takes replication commands as well as simple queries. `'write'`:
 * with the settings and the types of its user. A loss of the connection rejects what is under way; `onLost` is called
 * when nothing is. `signal` ends the connection at any time. Throws `POSTGRES`, and the reason of `signal`.
 */
export async function connect(
  options: ConnectionOptions,
  purpose: 'query' | 'replication' | 'write',
  onLost: (error: SnapheapError) => void = () => undefined,
  signal?: AbortSignal,
): Promise<pg.Client> {
  const given = typeof options === 'string' ? { connectionString: options } : options
  const config: pg.ClientConfig & { replication?: string } = {
    fallback_application_name: 'snapheap',
    keepAlive: true,
    ...given,
    connectionTimeoutMillis: given.connectionTimeoutMillis || CONNECT_TIMEOUT_MS,
    query_timeout: 0,
    pipeline: false,
    ...(purpose === 'write' ? {} : { types: OWN_TYPES }),
    ...(purpose === 'replication' ? { replication: 'database' } : {}),
  }
  let client: pg.Client | undefined
  const cut = (): void => {
    if (client !== undefined) cutOff(client)
  }
  try {
    signal?.throwIfAborted()
    client = cancellableClient(config)
    client.on('error', (error) => onLost(postgresError('the connection was lost', error)))
    client.once('end', () => signal?.removeEventListener('abort', cut))
    signal?.addEventListener('abort', cut)
    await client.connect()
    if (purpose !== 'write') await setUpSession(client)
    return client
  } catch (error) {
    signal?.removeEventListener('abort', cut)
    client?.end().catch(() => undefined)
    throw signal?.aborted === true ? signal.reason : postgresError('connecting failed', error)
  }
}

async function setUpSession(client: pg.Client): Promise<void> {
  const doing = 'connecting failed'
  await queryRows(client, doing, 'SET statement_timeout = 0') // first: a configured one may be too short for the rest
  const settings = Object.entries(SESSION_SETTINGS).map(([name, value]) => `('${name}', '${value}')`)
  await queryRows(
    client,
    doing,
    `SELECT set_config(s.name, s.value, false) FROM (VALUES ${settings.join(', ')}) AS s (name, value)
     WHERE current_setting(s.name, true) IS NOT NULL`,
  )
}

/**
 * Two connections, opened at the same time, for work that looks at the server from two of them; ended when it has
 * ended. Throws as `connect`.
 */
export async function withConnections<T>(
  options: ConnectionOptions,
  signal: AbortSignal,
  work: (client: pg.Client, outside: pg.Client) => Promise<T>,
): Promise<T> {
  const open = () => connect(options, 'query', undefined, signal)
  const both = await Promise.allSettled([open(), open()])
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

const FILES =
  'Check the names of files in sslrootcert, sslcert and sslkey of the connection, and the right to read them'

/** SQLSTATE classes and codes after which the same attempt may succeed: connection, resources, server shutting down. */
const TRANSIENT = /^(08|53|57P0|40|55006|55P03|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOENT|EAI_AGAIN)/

/** What PgBouncer says of a parameter that it does not pass on: `replication`, or one in `options`. */
const POOLER_REFUSAL = /unsupported startup parameter/
const POOLER_REMEDY =
  'A connection pooler (PgBouncer) answers there, and it does not pass on replication or these settings. Connect ' +
  'to the Postgres server directly, past the pooler'

/**
 * `error` from `pg` as a `POSTGRES` error: what was `doing`, the server's words, the remedy. `details.sqlState` has the
 * SQLSTATE where the server gave one, `details.isTransient` tells whether trying again can help.
 */
export function postgresError(doing: string, error: unknown): SnapheapError {
  if (error instanceof SnapheapError) return error
  const { message, code = '', detail, hint } = error as Partial<pg.DatabaseError>
  const isPooler = code === '08P01' && POOLER_REFUSAL.test(message ?? '')
  const remedy = isFileOfConnection(error)
    ? FILES
    : isPooler
      ? POOLER_REMEDY
      : (tlsRemedy(code, message ?? '') ?? hint ?? REMEDIES.find(([prefix]) => code.startsWith(prefix))![1])
  const isServerAnswer = error instanceof pg.DatabaseError
  const words = [message, detail].filter(Boolean).join('; ').replace(/\.$/, '')
  return new SnapheapError(
    'POSTGRES',
    `Postgres: ${doing}: ${words}${code === '' ? '' : ` (${code})`}. ${remedy.replace(/\.$/, '')}.`,
    {
      ...(isServerAnswer ? { sqlState: code } : {}),
      // Without a code the connection itself broke ("Connection terminated unexpectedly", "timeout expired").
      isTransient: code === '' ? !isServerAnswer : TRANSIENT.test(code) && !isPooler,
    },
    error,
  )
}

/**
 * Rows of the simple query `sql`, of its last statement where it has several. The caller knows them to be of type
 * `Row`. Throws `POSTGRES`, saying what was `doing`; so, too, where the server has not answered after `withinMs`: the
 * connection is cut off then.
 */
export async function queryRows<Row extends pg.QueryResultRow>(
  client: pg.Client,
  doing: string,
  sql: string,
  withinMs = ANSWER_TIMEOUT_MS,
): Promise<Row[]> {
  return (await queryEach<Row>(client, doing, sql, withinMs)).at(-1)!
}

/** The same, with the rows of each statement. */
export async function queryEach<Row extends pg.QueryResultRow>(
  client: pg.Client,
  doing: string,
  sql: string,
  withinMs = ANSWER_TIMEOUT_MS,
): Promise<Row[][]> {
  const stop = afterSilence(withinMs, () => cutOff(client))
  try {
    const results: pg.QueryResult<Row> | pg.QueryResult<Row>[] = await client.query<Row>({
      text: sql,
      types: OWN_TYPES,
    })
    return [results].flat().map(({ rows }) => rows)
  } catch (error) {
    throw stop() ? noAnswer(doing, withinMs) : postgresError(doing, error)
  } finally {
    stop()
  }
}

/**
 * Calls `giveUp` after a time, unless the returned function was called before, which tells whether it came too late. An
 * answer that is in the socket is still taken where this process could not do anything for a while.
 */
function afterSilence(withinMs: number, giveUp: () => void): () => boolean {
  let isOver = false
  let isLate = false
  const timer = setTimeout(async () => {
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
    if (isOver) return
    isLate = true
    giveUp()
  }, withinMs)
  return () => {
    isOver = true
    clearTimeout(timer)
    return isLate
  }
}

/** The error for a server that has gone silent, or is kept waiting. */
export function noAnswer(doing: string, withinMs: number): SnapheapError {
  return new SnapheapError(
    'POSTGRES',
    `Postgres: ${doing}: no answer within ${withinMs} ms, so that the connection was given up. Check the network, ` +
      'the load of the server, and whether the statement waits for a lock there.',
    { isTransient: true },
  )
}

/** Ends a connection, in order if the server answers soon, and in any case. A statement under way is cancelled. */
export async function disconnect(client: pg.Client): Promise<void> {
  if (isBusy(client)) cutOff(client)
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
