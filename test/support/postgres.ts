import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

/** Server settings by name, as in `postgresql.conf`. */
export type ServerSettings = Record<string, string>

export interface ServerConnection {
  host: string
  port: number
  user: string
  database: string
}

/**
 * A real Postgres server of its own folder, port and socket; gone with the process that started it, however it ends.
 */
export interface PostgresServer extends AsyncDisposable {
  /** Over the unix socket (over TCP on Windows), as superuser. */
  readonly connection: ServerConnection
  /** The same over TCP on the loopback interface. */
  readonly tcpConnection: ServerConnection
  /** Runs one simple query, or several separated by semicolons, on a connection of its own. */
  query(sql: string, database?: string): Promise<pg.QueryResult>
  /** Makes an empty database with a unique name starting with `prefix`; returns a connection to it. */
  createDatabase(prefix: string): Promise<ServerConnection>
  /** Shuts down in order; clients are cut off. The folder stays, `start` continues. */
  stop(): Promise<void>
  /** Ends all server processes at once, as a crash would; `start` then recovers from the log. */
  crash(): Promise<void>
  start(settings?: ServerSettings): Promise<void>
  /** The last 64 KB of the server's log. */
  log(): Promise<string>
  /** Stops the server and removes its folder. */
  close(): Promise<void>
}

/**
 * Starts a server with `wal_level=logical`, trust authentication and 20 slots and senders; `settings` go on top.
 * Takes about 0.3 s; a few seconds the first time, when binaries and an initial data folder are put into the cache.
 */
export async function startPostgres(settings: ServerSettings = {}): Promise<PostgresServer> {
  const supervisor = fork(fileURLToPath(new URL('./postgres-supervisor.mjs', import.meta.url)), [], {
    detached: true, // not in the terminal's process group: Ctrl-C must leave it alive to clean up
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  })
  let queue: Promise<unknown> = Promise.resolve()
  const ask = <Result = void>(operation: string, argument?: unknown): Promise<Result> => {
    const answer = queue.then(async () => {
      supervisor.ref()
      supervisor.channel?.ref()
      const answered = new AbortController()
      const { signal } = answered
      const exited = once(supervisor, 'exit', { signal }).then(() => [{ error: 'The Postgres supervisor ended.' }])
      exited.catch(() => undefined) // not waited for once there is an answer
      supervisor.send({ operation, argument })
      const [reply] = await Promise.race([once(supervisor, 'message', { signal }), exited])
      answered.abort()
      supervisor.unref()
      supervisor.channel?.unref()
      if (reply.error !== undefined) throw new Error(reply.error)
      return reply.result
    })
    queue = answer.catch(() => undefined)
    return answer
  }

  const { folder, port } = await ask<{ folder: string; port: number }>('create', settings)
  const tcpConnection = { host: '127.0.0.1', port, user: 'postgres', database: 'postgres' }
  const connection = existsSync(`${folder}/.s.PGSQL.${port}`) ? { ...tcpConnection, host: folder } : tcpConnection
  let databases = 0

  const query = async (sql: string, database = 'postgres') => {
    const client = new pg.Client({ ...connection, database })
    client.on('error', () => undefined) // the query itself rejects
    await client.connect()
    try {
      return await client.query(sql)
    } finally {
      await client.end()
    }
  }
  const close = async () => {
    if (supervisor.exitCode !== null || !supervisor.connected) return
    await queue
    supervisor.ref()
    const exited = once(supervisor, 'exit')
    supervisor.disconnect()
    await exited
  }
  return {
    connection,
    tcpConnection,
    query,
    close,
    stop: () => ask('stop'),
    crash: () => ask('crash'),
    start: (changed = {}) => ask('start', { ...settings, ...changed }),
    log: () => ask<string>('log'),
    async createDatabase(prefix) {
      const database = `${prefix}_${++databases}`
      await query(`CREATE DATABASE ${pg.escapeIdentifier(database)}`)
      return { ...connection, database }
    },
    [Symbol.asyncDispose]: close,
  }
}
